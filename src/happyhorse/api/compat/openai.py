"""OpenAI Videos, `/v1/videos`, and the same object under the path that gateways use. Source: specs/api.md section 3.

The SDK sends a form even without a file, and has no cancel: deleting is its cancel. Gateways add fields of their own
(`resolution`, `image`, `metadata{...}`), which are read beside the official ones.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from PIL import Image
from starlette.concurrency import run_in_threadpool

from happyhorse.api.access import caller_and_body
from happyhorse.api.auth import Identity
from happyhorse.api.compat.common import clip_url, dialect_route, model_name, queue, usage, webhook_target
from happyhorse.api.compat.form import read_body
from happyhorse.api.compat.openai_body import job_id, to_request, video_id
from happyhorse.api.compat.reading import Translation
from happyhorse.api.context import Context, Here
from happyhorse.api.links import Links
from happyhorse.api.results import stored_file
from happyhorse.errors import Conflict, HappyHorseError, InvalidRequest, NotFound
from happyhorse.jobs.job import Job, Status
from happyhorse.jobs.reader import MAX_PAGE, Filter
from happyhorse.jobs.stills import spritesheet
from happyhorse.jobs.webhooks import Message

FORM = "openai"
EDIT_MODEL = "happyhorse-1.0-video-edit"
_STATUS: Mapping[Status, str] = {
    Status.QUEUED: "queued",
    Status.RUNNING: "in_progress",
    Status.CANCELING: "in_progress",
    Status.SUCCEEDED: "completed",
    Status.FAILED: "failed",
    Status.CANCELED: "failed",
}
_POLL_MS = "2000"
_STOP_S = 3.0
"""Deleting a job that runs waits this long for its worker to stop."""

# our code -> their status, type and code
_ERRORS: Mapping[str, tuple[int, str, str]] = {
    "unauthenticated": (401, "invalid_request_error", "invalid_api_key"),
    "forbidden": (403, "invalid_request_error", "forbidden"),
    "not_found": (404, "invalid_request_error", "not_found"),
    "conflict": (409, "invalid_request_error", "conflict"),
    "limit_exceeded": (429, "rate_limit_error", "rate_limit_exceeded"),
    "invalid_request": (400, "invalid_request_error", "invalid_value"),
    "invalid_media": (400, "invalid_request_error", "invalid_value"),
    "unsupported": (400, "invalid_request_error", "invalid_value"),
    "video_not_ready": (400, "invalid_request_error", "video_not_ready"),
    "not_offered": (400, "invalid_request_error", "unsupported"),
}


class NotReady(Conflict):
    """The video is not ready yet."""

    code = "video_not_ready"


class Stopping(Conflict):
    """The video is being canceled; delete it again in a moment."""

    retryable = True


class NotOffered(InvalidRequest):
    """This server does not offer that."""

    code = "not_offered"


# -- translations ----------------------------------------------------------------------------------------------------------


def from_job(job: Job, url: str | None) -> dict[str, object]:
    """Their video from our job."""
    parent, made = job.request.get("parent"), job.output or job.plan
    extra = {} if url is None else {"metadata": {"url": url}, "usage": usage(job)}
    return {
        "id": video_id(job.id),
        "object": "video",
        "model": model_name(job),
        "status": _STATUS[job.status],
        "progress": 100 if job.status is Status.SUCCEEDED else min(int(100 * job.fraction), 99),
        "created_at": int(job.created_at),
        "completed_at": _seconds(job.finished_at if job.status is Status.SUCCEEDED else None),
        "expires_at": _seconds(job.expires_at),
        "prompt": job.request.get("prompt", ""),
        "seconds": f"{made['duration_s']:g}",
        "size": f"{made['width']}x{made['height']}",
        "error": _error(job),
        "remixed_from_video_id": video_id(parent) if isinstance(parent, str) else None,
        **extra,
    }


def _error(job: Job) -> dict[str, str] | None:
    if job.status is Status.CANCELED:
        return {"code": "canceled", "message": "the generation was canceled"}
    return None if job.error is None else {"code": job.error.code, "message": job.error.message}


def _seconds(moment: float | None) -> int | None:
    return None if moment is None else int(moment)


def webhook(message: Message, links: Links) -> dict[str, object]:  # noqa: ARG001  every form takes the links
    """Their event; a canceled video is a failed one to them."""
    kind = "completed" if message.event == "succeeded" else "failed"
    return {
        "id": f"evt_{message.id.replace('-', '')}",
        "object": "event",
        "created_at": int(message.at),
        "type": f"video.{kind}",
        "data": {"id": video_id(message.job.id)},
    }


def render_error(err: HappyHorseError) -> JSONResponse:
    status, kind, code = _ERRORS.get(err.code, (500, "server_error", "server_error"))
    body = {"message": err.message, "type": kind, "param": err.field, "code": code}
    # Without this the SDK sends a create again on 409 and 5xx.
    headers = {} if err.retryable else {"x-should-retry": "false"}
    return JSONResponse({"error": body}, status, headers)


router = APIRouter(route_class=dialect_route(render_error), tags=["openai"])

# -- videos ----------------------------------------------------------------------------------------------------------------


def _shown(job: Job, request: Request, here: Context) -> dict[str, object]:
    return from_job(job, clip_url(job, request, here))


async def _queue(
    body: Mapping[str, object], request: Request, here: Context, who: Identity, **more: str
) -> Job:
    """Queue what the body asks for; `more` are further fields of our own."""
    wanted = to_request(body)
    wanted = Translation({**wanted.fields, **more}, wanted.names)
    key = request.headers.get("idempotency-key")
    target = webhook_target(body.get("webhook_url"), "webhook_url", FORM, here.links.base(request))
    return await queue(wanted, request, here, who, idempotency_key=key, webhook=target)


@router.post("/v1/videos")
async def create(request: Request, here: Here) -> JSONResponse:
    """Queue a clip, from JSON or from a form."""
    who, body = await caller_and_body(request, here, read=read_body)
    return JSONResponse(_shown(await _queue(body, request, here, who), request, here))


@router.post("/v1/videos/edits")
async def edit(request: Request, here: Here) -> JSONResponse:
    """Change a video as the prompt says."""
    who, body = await caller_and_body(request, here, read=read_body)
    return JSONResponse(
        _shown(await _queue({"model": EDIT_MODEL, **body}, request, here, who), request, here)
    )


@router.post("/v1/videos/extensions")
@router.post("/v1/videos/characters")
@router.get("/v1/videos/characters/{name}")
def not_offered(request: Request, here: Here) -> None:
    """Happy Horse has no such thing; references are its characters."""
    here.auth.identify(request, "generate")
    raise NotOffered("this is not offered; send reference images, or edit a video")


@router.get("/v1/videos")
def index(
    request: Request,
    here: Here,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 20,
    after: Annotated[str | None, Query(max_length=64)] = None,
    order: Literal["asc", "desc"] = "desc",
) -> JSONResponse:
    """Pages by the id of the last one seen."""
    who = here.auth.identify(request, "read")
    page, following = here.service.store.list(
        Filter(owner=who.sees),
        limit=limit,
        after=job_id(after) if after else None,
        oldest_first=order == "asc",
    )
    data = [_shown(job, request, here) for job in page]
    ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    return JSONResponse({"object": "list", "data": data, **ends, "has_more": following is not None})


@router.get("/v1/videos/{name}")
def show(name: str, request: Request, here: Here) -> JSONResponse:
    """How a video stands; the header sets the pace of the SDK's polling."""
    video = _shown(_job(name, request, here), request, here)
    return JSONResponse(video, headers={"openai-poll-after-ms": _POLL_MS})


@router.get(
    "/v1/videos/{name}/content",
    response_class=Response,
    responses={200: {"content": {"video/mp4": {}, "image/webp": {}, "image/jpeg": {}}}},
)
def content(
    name: str, request: Request, here: Here, variant: Literal["video", "thumbnail", "spritesheet"] = "video"
) -> Response:
    """The clip, with ranges; its first frame; or nine frames in a sheet."""
    job = _job(name, request, here)
    if not job.is_terminal:
        raise NotReady(f"video {video_id(job.id)} is {_STATUS[job.status]} and has no content yet")
    if job.output is None:
        raise NotFound(f"video {video_id(job.id)} is {_STATUS[job.status]} and has no content")
    if variant == "video":
        return stored_file(job, "sha256", "video/mp4", f"{video_id(job.id)}.mp4", here)
    if variant == "thumbnail":
        return Response(_webp(here.service.blobs.path(str(job.output["thumbnail"]))), media_type="image/webp")
    clip, num_frames = here.service.blobs.path(str(job.output["sha256"])), int(str(job.output["num_frames"]))
    return Response(spritesheet(clip, num_frames), media_type="image/jpeg")


def _webp(place: Path) -> bytes:
    data = io.BytesIO()
    with Image.open(place) as picture:
        picture.save(data, "WEBP", quality=85)
    return data.getvalue()


@router.post("/v1/videos/{name}/remix")
async def remix(name: str, request: Request, here: Here) -> JSONResponse:
    """A finished video, changed as a new prompt says."""
    who, body = await caller_and_body(request, here, read=read_body)
    source = await run_in_threadpool(here.service.store.get, job_id(name), owner=who.sees)
    if not source.is_terminal:
        raise NotReady(f"video {video_id(source.id)} is {_STATUS[source.status]} and cannot be remixed yet")
    resolution = "1080P" if source.plan["resolution"] == "1080P" else "720P"
    fixed = {"model": EDIT_MODEL, "video": {"id": video_id(source.id)}}
    job = await _queue({"resolution": resolution, **body, **fixed}, request, here, who, parent=source.id)
    return JSONResponse(_shown(job, request, here))


@router.post("/v1/videos/{name}/cancel")
def cancel(name: str, request: Request, here: Here) -> JSONResponse:
    """Stop it, at once or within one step. Not in the SDK, whose cancel is to delete."""
    who = here.auth.identify(request, "generate")
    return JSONResponse(_shown(here.service.store.cancel(job_id(name), owner=who.sees), request, here))


@router.delete("/v1/videos/{name}")
def delete(name: str, request: Request, here: Here) -> JSONResponse:
    """Forget it; one that waits or runs is stopped first."""
    who = here.auth.identify(request, "generate")
    store, found = here.service.store, job_id(name)
    if not store.get(found, owner=who.sees).is_terminal:
        job = _stopped(found, here, who.sees)
        if not job.is_terminal:
            raise Stopping
    store.delete(found, owner=who.sees)
    return JSONResponse({"id": video_id(found), "object": "video.deleted", "deleted": True})


def _stopped(name: str, here: Context, owner: str | None) -> Job:
    """Cancel and give the worker a moment to see it."""
    end = time.monotonic() + _STOP_S
    try:
        job = here.service.store.cancel(name, owner=owner)
    except Conflict:  # it has ended meanwhile
        return here.service.store.get(name, owner=owner)
    while not job.is_terminal and time.monotonic() < end:
        time.sleep(0.05)
        job = here.service.store.get(name, owner=owner)
    return job


def _job(name: str, request: Request, here: Context) -> Job:
    who = here.auth.identify(request, "read")
    return here.service.store.get(job_id(name), owner=who.sees)


# -- gateways --------------------------------------------------------------------------------------------------------------


def _for_gateway(job: Job, request: Request, here: Context) -> dict[str, object]:
    url = clip_url(job, request, here)
    return {**from_job(job, url), "task_id": video_id(job.id), "url": url}


@router.post("/v1/video/generations")
async def create_by_gateway(request: Request, here: Here) -> JSONResponse:
    """The same under the path of gateways."""
    who, body = await caller_and_body(request, here, read=read_body)
    return JSONResponse(_for_gateway(await _queue(body, request, here, who), request, here))


@router.get("/v1/video/generations/{name}")
def show_to_gateway(name: str, request: Request, here: Here) -> JSONResponse:
    return JSONResponse(_for_gateway(_job(name, request, here), request, here))
