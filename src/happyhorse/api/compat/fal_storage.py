"""The storage of fal, which its SDK has the address of built in: for clients that can be pointed at this one.

Two ways in: say what will come and put it where the answer says, or send the bytes with a token.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from happyhorse.api.access import caller_and_body
from happyhorse.api.compat.common import dialect_route
from happyhorse.api.compat.fal import answer, render_error
from happyhorse.api.compat.uploads import file_url, open_upload, store_body
from happyhorse.api.context import Here

_TOKEN_LIFE = timedelta(hours=1)

router = APIRouter(route_class=dialect_route(render_error), tags=["fal"])


@router.post("/storage/upload/initiate")
async def initiate_upload(request: Request, here: Here) -> JSONResponse:
    """Say where a file may be put, and the link that stands for it in a request."""
    who, body = await caller_and_body(request, here)
    ticket = open_upload(str(body.get("file_name") or "file"), request, here, who)
    return answer({"upload_url": ticket.upload_url, "file_url": ticket.file_url})


@router.post("/storage/auth/token")
def create_token(request: Request, here: Here) -> JSONResponse:
    """What opens the address of direct uploads: the caller's own key does."""
    here.auth.identify(request, "generate")
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    token = {"token_type": kind, "token": secret, "base_url": here.links.base(request)}
    return answer({**token, "expires_at": (datetime.now(UTC) + _TOKEN_LIFE).isoformat()})


@router.post("/files/upload")
async def upload(request: Request, here: Here) -> JSONResponse:
    """Take a file in one step."""
    who = await run_in_threadpool(here.auth.identify, request, "generate")
    name = request.headers.get("x-fal-file-name", "file")
    stored = await store_body(request, here, name=name, owner=who.caller.owner)
    return answer({"access_url": file_url(stored.id, request, here)})
