"""Uploads in two steps, as inference.sh and fal have them: a link that takes the bytes once, and a link that reads them.

Nothing is stored in the first step: the link to write to carries whose file it will be, and is signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Annotated, BinaryIO, cast
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from happyhorse.api.auth import Identity
from happyhorse.api.context import Context, Here
from happyhorse.db import new_id
from happyhorse.errors import Forbidden
from happyhorse.jobs.files import Upload

_IN_MEMORY_BYTES = 1 << 20

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Ticket:
    """A file that is about to be sent. Both links need no credential."""

    file_id: str
    upload_url: str
    file_url: str


def open_upload(name: str, request: Request, here: Context, who: Identity) -> Ticket:
    """Say where the caller may put a file, and where it will be."""
    file_id = f"file-{new_id()}"
    upload_url = here.links.signed(request, f"/uploads/{who.caller.owner}/{file_id}")
    return Ticket(
        file_id, f"{upload_url}&name={quote(name[-200:], safe='')}", file_url(file_id, request, here)
    )


def file_url(file_id: str, request: Request, here: Context) -> str:
    """A link that reads an upload, and that can stand in a request."""
    return here.links.signed(request, f"/v1/files/{file_id}/content")


@router.put("/uploads/{owner}/{file_id}")
async def put(
    owner: str,
    file_id: str,
    request: Request,
    here: Here,
    name: Annotated[str, Query(max_length=2000)] = "file",
) -> Response:
    """Take the bytes. Raises: Forbidden without a good signature; MediaError for what is no media; Conflict the second time."""
    if not here.links.is_signed(request):
        raise Forbidden("this address takes only uploads that were announced")
    await store_body(request, here, name=name, owner=owner, file_id=file_id)
    return Response(status_code=200)


async def store_body(
    request: Request, here: Context, *, name: str, owner: str, file_id: str | None = None
) -> Upload:
    """Store the body of a request as it is. Raises: MediaError, Conflict."""
    with SpooledTemporaryFile(_IN_MEMORY_BYTES) as file:
        async for chunk in request.stream():
            await run_in_threadpool(file.write, chunk)
        file.seek(0)
        return await run_in_threadpool(
            here.service.uploads.add, cast(BinaryIO, file), name=name, owner=owner, file_id=file_id
        )
