"""/v1/files, /v1/keys, /v1/usage, /v1/models."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, cast

from fastapi import APIRouter, Query, Request, UploadFile
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field
from starlette import datastructures

from happyhorse.api import views
from happyhorse.api.auth import Identity
from happyhorse.api.context import Context, Here
from happyhorse.api.key_first import KeyFirst
from happyhorse.api.problems import file_answers
from happyhorse.api.results import StoredFile
from happyhorse.jobs.keys import DEFAULT_SCOPES, Limits, Scope
from happyhorse.jobs.reader import MAX_PAGE

router = APIRouter(route_class=KeyFirst)
MAX_CURSOR_CHARS = 128


@router.post("/v1/files", status_code=201, response_model=views.FileView, tags=["files"])
def upload(request: Request, here: Here, file: UploadFile) -> views.FileView:
    """Send a picture, video or sound once and use its id in requests. Judged by content, at most 120 MB."""
    return keep(file, here, here.auth.identify(request, "generate"))


def keep(
    file: datastructures.UploadFile, here: Context, who: Identity, *, file_id: str | None = None
) -> views.FileView:
    """Store what a form brought. Raises: MediaError."""
    name, owner = file.filename or "file", who.caller.owner
    return views.file(here.service.uploads.add(file.file, name=name, owner=owner, file_id=file_id))


@router.get("/v1/files", response_model=views.FilePage, tags=["files"])
def files(
    request: Request,
    here: Here,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 20,
    cursor: Annotated[str | None, Query(max_length=MAX_CURSOR_CHARS)] = None,
) -> views.FilePage:
    """Newest first."""
    who = here.auth.identify(request, "read")
    page, following = here.service.uploads.list(owner=who.sees, limit=limit, after=cursor)
    return views.FilePage(data=[views.file(upload) for upload in page], next_cursor=following)


@router.get("/v1/files/{file_id}", response_model=views.FileView, tags=["files"])
def show_file(file_id: str, request: Request, here: Here) -> views.FileView:
    """What a probe saw in it."""
    who = here.auth.identify(request, "read")
    return views.file(here.service.uploads.get(file_id, owner=who.sees))


MEDIA_TYPES = {
    "jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "bmp": "image/bmp", "mp4": "video/mp4",
    "mov": "video/quicktime", "webm": "video/webm", "wav": "audio/wav", "mp3": "audio/mpeg",
}  # fmt: skip


@router.head("/v1/files/{file_id}/content", include_in_schema=False)
@router.get(
    "/v1/files/{file_id}/content",
    response_class=FileResponse,
    responses=file_answers(*MEDIA_TYPES.values()),
    tags=["files"],
)
def file_content(file_id: str, request: Request, here: Here) -> FileResponse:
    """Its bytes. A signed link needs no credential."""
    owner = None if here.links.is_signed(request) else here.auth.identify(request, "read").sees
    found = here.service.uploads.get(file_id, owner=owner)
    media_type = MEDIA_TYPES.get(str(found.info["format"]), "application/octet-stream")
    headers = {"X-Content-Type-Options": "nosniff", "ETag": f'"{found.sha256}"'}
    return StoredFile(
        here.service.blobs.path(found.sha256), media_type=media_type, filename=found.name, headers=headers
    )


@router.delete("/v1/files/{file_id}", status_code=204, tags=["files"])
def delete_file(file_id: str, request: Request, here: Here) -> None:
    """Forget it; generations that use it keep their copy."""
    who = here.auth.identify(request, "generate")
    here.service.uploads.delete(file_id, owner=who.sees)


_Usd = Field(ge=0, le=1e9, allow_inf_nan=False)


class KeyLimits(BaseModel):
    """What a key may use; null is no limit."""

    requests_per_minute: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    spend_limit_usd: Annotated[float | None, _Usd, Field(description="In all.")] = None
    daily_spend_limit_usd: Annotated[float | None, _Usd, Field(description="A day, in UTC.")] = None
    concurrent_jobs: Annotated[
        int | None, Field(ge=1, le=10_000, description="That run at once; more of them wait.")
    ] = None


class NewKey(KeyLimits):
    name: Annotated[str, Field(min_length=1, max_length=120, examples=["ci"])]
    scopes: list[Scope] = list(DEFAULT_SCOPES)


@router.post("/v1/keys", status_code=201, response_model=views.NewKeyView, tags=["keys"])
def create_key(request: Request, here: Here, body: NewKey) -> views.NewKeyView:
    """Make a key. Its secret is in this answer and nowhere else."""
    here.auth.identify(request, "admin")
    made, secret = here.service.keys.create(body.name, scopes=body.scopes, **_limits(body))
    return views.NewKeyView.model_validate({**views.key(made), "secret": secret})


@router.get("/v1/keys", response_model=list[views.KeyView], tags=["keys"])
def keys(request: Request, here: Here) -> list[views.KeyView]:
    """Every key with its limits, revoked ones too; never a secret."""
    here.auth.identify(request, "admin")
    return [views.KeyView.model_validate(views.key(found)) for found in here.service.keys.list()]


@router.patch("/v1/keys/{key_id}", response_model=views.KeyView, tags=["keys"])
def change_key(key_id: str, request: Request, here: Here, body: KeyLimits) -> views.KeyView:
    """Set the limits that the body names, from the next request on; the others stay."""
    here.auth.identify(request, "admin")
    return views.KeyView.model_validate(views.key(here.service.keys.change(key_id, **_limits(body))))


def _limits(body: KeyLimits) -> Limits:
    return cast(Limits, body.model_dump(include=set(KeyLimits.model_fields), exclude_unset=True))


@router.delete("/v1/keys/{key_id}", response_model=views.KeyView, tags=["keys"])
def revoke_key(key_id: str, request: Request, here: Here) -> views.KeyView:
    """Revoke it, at once and for good; what it made stays."""
    here.auth.identify(request, "admin")
    return views.KeyView.model_validate(views.key(here.service.keys.revoke(key_id)))


class UsageRow(BaseModel):
    day: str
    key: str
    engine: str
    resolution: str
    generations: int
    seconds: float
    usd: float


class Usage(BaseModel):
    object: str = "usage"
    since: datetime
    until: datetime
    data: list[UsageRow]
    total_seconds: float
    total_usd: float


@router.get("/v1/usage", response_model=Usage, tags=["usage"])
def usage(
    request: Request,
    here: Here,
    days: Annotated[int, Query(ge=1, le=366, description="This many days back, in UTC.")] = 30,
) -> Usage:
    """What was charged, by day, key, engine and resolution. Only clips that succeeded are charged, each once."""
    who = here.auth.identify(request, "read")
    until = time.time() + 1
    first = datetime.fromtimestamp(until, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    since = first - timedelta(days=days - 1)
    lines = here.service.store.ledger.usage(owner=who.sees, since=since.timestamp(), until=until)
    rows = [
        UsageRow(
            day=line.day,
            key=line.owner,
            engine=line.engine,
            resolution=line.resolution,
            generations=line.jobs,
            seconds=line.seconds,
            usd=line.usd,
        )
        for line in lines
    ]
    return Usage(
        since=since,
        until=views.when(until),
        data=rows,
        total_seconds=round(sum(row.seconds for row in rows), 3),
        total_usd=round(sum(row.usd for row in rows), 6),
    )


class Model(BaseModel):
    """An engine that can be asked for here. `live` says whether a worker runs it now."""

    id: str
    object: str = "model"
    owned_by: str = "happyhorse"
    modes: list[str]
    languages: list[str]
    resolutions: list[str]
    max_duration_s: int
    max_references: int
    price_usd_per_second: dict[str, float]
    weights_id: str
    live: bool
    default: bool


class Models(BaseModel):
    object: str = "list"
    data: list[Model]


@router.get("/v1/models", response_model=Models, tags=["models"])
def models(request: Request, here: Here) -> Models:
    """The engines that can be asked for here."""
    here.auth.identify(request, "read")
    live = here.service.workers.live_engines()
    found = [
        Model(
            id=name,
            modes=sorted(engine.modes),
            languages=sorted(engine.languages),
            resolutions=list(engine.resolutions),
            max_duration_s=engine.max_duration_s,
            max_references=engine.max_references,
            price_usd_per_second=dict(engine.price_per_second),
            weights_id=engine.weights_id,
            live=name in live,
            default=name == here.service.default_engine,
        )
        for name, engine in here.service.submitter.engines().items()
    ]
    return Models(data=found)
