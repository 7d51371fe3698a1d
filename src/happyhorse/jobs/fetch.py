"""Fetch media by a URL that a user gave: redirects checked like the first address, size and time limited."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import IO
from urllib.parse import urljoin

import httpcore

from happyhorse.errors import DiskFull, MediaError, is_disk_full
from happyhorse.jobs.outbound import Outbound, Refused, in_ascii, shown

MAX_BYTES = 120_000_000
MAX_S = 20.0
MAX_REDIRECTS = 4
_HEADERS: Mapping[str, str] = {
    "User-Agent": "happyhorse",
    "Accept": "image/*,video/*,audio/*,application/octet-stream;q=0.5",
}
_REDIRECTS = (301, 302, 303, 307, 308)


class TooSlow(MediaError):
    """The file did not come in time."""

    retryable = True


class Fetcher:
    """Fetches media from the internet."""

    def __init__(self, outbound: Outbound | None = None, *, max_bytes: int = MAX_BYTES) -> None:
        self.outbound, self.max_bytes = outbound or Outbound(), max_bytes

    def fetch(self, url: str, into: IO[bytes], *, field: str, max_s: float = MAX_S) -> None:
        """Write what lies at the URL.

        Raises: MediaError with the field, TooSlow after `max_s`; DiskFull. The message never quotes an answer's content.
        """
        try:
            self._follow(url, into, end=time.monotonic() + max_s)
        except Refused as err:
            raise MediaError(f"{field}: {shown(url)} {err}", field=field) from err
        except (httpcore.TimeoutException, TimeoutError) as err:
            raise TooSlow(f"{field}: {shown(url)} took longer than {max_s:g} s", field=field) from err
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, OSError) as err:
            if is_disk_full(err):
                raise DiskFull(f"{field}: the disk is full; there is no room for {shown(url)}") from err
            raise MediaError(f"{field}: {shown(url)} cannot be fetched", field=field) from err

    def _follow(self, url: str, into: IO[bytes], *, end: float) -> None:
        for _ in range(MAX_REDIRECTS + 1):
            with self.outbound.open("GET", url, _HEADERS, end=end) as response:
                if response.status not in _REDIRECTS:
                    self._read(response, into)
                    return
                place = {name.lower(): value for name, value in response.headers}.get(b"location")
            if place is None:
                raise Refused("redirects to nowhere")
            url = urljoin(url, in_ascii(place))
        raise Refused(f"redirects more than {MAX_REDIRECTS} times")

    def _read(self, response: httpcore.Response, into: IO[bytes]) -> None:
        if response.status != 200:
            raise Refused(f"answered {response.status}")
        size = 0
        for chunk in response.iter_stream():
            size += len(chunk)
            if size > self.max_bytes:
                raise Refused(f"is larger than {self.max_bytes // 1_000_000} MB")
            into.write(chunk)
