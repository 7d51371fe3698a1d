"""Connections to addresses that a user gave: inputs to fetch, webhooks to tell. The guard against reaching what only this machine can.

The name is resolved here, every address that it has must be public, and the connection goes to one of the addresses that were
checked, so a name that changes its mind in between (DNS rebinding) gains nothing. Decimal, octal and other odd spellings of
addresses need no rules of their own: what counts is where the resolver says they lead. Everything that happens on a connection,
looking up its name too, ends by one time, however slowly the other side sends.
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import quote, urlsplit

import httpcore

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]

MAX_URL_CHARS = 4096
_CONNECT_S = 5.0
_LOOK_UP_S = 1.0
"""How long a check waits for a name: a request is answered within two seconds."""
_LEAST_S = 0.01
_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_ASCII = "".join(map(chr, range(128)))


class Refused(Exception):
    """The URL leads where it must not, or nowhere; the text continues 'FIELD: URL '."""


class Unresolved(Refused):
    """The name does not resolve now; it may later."""


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


class Outbound:
    """Opens HTTP requests to addresses that were checked, and to nothing else. `allow_local` is for tests and closed networks."""

    def __init__(self, *, allow_local: bool = False, resolve: Resolve = resolve) -> None:
        self.allow_local, self.resolve = allow_local, resolve

    def check(self, url: str) -> str:
        """The URL in the form that can be requested, if it leads somewhere public now. Raises: Refused, Unresolved."""
        plain = checked(url)
        parts = urlsplit(plain)
        try:
            self.addresses(parts.hostname or "", parts.port or _PORTS[parts.scheme], within_s=_LOOK_UP_S)
        except httpcore.ConnectTimeout as err:
            raise Unresolved("has a name that takes long to resolve") from err
        return plain

    def addresses(self, host: str, port: int, *, within_s: float) -> Sequence[str]:
        """Where a name leads, all of it public. Raises: Refused, Unresolved; httpcore.ConnectTimeout when the resolver takes longer."""
        try:
            found = _in_time(within_s, self.resolve, host.strip("[]"), port)
        except queue.Empty as err:
            raise httpcore.ConnectTimeout from err
        except (OSError, UnicodeError) as err:
            raise Unresolved("has a name that does not resolve") from err
        for name in found:
            if not self.allow_local and not is_public(ipaddress.ip_address(name.partition("%")[0])):
                raise Refused("leads to an address that is not public")
        if not found:
            raise Unresolved("has a name without an address")
        return found

    @contextmanager
    def open(
        self, method: str, url: str, headers: Mapping[str, str], *, end: float, content: bytes | None = None
    ) -> Iterator[httpcore.Response]:
        """One request, no redirect followed; all of it, also reading the answer, must be over at `end` (time.monotonic).

        Raises: Refused; httpcore's errors of time and network; OSError.
        """
        pool = httpcore.ConnectionPool(network_backend=_Guard(self, end), ssl_context=_tls())
        with (
            pool,
            pool.stream(method, checked(url), headers=list(headers.items()), content=content) as response,
        ):
            yield response


class _Guard(httpcore.NetworkBackend):
    """Connects for one request: to an address that was checked, until its end."""

    def __init__(self, outbound: Outbound, end: float) -> None:
        self.outbound, self.end = outbound, end
        self.inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        address = self.outbound.addresses(host, port, within_s=_left(self.end, timeout or _CONNECT_S))[0]
        left = _left(self.end, timeout or _CONNECT_S)
        return _Timed(self.inner.connect_tcp(address, port, left, local_address, socket_options), self.end)


class _Timed(httpcore.NetworkStream):
    """A stream whose every step has only what is left until the end; one byte at a time wins nothing."""

    def __init__(self, inner: httpcore.NetworkStream, end: float) -> None:
        self.inner, self.end = inner, end

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.inner.read(max_bytes, _left(self.end, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.inner.write(buffer, _left(self.end, timeout))

    def close(self) -> None:
        self.inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Timed(self.inner.start_tls(ssl_context, server_hostname, _left(self.end, timeout)), self.end)

    def get_extra_info(self, info: str) -> Any:
        return self.inner.get_extra_info(info)


def _in_time(within_s: float, resolve: Resolve, host: str, port: int) -> Sequence[str]:
    """What `resolve` returns or raises. The system's own has no time limit, so it is left behind in a thread. Raises: queue.Empty."""
    outcome: queue.SimpleQueue[Sequence[str] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            outcome.put(resolve(host, port))
        except Exception as err:  # raised by the one who waits
            outcome.put(err)

    threading.Thread(target=look_up, name="name look-up", daemon=True).start()
    found = outcome.get(timeout=within_s)
    if isinstance(found, Exception):
        raise found
    return found


def _left(end: float, timeout: float | None) -> float:
    left = end - time.monotonic()
    if left < _LEAST_S:
        raise httpcore.ReadTimeout
    return left if timeout is None else min(left, timeout)


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def checked(url: str) -> str:
    """The URL as it is requested, letters outside of ASCII encoded, if it is one at all. Raises: Refused."""
    if len(url) > MAX_URL_CHARS:
        raise Refused(f"has more than {MAX_URL_CHARS} characters")
    if any(ord(character) < 0x21 or ord(character) == 0x7F or character == "\\" for character in url):
        raise Refused("holds characters that no URL has")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as err:
        raise Refused("is not a URL") from err
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        raise Refused("is not an http or https URL")
    if "@" in parts.netloc:
        raise Refused("holds a user name")
    try:
        host = parts.netloc.encode("idna").decode("ascii")
        return in_ascii(parts._replace(netloc=host, fragment="").geturl())
    except UnicodeError as err:
        raise Refused("has a name that cannot be written") from err


def in_ascii(url: str | bytes) -> str:
    """What ASCII lacks as percent and digits (text as UTF-8), the rest as it is. Raises: UnicodeError for half a surrogate pair."""
    return quote(url, safe=_ASCII)


def shown(url: str) -> str:
    """The URL without its query, which may hold a secret, fit to stand in a message."""
    text = "".join(
        character if character.isprintable() else "?"
        for character in url.split("?", maxsplit=1)[0].split("#", maxsplit=1)[0]
    )
    return f"'{text.rsplit('@', 1)[-1][:100]}'"
