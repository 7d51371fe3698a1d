"""What the native API answers: models for OpenAPI, and the functions that fill them from jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from fastapi import Request
from pydantic import BaseModel

from happyhorse.api.links import Links
from happyhorse.jobs.deliveries import Delivery, State, Try
from happyhorse.jobs.endpoints import Endpoint
from happyhorse.jobs.files import Upload
from happyhorse.jobs.job import MICROS, Event, Job, Status
from happyhorse.jobs.keys import Key
from happyhorse.jobs.webhooks import Message


class ProgressView(BaseModel):
    stage: str | None
    step: int
    num_steps: int
    percent: float
    eta_s: float | None
    preview_url: str | None
    """A small picture of the clip as it will be; another address when there is a newer one."""


class ErrorView(BaseModel):
    code: str
    message: str
    retryable: bool
    field: str | None


class OutputView(BaseModel):
    url: str
    thumbnail_url: str
    last_frame_url: str
    width: int
    height: int
    base_width: int
    base_height: int
    duration_s: float
    fps: int
    num_frames: int
    seed: int
    size_bytes: int
    sha256: str
    sound: str
    engine: str
    weights_id: str
    weights_hash: str
    notes: list[str]


class Generation(BaseModel):
    """A job. `status` goes forward only; `output` is there when it succeeded, `error` when it failed."""

    id: str
    status: Status
    mode: str
    engine: str
    seed: int
    request: dict[str, object]
    metadata: dict[str, str]
    progress: ProgressView
    price_usd: float
    cost_usd: float
    output: OutputView | None
    error: ErrorView | None
    notes: list[str]
    retry_of: str | None
    priority: int
    webhook_url: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    object: str = "generation"


class GenerationPage(BaseModel):
    object: str = "list"
    data: list[Generation]
    next_cursor: str | None


class PlanView(BaseModel):
    """What would be made and what it would cost; nothing was run."""

    plan: dict[str, object]
    price_usd: float
    digest: str
    object: str = "plan"


class FileView(BaseModel):
    id: str
    object: str = "file"
    name: str
    sha256: str
    kind: str
    format: str
    size_bytes: int
    width: int
    height: int
    duration_s: float
    created_at: datetime
    expires_at: datetime | None


class FilePage(BaseModel):
    object: str = "list"
    data: list[FileView]
    next_cursor: str | None


class WebhookView(BaseModel):
    """An address that hears of every generation its maker can see."""

    id: str
    object: str = "webhook"
    url: str
    events: list[str]
    created_at: datetime
    previous_secret_until: datetime | None


class NewWebhookView(WebhookView):
    secret: str


class DeliveryView(BaseModel):
    """One news on its way: `pending` until the address answers 2xx, `dead` after a day of tries."""

    id: str
    object: str = "webhook_delivery"
    type: str
    generation: str
    webhook: str | None
    url: str
    state: State
    tries: int
    due_at: datetime | None
    created_at: datetime
    ended_at: datetime | None


class TryView(BaseModel):
    at: datetime
    seconds: float
    status: int | None
    error: str | None


class DeliveryLog(DeliveryView):
    """A delivery with every try so far and with what is sent."""

    log: list[TryView]
    body: str | None


class DeliveryPage(BaseModel):
    object: str = "list"
    data: list[DeliveryView]
    next_cursor: str | None


class KeyView(BaseModel):
    id: str
    object: str = "key"
    name: str
    prefix: str
    scopes: list[str]
    requests_per_minute: int | None
    spend_limit_usd: float | None
    daily_spend_limit_usd: float | None
    concurrent_jobs: int | None
    created_at: datetime
    revoked_at: datetime | None


class NewKeyView(KeyView):
    secret: str


def generation(job: Job, request: Request, links: Links) -> Generation:
    return generation_from(job, links.base(request), links)


def generation_from(job: Job, base_url: str, links: Links) -> Generation:
    """`base_url` is how who reads it reaches this server."""
    here = f"/v1/generations/{job.id}"
    output = None
    if job.output is not None:
        urls = {
            "url": f"{here}/content",
            "thumbnail_url": f"{here}/thumbnail",
            "last_frame_url": f"{here}/frames/last",
        }
        signed = {name: links.signed_from(base_url, path) for name, path in urls.items()}
        output = OutputView.model_validate({**job.output, **signed})
    plan = job.plan
    return Generation.model_construct(
        id=job.id,
        status=job.status,
        mode=job.mode,
        engine=job.engine,
        seed=plan["seed"],
        request=dict(job.request),
        metadata=dict(job.metadata),
        progress=ProgressView.model_construct(
            stage=job.stage,
            step=job.step,
            num_steps=job.num_steps,
            percent=round(100 * job.fraction, 1),
            eta_s=None if job.eta_s is None else round(job.eta_s, 1),
            preview_url=None
            if job.preview_event is None
            else links.signed_from(base_url, f"{here}/previews/{job.preview_event}"),
        ),
        price_usd=job.price_micros / MICROS,
        cost_usd=job.cost_micros / MICROS,
        output=output,
        error=ErrorView(**asdict(job.error)) if job.error else None,
        notes=plan["notes"],
        retry_of=job.retry_of,
        priority=job.priority,
        webhook_url=None if job.webhook is None else str(job.webhook["url"]),
        created_at=when(job.created_at),
        started_at=maybe(job.started_at),
        finished_at=maybe(job.finished_at),
        expires_at=maybe(job.expires_at),
    )


def event_data(event: Event) -> Mapping[str, object]:
    data = dict(event.data)
    if "fraction" in data:
        data["percent"] = round(100 * float(str(data.pop("fraction"))), 1)
    return {"id": event.job_id, "number": event.number, "at": when(event.at).isoformat(), **data}


def file(upload: Upload) -> FileView:
    facts = {**upload.info, "id": upload.id, "name": upload.name}
    times = {"created_at": when(upload.created_at), "expires_at": maybe(upload.expires_at)}
    return FileView.model_validate({**facts, **times})


def message(sent: Message, links: Links) -> Mapping[str, object]:
    """The native form of a webhook: the kind of news, its time, and the generation as the API shows it."""
    data = generation_from(sent.job, sent.base_url, links).model_dump(mode="json")
    return {"type": event_type(sent.event), "timestamp": when(sent.at).isoformat(), "data": data}


def event_type(event: str) -> str:
    return f"generation.{event}"


def webhook(endpoint: Endpoint) -> dict[str, object]:
    times = {
        "created_at": when(endpoint.created_at),
        "previous_secret_until": maybe(endpoint.overlap_ends_at),
    }
    return {"id": endpoint.id, "url": endpoint.url, "events": list(endpoint.events), **times}


def delivery(found: Delivery) -> dict[str, object]:
    return {
        "id": found.id,
        "type": event_type(found.event),
        "generation": found.job_id,
        "webhook": found.webhook_id,
        "url": found.url,
        "state": found.state,
        "tries": found.tries,
        "due_at": when(found.due_at) if found.state is State.PENDING else None,
        "created_at": when(found.created_at),
        "ended_at": maybe(found.ended_at),
    }


def delivery_log(found: Delivery, log: Sequence[Try]) -> DeliveryLog:
    tries = [{**asdict(one), "at": when(one.at)} for one in log]
    return DeliveryLog.model_validate({**delivery(found), "log": tries, "body": found.body})


def key(found: Key) -> dict[str, object]:
    return {
        "id": found.id,
        "object": "key",
        "name": found.name,
        "prefix": found.prefix,
        "scopes": list(found.scopes),
        "requests_per_minute": found.requests_per_minute,
        "spend_limit_usd": _usd(found.spend_limit_micros),
        "daily_spend_limit_usd": _usd(found.daily_spend_limit_micros),
        "concurrent_jobs": found.concurrent_jobs,
        "created_at": when(found.created_at),
        "revoked_at": maybe(found.revoked_at),
    }


def _usd(micros: int | None) -> float | None:
    return None if micros is None else micros / MICROS


def when(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def maybe(seconds: float | None) -> datetime | None:
    return None if seconds is None else when(seconds)
