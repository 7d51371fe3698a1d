"""Paths that several dialects have at one place: `/v1/files` and the models below `/v1/models`.

What was asked for is told apart by the form's field (`content` is Replicate's, `purpose` comes with OpenAI's) and later by the
shape of the id: `file-` and 32 digits is OpenAI's, everything else is shown as the native API and Replicate agree on.
Source: specs/api.md section 0.1.
"""

from __future__ import annotations

import json
import re
import secrets
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from happyhorse.api import resources, views
from happyhorse.api.compat.common import dialect_route, named
from happyhorse.api.compat.reading import mode_of_model
from happyhorse.api.compat.replicate_models import shown_model, shown_models, shown_version, version_id
from happyhorse.api.compat.uploads import file_url
from happyhorse.api.context import Context, Here
from happyhorse.api.problems import problem
from happyhorse.errors import HappyHorseError, InvalidRequest, NotFound
from happyhorse.jobs.reader import MAX_PAGE

_MAX_PARTS = 16
_OPENAI_ID = re.compile(r"file-[0-9a-f]{32}")


def render_error(err: HappyHorseError) -> Response:
    """Problem details, which Replicate and the native API read, with OpenAI's object beside them."""
    answer = problem(err.status, err.code, err.message, field=err.field, retryable=err.retryable)
    error = {"message": err.message, "type": "invalid_request_error", "param": err.field, "code": err.code}
    body = json.dumps({**json.loads(bytes(answer.body)), "error": error}).encode()
    headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
    return Response(body, err.status, headers)


router = APIRouter(route_class=dialect_route(render_error), include_in_schema=False)


# -- files -----------------------------------------------------------------------------------------------------------------


@router.post("/v1/files")
async def upload(request: Request, here: Here) -> JSONResponse:
    """Store a file: 201 to Replicate and the native API, 200 to OpenAI. Who has no key is not listened to."""
    who = await run_in_threadpool(here.auth.identify, request, "generate")
    async with request.form(max_files=_MAX_PARTS, max_fields=_MAX_PARTS) as form:
        name = "content" if isinstance(form.get("content"), UploadFile) else "file"
        sent = form.get(name)
        if not isinstance(sent, UploadFile):
            raise InvalidRequest("file must be a file of a form", field="file")
        file_id = None if form.get("purpose") is None else f"file-{secrets.token_hex(16)}"
        try:
            stored = await run_in_threadpool(resources.keep, sent, here, who, file_id=file_id)
        except HappyHorseError as err:
            raise named(err, {"file": name}) from err
    if file_id is not None:
        return JSONResponse(_for_openai(stored))
    return JSONResponse(_for_all(stored, request, here), 201)


@router.get("/v1/files")
def files(
    request: Request,
    here: Here,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 20,
    cursor: Annotated[str | None, Query(max_length=resources.MAX_CURSOR_CHARS)] = None,
    after: Annotated[str | None, Query(max_length=resources.MAX_CURSOR_CHARS)] = None,
) -> JSONResponse:
    """Newest first, under the names that each dialect reads."""
    page = resources.files(request, here, limit, cursor or after)
    listed = [_for_all(found, request, here) for found in page.data]
    more = page.next_cursor
    url = None if more is None else f"{here.links.base(request)}/v1/files?cursor={more}"
    openai = {"object": "list", "data": listed, "has_more": more is not None, "next_cursor": more}
    return JSONResponse({**openai, "results": listed, "next": url, "previous": None})


@router.get("/v1/files/{file_id}")
def show_file(file_id: str, request: Request, here: Here) -> JSONResponse:
    """What a probe saw in it."""
    found = resources.show_file(file_id, request, here)
    is_openai = _OPENAI_ID.fullmatch(file_id)
    return JSONResponse(_for_openai(found) if is_openai else _for_all(found, request, here))


@router.delete("/v1/files/{file_id}")
def delete_file(file_id: str, request: Request, here: Here) -> Response:
    """Forget it."""
    resources.delete_file(file_id, request, here)
    if _OPENAI_ID.fullmatch(file_id):
        return JSONResponse({"id": file_id, "object": "file", "deleted": True})
    return Response(status_code=204)


def _for_openai(found: views.FileView) -> dict[str, object]:
    return {
        "id": found.id,
        "object": "file",
        "bytes": found.size_bytes,
        "created_at": int(found.created_at.timestamp()),
        "expires_at": None if found.expires_at is None else int(found.expires_at.timestamp()),
        "filename": found.name,
        "purpose": "user_data",
        "status": "processed",
    }


def _for_all(found: views.FileView, request: Request, here: Context) -> dict[str, object]:
    """The native view, with what Replicate has beside it."""
    theirs = {
        "content_type": resources.MEDIA_TYPES.get(found.format, "application/octet-stream"),
        "size": found.size_bytes,
        "etag": found.sha256,
        "checksums": {"sha256": found.sha256},
        "metadata": {},
        "urls": {"get": file_url(found.id, request, here)},
    }
    return {**found.model_dump(mode="json"), **theirs}


# -- models ----------------------------------------------------------------------------------------------------------------


@router.get("/v1/models")
def models(request: Request, here: Here) -> JSONResponse:
    """The engines, as the native API lists them, and beside them the models of Replicate."""
    native = resources.models(request, here).model_dump(mode="json")
    return JSONResponse(
        {**native, "results": shown_models(here.links.base(request)), "next": None, "previous": None}
    )


@router.get("/v1/models/{name}")
def openai_model(name: str, request: Request, here: Here) -> JSONResponse:
    here.auth.identify(request, "read")
    mode_of_model(name)
    return JSONResponse({"id": name, "object": "model", "created": 1777075200, "owned_by": "happyhorse"})


@router.get("/v1/models/{owner}/{name}")
def replicate_model(owner: str, name: str, request: Request, here: Here) -> JSONResponse:
    here.auth.identify(request, "read")
    return JSONResponse(shown_model(owner, name, here.links.base(request)))


@router.get("/v1/models/{owner}/{name}/versions")
def replicate_versions(owner: str, name: str, request: Request, here: Here) -> JSONResponse:
    here.auth.identify(request, "read")
    mode_of_model(f"{owner}/{name}")
    return JSONResponse({"previous": None, "next": None, "results": [shown_version(name)]})


@router.get("/v1/models/{owner}/{name}/versions/{version}")
def replicate_version(owner: str, name: str, version: str, request: Request, here: Here) -> JSONResponse:
    here.auth.identify(request, "read")
    mode_of_model(f"{owner}/{name}")
    if version != version_id(name):
        raise NotFound(f"{owner}/{name} has no version '{version[:80]}'")
    return JSONResponse(shown_version(name))
