"""HTTP to the server that `hosted` forwards to: the key, another try when it may help, one sentence for what went wrong.

The key is sent to that server alone. It is in no plan, no job and no message; what the server says is quoted without it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import httpx

from happyhorse.engines.plan import Plan, Sound
from happyhorse.errors import (
    HappyHorseError,
    RemoteError,
    RemoteRefused,
    RemoteUnauthorized,
    RemoteUnreachable,
)

AUDIO: Mapping[Sound, str] = {"make": "auto", "retain": "origin", "remove": "remove"}
"""What becomes of the sound, as both services call it."""
PATIENCE_S = 120.0
"""How long a server may be away before its job is given up."""
MAX_CLIP_BYTES = 500_000_000
_FIRST_PAUSE_S, _MAX_PAUSE_S = 0.5, 15.0
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_BUSY = (429, 503)
_FAILING = (408, 429, 500, 502, 503, 504)
_MAX_SAID = 300
_log = logging.getLogger("happyhorse.hosted")

Json = Mapping[str, Any]
Sentence = Callable[[Json], str]
"""What an answer of this dialect says is wrong."""


@dataclass(frozen=True)
class Look:
    """How a clip stands there: waiting, running, or finished when there is a `url`. What failed is raised."""

    is_running: bool
    fraction: float | None = None
    """None when the dialect does not say."""
    url: str | None = None


@dataclass(frozen=True)
class Sent:
    """The inputs of a plan by the names that they have there."""

    image: str | None = None
    references: tuple[str, ...] = ()
    video: str | None = None


@dataclass(frozen=True)
class Local:
    """A file to send; `name` says what it is and nothing of this machine."""

    name: str
    path: Path
    mime: str


class Dialect(Protocol):
    """The wire format of one kind of server, for one model. Raises everywhere: RemoteError and what lies below it."""

    wire: Wire

    @staticmethod
    def sentence(body: Json) -> str: ...

    def send(self, file: Local) -> str:
        """Upload an input and return its name there."""
        ...

    def create(self, plan: Plan, sent: Sent) -> str:
        """Order the clip and return its id there."""
        ...

    def look(self, remote_id: str) -> Look: ...

    def cancel(self, remote_id: str) -> None:
        """Ask once; what cannot be stopped there goes on, and the log says so."""
        ...


class Wire:
    """Requests to one server. `pause` waits that many seconds and raises when the caller has had enough."""

    def __init__(
        self,
        address: str,
        key: str,
        sentence: Sentence,
        *,
        pause: Callable[[float], None],
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.address, self._key, self._sentence = address, key, sentence
        self._pause, self._patience_s = pause, patience_s
        headers = {"Authorization": f"Bearer {key}", "User-Agent": "happyhorse"}
        self._http = httpx.Client(base_url=address, headers=headers, timeout=_TIMEOUT)
        self._plain = httpx.Client(
            headers={"User-Agent": "happyhorse"}, timeout=_TIMEOUT, follow_redirects=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()
        self._plain.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        json: Json | None = None,
        headers: Mapping[str, str] | None = None,
        is_order: bool = False,
    ) -> Json:
        """Send a request and return its answer. An order is sent again only when it surely was not taken."""
        return self.facts(
            self._tried(
                lambda: self._http.request(method, path, json=json, headers=headers), is_order=is_order
            )
        )

    def tell(self, path: str, otherwise: str) -> None:
        """Post once; when that fails, log the server's reason and what follows from it."""
        try:
            answer = self._http.post(path)
            why = None if answer.is_success else self._said(answer)
        except httpx.RequestError as err:
            why = type(err).__name__
        if why is not None:
            _log.warning("%s: %s (%s)", self.address, otherwise, why)

    def post_file(
        self, url: str, file: Local, field: str, form: Mapping[str, str], *, with_key: bool
    ) -> httpx.Response:
        """Send a form whose last part is the file, to a path of this server or, without the key, to any URL."""
        client = self._http if with_key else self._plain

        def send() -> httpx.Response:
            with file.path.open("rb") as content:
                part = {field: (file.name, content, file.mime)}
                return client.post(url, data=dict(form), files=part, follow_redirects=False)

        with self._followed():
            answer = self._tried(send)
        if answer.is_success:
            return answer
        if with_key:
            raise self._error(answer)
        said = self._said(answer)
        raise RemoteError(f"{self.address} named a place for {file.name} that did not take it ({said})")

    def finished(self, link: object) -> Look:
        """A finished clip by its link. Raises: RemoteError for what is no link."""
        if not isinstance(link, str) or not link.startswith(("https://", "http://")):
            raise RemoteError(f"{self.address} finished the clip and named no link to it")
        return Look(is_running=True, url=link)

    def download(self, url: str, into: Path, on_bytes: Callable[[int, int], None]) -> None:
        """Write what lies at a URL that the server named; no key goes there. `on_bytes` hears of bytes had, bytes in all."""
        with self._followed():
            answer = self._tried(lambda: self._fetched(url, into, on_bytes))
        if answer.status_code != 200:
            raise RemoteError(
                f"the finished clip of {self.address} cannot be fetched: its link answered {answer.status_code}"
            )

    @contextmanager
    def _followed(self) -> Iterator[None]:
        """Around a URL that the server named."""
        try:
            yield
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects) as err:
            raise RemoteError(f"{self.address} named a link that leads nowhere") from err

    def _fetched(self, url: str, into: Path, on_bytes: Callable[[int, int], None]) -> httpx.Response:
        with self._plain.stream("GET", url) as answer:
            if answer.status_code != 200:
                return answer
            length = answer.headers.get("content-length", "")
            total, had = int(length) if length.isdigit() else 0, 0
            with into.open("wb") as file:
                for part in answer.iter_bytes():
                    had += len(part)
                    if had > MAX_CLIP_BYTES:
                        raise RemoteError(
                            f"the finished clip of {self.address} is larger than {MAX_CLIP_BYTES // 1_000_000} MB"
                        )
                    file.write(part)
                    on_bytes(had, max(total, had))
            return answer

    def _tried(self, send: Callable[[], httpx.Response], *, is_order: bool = False) -> httpx.Response:
        """Raises: RemoteUnreachable when it does not help for `patience_s`; what `pause` raises."""
        end = time.monotonic() + self._patience_s
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                answer = send()
                if answer.status_code not in (_BUSY if is_order else _FAILING):
                    return answer
                why = f"does not serve now ({self._said(answer)})"
            except httpx.UnsupportedProtocol:
                raise
            except httpx.TransportError as err:
                why = f"cannot be reached ({type(err).__name__})"
                if is_order and not isinstance(err, httpx.ConnectError | httpx.ConnectTimeout):
                    text = f"{self.address} was lost while it took the order ({type(err).__name__}); it may make the clip all the same"
                    raise RemoteUnreachable(text) from err
            if time.monotonic() + pause_s > end:
                raise RemoteUnreachable(f"{self.address} {why}; tried for {self._patience_s:g} s")
            self._pause(pause_s)
            pause_s = min(2 * pause_s, _MAX_PAUSE_S)

    def facts(self, answer: httpx.Response) -> Json:
        """What an answer says. Raises: RemoteError and what lies below it for an error or what is no object."""
        if not answer.is_success:
            raise self._error(answer)
        facts = _object(answer)
        if facts is None:
            kind = answer.headers.get("content-type", "no type")[:40]
            raise RemoteError(
                f"{self.address} answered {answer.status_code} with {kind}, which is not its API"
            )
        return facts

    def _error(self, answer: httpx.Response) -> HappyHorseError:
        said = self._said(answer)
        if answer.status_code in (401, 403):
            return RemoteUnauthorized(
                f"{self.address} does not take the key in HAPPYHORSE_HOSTED_KEY: {said}"
            )
        if answer.status_code < 500:
            return RemoteRefused(f"{self.address} refused the request: {said}")
        return RemoteError(f"{self.address} failed: {said}")

    def _said(self, answer: httpx.Response) -> str:
        facts = _object(answer)
        return self.quoted(self._sentence(facts) if facts else "") or f"it answered {answer.status_code}"

    def quoted(self, text: str) -> str:
        """What the server said, fit to stand in a message: one line, not too long, without the key."""
        plain = "".join(c for c in " ".join(text.split()) if c.isprintable()).replace(self._key, "***")
        return plain if len(plain) <= _MAX_SAID else f"{plain[: _MAX_SAID - 3]}..."


def _object(answer: httpx.Response) -> Json | None:
    try:
        found = answer.json()
    except (ValueError, httpx.ResponseNotRead):
        return None
    return found if isinstance(found, dict) else None


def text_at(facts: Json, *names: str) -> str:
    """The text at a place inside an answer; empty when there is none."""
    found: object = facts
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""
