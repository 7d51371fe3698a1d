"""fal's queue, whose SDK takes another host (over https only). Source: specs/api.md section 7.

FAL_QUEUE_RUN_HOST=host:port        submit, status, result, cancel
FAL_RUN_HOST=host:port/run          the same addresses below /run answer when the clip is there
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from json import dumps

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from happyhorse.api.access import job_for_caller
from happyhorse.api.body import read_fields
from happyhorse.api.compat.common import clip_url, dialect_route, queue, told_clip_url, webhook_target
from happyhorse.api.compat.follow import finished, snapshots
from happyhorse.api.compat.reading import require, translate
from happyhorse.api.context import Context, Here
from happyhorse.api.links import Links
from happyhorse.api.streams import event_stream
from happyhorse.errors import Conflict, HappyHorseError, NotFound
from happyhorse.jobs.job import Event, Job, Status
from happyhorse.jobs.reader import Filter
from happyhorse.jobs.webhooks import Message
from happyhorse.request import Mode

FORM = "fal"
_APP = "/alibaba/happy-horse"
_LINE_S = 10.0
_MAX_LOGS = 100


@dataclass(frozen=True)
class Endpoint:
    """A mode, and the fields that it cannot do without."""

    mode: Mode
    required: tuple[str, ...]


_ENDPOINTS: Mapping[str, Endpoint] = {
    "text-to-video": Endpoint("t2v", ("prompt",)),
    "image-to-video": Endpoint("i2v", ("image_url",)),
    "reference-to-video": Endpoint("r2v", ("prompt", "image_urls")),
    "video-edit": Endpoint("edit", ("prompt", "video_url")),
}
_NAMES = {
    "ratio": ("aspect_ratio",),
    "image": ("image_url",),
    "images": ("image_urls",),
    "references": ("reference_image_urls",),
    "video": ("video_url",),
}
_STATUS: Mapping[Status, str] = {
    Status.QUEUED: "IN_QUEUE",
    Status.RUNNING: "IN_PROGRESS",
    Status.CANCELING: "IN_PROGRESS",
    Status.SUCCEEDED: "COMPLETED",
    Status.FAILED: "COMPLETED",
    Status.CANCELED: "COMPLETED",
}
# our codes of failed jobs that are the caller's doing
_CALLERS_FAULTS = ("invalid_request", "invalid_media", "unsupported")


# -- translations ----------------------------------------------------------------------------------------------------------


def find_endpoint(path: str) -> Endpoint:
    """What an address stands for, with or without the version before it. Raises: NotFound."""
    endpoint = _ENDPOINTS.get(path.removeprefix("v1.1/"))
    if endpoint is None:
        raise NotFound(f"Path /{path[:80]} not found")
    return endpoint


def from_status(job: Job, *, position: int, logs: list[dict[str, object]] | None) -> dict[str, object]:
    """Their status of a job. `position` is how many wait before it."""
    told: dict[str, object] = {"status": _STATUS[job.status], "request_id": job.id, "logs": logs}
    if job.status is Status.QUEUED:
        return {**told, "queue_position": position}
    if job.started_at is not None and job.finished_at is not None:
        told["metrics"] = {"inference_time": round(job.finished_at - job.started_at, 3)}
    failure = _failure(job)
    return told if failure is None else {**told, "error": failure[1], "error_type": failure[2]}


def _failure(job: Job) -> tuple[int, str, str] | None:
    """The HTTP status, text and type of the error that a job ended with."""
    if job.status is Status.CANCELED:
        return 400, "Request was cancelled", "request_cancelled"
    if job.error is None:
        return None
    return 422 if job.error.code in _CALLERS_FAULTS else 500, job.error.message, job.error.code


def from_output(job: Job, video_url: str) -> dict[str, object]:
    """Their result of a job that succeeded."""
    assert job.output is not None
    video = {
        "url": video_url,
        "content_type": "video/mp4",
        "file_name": f"{job.id}.mp4",
        "file_size": job.output["size_bytes"],
    }
    return {"video": video, "seed": job.output["seed"]}


def webhook(message: Message, links: Links) -> dict[str, object]:
    """Their news of a request that is over."""
    job = message.job
    told = {"request_id": job.id, "gateway_request_id": job.id}
    url, failure = told_clip_url(message, links), _failure(job)
    if url is not None:
        return {**told, "status": "OK", "payload": from_output(job, url)}
    return {**told, "status": "ERROR", "error": failure[1] if failure else "the result is no longer kept"}


def from_event(event: Event) -> dict[str, object]:
    """A line of their log."""
    text = event.type
    if event.type == "progress":
        text = f"{event.data.get('stage')} {event.data.get('step')}/{event.data.get('num_steps')}"
    return {
        "message": text,
        "level": "INFO",
        "source": "happyhorse",
        "timestamp": datetime.fromtimestamp(event.at, UTC).isoformat(),
    }


def render_error(err: HappyHorseError) -> JSONResponse:
    if err.status != 422:
        return answer({"detail": err.message}, err.status)
    place = ["body", err.field] if err.field else ["body"]
    return answer({"detail": [{"loc": place, "msg": err.message, "type": "value_error"}]}, 422)


def answer(body: Mapping[str, object], status: int = 200, *, job: Job | None = None) -> JSONResponse:
    number = str(uuid.uuid4()) if job is None else job.id
    return JSONResponse(body, status, {"x-fal-request-id": number})


router = APIRouter(route_class=dialect_route(render_error), tags=["fal"])
sync_router = APIRouter(prefix="/run", route_class=dialect_route(render_error), tags=["fal"])


# -- requests --------------------------------------------------------------------------------------------------------------


@router.post(_APP + "/{path:path}")
async def submit(path: str, request: Request, here: Here) -> JSONResponse:
    """Queue a clip."""
    job = await _submitted(path, request, here)
    place = f"{here.links.base(request)}{_APP}/requests/{job.id}"
    links = {"response_url": place, "status_url": f"{place}/status", "cancel_url": f"{place}/cancel"}
    position = await run_in_threadpool(_position, job, here)
    return answer({**from_status(job, position=position, logs=None), **links}, job=job)


@sync_router.post(_APP + "/{path:path}/stream", response_class=EventSourceResponse)
async def run_streaming(path: str, request: Request, here: Here) -> EventSourceResponse:
    """Make a clip and tell its status after each change, and at last its result, as events."""
    job = await _submitted(path, request, here)
    return event_stream(_until_result(job, request, here), headers={"x-fal-request-id": job.id})


async def _until_result(job: Job, request: Request, here: Context) -> AsyncIterator[ServerSentEvent]:
    async for latest in snapshots(job, here, every_s=_LINE_S):
        yield ServerSentEvent(dumps(await run_in_threadpool(_status, latest, here, logs=False)))
        if latest.is_terminal:
            yield ServerSentEvent(dumps(_told_result(latest, request, here)[1]))


@sync_router.post(_APP + "/{path:path}")
async def run(path: str, request: Request, here: Here) -> JSONResponse:
    """Make a clip and answer when it is there."""
    job = await finished(await _submitted(path, request, here), here)
    return _result(job, request, here)


async def _submitted(path: str, request: Request, here: Context) -> Job:
    who = await run_in_threadpool(here.auth.identify, request, "generate")
    endpoint = find_endpoint(path)
    body = await read_fields(request, here.service.uploads, who.caller.owner)
    require(body, *endpoint.required)
    wanted = translate(body, model=f"alibaba/happy-horse/{path}", mode=endpoint.mode, names=_NAMES)
    wanted = replace(wanted, names={**wanted.names, "webhook_url": "fal_webhook"})
    url = request.query_params.get("fal_webhook")
    target = webhook_target(url, "fal_webhook", FORM, here.links.base(request))
    return await queue(wanted, request, here, who, webhook=target)


@router.get(_APP + "/requests/{request_id}/status")
def status(request_id: str, request: Request, here: Here, logs: bool = False) -> JSONResponse:
    """How it stands; 202 until it is over."""
    job = job_for_caller(request_id, request, here)
    return answer(_status(job, here, logs=logs), 200 if job.is_terminal else 202, job=job)


@router.get(_APP + "/requests/{request_id}/status/stream", response_class=EventSourceResponse)
async def stream(request_id: str, request: Request, here: Here, logs: bool = False) -> EventSourceResponse:
    """Its status now and after each change, as events."""
    job = await run_in_threadpool(job_for_caller, request_id, request, here)
    return event_stream(_statuses(job, here, logs=logs), headers={"x-fal-request-id": job.id})


async def _statuses(job: Job, here: Context, *, logs: bool) -> AsyncIterator[ServerSentEvent]:
    async for latest in snapshots(job, here, every_s=_LINE_S):
        yield ServerSentEvent(dumps(await run_in_threadpool(_status, latest, here, logs=logs)))


def _status(job: Job, here: Context, *, logs: bool) -> dict[str, object]:
    lines = None
    if logs:
        events = here.service.store.events.of(job.id, after=max(0, job.num_events - _MAX_LOGS))
        lines = [from_event(event) for event in events]
    return from_status(job, position=_position(job, here), logs=lines)


def _position(job: Job, here: Context) -> int:
    if job.status is not Status.QUEUED:
        return 0
    before = Filter(status=Status.QUEUED, engine=job.engine, until=job.created_at)
    _, waiting = here.service.store.page(before, number=1, size=1)
    return max(0, waiting - 1)


@router.get(_APP + "/requests/{request_id}")
def result(request_id: str, request: Request, here: Here) -> JSONResponse:
    """The clip, or the error that it ended with."""
    return _result(job_for_caller(request_id, request, here), request, here)


def _result(job: Job, request: Request, here: Context) -> JSONResponse:
    status_code, told = _told_result(job, request, here)
    return answer(told, status_code, job=job)


def _told_result(job: Job, request: Request, here: Context) -> tuple[int, dict[str, object]]:
    """Their result with its HTTP status."""
    url = clip_url(job, request, here)
    if url is not None:
        return 200, from_output(job, url)
    failure = _failure(job) or (400, "Request is still in progress", "request_in_progress")
    return failure[0], {"detail": failure[1], "error_type": failure[2]}


@router.put(_APP + "/requests/{request_id}/cancel")
def cancel(request_id: str, request: Request, here: Here) -> JSONResponse:
    """Stop it, at once or within one step."""
    who = here.auth.identify(request, "generate")
    try:
        if here.service.store.get(request_id, owner=who.sees).is_terminal:
            raise Conflict
        job = here.service.store.cancel(request_id, owner=who.sees)
    except Conflict:
        return answer({"status": "ALREADY_COMPLETED"}, 400)
    return answer({"status": "CANCELLATION_REQUESTED"}, 202, job=job)
