"""/v1/generations and /v1/plans. The files of a generation are in `results`."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import Field
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from happyhorse.api import views
from happyhorse.api.access import caller_and_body, job_for_caller
from happyhorse.api.auth import Identity
from happyhorse.api.context import Context, Here
from happyhorse.api.key_first import KeyFirst
from happyhorse.api.own_links import from_own_store
from happyhorse.api.problems import CONFLICT
from happyhorse.api.streams import event_stream
from happyhorse.errors import InvalidRequest
from happyhorse.jobs.job import Status
from happyhorse.jobs.outbound import MAX_URL_CHARS
from happyhorse.jobs.queue import MAX_PRIORITY
from happyhorse.jobs.reader import MAX_PAGE, Filter
from happyhorse.jobs.webhooks import Target
from happyhorse.request import GenerationRequest

router = APIRouter(route_class=KeyFirst, tags=["generations"])

_SCENE = {"prompt": 'A baker lifts a loaf and says: "Fresh and warm!"', "duration": 5, "resolution": "720P"}
_EXAMPLES: Mapping[str, object] = {
    "text": {"summary": "Text to video", "value": _SCENE},
    "image": {
        "summary": "Image to video, from an upload",
        "value": {"prompt": "The boat drifts away.", "image": "file-0190b0a0-0000-7000-8000-000000000000"},
    },
    "references": {
        "summary": "Two characters by reference",
        "value": {
            "prompt": "character1 greets character2.",
            "references": ["file-0190b0a0-0000-7000-8000-000000000001", "data:image/png;base64,iVBOR..."],
        },
    },
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/GenerationRequest"},
                "examples": _EXAMPLES,
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "prompt": {"type": "string"},
                        "image": {"type": "string", "format": "binary"},
                        "references": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "video": {"type": "string", "format": "binary"},
                        "voice": {"type": "string", "format": "binary"},
                    },
                    "additionalProperties": {"type": "string"},
                }
            },
        },
    }
}


class GenerationBody(GenerationRequest):
    """A clip to make: the request itself, and how the service is to treat it."""

    priority: Annotated[
        int,
        Field(ge=-MAX_PRIORITY, le=MAX_PRIORITY, description="Among the jobs of one key; higher runs first."),
    ] = 0
    webhook_url: Annotated[
        str | None,
        Field(
            max_length=MAX_URL_CHARS,
            description="Told when it is over, as the addresses of /v1/webhooks are.",
        ),
    ] = None


BODY_SCHEMA = GenerationBody


@router.post(
    "/v1/generations",
    status_code=202,
    response_model=views.Generation,
    openapi_extra=_BODY,
    responses=CONFLICT,
)
async def create(
    request: Request,
    here: Here,
    response: Response,
    idempotency_key: Annotated[str | None, Header(description="The same key makes the same job.")] = None,
) -> views.Generation:
    """Queue a clip. It is stored when this answers, and it will be made whatever process dies."""
    who, fields = await _asked(request, here)
    job = await run_in_threadpool(
        here.service.submitter.submit,
        fields,
        priority=_priority(fields.pop("priority", None)),
        webhook=_target(fields.pop("webhook_url", None), here.links.base(request)),
        caller=who.caller,
        idempotency_key=idempotency_key,
    )
    response.headers["Location"] = f"/v1/generations/{job.id}"
    return views.generation(job, request, here.links)


@router.post("/v1/plans", response_model=views.PlanView, openapi_extra=_BODY)
async def plan(request: Request, here: Here) -> views.PlanView:
    """Say what would be made, in what time and memory and at what price. Nothing is run or kept but uploads."""
    who, fields = await _asked(request, here)
    _priority(fields.pop("priority", None))
    _target(fields.pop("webhook_url", None), "")
    _, decided = await run_in_threadpool(here.service.submitter.plan, fields, caller=who.caller)
    shown = {
        name: value for name, value in decided.to_dict().items() if name not in ("image", "video", "voice")
    }
    del shown["references"]
    return views.PlanView(plan=shown, price_usd=decided.price_usd, digest=decided.digest())


@router.get("/v1/generations", response_model=views.GenerationPage)
def index(
    request: Request,
    here: Here,
    status: Status | None = None,
    mode: Annotated[str | None, Query(pattern="^(t2v|i2v|r2v|edit)$")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 20,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> views.GenerationPage:
    """Newest first. Filter by metadata with `metadata.name=value`; follow `next_cursor` for more."""
    who = here.auth.identify(request, "read")
    wanted = Filter(owner=who.sees, status=status, mode=mode, metadata=_metadata(request))
    page, following = here.service.store.list(wanted, limit=limit, after=cursor)
    data = [views.generation(job, request, here.links) for job in page]
    return views.GenerationPage.model_construct(object="list", data=data, next_cursor=following)


@router.get("/v1/generations/{job_id}", response_model=views.Generation)
def show(job_id: str, request: Request, here: Here) -> views.Generation:
    """One generation as it is now."""
    return views.generation(job_for_caller(job_id, request, here), request, here.links)


@router.get("/v1/generations/{job_id}/plan", response_model=views.PlanView)
def shown_plan(job_id: str, request: Request, here: Here) -> views.PlanView:
    """What was decided when it was submitted."""
    job = job_for_caller(job_id, request, here)
    price = views.generation(job, request, here.links).price_usd
    return views.PlanView(plan=dict(job.plan), price_usd=price, digest=str(job.plan["digest"]))


@router.post("/v1/generations/{job_id}/cancel", response_model=views.Generation, responses=CONFLICT)
def cancel(job_id: str, request: Request, here: Here) -> views.Generation:
    """Stop it: at once while it waits, within one step while it runs. A canceled generation costs nothing."""
    who = here.auth.identify(request, "generate")
    return views.generation(here.service.store.cancel(job_id, owner=who.sees), request, here.links)


@router.post(
    "/v1/generations/{job_id}/retry", status_code=202, response_model=views.Generation, responses=CONFLICT
)
def retry(job_id: str, request: Request, here: Here, response: Response) -> views.Generation:
    """Queue a failed or canceled one again, as a new generation with the same seed and inputs."""
    who = here.auth.identify(request, "generate")
    job = here.service.submitter.retry(job_id, owner=who.sees)
    response.headers["Location"] = f"/v1/generations/{job.id}"
    return views.generation(job, request, here.links)


@router.delete("/v1/generations/{job_id}", status_code=204, responses=CONFLICT)
def delete(job_id: str, request: Request, here: Here) -> None:
    """Forget one that is over, with its clip. What it cost stays in the ledger."""
    who = here.auth.identify(request, "generate")
    here.service.store.delete(job_id, owner=who.sees)


@router.get("/v1/generations/{job_id}/events", response_class=EventSourceResponse)
async def events(
    job_id: str,
    request: Request,
    here: Here,
    last_event_id: Annotated[str | None, Header(description="Go on after this event.")] = None,
) -> EventSourceResponse:
    """Everything that happens to it, as server-sent events from the first one on; ends when it is over."""
    await run_in_threadpool(job_for_caller, job_id, request, here)
    after = _event_number(last_event_id)
    return event_stream(_stream(here, job_id, after))


async def _stream(here: Context, job_id: str, after: int) -> AsyncIterator[ServerSentEvent]:
    async for event in here.feed.follow(job_id, after=after):
        data = json.dumps(views.event_data(event), ensure_ascii=False)
        yield ServerSentEvent(data, id=str(event.number), event=event.type)


async def _asked(request: Request, here: Context) -> tuple[Identity, dict[str, object]]:
    who, fields = await caller_and_body(request, here)
    return who, await run_in_threadpool(from_own_store, fields, request, here, who)


def _priority(value: object) -> int:
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,9}", value.strip()):
        value = int(value)  # a form has only text
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_PRIORITY:
        text = (
            f"priority must be a whole number from -{MAX_PRIORITY} to {MAX_PRIORITY}; got {str(value)[:40]!r}"
        )
        raise InvalidRequest(text, field="priority")
    return value


def _target(url: object, base_url: str) -> Target | None:
    if url is None:
        return None
    if not isinstance(url, str):
        raise InvalidRequest(f"webhook_url must be a URL; got {str(url)[:40]!r}", field="webhook_url")
    return Target(url, base_url)


def _metadata(request: Request) -> Mapping[str, str] | None:
    prefix = "metadata."
    found = {
        name.removeprefix(prefix): value
        for name, value in request.query_params.items()
        if name.startswith(prefix)
    }
    return found or None


def _event_number(text: str | None) -> int:
    if text is None or not text.strip():
        return 0
    if not (text.isascii() and text.strip().isdigit() and len(text) < 10):
        raise InvalidRequest(
            f"Last-Event-ID must be the number of an event; got '{text[:40]}'", field="Last-Event-ID"
        )
    return int(text)
