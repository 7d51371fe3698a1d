"""Who asks, and what that one may see: the first lines of most endpoints."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from happyhorse.api.auth import Identity
from happyhorse.api.body import read_fields
from happyhorse.api.context import Context
from happyhorse.jobs.files import UploadStore
from happyhorse.jobs.job import Job
from happyhorse.jobs.keys import Scope

ReadBody = Callable[[Request, UploadStore, str], Awaitable[Mapping[str, object]]]


async def caller_and_body(
    request: Request, here: Context, scope: Scope = "generate", *, read: ReadBody = read_fields
) -> tuple[Identity, Mapping[str, object]]:
    """The caller, if it may do what the scope says, and only then the fields of its body.

    Raises: as `Auth.identify` and as `read`.
    """
    who = await run_in_threadpool(here.auth.identify, request, scope)
    return who, await read(request, here.service.uploads, who.caller.owner)


def job_for_caller(job_id: str, request: Request, here: Context) -> Job:
    """A job that the caller may see. Raises: as `Auth.identify`; NotFound."""
    who = here.auth.identify(request, "read")
    return here.service.store.get(job_id, owner=who.sees)
