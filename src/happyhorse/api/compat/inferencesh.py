"""inference.sh: `/apps/run` and `/tasks`, whose SDK takes another base URL. Source: specs/api.md section 6.

A task is told as one JSON object, by polling or as a stream of lines (or of server-sent events, for older clients). Local
files go to a signed address first, and the link that reads them stands in the input.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from sse_starlette import ServerSentEvent
from starlette.concurrency import run_in_threadpool

from happyhorse.api.access import caller_and_body, job_for_caller
from happyhorse.api.compat.common import (
    clip_url,
    dialect_route,
    input_of,
    iso_time,
    model_name,
    queue,
    told_clip_url,
    usage,
    webhook_target,
)
from happyhorse.api.compat.follow import snapshots
from happyhorse.api.compat.reading import translate
from happyhorse.api.compat.uploads import file_url, open_upload
from happyhorse.api.context import Context, Here
from happyhorse.api.links import Links
from happyhorse.api.streams import event_stream
from happyhorse.errors import Conflict, HappyHorseError, InvalidRequest, NotFound
from happyhorse.jobs.job import Job, Status
from happyhorse.jobs.webhooks import Message

FORM = "inferencesh"
_STATUS: Mapping[Status, int] = {
    Status.QUEUED: 2,
    Status.RUNNING: 7,
    Status.CANCELING: 8,
    Status.SUCCEEDED: 10,
    Status.FAILED: 11,
    Status.CANCELED: 12,
}
_INPUT_NAMES: Mapping[str, str] = {"audio": "audio_setting", "references": "reference_images"}
_LINE_S = 8.0  # the SDK gives a stream up that carries no task for 30 s
_MAX_FILES = 32

_Role = Annotated[Literal["input", "output"] | None, Query()]


# -- translations ----------------------------------------------------------------------------------------------------------


def app_name(body: Mapping[str, object]) -> str:
    """The app without its version and function. Raises: InvalidRequest."""
    name = body.get("app")
    if not isinstance(name, str) or not name.strip():
        raise InvalidRequest(
            f"app must be the name of an app, such as alibaba/happyhorse-1-1-t2v; got {str(name)[:40]!r}",
            field="app",
        )
    return name.split("@")[0].split(":")[0].strip()


def from_job(job: Job, video_url: str | None) -> dict[str, object]:
    """Their task from our job."""
    moment = job.finished_at or job.started_at or job.created_at
    return {
        "id": job.id,
        "app": model_name(job),
        "status": _STATUS[job.status],
        "input": input_of(job, _INPUT_NAMES, _shown),
        "output": None if video_url is None else {"video": video_url, "output_meta": _meta(job)},
        "error": None if job.error is None else job.error.message,
        "logs": [],
        "progress": round(100 * job.fraction, 1),
        "session_id": None,
        "created_at": iso_time(job.created_at),
        "updated_at": iso_time(moment),
    }


def _shown(value: object) -> object:
    """A file by its link or id, anything else as it is."""
    if isinstance(value, list | tuple):
        return [_shown(entry) for entry in value]
    return value.get("url") or value.get("file_id") if isinstance(value, dict) else value


def _meta(job: Job) -> dict[str, object]:
    """What is billed: the seconds that were made, and in an edit those of the source."""
    assert job.output is not None
    billed = usage(job)
    clip = {
        "type": "video",
        "width": job.output["width"],
        "height": job.output["height"],
        "resolution": f"{billed['SR']}p",
        "seconds": billed["output_video_duration"],
        "fps": job.output["fps"],
    }
    source = {"type": "video", "seconds": billed["input_video_duration"]}
    return {"inputs": [source] if job.mode == "edit" else [], "outputs": [clip]}


def webhook(message: Message, links: Links) -> dict[str, object]:
    """Their task, when it is over."""
    return from_job(message.job, told_clip_url(message, links))


def render_error(err: HappyHorseError) -> JSONResponse:
    body = {
        "type": f"/errors/{err.code}",
        "title": HTTPStatus(err.status).phrase,
        "status": err.status,
        "detail": err.message,
        "field": err.field,
    }
    return JSONResponse(body, err.status, media_type="application/problem+json")


def _answer(data: object) -> JSONResponse:
    return JSONResponse({"success": True, "status": 200, "data": data})


router = APIRouter(route_class=dialect_route(render_error), tags=["inference.sh"])


# -- tasks -----------------------------------------------------------------------------------------------------------------


@router.post("/run")
@router.post("/apps/run")
async def run(request: Request, here: Here) -> JSONResponse:
    """Queue a clip."""
    who, body = await caller_and_body(request, here)
    given = body.get("input") or {}
    if not isinstance(given, dict):
        raise InvalidRequest(f"input must be an object; got {str(given)[:40]!r}", field="input")
    wanted = translate(given, model=app_name(body))
    wanted = replace(wanted, names={**wanted.names, "webhook_url": "webhook"})
    target = webhook_target(body.get("webhook"), "webhook", FORM, here.links.base(request))
    job = await queue(wanted, request, here, who, webhook=target)
    return _answer(from_job(job, None))


@router.get("/tasks/{task_id}")
def show(task_id: str, request: Request, here: Here) -> JSONResponse:
    """How a task stands."""
    job = job_for_caller(task_id, request, here)
    return _answer(from_job(job, clip_url(job, request, here)))


@router.get("/tasks/{task_id}/stream", response_class=StreamingResponse)
async def stream(task_id: str, request: Request, here: Here) -> Response:
    """The task now and after each change, as lines of JSON, or as events for clients that ask for these."""
    job = await run_in_threadpool(job_for_caller, task_id, request, here)
    tasks = _tasks(job, request, here)
    if "text/event-stream" in request.headers.get("accept", ""):
        return event_stream(ServerSentEvent(line) async for line in tasks)
    # A proxy that collects lines before it hands them on would look like a stream that has stopped.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        (f"{line}\n" async for line in tasks), media_type="application/x-ndjson", headers=headers
    )


async def _tasks(job: Job, request: Request, here: Context) -> AsyncIterator[str]:
    async for latest in snapshots(job, here, every_s=_LINE_S):
        yield json.dumps(from_job(latest, clip_url(latest, request, here)), ensure_ascii=False)


@router.post("/tasks/{task_id}/cancel")
def cancel(task_id: str, request: Request, here: Here) -> JSONResponse:
    """Stop it, at once or within one step."""
    who = here.auth.identify(request, "generate")
    return _answer(from_job(here.service.store.cancel(task_id, owner=who.sees), None))


@router.delete("/tasks/{task_id}", status_code=204)
def delete(task_id: str, request: Request, here: Here, files: bool = False) -> None:
    """Forget a task that is over, and with `files` what was uploaded for it."""
    who = here.auth.identify(request, "generate")
    job = here.service.store.delete(task_id, owner=who.sees)
    if files:
        _delete_uploads(job, here, who.sees)


@router.get("/tasks/{task_id}/files")
def task_files(task_id: str, request: Request, here: Here, role: _Role = None) -> JSONResponse:
    """What it consumed and produced."""
    job = job_for_caller(task_id, request, here)
    found: list[dict[str, object]] = []
    if role != "output":
        found += [
            {"id": name, "role": "input", "uri": file_url(name, request, here)} for name in _uploads(job)
        ]
    url = clip_url(job, request, here)
    if role != "input" and url is not None:
        found.append({"id": job.id, "role": "output", "uri": url, "content_type": "video/mp4"})
    return _answer(found)


@router.delete("/tasks/{task_id}/files")
def delete_task_files(task_id: str, request: Request, here: Here, role: _Role = None) -> JSONResponse:
    """Delete what was uploaded for a task that is over; its clip goes with the task."""
    who = here.auth.identify(request, "generate")
    job = here.service.store.get(task_id, owner=who.sees)
    if not job.is_terminal:
        raise Conflict(f"task {task_id} is {job.status.value}; cancel it before deleting its files")
    deleted = [] if role == "output" else _delete_uploads(job, here, who.sees)
    skipped = [] if role == "input" or job.output is None else [{"id": job.id, "reason": "delete the task"}]
    return _answer({"deleted": deleted, "skipped": skipped})


def _uploads(job: Job) -> Sequence[str]:
    """The ids of the uploads that a job reads."""
    return [key for key in job.media if key.startswith(("file-", "oss-"))]


def _delete_uploads(job: Job, here: Context, owner: str | None) -> Sequence[str]:
    deleted = []
    for file_id in _uploads(job):
        try:
            here.service.uploads.delete(file_id, owner=owner)
        except NotFound:
            continue  # another task's files were deleted, and this was among them
        deleted.append(file_id)
    return deleted


# -- files -----------------------------------------------------------------------------------------------------------------


@router.post("/files")
async def announce_files(request: Request, here: Here) -> JSONResponse:
    """Say where each file may be put, and the link that stands for it in an input."""
    who, body = await caller_and_body(request, here)
    listed = body.get("files")
    if not isinstance(listed, list) or not 1 <= len(listed) <= _MAX_FILES:
        raise InvalidRequest(f"files must be a list of 1 to {_MAX_FILES} objects", field="files")
    made = []
    for entry in listed:
        if not isinstance(entry, dict):
            raise InvalidRequest(f"files must be objects; got {str(entry)[:40]!r}", field="files")
        name = str(entry.get("filename") or "file")
        ticket = open_upload(name, request, here, who)
        made.append(
            {
                "id": ticket.file_id,
                "uri": ticket.file_url,
                "upload_url": ticket.upload_url,
                "filename": name,
                "content_type": entry.get("content_type"),
                "size": entry.get("size"),
                "path": entry.get("path"),
            }
        )
    return _answer(made)
