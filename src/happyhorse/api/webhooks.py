"""/v1/webhooks: addresses that are told of generations, and the log of what was told."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from happyhorse.api import views
from happyhorse.api.context import Context, Here
from happyhorse.api.key_first import KeyFirst
from happyhorse.jobs.deliveries import State
from happyhorse.jobs.endpoints import Endpoint
from happyhorse.jobs.outbound import MAX_URL_CHARS
from happyhorse.jobs.reader import MAX_PAGE
from happyhorse.jobs.webhooks import TERMINAL_EVENTS, EventName, Target, signing_secret

router = APIRouter(route_class=KeyFirst, tags=["webhooks"])


class NewWebhook(BaseModel):
    url: Annotated[str, Field(max_length=MAX_URL_CHARS, examples=["https://example.com/clips"])]
    events: Annotated[list[EventName], Field(min_length=1)] = list(TERMINAL_EVENTS)


@router.post("/v1/webhooks", status_code=201, response_model=views.NewWebhookView)
def create(request: Request, here: Here, body: NewWebhook) -> views.NewWebhookView:
    """Register an address. Its signing secret (Standard Webhooks) is in this answer and nowhere else."""
    who = here.auth.identify(request, "generate")
    target = Target(body.url, here.links.base(request), events=tuple(dict.fromkeys(body.events)))
    made = here.service.endpoints.create(target, owner=who.caller.owner, audience=who.sees)
    return _with_secret(made, here)


@router.get("/v1/webhooks", response_model=list[views.WebhookView])
def index(request: Request, here: Here) -> list[views.WebhookView]:
    """Oldest first."""
    who = here.auth.identify(request, "read")
    found = here.service.endpoints.list(owner=who.sees)
    return [views.WebhookView.model_validate(views.webhook(endpoint)) for endpoint in found]


@router.get("/v1/webhooks/deliveries", response_model=views.DeliveryPage)
def deliveries(
    request: Request,
    here: Here,
    state: Annotated[State | None, Query(description="`dead` lists what was given up.")] = None,
    webhook: Annotated[str | None, Query(max_length=64)] = None,
    generation: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 20,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> views.DeliveryPage:
    """What was told and what waits, newest first. What ended stays in this log for a week."""
    who = here.auth.identify(request, "read")
    page, following = here.service.deliveries.list(
        owner=who.sees, state=state, webhook_id=webhook, job_id=generation, limit=limit, after=cursor
    )
    data = [views.DeliveryView.model_validate(views.delivery(found)) for found in page]
    return views.DeliveryPage(data=data, next_cursor=following)


@router.get("/v1/webhooks/deliveries/{delivery_id}", response_model=views.DeliveryLog)
def show_delivery(delivery_id: str, request: Request, here: Here) -> views.DeliveryLog:
    """One delivery, with every try and the body."""
    who = here.auth.identify(request, "read")
    found = here.service.deliveries.get(delivery_id, owner=who.sees)
    return views.delivery_log(found, here.service.deliveries.tries(found.id))


@router.post(
    "/v1/webhooks/deliveries/{delivery_id}/replay", status_code=202, response_model=views.DeliveryView
)
def replay(delivery_id: str, request: Request, here: Here) -> views.DeliveryView:
    """Send it again, delivered or dead, under the same id and with a new day of tries."""
    who = here.auth.identify(request, "generate")
    found = here.service.deliveries.replay(delivery_id, owner=who.sees)
    return views.DeliveryView.model_validate(views.delivery(found))


@router.get("/v1/webhooks/{webhook_id}", response_model=views.WebhookView)
def show(webhook_id: str, request: Request, here: Here) -> views.WebhookView:
    """Where it goes and what it is told; its secret is not shown again."""
    who = here.auth.identify(request, "read")
    return views.WebhookView.model_validate(
        views.webhook(here.service.endpoints.get(webhook_id, owner=who.sees))
    )


@router.post("/v1/webhooks/{webhook_id}/rotate", response_model=views.NewWebhookView)
def rotate(webhook_id: str, request: Request, here: Here) -> views.NewWebhookView:
    """Give it a new secret, shown here and nowhere else. Messages are signed by both until `previous_secret_until`."""
    who = here.auth.identify(request, "generate")
    return _with_secret(here.service.endpoints.rotate(webhook_id, owner=who.sees), here)


def _with_secret(endpoint: Endpoint, here: Context) -> views.NewWebhookView:
    secret = signing_secret(here.service.secret, endpoint.id, endpoint.secret_number)
    return views.NewWebhookView.model_validate({**views.webhook(endpoint), "secret": secret})


@router.delete("/v1/webhooks/{webhook_id}", status_code=204)
def delete(webhook_id: str, request: Request, here: Here) -> None:
    """Tell it nothing new; what waits is still delivered."""
    who = here.auth.identify(request, "generate")
    here.service.endpoints.delete(webhook_id, owner=who.sees)
