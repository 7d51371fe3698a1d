"""What the calls of the SDK do, without a network: each is a generator that yields what is to be sent and gets what came back.

Retries, waiting, and uploads before a submit are written here once; the two clients of `happyhorse.client` only send and sleep.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict, TypeVar, cast
from urllib.parse import quote

from happyhorse.errors import Canceled, HappyHorseError, InvalidRequest, LimitExceeded

T = TypeVar("T")
File = str | Path
"""A local file (uploaded first), the id of an upload, or a data URL."""

TERMINAL = ("succeeded", "failed", "canceled")
RETRY_STATUS = (502, 503, 504)
_MAX_WAIT_S = 60.0
TRIES = 5
FIRST_PAUSE_S, _MAX_PAUSE_S = 0.2, 2.0
_MEDIA = ("image", "video", "voice")


class Unreachable(HappyHorseError):
    """The server cannot be reached."""

    code = "unreachable"
    status = 503
    retryable = True


class Fields(TypedDict, total=False):
    """What can be asked for besides the prompt; see GenerationRequest."""

    image: File
    references: Sequence[File]
    video: File
    voice: File
    characters: Mapping[str, Sequence[int]]
    language: str
    duration: int
    resolution: str
    ratio: str
    reframe: str
    seed: int
    watermark: bool
    no_audio: bool
    audio: str
    engine: str
    draft: bool
    fit: bool
    negative_prompt: str
    metadata: Mapping[str, str]
    parent: str
    priority: int
    webhook_url: str


@dataclass(frozen=True)
class Generation:
    """A job as the server told it last. `facts` is the whole answer."""

    id: str
    status: str
    percent: float
    stage: str | None
    eta_s: float | None
    price_usd: float
    cost_usd: float
    url: str | None
    preview_url: str | None
    """A small picture of the clip as it will be, while it is made and the engine has one."""
    facts: Mapping[str, Any]

    @property
    def is_over(self) -> bool:
        return self.status in TERMINAL

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Generation:
        progress, output = facts["progress"], facts["output"]
        return cls(
            id=facts["id"],
            status=facts["status"],
            percent=progress["percent"],
            stage=progress["stage"],
            eta_s=progress["eta_s"],
            price_usd=facts["price_usd"],
            cost_usd=facts["cost_usd"],
            url=output["url"] if output else None,
            preview_url=progress.get("preview_url"),
            facts=facts,
        )


@dataclass(frozen=True)
class Event:
    """Something that happened to a job."""

    number: int
    type: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Page:
    """Some generations, newest first, and the cursor of the next page."""

    data: Sequence[Generation]
    next_cursor: str | None


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    json: Mapping[str, object] | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    upload: Path | None = None
    save_to: Path | None = None
    safe: bool = True
    """Whether sending it twice does no harm."""


@dataclass(frozen=True)
class Answer:
    status: int
    content: bytes
    retry_after_s: float | None = None

    def facts(self) -> dict[str, Any]:
        return cast(dict[str, Any], json.loads(self.content))


@dataclass(frozen=True)
class Pause:
    seconds: float


Flow = Generator[Call | Pause, Answer | Unreachable | None, T]
OnProgress = Callable[[Generation], None]


def ask(call: Call) -> Flow[Answer]:
    """Send a call, again if that is safe and may help. Raises: the server's error as one of ours."""
    for attempt in range(TRIES):
        answer = yield call
        last = attempt == TRIES - 1 or not call.safe
        if isinstance(answer, Unreachable):
            if last:
                raise answer
            pause = FIRST_PAUSE_S * 2**attempt
        else:
            assert answer is not None
            if answer.status < 400:
                return answer
            if last or not _may_help(answer):
                raise error_of(answer)
            pause = min(answer.retry_after_s or FIRST_PAUSE_S * 2**attempt, _MAX_WAIT_S)
        yield Pause(pause)
    raise AssertionError


def _may_help(answer: Answer) -> bool:
    """Whether to ask again; a limit that no short wait lifts is the caller's business."""
    if answer.status == LimitExceeded.status:
        return answer.retry_after_s is not None and answer.retry_after_s <= _MAX_WAIT_S
    return answer.status in RETRY_STATUS


def error_of(answer: Answer) -> HappyHorseError:
    facts: dict[str, Any] = {}
    with suppress(ValueError):
        facts = answer.facts()
    if "code" not in facts:
        return _made("error", answer.status, f"the server answered {answer.status}")
    if facts["code"] == LimitExceeded.code:
        return LimitExceeded(facts["detail"], retry_after_s=answer.retry_after_s)
    return _made(facts["code"], answer.status, facts["detail"], facts.get("field"))


def _made(code: str, status: int, message: str, name: str | None = None) -> HappyHorseError:
    """The error of our tree with this code, else the one with this status."""
    tree = list(_below(HappyHorseError))
    by_code = [kind for kind in tree if kind.code == code]
    by_status = [kind for kind in tree if kind.status == status]
    kind = (by_code or by_status or [HappyHorseError])[0]
    return kind(message, field=name)


def _below(kind: type[HappyHorseError]) -> Iterator[type[HappyHorseError]]:
    for inner in kind.__subclasses__():
        yield inner
        yield from _below(inner)


def _body(prompt: str, fields: Fields) -> Flow[dict[str, object]]:
    """The fields as they are sent; local files are uploaded on the way."""
    body: dict[str, object] = {"prompt": prompt, **fields}
    for name in _MEDIA:
        if name in body:
            body[name] = yield from _sent(cast(File, body[name]))
    if "references" in body:
        sent = []
        for reference in fields["references"]:
            sent.append((yield from _sent(reference)))
        body["references"] = sent
    return body


def _sent(file: File) -> Flow[str]:
    if isinstance(file, str) and re.match(r"(?i)https?://|data:|file-[\w-]+$", file):
        return file
    return cast(str, (yield from upload(Path(file)))["id"])


def upload(path: Path) -> Flow[dict[str, Any]]:
    if not path.is_file():
        raise InvalidRequest(f"there is no file '{path}'", field="file")
    # An upload that came twice is only stored once, by content; its second id expires.
    return (yield from ask(Call("POST", "/v1/files", upload=path))).facts()


def submit(prompt: str, fields: Fields, idempotency_key: str | None) -> Flow[Generation]:
    body = yield from _body(prompt, fields)
    headers = {"Idempotency-Key": idempotency_key or secrets.token_hex(16)}
    call = Call("POST", "/v1/generations", json=body, headers=headers)
    return Generation.of((yield from ask(call)).facts())


def plan(prompt: str, fields: Fields) -> Flow[dict[str, Any]]:
    body = yield from _body(prompt, fields)
    return (yield from ask(Call("POST", "/v1/plans", json=body))).facts()


def get(job_id: str) -> Flow[Generation]:
    return Generation.of((yield from ask(Call("GET", place(job_id)))).facts())


def act(job_id: str, verb: str, *, safe: bool) -> Flow[Generation]:
    call = Call("POST", f"{place(job_id)}/{verb}", safe=safe)
    return Generation.of((yield from ask(call)).facts())


def list_page(status: str | None, limit: int, cursor: str | None) -> Flow[Page]:
    given = {"status": status, "limit": str(limit), "cursor": cursor}
    params = {name: value for name, value in given.items() if value is not None}
    facts = (yield from ask(Call("GET", "/v1/generations", params=params))).facts()
    return Page([Generation.of(found) for found in facts["data"]], facts["next_cursor"])


def wait(job_id: str, on_progress: OnProgress | None, timeout_s: float | None) -> Flow[Generation]:
    end = None if timeout_s is None else time.monotonic() + timeout_s
    pause = FIRST_PAUSE_S
    while True:
        now = yield from get(job_id)
        if on_progress is not None:
            on_progress(now)
        if now.is_over:
            return _succeeded(now)
        if end is not None and time.monotonic() >= end:
            raise TimeoutError(
                f"generation {job_id} is {now.status} after {timeout_s:g} s; it goes on on the server"
            )
        yield Pause(pause)
        pause = min(_MAX_PAUSE_S, pause * 1.2)


def _succeeded(now: Generation) -> Generation:
    if now.status == "canceled":
        raise Canceled(f"generation {now.id} was canceled")
    if now.status == "failed":
        error = now.facts["error"]
        raise _made(error["code"], 500, error["message"], error["field"])
    return now


def generate(
    prompt: str, fields: Fields, on_progress: OnProgress | None, timeout_s: float | None
) -> Flow[Generation]:
    job = yield from submit(prompt, fields, None)
    return (yield from wait(job.id, on_progress, timeout_s))


def download(clip: Generation | str, path: Path) -> Flow[Path]:
    job_id = clip if isinstance(clip, str) else clip.id
    yield from ask(Call("GET", f"{place(job_id)}/content", save_to=path))
    return path


def place(job_id: str) -> str:
    return f"/v1/generations/{quote(job_id, safe='')}"


@dataclass
class Following:
    """How far a stream of events has come, over all connections that it takes."""

    after: int
    failures: int = 0
    is_done: bool = False
    is_empty: bool = True
    """Whether nothing came over this connection."""
    was_over: bool = False
    """Whether the job was over before this connection was made."""

    @property
    def pause_s(self) -> float:
        return FIRST_PAUSE_S * float(2**self.failures)

    def saw(self, event: Event) -> Event:
        self.after, self.failures, self.is_empty, self.was_over = event.number, 0, False, False
        self.is_done = event.type in TERMINAL
        return event

    def lost(self) -> bool:
        """Note that the connection broke. Returns whether that was once too often."""
        self.failures += 1
        return self.failures >= TRIES

    def found(self, job: Generation) -> None:
        """Note how the job stands after a connection without an event: one that was over by then has no more of them."""
        self.is_done, self.was_over = self.was_over, job.is_over


class EventLines:
    """Server-sent events from lines."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}

    def add(self, line: str) -> Event | None:
        if line:
            name, _, value = line.partition(":")
            if name:  # a line that starts with a colon is a comment, sent to keep the connection open
                value = value.removeprefix(" ")
                self.fields[name] = (
                    f"{self.fields[name]}\n{value}" if name == "data" and name in self.fields else value
                )
            return None
        fields, self.fields = self.fields, {}
        if "data" not in fields or not fields.get("id", "").isdigit():
            return None
        return Event(int(fields["id"]), fields.get("event", "message"), json.loads(fields["data"]))


def events(lines: Iterable[str]) -> Iterator[Event]:
    reader = EventLines()
    for line in lines:
        event = reader.add(line)
        if event is not None:
            yield event
