"""Runware: arrays of tasks over a WebSocket, or posted, at `/runware`. Source: specs/api.md section 9.

    Runware(api_key=..., url="ws://host:port/runware")

A task carries the UUID that its caller gave it. That is the idempotency key of its job: a task that is sent again after a lost
connection finds its job, and so does a question for its result. Jobs of other layers are found by their own id.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from fastapi import APIRouter, Request, WebSocket
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from happyhorse.api.auth import Identity
from happyhorse.api.body import parse_json
from happyhorse.api.compat.common import clip_url, queue
from happyhorse.api.compat.follow import finished
from happyhorse.api.compat.reading import Translation, require, tier, translate
from happyhorse.api.context import Context, Here
from happyhorse.errors import HappyHorseError, InvalidRequest, NotFound, Unauthenticated
from happyhorse.jobs.job import MICROS, Job, Status
from happyhorse.jobs.keys import Scope

_log = logging.getLogger("happyhorse.api")
_KEY = "runware-"
_MAX_TASKS = 32
_CODES = {
    "unauthenticated": "invalidApiKey",
    "forbidden": "forbidden",
    "not_found": "notFound",
    "limit_exceeded": "rateLimitExceeded",
    "invalid_request": "invalidParameter",
    "invalid_media": "invalidMedia",
    "unsupported": "unsupported",
}
_NAMES = {
    "prompt": ("positivePrompt",),
    "image": ("frameImages",),
    "references": ("referenceImages",),
    "audio": ("audioSetting",),
}

Message = Mapping[str, Sequence[Mapping[str, object]]]
"""What is sent back: `data` or `errors`, a list of entries."""

router = APIRouter(include_in_schema=False)


# -- translations ----------------------------------------------------------------------------------------------------------


def to_request(task: Mapping[str, object]) -> Translation:
    """Our request from a videoInference task. Raises: InvalidRequest, ModelNotFound naming their parameter."""
    require(task, "model")
    if task.get("numberResults") not in (None, 1):
        raise InvalidRequest("numberResults must be 1", field="numberResults")
    given = _part(task, "inputs")
    flat = {**_part(_part(task, "providerSettings"), "alibaba"), **_part(task, "settings"), **task}
    frames = given.get("frameImages") or given.get("image") or task.get("frameImages")
    flat["frameImages"] = [_frame(entry) for entry in _listed(frames)]
    flat["referenceImages"] = _references(given.get("referenceImages") or task.get("referenceImages"))
    flat["video"] = given.get("video")
    model = str(task["model"]).replace(":", "/").replace("@", "-")
    return translate({**flat, **_size(task)}, model=model, names=_NAMES)


def _part(task: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = task.get(name) or {}
    if not isinstance(part, dict):
        raise InvalidRequest(f"{name} must be an object; got {str(part)[:40]!r}", field=name)
    return part


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _frame(entry: object) -> object:
    """The picture of a frame. Raises: InvalidRequest for any frame but the first."""
    if not isinstance(entry, dict):
        return entry
    if entry.get("frame") not in (None, "first", 0):
        text = f"frameImages may hold the first frame only; got frame {str(entry['frame'])[:40]!r}"
        raise InvalidRequest(text, field="frameImages")
    return entry.get("image") or entry.get("inputImage")


def _references(value: object) -> list[object]:
    found: list[object] = []
    for entry in _listed(value):
        found += _listed(entry.get("images") or entry.get("image")) if isinstance(entry, dict) else [entry]
    return found


def _size(task: Mapping[str, object]) -> Mapping[str, object]:
    """Resolution and ratio of a size in pixels. Raises: InvalidRequest for a size that is none of ours."""
    width, height = task.get("width"), task.get("height")
    if width is None and height is None:
        return {}
    found = None
    if isinstance(width, int) and isinstance(height, int) and min(width, height) > 0:
        found = tier(width, height)
    if found is None:
        text = f"width and height must have a ratio that is made here, such as 1280 and 720; got {width} and {height}"
        raise InvalidRequest(text, field="width")
    return {"resolution": found[0], "ratio": found[1]}


def from_job(job: Job, task_uuid: str, video_url: str | None) -> dict[str, object]:
    """Their response of a job that did not fail. The SDK overlooks those without a videoUUID."""
    told: dict[str, object] = {"taskType": "videoInference", "taskUUID": task_uuid, "videoUUID": job.id}
    if video_url is None or job.output is None:
        return {**told, "status": "processing"}
    cost = job.cost_micros / MICROS
    return {**told, "status": "success", "videoURL": video_url, "seed": job.output["seed"], "cost": cost}


def from_error(err: HappyHorseError, task: Mapping[str, object]) -> dict[str, object]:
    told = {"code": _CODES.get(err.code, err.code), "message": err.message, "parameter": err.field}
    return {**told, "taskType": task.get("taskType"), "taskUUID": task.get("taskUUID")}


def _from_failure(job: Job, task: Mapping[str, object]) -> dict[str, object]:
    code, text = (job.error.code, job.error.message) if job.error else ("canceled", "the task was canceled")
    return {"code": code, "message": text, "taskType": "videoInference", "taskUUID": task.get("taskUUID")}


# -- a conversation --------------------------------------------------------------------------------------------------------


@dataclass
class _Session:
    """Who talks, and from where. `request` stands for every task; an authentication task adds its key to it."""

    request: Request
    here: Context
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))

    async def answer(self, task: Mapping[str, object]) -> Message:
        """The message that answers a task: `data` or `errors`, with one entry."""
        try:
            return await self._answer(task)
        except HappyHorseError as err:
            return {"errors": [from_error(err, task)]}
        except Exception:  # a socket has no handler around it that would answer
            _log.exception("a task of type %s failed", task.get("taskType"))
            return {"errors": [from_error(HappyHorseError("the server failed; the log says why"), task)]}

    async def _answer(self, task: Mapping[str, object]) -> Message:
        kind = task.get("taskType")
        if kind == "authentication":
            return _data(await self._authenticate(task))
        if kind == "ping":
            return _data({"taskType": "ping", "pong": True})
        if kind == "videoInference":
            return await self._infer(task)
        if kind == "getResponse":
            who = await self._identify("read")
            return self._told(await run_in_threadpool(self._find, task, who), task)
        known = "authentication, ping, videoInference or getResponse"
        raise InvalidRequest(f"taskType must be {known}; got {str(kind)[:40]!r}", field="taskType")

    async def _authenticate(self, task: Mapping[str, object]) -> Mapping[str, object]:
        key = task.get("apiKey")
        if not isinstance(key, str) or not key.strip():
            raise Unauthenticated("apiKey must be a key", field="apiKey")
        self.request = _with_key(self.request, key)
        await self._identify("read")
        return {"taskType": "authentication", "connectionSessionUUID": self.uuid}

    async def _identify(self, scope: Scope) -> Identity:
        return await run_in_threadpool(self.here.auth.identify, self.request, scope)

    async def _infer(self, task: Mapping[str, object]) -> Message:
        who = await self._identify("generate")
        job = await queue(to_request(task), self.request, self.here, who, idempotency_key=_KEY + _uuid(task))
        if task.get("deliveryMethod") == "sync":
            return self._told(await finished(job, self.here), task)
        return _data({"taskType": "videoInference", "taskUUID": task["taskUUID"]})

    def _find(self, task: Mapping[str, object], who: Identity) -> Job:
        name = _uuid(task)
        try:
            return self.here.service.store.keyed(_KEY + name, owner=who.caller.owner)
        except NotFound:
            return self.here.service.store.get(name, owner=who.sees)

    def _told(self, job: Job, task: Mapping[str, object]) -> Message:
        if job.status in (Status.FAILED, Status.CANCELED):
            return {"errors": [_from_failure(job, task)]}
        return _data(from_job(job, str(task["taskUUID"]), clip_url(job, self.request, self.here)))


def _data(entry: Mapping[str, object]) -> Message:
    return {"data": [entry]}


def _uuid(task: Mapping[str, object]) -> str:
    try:
        return str(uuid.UUID(str(task.get("taskUUID"))))
    except ValueError as err:
        text = f"taskUUID must be a UUID; got {str(task.get('taskUUID'))[:40]!r}"
        raise InvalidRequest(text, field="taskUUID") from err


def _read(text: str | bytes) -> list[Mapping[str, object]]:
    """The tasks of a message. Raises: InvalidRequest."""
    tasks = parse_json(text)
    tasks = [tasks] if isinstance(tasks, dict) else tasks
    if not isinstance(tasks, list) or len(tasks) > _MAX_TASKS or not all(isinstance(t, dict) for t in tasks):
        raise InvalidRequest(f"a message must be an array of at most {_MAX_TASKS} tasks")
    return tasks


def _with_key(request: Request, key: str) -> Request:
    """The same request with a credential."""
    kept = [pair for pair in request.scope["headers"] if pair[0] != b"authorization"]
    bearer = (b"authorization", f"Bearer {key.strip()}".encode("latin-1", "replace"))
    return Request({**request.scope, "headers": [*kept, bearer]})


# -- over HTTP and over a socket -------------------------------------------------------------------------------------------


@router.post("/runware")
async def post(request: Request, here: Here) -> JSONResponse:
    """The tasks of one message, one after the other."""
    session = _Session(request, here)
    try:
        answers = [await session.answer(task) for task in _read(await request.body())]
    except HappyHorseError as err:
        answers = [{"errors": [from_error(err, {})]}]
    told = {
        name: [entry for answer in answers for entry in answer.get(name, ())] for name in ("data", "errors")
    }
    return JSONResponse(
        {name: entries for name, entries in told.items() if entries}, 400 if told["errors"] else 200
    )


@router.websocket("/runware")
async def talk(socket: WebSocket) -> None:
    """Tasks in, answers out, each when it is there; only what says who is calling is waited for."""
    await socket.accept()
    scheme = {"wss": "https"}.get(socket.scope["scheme"], "http")
    session = _Session(
        Request({**socket.scope, "type": "http", "scheme": scheme, "method": "POST"}),
        socket.app.state.context,
    )
    running: set[asyncio.Task[None]] = set()

    async def answer(task: Mapping[str, object]) -> None:
        await socket.send_json(await session.answer(task))

    try:
        async for text in _messages(socket):
            try:
                tasks = _read(text)
            except HappyHorseError as err:
                await socket.send_json({"errors": [from_error(err, {})]})
                continue
            for task in tasks:
                doing = asyncio.create_task(answer(task))
                running.add(doing)
                doing.add_done_callback(running.discard)
                if task.get("taskType") == "authentication":
                    await doing
    finally:
        for doing in running:
            doing.cancel()


async def _messages(socket: WebSocket) -> AsyncIterator[str | bytes]:
    while (message := await socket.receive())["type"] == "websocket.receive":
        yield message.get("text") or message.get("bytes") or b""
