"""The vendor's own API, `/api/v1`, so that its SDK works with another base URL. Source: specs/api.md section 2.

Three translations and no logic: `to_fields` (their body -> our request), `from_job` (our job -> their task), `render_error`.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from happyhorse.api.body import read_fields
from happyhorse.api.compat.common import clip_url, dialect_route, model_name, queue, usage
from happyhorse.api.compat.reading import ModelNotFound, Translation, mode_of_model
from happyhorse.api.context import Here
from happyhorse.errors import Forbidden, HappyHorseError, InvalidRequest, NotFound
from happyhorse.jobs.job import Job, Status
from happyhorse.jobs.reader import Filter
from happyhorse.request import Mode

CREATE = "/api/v1/services/aigc/video-generation/video-synthesis"
_STATUS: Mapping[Status, str] = {
    Status.QUEUED: "PENDING",
    Status.RUNNING: "RUNNING",
    Status.CANCELING: "RUNNING",
    Status.SUCCEEDED: "SUCCEEDED",
    Status.FAILED: "FAILED",
    Status.CANCELED: "CANCELED",
}
_CODES: Mapping[str, str] = {
    "unauthenticated": "InvalidApiKey",
    "forbidden": "AccessDenied",
    "limit_exceeded": "Throttling.RateQuota",
    "conflict": "UnsupportedOperation",
    "invalid_request": "InvalidParameter",
    "invalid_media": "InvalidParameter",
    "unsupported": "InvalidParameter",
    "not_found": "InvalidParameter",
}
_FIELDS = {
    "image": "input.media",
    "references": "input.media",
    "video": "input.media",
    "prompt": "input.prompt",
    "resolution": "parameters.resolution",
    "ratio": "parameters.ratio",
    "duration": "parameters.duration",
    "seed": "parameters.seed",
    "watermark": "parameters.watermark",
}


class NotAsync(Forbidden):
    """current user api does not support synchronous calls."""


# -- translations ----------------------------------------------------------------------------------------------------------


def to_fields(body: Mapping[str, object], *, resolves: bool) -> dict[str, object]:
    """Our request from their body. `resolves` is whether oss:// names were announced in the header.

    Raises: ModelNotFound; InvalidRequest naming their field.
    """
    model = body.get("model")
    mode = mode_of_model(model)
    given, asked = _part(body, "input"), _part(body, "parameters")
    fields: dict[str, object] = {"prompt": given.get("prompt", ""), "resolution": "1080P", "watermark": True}
    if not isinstance(fields["prompt"], str):
        raise InvalidRequest("input.prompt must be text", field="input.prompt")
    media = _media(given, resolves=resolves)
    mode = mode or _mode_of(media)
    fields |= _inputs(mode, media)
    for name in ("resolution", "ratio", "duration", "watermark", "seed"):
        if asked.get(name) is not None:
            fields[name] = _number(name, asked[name]) if name in ("duration", "seed") else asked[name]
    if mode in ("i2v", "edit"):
        fields.pop("ratio", None)
    if mode == "edit":
        fields.pop("duration", None)
        fields["audio"] = _audio(asked.get("audio_setting"))
    return {**fields, "metadata": {"model": str(model)[:100]}}


def _part(body: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = body.get(name) or {}
    if not isinstance(part, dict):
        raise InvalidRequest(f"{name} must be an object", field=name)
    return part


def _media(given: Mapping[str, object], *, resolves: bool) -> list[tuple[str, str | dict[str, str]]]:
    listed = given.get("media") or []
    if not isinstance(listed, list):
        raise InvalidRequest("input.media must be a list", field="input.media")
    if given.get("img_url") is not None:
        listed = [*listed, {"type": "first_frame", "url": given["img_url"]}]
    found: list[tuple[str, str | dict[str, str]]] = []
    for number, entry in enumerate(listed):
        place = f"input.media[{number}]"
        kind, url = (entry.get("type"), entry.get("url")) if isinstance(entry, dict) else (None, None)
        if kind not in ("first_frame", "reference_image", "video") or not isinstance(url, str):
            text = f"{place} must have a type (first_frame, reference_image or video) and a url; got '{str(kind)[:40]}'"
            raise InvalidRequest(text, field=place)
        if not re.match(r"(?i)https?://|data:|oss://", url):
            raise InvalidRequest(f"{place}.url must be an http, https, data or oss URL", field=f"{place}.url")
        if url[:6].lower() != "oss://":
            found.append((kind, url))
        elif resolves:
            found.append((kind, {"file_id": object_id(url[6:])}))
        else:
            text = f"{place}.url is an oss URL; send the header X-DashScope-OssResourceResolve: enable"
            raise InvalidRequest(text, field=f"{place}.url")
    return found


def object_id(key: str) -> str:
    """The id of the upload that lies under a name of the vendor's object store (`dashscope_uploads`)."""
    return f"oss-{hashlib.sha256(key.encode()).hexdigest()[:48]}"


def _mode_of(media: list[tuple[str, str | dict[str, str]]]) -> Mode:
    kinds = {kind for kind, _ in media}
    if "video" in kinds:
        return "edit"
    return "i2v" if "first_frame" in kinds else "r2v" if kinds else "t2v"


# mode -> how many of each type it takes: (least, most)
_TAKES: Mapping[Mode, Mapping[str, tuple[int, int]]] = {
    "t2v": {},
    "i2v": {"first_frame": (1, 1)},
    "r2v": {"reference_image": (1, 9)},
    "edit": {"video": (1, 1), "reference_image": (0, 5)},
}
_OURS = {"first_frame": "image", "video": "video"}


def _inputs(mode: Mode, media: list[tuple[str, str | dict[str, str]]]) -> dict[str, object]:
    by_kind: dict[str, list[str | dict[str, str]]] = {}
    for kind, url in media:
        by_kind.setdefault(kind, []).append(url)
    for kind in ("first_frame", "reference_image", "video"):
        least, most = _TAKES[mode].get(kind, (0, 0))
        count = len(by_kind.get(kind, ()))
        if not least <= count <= most:
            allowed = str(least) if least == most else f"{least} to {most}"
            text = f"input.media of a {mode} model takes {allowed} of type {kind}; got {count}"
            raise InvalidRequest(text, field="input.media")
    fields: dict[str, object] = {_OURS[kind]: urls[0] for kind, urls in by_kind.items() if kind in _OURS}
    if "reference_image" in by_kind:
        fields["references"] = by_kind["reference_image"]
    return fields


def _number(name: str, value: object) -> int:
    """This dialect takes whole numbers only, not the digits in text that others do."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidRequest(
            f"parameters.{name} must be an integer; got {str(value)[:40]!r}", field=f"parameters.{name}"
        )
    return value


def _audio(value: object) -> str:
    if value is None:
        return "auto"
    if value not in ("auto", "origin", "retain", "remove"):
        text = f"parameters.audio_setting must be auto or origin; got {str(value)[:40]!r}"
        raise InvalidRequest(text, field="parameters.audio_setting")
    return str(value)


def from_job(job: Job, video_url: str | None) -> dict[str, object]:
    """Their task from our job."""
    output: dict[str, object] = {
        "task_id": job.id,
        "task_status": _STATUS[job.status],
        "submit_time": _local(job.created_at),
        "orig_prompt": job.request.get("prompt", ""),
    }
    if job.started_at is not None:
        output["scheduled_time"] = _local(job.started_at)
    if job.finished_at is not None:
        output["end_time"] = _local(job.finished_at)
    if job.error is not None:
        output |= {"code": _CODES.get(job.error.code, "InternalError"), "message": job.error.message}
    if video_url is None or job.output is None:
        return {"request_id": job.id, "output": output}
    output["video_url"] = video_url
    return {"request_id": job.id, "output": output, "usage": usage(job)}


def _local(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]  # noqa: DTZ006  theirs have no zone


def render_error(err: HappyHorseError) -> JSONResponse:
    code, status = _CODES.get(err.code, "InternalError"), 400 if err.status in (404, 409, 422) else err.status
    if isinstance(err, ModelNotFound):
        code, status = "ModelNotFound", 404
    return JSONResponse({"request_id": str(uuid.uuid4()), "code": code, "message": err.message}, status)


router = APIRouter(route_class=dialect_route(render_error), tags=["dashscope"])

# -- tasks -----------------------------------------------------------------------------------------------------------------


@router.post(CREATE)
async def create(request: Request, here: Here) -> JSONResponse:
    """Queue a clip."""
    who = await run_in_threadpool(here.auth.identify, request, "generate")
    if request.headers.get("x-dashscope-async", "").lower() != "enable":
        raise NotAsync
    body = await read_fields(request, here.service.uploads, who.caller.owner)
    resolves = request.headers.get("x-dashscope-ossresourceresolve", "").lower() == "enable"
    fields = to_fields(body, resolves=resolves)
    job = await queue(Translation(fields, _FIELDS), request, here, who)
    output = {"task_id": job.id, "task_status": _STATUS[job.status]}
    return JSONResponse({"request_id": str(uuid.uuid4()), "output": output})


@router.get("/api/v1/tasks/{task_id}")
def query(task_id: str, request: Request, here: Here) -> JSONResponse:
    """How a task stands; one that is not known, or no longer, is UNKNOWN."""
    who = here.auth.identify(request, "read")
    try:
        job = here.service.store.get(task_id, owner=who.sees)
    except NotFound:
        output = {"task_id": task_id[:64], "task_status": "UNKNOWN"}
        return JSONResponse({"request_id": str(uuid.uuid4()), "output": output})
    return JSONResponse(from_job(job, clip_url(job, request, here)))


@router.post("/api/v1/tasks/{task_id}/cancel")
def cancel(task_id: str, request: Request, here: Here) -> JSONResponse:
    """Only a task that is PENDING can be canceled here."""
    who = here.auth.identify(request, "generate")
    here.service.store.cancel(task_id, owner=who.sees, only_waiting=True)
    return JSONResponse({"request_id": str(uuid.uuid4())})


@router.get("/api/v1/tasks")
def index(
    request: Request,
    here: Here,
    page_no: Annotated[int, Query(ge=1, le=100_000)] = 1,
    page_size: Annotated[int, Query(ge=1, le=100)] = 10,
    status: str | None = None,
    model_name: str | None = None,
    start_time: str | None = None,
    end_time: str | None = None,
) -> JSONResponse:
    """Newest first."""
    who = here.auth.identify(request, "read")
    wanted = Filter(
        owner=who.sees,
        status=_their_status(status),
        metadata={"model": model_name} if model_name else None,
        since=_moment(start_time, "start_time"),
        until=_moment(end_time, "end_time"),
    )
    found, total = here.service.store.page(wanted, number=page_no, size=page_size)
    answer = {
        "request_id": str(uuid.uuid4()),
        "data": [_row(job) for job in found],
        "total": total,
        "total_page": -(-total // page_size),
        "page_no": page_no,
        "page_size": page_size,
    }
    return JSONResponse(answer)


def _row(job: Job) -> dict[str, object]:
    millis = {"gmt_create": job.created_at, "start_time": job.started_at, "end_time": job.finished_at}
    return {
        "task_id": job.id,
        "request_id": job.id,
        "status": _STATUS[job.status],
        "model_name": model_name(job),
        **{name: round(seconds * 1000) for name, seconds in millis.items() if seconds is not None},
    }


def _their_status(text: str | None) -> Status | None:
    if not text:
        return None
    for ours, theirs in _STATUS.items():
        if theirs == text.upper():
            return ours
    raise InvalidRequest(
        f"status must be one of {', '.join(sorted(set(_STATUS.values())))}; got '{text[:40]}'"
    )


def _moment(text: str | None, field: str) -> float | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%S").timestamp()  # noqa: DTZ007  theirs have no zone
    except ValueError as err:
        raise InvalidRequest(f"{field} must be YYYYMMDDhhmmss; got '{text[:40]}'", field=field) from err
