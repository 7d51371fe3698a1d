"""Replicate: predictions of `alibaba/happyhorse-...`, whose SDK takes another base URL. Source: specs/api.md section 4.

A prediction's input is shown again with each answer, from what the job holds, so that predictions of other dialects show too.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from happyhorse.api.access import caller_and_body
from happyhorse.api.auth import Identity
from happyhorse.api.compat.common import (
    dialect_route,
    input_of,
    iso_time,
    model_name,
    named,
    queue,
    webhook_target,
)
from happyhorse.api.compat.follow import finished
from happyhorse.api.compat.reading import ModelNotFound, Translation, translate
from happyhorse.api.compat.replicate_models import model_of_version
from happyhorse.api.context import Context, Here
from happyhorse.api.links import Links
from happyhorse.errors import HappyHorseError, InvalidRequest, NotFound, Stopping
from happyhorse.jobs.job import Job, Status
from happyhorse.jobs.reader import Filter
from happyhorse.jobs.webhooks import (
    TERMINAL_EVENTS,
    EventName,
    Message,
    Target,
    default_signer,
    signing_secret,
)

FORM = "replicate"
_STATUS: Mapping[Status, str] = {
    Status.QUEUED: "starting",
    Status.RUNNING: "processing",
    Status.CANCELING: "processing",
    Status.SUCCEEDED: "succeeded",
    Status.FAILED: "failed",
    Status.CANCELED: "canceled",
}
# their event -> ours; the clip is there when the job succeeds
_EVENTS: Mapping[str, tuple[EventName, ...]] = {
    "start": ("running",),
    "output": ("succeeded",),
    "logs": ("progress",),
    "completed": TERMINAL_EVENTS,
}
_INPUT_NAMES: Mapping[str, str] = {"ratio": "aspect_ratio", "audio": "audio_setting"}
_PAGE = 100
_MAX_WAIT_S = 60
_MIN_LIFETIME_S = 5
_ANSWER_S = 0.3
"""The SDK stops reading half a second after the time that it was willing to wait."""


class BadVersion(InvalidRequest):
    """There is no such version."""


# -- translations ----------------------------------------------------------------------------------------------------------


def to_request(given: object, model: str) -> Translation:
    """Our request from their input. Raises: ModelNotFound; InvalidRequest naming `input.` and their field."""
    if not isinstance(given, dict):
        raise InvalidRequest(f"input must be an object; got {str(given)[:40]!r}", field="input")
    try:
        found = translate(given, model=model)
    except InvalidRequest as err:
        raise named(err, {str(err.field): f"input.{err.field}"}) from err
    names = {field: f"input.{name}" for field, name in found.names.items()}
    return Translation(found.fields, {**names, "webhook_url": "webhook"})


def prediction_id(job_id: str) -> str:
    """Their 26 letters and digits: the same number in base 32."""
    return base64.b32encode(uuid.UUID(job_id).bytes).decode().rstrip("=").lower()


def job_id(name: str) -> str:
    """The job behind their id, or behind our own. Raises: NotFound."""
    try:
        if re.fullmatch(r"[a-z2-7]{26}", name):
            return str(uuid.UUID(bytes=base64.b32decode(f"{name.upper()}======")))
        return str(uuid.UUID(name))
    except (ValueError, binascii.Error) as err:
        raise NotFound(f"there is no prediction '{name[:64]}'") from err


def from_job(job: Job, links: Links, base_url: str) -> dict[str, object]:
    """Their prediction from our job."""
    model = model_name(job)
    name = prediction_id(job.id)
    here = f"{base_url}/v1/predictions/{name}"
    clip = f"/v1/generations/{job.id}/content"
    return {
        "id": name,
        "model": model if "/" in model else f"alibaba/{model}",
        "version": "hidden",
        "status": _STATUS[job.status],
        "input": _input(job, links, base_url),
        "output": None if job.output is None else links.signed_from(base_url, clip),
        "error": None if job.error is None else job.error.message,
        "logs": _logs(job),
        "metrics": _metrics(job),
        "created_at": _iso(job.created_at),
        "started_at": _iso(job.started_at),
        "completed_at": _iso(job.finished_at),
        "data_removed": False,
        "source": "api",
        "urls": {"get": here, "cancel": f"{here}/cancel", "web": here},
    }


def _input(job: Job, links: Links, base_url: str) -> dict[str, object]:
    names = {**_INPUT_NAMES, "references": "reference_images" if job.mode == "edit" else "images"}
    return input_of(job, names, lambda value: _shown(value, links, base_url))


def _shown(value: object, links: Links, base_url: str) -> object:
    """An input file as the link that it was, or that reads the upload."""
    if isinstance(value, list):
        return [_shown(entry, links, base_url) for entry in value]
    if not isinstance(value, dict):
        return value
    file_id = value.get("file_id")
    if isinstance(file_id, str) and file_id.startswith("file-"):
        return links.signed_from(base_url, f"/v1/files/{file_id}/content")
    return value.get("url") or file_id


def _logs(job: Job) -> str:
    """One line as tqdm writes it, which the SDK reads as progress."""
    if job.started_at is None:
        return ""
    percent = int(100 * job.fraction)
    return f"{percent:3d}%|{'█' * (percent // 10):<10}| {percent}/100"


def _metrics(job: Job) -> dict[str, float]:
    if job.finished_at is None or job.started_at is None:
        return {}
    times = {"predict_time": job.finished_at - job.started_at, "total_time": job.finished_at - job.created_at}
    made = (
        {} if job.output is None else {"video_output_duration_seconds": float(str(job.output["duration_s"]))}
    )
    return {**{name: round(seconds, 3) for name, seconds in times.items()}, **made}


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else iso_time(seconds)


def webhook(message: Message, links: Links) -> dict[str, object]:
    return from_job(message.job, links, message.base_url)


def render_error(err: HappyHorseError) -> JSONResponse:
    """Problem details as theirs: a list of lines, each with a field of the input."""
    title, detail = HTTPStatus(err.status).phrase, err.message
    if isinstance(err, InvalidRequest):
        title = (
            "Invalid version or not permitted" if isinstance(err, BadVersion) else "Input validation failed"
        )
    if err.field is not None:
        detail = f"- {err.field}: {err.message.removeprefix(err.field).lstrip(': ')}\n"
    body = {"title": title, "detail": detail, "status": err.status}
    return JSONResponse(body, err.status, media_type="application/problem+json")


router = APIRouter(route_class=dialect_route(render_error), tags=["replicate"])


# -- predictions -----------------------------------------------------------------------------------------------------------


@router.post("/v1/models/{owner}/{name}/predictions", status_code=201)
async def create(owner: str, name: str, request: Request, here: Here) -> JSONResponse:
    """Queue a clip of a model."""
    who, body = await caller_and_body(request, here)
    return await _create(body, f"{owner}/{name}", request, here, who)


@router.post("/v1/predictions", status_code=201)
async def create_by_version(request: Request, here: Here) -> JSONResponse:
    """Queue a clip of a version: `owner/name`, `owner/name:version`, or a version's id."""
    who, body = await caller_and_body(request, here)
    version = body.get("version") or body.get("model")
    if not isinstance(version, str):
        raise BadVersion(
            f"version must be a text such as alibaba/happyhorse-1.1; got {str(version)[:40]!r}",
            field="version",
        )
    try:
        return await _create(body, model_of_version(version), request, here, who)
    except ModelNotFound as err:
        raise BadVersion(
            f"version must be one of a Happy Horse model; got '{version[:80]}'", field="version"
        ) from err


async def _create(
    body: Mapping[str, object], model: str, request: Request, here: Context, who: Identity
) -> JSONResponse:
    wait_s = _wait_s(request.headers.get("prefer"))
    wanted = to_request(body.get("input", {}), model)
    target = _target(body, here.links.base(request))
    job = await queue(
        wanted,
        request,
        here,
        who,
        idempotency_key=request.headers.get("idempotency-key"),
        webhook=target,
        cancel_after_s=_cancel_after_s(request.headers.get("cancel-after")),
    )
    if wait_s is not None:
        job = await _waited(job, here, wait_s)
    shown = _show(job, request, here)
    if not job.is_terminal:
        shown["status"] = "starting"  # any other would be the end to an SDK that waits, also while it runs
    return JSONResponse(shown, 201, {"Location": f"{here.links.base(request)}/v1/predictions/{shown['id']}"})


def _wait_s(prefer: str | None) -> float | None:
    """How long to wait for the end: `Prefer: wait` or `wait=n`, 1 to 60 s; None for not at all."""
    found = re.search(r"(?:^|[,;\s])wait(?:=(\d{1,5}))?(?:$|[,;\s])", prefer or "")
    if found is None:
        return None
    return min(max(int(found[1] or _MAX_WAIT_S), 1), _MAX_WAIT_S) - _ANSWER_S


def _cancel_after_s(lifetime: str | None) -> float | None:
    """Seconds that a prediction may take in all: `90`, `90s`, `5m`, `1h30m`. Raises: InvalidRequest."""
    if lifetime is None:
        return None
    found = re.fullmatch(r"(?:(\d{1,4})h)?(?:(\d{1,6})m)?(?:(\d{1,8})s?)?", lifetime.strip())
    seconds = (
        sum(int(n or 0) * unit for n, unit in zip(found.groups(), (3600, 60, 1), strict=True)) if found else 0
    )
    if seconds < _MIN_LIFETIME_S:
        text = f"Cancel-After must be at least {_MIN_LIFETIME_S} s, such as 90s, 5m or 1h30m; got '{lifetime[:40]}'"
        raise InvalidRequest(text, field="Cancel-After")
    return seconds


async def _waited(job: Job, here: Context, seconds: float) -> Job:
    try:
        async with asyncio.timeout(seconds):
            return await finished(job, here)
    except (TimeoutError, Stopping):
        return await run_in_threadpool(here.service.store.get, job.id, owner=None)


def _target(body: Mapping[str, object], base_url: str) -> Target | None:
    wanted = body.get("webhook_events_filter") or list(_EVENTS)
    if not isinstance(wanted, list) or not all(isinstance(name, str) and name in _EVENTS for name in wanted):
        text = (
            f"webhook_events_filter must be a list of some of {', '.join(_EVENTS)}; got {str(wanted)[:60]!r}"
        )
        raise InvalidRequest(text, field="webhook_events_filter")
    events = tuple(dict.fromkeys(event for name in wanted for event in _EVENTS[name]))
    return webhook_target(body.get("webhook"), "webhook", FORM, base_url, events)


def _show(job: Job, request: Request, here: Context) -> dict[str, object]:
    return from_job(job, here.links, here.links.base(request))


@router.get("/v1/predictions")
def index(
    request: Request, here: Here, cursor: Annotated[str | None, Query(max_length=64)] = None
) -> JSONResponse:
    """Newest first, a hundred a page."""
    who = here.auth.identify(request, "read")
    page, following = here.service.store.list(Filter(owner=who.sees), limit=_PAGE, after=cursor)
    after = None if following is None else f"{here.links.base(request)}/v1/predictions?cursor={following}"
    return JSONResponse(
        {"previous": None, "next": after, "results": [_show(job, request, here) for job in page]}
    )


@router.get("/v1/predictions/{name}")
def show(name: str, request: Request, here: Here) -> JSONResponse:
    """How a prediction stands."""
    who = here.auth.identify(request, "read")
    return JSONResponse(_show(here.service.store.get(job_id(name), owner=who.sees), request, here))


@router.post("/v1/predictions/{name}/cancel")
def cancel(name: str, request: Request, here: Here) -> JSONResponse:
    """Stop it, at once or within one step; one that is over stays as it is."""
    who = here.auth.identify(request, "generate")
    job = here.service.store.get(job_id(name), owner=who.sees)
    if not job.is_terminal:
        job = here.service.store.cancel(job.id, owner=who.sees)
    return JSONResponse(_show(job, request, here))


# -- account ---------------------------------------------------------------------------------------------------------------


@router.get("/v1/account")
def account(request: Request, here: Here) -> JSONResponse:
    """Whose key this is."""
    owner = here.auth.identify(request, "read").caller.owner
    return JSONResponse({"type": "user", "username": owner, "name": owner, "github_url": None})


@router.get("/v1/webhooks/default/secret")
def webhook_secret(request: Request, here: Here) -> JSONResponse:
    """What the webhooks named in this caller's requests are signed with."""
    owner = here.auth.identify(request, "generate").caller.owner
    return JSONResponse({"key": signing_secret(here.service.secret, default_signer(owner))})
