"""AI/ML API: `/v2/video/generations`, created and polled at one path. Source: specs/api.md section 9."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from happyhorse.api.access import caller_and_body, job_for_caller
from happyhorse.api.compat.common import clip_url, dialect_route, model_name, queue
from happyhorse.api.compat.reading import translate
from happyhorse.api.context import Here
from happyhorse.errors import HappyHorseError, InvalidRequest
from happyhorse.jobs.job import MICROS, Job, Status

_STATUS: Mapping[Status, str] = {
    Status.QUEUED: "queued",
    Status.RUNNING: "generating",
    Status.CANCELING: "generating",
    Status.SUCCEEDED: "completed",
    Status.FAILED: "error",
    Status.CANCELED: "error",
}
_NAMES: Mapping[str, tuple[str, ...]] = {
    "image": ("image_url",),
    "images": ("image_urls",),
    "video": ("video_url",),
    "ratio": ("aspect_ratio",),
}


def from_job(job: Job, url: str | None) -> dict[str, object]:
    """Their generation from our job."""
    told: dict[str, object] = {"id": job.id, "status": _STATUS[job.status], "model": model_name(job)}
    if job.status is Status.CANCELED:
        told["error"] = {"name": "canceled", "message": "the generation was canceled"}
    if job.error is not None:
        told["error"] = {"name": job.error.code, "message": job.error.message}
    if url is not None:
        told["video"] = {"url": url}
        told["meta"] = {"usage": {"usd_spent": job.cost_micros / MICROS}}
    return told


def render_error(err: HappyHorseError) -> JSONResponse:
    status = 400 if isinstance(err, InvalidRequest) else err.status
    body = {"statusCode": status, "name": err.code, "message": err.message, "path": err.field}
    return JSONResponse({**body, "error": {"name": err.code, "message": err.message}}, status)


router = APIRouter(route_class=dialect_route(render_error), tags=["aiml"])


@router.post("/v2/video/generations")
async def create(request: Request, here: Here) -> JSONResponse:
    """Queue a clip."""
    who, body = await caller_and_body(request, here)
    wanted = translate(body, model=str(body.get("model")), names=_NAMES)
    key = request.headers.get("idempotency-key")
    return JSONResponse(from_job(await queue(wanted, request, here, who, idempotency_key=key), None))


@router.get("/v2/video/generations")
def show(request: Request, here: Here, generation_id: Annotated[str, Query(max_length=64)]) -> JSONResponse:
    """How a generation stands."""
    job = job_for_caller(generation_id, request, here)
    return JSONResponse(from_job(job, clip_url(job, request, here)))
