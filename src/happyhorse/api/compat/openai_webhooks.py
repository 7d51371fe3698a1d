"""Webhook endpoints as OpenAI's SDK registers them, `/v1/webhook_endpoints`. Source: specs/api.md section 5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from happyhorse.api.compat.common import dialect_route
from happyhorse.api.compat.openai import FORM, render_error
from happyhorse.api.context import Here
from happyhorse.errors import InvalidRequest
from happyhorse.jobs.endpoints import Endpoint
from happyhorse.jobs.webhooks import EventName, Target, signing_secret

# their event -> ours; a canceled video is a failed one to them
_EVENTS: Mapping[str, tuple[EventName, ...]] = {
    "video.completed": ("succeeded",),
    "video.failed": ("failed", "canceled"),
}


class NewEndpoint(BaseModel):
    name: Annotated[str, Field(max_length=200)] = ""
    url: str
    event_types: list[str] = list(_EVENTS)


router = APIRouter(route_class=dialect_route(render_error), tags=["openai"])


@router.post("/v1/webhook_endpoints")
def create(request: Request, here: Here, body: NewEndpoint) -> JSONResponse:
    """Register an address for every video of the caller. Its signing secret is in this answer and nowhere else."""
    who = here.auth.identify(request, "generate")
    wanted = [ours for theirs in body.event_types for ours in _EVENTS.get(theirs, ())]
    if not wanted:
        text = f"event_types must hold one of {', '.join(_EVENTS)}; got {', '.join(body.event_types)[:80]!r}"
        raise InvalidRequest(text, field="event_types")
    target = Target(body.url, here.links.base(request), form=FORM, events=tuple(dict.fromkeys(wanted)))
    made = here.service.endpoints.create(target, owner=who.caller.owner, audience=who.sees)
    secret = signing_secret(here.service.secret, made.id)
    return JSONResponse({**_shown(made), "name": body.name, "signing_secret": secret})


@router.get("/v1/webhook_endpoints")
def index(request: Request, here: Here) -> JSONResponse:
    """Newest first, all of them."""
    who = here.auth.identify(request, "read")
    data = [_shown(found) for found in here.service.endpoints.list(owner=who.sees, form=FORM)][::-1]
    ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    return JSONResponse({"object": "list", "data": data, **ends, "has_more": False})


@router.get("/v1/webhook_endpoints/{webhook_id}")
def show(webhook_id: str, request: Request, here: Here) -> JSONResponse:
    who = here.auth.identify(request, "read")
    return JSONResponse(_shown(here.service.endpoints.get(webhook_id, owner=who.sees)))


@router.delete("/v1/webhook_endpoints/{webhook_id}")
def delete(webhook_id: str, request: Request, here: Here) -> JSONResponse:
    who = here.auth.identify(request, "generate")
    here.service.endpoints.delete(webhook_id, owner=who.sees)
    return JSONResponse({"id": webhook_id, "object": "webhook_endpoint.deleted", "deleted": True})


def _shown(found: Endpoint) -> dict[str, object]:
    """A name is not kept; the address stands for it."""
    events = [theirs for theirs, ours in _EVENTS.items() if set(ours) <= set(found.events)]
    return {
        "id": found.id,
        "object": "webhook_endpoint",
        "created_at": int(found.created_at),
        "name": found.url[:200],
        "url": found.url,
        "event_types": events,
    }
