"""Fetch a URL that a user gave, without letting it reach what only this machine can reach.

The name is resolved here, every address that it has must be public, and the connection goes to one of the addresses that were
checked, so a name that changes its mind in between (DNS rebinding) gains nothing. Each redirect starts again from the top.
Decimal, octal and other odd spellings of addresses need no rules of their own: what counts is where the resolver says they lead.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import IO
from urllib.parse import urljoin, urlsplit

import httpcore

from happyhorse.errors import MediaError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]

MAX_BYTES = 120_000_000
MAX_S = 20.0
MAX_REDIRECTS = 4
MAX_URL_CHARS = 4096
_CONNECT_S = 5.0
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_HEADERS: Mapping[bytes | str, bytes | str] = {
    "User-Agent": "happyhorse",
    "Accept": "image/*,video/*,audio/*,application/octet-stream;q=0.5",
}
_REDIRECTS = (301, 302, 303, 307, 308)


def is_public(address: Address) -> bool:
    """Whether the whole internet reaches the same host at this address; addresses inside addresses are looked into."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if not all(is_public(part) for part in inner if part is not None):
            return False
        if address.is_site_local:
            return False
        if address in _NAT64 or address.ipv4_mapped is not None:
            return True
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a name, in the order of the system's preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Refused(Exception):
    """The URL leads where it must not, or nowhere; the text continues 'FIELD: URL '."""


class _Guard(httpcore.NetworkBackend):
    """Opens connections to addresses that were checked, and to nothing else."""

    def __init__(self, resolve: Resolve, *, allow_local: bool) -> None:
        self.resolve, self.allow_local = resolve, allow_local
        self.inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            names = self.resolve(host.strip("[]"), port)
        except (OSError, UnicodeError) as err:
            raise Refused("has a name that does not resolve") from err
        for name in names:
            if not self.allow_local and not is_public(ipaddress.ip_address(name.partition("%")[0])):
                raise Refused("leads to an address that is not public")
        if not names:
            raise Refused("has a name without an address")
        return self.inner.connect_tcp(names[0], port, timeout, local_address, socket_options)


class Fetcher:
    """Fetches media by URL. `allow_local` is for tests and closed networks."""

    def __init__(
        self,
        *,
        allow_local: bool = False,
        resolve: Resolve = resolve,
        max_bytes: int = MAX_BYTES,
        max_s: float = MAX_S,
    ) -> None:
        self.max_bytes, self.max_s = max_bytes, max_s
        self.guard = _Guard(resolve, allow_local=allow_local)

    def fetch(self, url: str, into: IO[bytes], *, field: str) -> None:
        """Write what lies at the URL. Raises: MediaError with the field; the message never quotes an answer's content."""
        try:
            self._follow(url, into)
        except Refused as err:
            raise MediaError(f"{field}: {_shown(url)} {err}", field=field) from err
        except (httpcore.TimeoutException, TimeoutError) as err:
            raise MediaError(
                f"{field}: {_shown(url)} took longer than {self.max_s:g} s", field=field
            ) from err
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, OSError) as err:
            raise MediaError(f"{field}: {_shown(url)} cannot be fetched", field=field) from err

    def _follow(self, url: str, into: IO[bytes]) -> None:
        end = time.monotonic() + self.max_s
        for _ in range(MAX_REDIRECTS + 1):
            with self._get(_checked(url), end) as response:
                if response.status not in _REDIRECTS:
                    self._read(response, into, end)
                    return
                place = dict(response.headers).get(b"location") or dict(response.headers).get(b"Location")
            if place is None:
                raise Refused("redirects to nowhere")
            url = urljoin(url, place.decode("latin-1"))
        raise Refused(f"redirects more than {MAX_REDIRECTS} times")

    @contextmanager
    def _get(self, url: str, end: float) -> Iterator[httpcore.Response]:
        left = max(0.1, end - time.monotonic())
        times = {"connect": min(_CONNECT_S, left), "read": left, "write": left, "pool": left}
        with (
            httpcore.ConnectionPool(
                network_backend=self.guard, ssl_context=ssl.create_default_context()
            ) as pool,
            pool.stream("GET", url, headers=_HEADERS, extensions={"timeout": times}) as response,
        ):
            yield response

    def _read(self, response: httpcore.Response, into: IO[bytes], end: float) -> None:
        if response.status != 200:
            raise Refused(f"answered {response.status}")
        size = 0
        for chunk in response.iter_stream():
            size += len(chunk)
            if size > self.max_bytes:
                raise Refused(f"is larger than {self.max_bytes // 1_000_000} MB")
            if time.monotonic() > end:
                raise TimeoutError
            into.write(chunk)


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _checked(url: str) -> str:
    """The URL, if it is one that can be fetched at all."""
    if len(url) > MAX_URL_CHARS:
        raise Refused(f"has more than {MAX_URL_CHARS} characters")
    if any(ord(character) < 0x21 or ord(character) == 0x7F or character == "\\" for character in url):
        raise Refused("holds characters that no URL has")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as err:
        raise Refused("is not a URL") from err
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise Refused("is not an http or https URL")
    if "@" in parts.netloc:
        raise Refused("holds a user name")
    try:
        return parts._replace(netloc=parts.netloc.encode("idna").decode("ascii"), fragment="").geturl()
    except UnicodeError as err:
        raise Refused("has a name that cannot be written") from err


def _shown(url: str) -> str:
    """The URL without its query, which may hold a secret."""
    text = "".join(
        character if character.isprintable() else "?"
        for character in url.split("?", maxsplit=1)[0].split("#", maxsplit=1)[0]
    )
    return f"'{text.rsplit('@', 1)[-1][:100]}'"
