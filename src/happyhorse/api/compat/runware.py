"""Runware: arrays of tasks over a WebSocket, or posted, at `/runware`. `runware_tasks` translates.

    Runware(api_key=..., url="ws://host:port/runware")

A task carries the UUID that its caller gave it. That is the idempotency key of its job: a task that is sent again after a lost
connection finds its job, and so does a question for its result. Jobs of other layers are found by their own id.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from fastapi import APIRouter, Request, WebSocket
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from happyhorse.api.auth import Identity
from happyhorse.api.body import parse_json
from happyhorse.api.compat.common import clip_url, queue, webhook_target
from happyhorse.api.compat.follow import finished
from happyhorse.api.compat.runware_tasks import FORM, Answer, answer_of, from_error, task_uuid, to_request
from happyhorse.api.compat.uploads import file_url
from happyhorse.api.context import Context, Here
from happyhorse.errors import HappyHorseError, InvalidRequest, NotFound, Unauthenticated
from happyhorse.jobs.job import Job
from happyhorse.jobs.keys import Scope

_log = logging.getLogger("happyhorse.api")
_KEY = "runware-"
_MAX_TASKS = 32

router = APIRouter(include_in_schema=False)


# -- a conversation --------------------------------------------------------------------------------------------------------


@dataclass
class _Session:
    """Who talks, and from where. `request` stands for every task; an authentication task adds its key to it."""

    request: Request
    here: Context
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))

    async def answer(self, task: Mapping[str, object]) -> Answer:
        """The message that answers a task: `data` or `errors`, with one entry."""
        try:
            return await self._answer(task)
        except HappyHorseError as err:
            return {"errors": [from_error(err, task)]}
        except Exception:  # a socket has no handler around it that would answer
            _log.exception("a task of type %s failed", task.get("taskType"))
            return {"errors": [from_error(HappyHorseError("the server failed; the log says why"), task)]}

    async def _answer(self, task: Mapping[str, object]) -> Answer:
        kind = task.get("taskType")
        if kind == "authentication":
            return _data(await self._authenticate(task))
        if kind == "ping":
            return _data({"taskType": "ping", "pong": True})
        if kind == "videoInference":
            return await self._infer(task)
        if kind == "imageUpload":
            return _data(await self._upload(task))
        if kind == "getResponse":
            who = await self._identify("read")
            return self._told(await run_in_threadpool(self._find, task, who), task)
        known = "authentication, ping, imageUpload, videoInference or getResponse"
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

    async def _infer(self, task: Mapping[str, object]) -> Answer:
        who = await self._identify("generate")
        here, base_url = self.here, self.here.links.base(self.request)
        target = webhook_target(task.get("webhookURL"), "webhookURL", FORM, base_url)
        key = _KEY + task_uuid(task)
        job = await queue(to_request(task), self.request, here, who, idempotency_key=key, webhook=target)
        if task.get("deliveryMethod") == "sync":
            return self._told(await finished(job, here), task)
        return _data({"taskType": "videoInference", "taskUUID": task["taskUUID"]})

    async def _upload(self, task: Mapping[str, object]) -> Mapping[str, object]:
        """Keep a picture, which tasks may then name by its imageUUID."""
        who, image = await self._identify("generate"), task.get("image")
        if not isinstance(image, str):
            raise InvalidRequest(f"image must be a data URL or a URL; got {str(image)[:40]!r}", field="image")
        uploads = self.here.service.uploads
        add = uploads.add_data_url if image[:5].lower() == "data:" else uploads.add_url
        stored = await run_in_threadpool(add, image, owner=who.caller.owner, field="image")
        names = {
            "taskType": "imageUpload",
            "taskUUID": task_uuid(task),
            "imageUUID": stored.id.removeprefix("file-"),
        }
        return {**names, "imageURL": file_url(stored.id, self.request, self.here)}

    def _find(self, task: Mapping[str, object], who: Identity) -> Job:
        name = task_uuid(task)
        try:
            return self.here.service.store.keyed(_KEY + name, owner=who.caller.owner)
        except NotFound:
            return self.here.service.store.get(name, owner=who.sees)

    def _told(self, job: Job, task: Mapping[str, object]) -> Answer:
        return answer_of(job, task_uuid(task), clip_url(job, self.request, self.here))


def _data(entry: Mapping[str, object]) -> Answer:
    return {"data": [entry]}


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
