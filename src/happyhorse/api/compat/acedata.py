"""The two routes that the published `mcp-happyhorse` server calls, so that it runs unmodified. Source: specs/api.md section 8.

    ACEDATACLOUD_API_BASE_URL=http://host:port

Its actions and its view of a task are also what the tools of `/mcp` are made of.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from happyhorse.api.access import caller_and_body
from happyhorse.api.auth import Identity
from happyhorse.api.compat.common import clip_url, dialect_route, queue, told_clip_url, usage, webhook_target
from happyhorse.api.compat.reading import mode_of_model, require, translate
from happyhorse.api.context import Context, Here
from happyhorse.api.links import Links
from happyhorse.errors import HappyHorseError, InvalidRequest, NotFound
from happyhorse.jobs.job import Job, Status
from happyhorse.jobs.webhooks import Message
from happyhorse.request import Mode

FORM = "acedata"
MAX_BATCH = 50
_NAMES = {
    "image": ("image_url",),
    "images": ("image_urls",),
    "video": ("video_url",),
    "webhook_url": ("callback_url",),
}
_STATES: Mapping[Status, str] = {
    Status.SUCCEEDED: "succeeded",
    Status.FAILED: "failed",
    Status.CANCELED: "failed",
}


@dataclass(frozen=True)
class Action:
    """A mode, the fields that it cannot do without, and its models; the last is the one meant when none is named."""

    mode: Mode
    required: tuple[str, ...]
    models: tuple[str, ...]


ACTIONS: Mapping[str, Action] = {
    "generate": Action("t2v", ("prompt",), ("happyhorse-1.0-t2v", "happyhorse-1.1-t2v")),
    "image_to_video": Action("i2v", ("image_url",), ("happyhorse-1.0-i2v", "happyhorse-1.1-i2v")),
    "reference_to_video": Action(
        "r2v", ("prompt", "image_urls"), ("happyhorse-1.0-r2v", "happyhorse-1.1-r2v")
    ),
    "video_edit": Action("edit", ("prompt", "video_url"), ("happyhorse-1.0-video-edit",)),
}


async def start(
    name: object, body: Mapping[str, object], request: Request, here: Context, who: Identity
) -> Job:
    """Queue what an action asks for. Raises: InvalidRequest naming the caller's field, ModelNotFound."""
    action = ACTIONS.get(name) if isinstance(name, str) else None
    if action is None:
        raise InvalidRequest(
            f"action must be one of {', '.join(ACTIONS)}; got {str(name)[:40]!r}", field="action"
        )
    require(body, *action.required)
    model = body.get("model") or action.models[-1]
    if mode_of_model(model) not in (None, action.mode):
        raise InvalidRequest(f"model must be one of {', '.join(action.models)}; got '{model}'", field="model")
    wanted = translate(body, model=str(model), mode=action.mode, names=_NAMES)
    target = webhook_target(body.get("callback_url"), "callback_url", FORM, here.links.base(request))
    return await queue(wanted, request, here, who, webhook=target)


def from_job(job: Job, video_url: str | None) -> dict[str, object]:
    """Their task from our job."""
    state = _STATES.get(job.status, "pending")
    response: dict[str, object] = {"success": state != "failed", "task_id": job.id, "data": []}
    if video_url is not None:
        response["data"] = [{"state": state, "video_url": video_url, "usage": usage(job)}]
    elif state == "failed":
        code, text = (job.error.code, job.error.message) if job.error else ("canceled", "it was canceled")
        response["error"] = {"code": code, "message": text}
    return {"id": job.id, "state": state, "progress": round(100 * job.fraction, 1), "response": response}


def find(task_id: object, request: Request, here: Context, owner: str | None) -> dict[str, object]:
    """Their view of one task. Raises: InvalidRequest, NotFound."""
    if not isinstance(task_id, str):
        raise InvalidRequest(f"a task id must be text; got {str(task_id)[:40]!r}", field="id")
    job = here.service.store.get(task_id, owner=owner)
    return from_job(job, clip_url(job, request, here))


def find_batch(
    ids: object, field: str, request: Request, here: Context, owner: str | None
) -> dict[str, object]:
    """Their view of several tasks; one that is not there has failed. Raises: InvalidRequest."""
    if not isinstance(ids, list) or not 1 <= len(ids) <= MAX_BATCH:
        raise InvalidRequest(f"{field} must be a list of 1 to {MAX_BATCH} task ids", field=field)
    items = []
    for task_id in ids:
        try:
            items.append(find(task_id, request, here, owner))
        except NotFound as err:
            failure = {"success": False, "error": {"code": err.code, "message": err.message}, "data": []}
            items.append({"id": task_id, "state": "failed", "response": failure})
    return {"items": items, "count": len(items)}


def webhook(message: Message, links: Links) -> dict[str, object]:
    """Their task, when it is over."""
    return from_job(message.job, told_clip_url(message, links))


def render_error(err: HappyHorseError) -> JSONResponse:
    told = {"code": err.code, "message": err.message, "field": err.field}
    return JSONResponse({"success": False, "error": told, "trace_id": str(uuid.uuid4())}, err.status)


router = APIRouter(route_class=dialect_route(render_error), tags=["mcp-happyhorse"])


@router.post("/happyhorse/videos")
async def create(request: Request, here: Here) -> JSONResponse:
    """Queue a clip."""
    who, body = await caller_and_body(request, here)
    job = await start(body.get("action", "generate"), body, request, here, who)
    return JSONResponse({"success": True, "task_id": job.id, "trace_id": str(uuid.uuid4())})


@router.post("/happyhorse/tasks")
async def tasks(request: Request, here: Here) -> JSONResponse:
    """How one task stands, or several."""
    who, body = await caller_and_body(request, here, "read")
    action = body.get("action", "retrieve")
    if action == "retrieve":
        return JSONResponse(await run_in_threadpool(find, body.get("id"), request, here, who.sees))
    if action == "retrieve_batch":
        return JSONResponse(
            await run_in_threadpool(find_batch, body.get("ids"), "ids", request, here, who.sees)
        )
    raise InvalidRequest(
        f"action must be retrieve or retrieve_batch; got {str(action)[:40]!r}", field="action"
    )
