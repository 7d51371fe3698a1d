"""OpenRouter's video API, `/api/v1/videos`, beside the vendor's own paths. Source: specs/api.md section 9."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from happyhorse.api.access import caller_and_body, job_for_caller
from happyhorse.api.compat.common import clip_url, dialect_route, queue, told_clip_url, webhook_target
from happyhorse.api.compat.reading import Translation, read_size, translate
from happyhorse.api.context import Here
from happyhorse.api.links import Links
from happyhorse.api.results import stored_file
from happyhorse.errors import Conflict, HappyHorseError, InvalidRequest
from happyhorse.jobs.job import MICROS, Job, Status
from happyhorse.jobs.webhooks import Message
from happyhorse.shapes import MAX_DURATION_S, MIN_DURATION_S, RATIOS, output_size

FORM = "openrouter"
_STATUS: Mapping[Status, str] = {
    Status.QUEUED: "pending",
    Status.RUNNING: "in_progress",
    Status.CANCELING: "in_progress",
    Status.SUCCEEDED: "completed",
    Status.FAILED: "failed",
    Status.CANCELED: "cancelled",
}
_NAMES: Mapping[str, tuple[str, ...]] = {
    "image": ("frame_images",),
    "references": ("input_references",),
    "video": ("input_references:video",),
    "resolution": ("resolution", "size:resolution"),
    "ratio": ("aspect_ratio", "size:ratio"),
    "webhook_url": ("callback_url",),
}
_MODELS = ("happyhorse-1.1", "happyhorse-1.0", "happyhorse-1.0-video-edit")
_CREATED = 1_777_075_200


# -- translations ----------------------------------------------------------------------------------------------------------


def to_request(body: Mapping[str, object]) -> Translation:
    """Our request from theirs. Raises: ModelNotFound; InvalidRequest naming their field."""
    flat = {**_passed_through(body), **body, "frame_images": _frames(body), **_references(body)}
    if body.get("size"):
        flat |= {f"size:{field}": value for field, value in read_size(body["size"]).items()}
    return translate(flat, model=str(body.get("model")), names=_NAMES)


def _passed_through(body: Mapping[str, object]) -> Mapping[str, object]:
    """What a caller means for the vendor alone: provider.options.alibaba."""
    found: object = body
    for name in ("provider", "options", "alibaba"):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _frames(body: Mapping[str, object]) -> list[object]:
    frames = _listed(body, "frame_images")
    for number, frame in enumerate(frames):
        kind = frame.get("frame_type") if isinstance(frame, dict) else None
        if kind not in (None, "first_frame"):
            name = f"frame_images[{number}].frame_type"
            raise InvalidRequest(f"{name} must be first_frame; got '{str(kind)[:40]}'", field=name)
    return frames


def _references(body: Mapping[str, object]) -> dict[str, object]:
    """References are pictures, unless one says that it is the video of an edit."""
    listed = _listed(body, "input_references")
    videos = [entry for entry in listed if isinstance(entry, dict) and entry.get("type") == "video_url"]
    return {
        "input_references": [entry for entry in listed if entry not in videos],
        "input_references:video": videos,
    }


def _listed(body: Mapping[str, object], name: str) -> list[object]:
    value = body.get(name) or []
    if not isinstance(value, list):
        raise InvalidRequest(f"{name} must be a list; got {str(value)[:40]!r}", field=name)
    return value


def from_job(job: Job, url: str | None, base_url: str) -> dict[str, object]:
    """Their generation from our job."""
    here = f"{base_url}/api/v1/videos/{job.id}"
    told: dict[str, object] = {"id": job.id, "polling_url": here, "status": _STATUS[job.status]}
    if job.error is not None:
        told["error"] = job.error.message
    if url is not None:
        told |= {"generation_id": job.id, "unsigned_urls": [f"{here}/content?index=0"], "urls": [url]}
        told["usage"] = {"cost": job.cost_micros / MICROS, "is_byok": False}
    if url is not None and job.expires_at is not None:
        told["expires_at"] = int(job.expires_at)
    return told


def webhook(message: Message, links: Links) -> dict[str, object]:
    return {
        "type": f"video.generation.{_STATUS[message.job.status]}",
        "created_at": datetime.fromtimestamp(message.at, UTC).isoformat(),
        "data": from_job(message.job, told_clip_url(message, links), message.base_url),
    }


def render_error(err: HappyHorseError) -> JSONResponse:
    status = 400 if isinstance(err, InvalidRequest) else err.status
    error = {"code": status, "message": err.message, "metadata": {"field": err.field, "code": err.code}}
    return JSONResponse({"error": error}, status)


router = APIRouter(route_class=dialect_route(render_error), tags=["openrouter"])


# -- videos ----------------------------------------------------------------------------------------------------------------


@router.post("/api/v1/videos", status_code=202)
async def create(request: Request, here: Here) -> JSONResponse:
    """Queue a clip."""
    who, body = await caller_and_body(request, here)
    base_url = here.links.base(request)
    target = webhook_target(body.get("callback_url"), "callback_url", FORM, base_url)
    key = request.headers.get("idempotency-key")
    job = await queue(to_request(body), request, here, who, idempotency_key=key, webhook=target)
    return JSONResponse(from_job(job, clip_url(job, request, here), base_url), 202)


@router.get("/api/v1/videos/models")
def models(request: Request, here: Here) -> JSONResponse:
    """The models, and what can be asked of them here."""
    here.auth.identify(request, "read")
    engine = here.service.catalog[here.service.default_engine]
    resolutions = [name for name in engine.resolutions if name != "480P"]
    prices = {
        f"per-video-second-{name.lower()}": f"{engine.price_per_second[name]:g}" for name in resolutions
    }
    sizes = ["x".join(map(str, output_size(name, ratio))) for name in resolutions for ratio in RATIOS]
    shown = {
        "created": _CREATED,
        "description": "Picture and sound of a clip, made together.",
        "supported_resolutions": [name.lower() for name in resolutions],
        "supported_aspect_ratios": list(RATIOS),
        "supported_sizes": sizes,
        "supported_durations": list(range(MIN_DURATION_S, MAX_DURATION_S + 1)),
        "supported_frame_images": ["first_frame"],
        "generate_audio": True,
        "seed": True,
        "creativity": None,
        "upscale_factor": None,
        "pricing_skus": prices,
        "allowed_passthrough_parameters": ["watermark", "audio_setting"],
    }
    names = [{"id": f"alibaba/{name}", "canonical_slug": f"alibaba/{name}", "name": name} for name in _MODELS]
    return JSONResponse({"data": [{**name, **shown} for name in names]})


@router.get("/api/v1/videos/{job_id}")
def show(job_id: str, request: Request, here: Here) -> JSONResponse:
    """How a generation stands."""
    job = job_for_caller(job_id, request, here)
    return JSONResponse(from_job(job, clip_url(job, request, here), here.links.base(request)))


@router.get("/api/v1/videos/{job_id}/content")
def content(
    job_id: str, request: Request, here: Here, index: Annotated[int, Query(ge=0, le=0)] = 0
) -> Response:
    """The clip; there is one, whose index is 0."""
    job = job_for_caller(job_id, request, here)
    if not job.is_terminal:
        raise Conflict(f"generation '{job_id}' is {_STATUS[job.status]} and has no content yet")
    return stored_file(job, "sha256", "video/mp4", f"{job.id}-{index}.mp4", here)
