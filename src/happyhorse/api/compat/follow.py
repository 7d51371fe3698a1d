"""A job as it changes, for the dialects that stream: the whole job each time, not its events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from happyhorse.api.context import Context
from happyhorse.errors import NotFound, Stopping
from happyhorse.jobs.job import Job

_QUIET_S = 60.0


async def snapshots(job: Job, here: Context, *, every_s: float) -> AsyncGenerator[Job]:
    """Yield the job now, after each change, and at least every `every_s` seconds; end after its terminal state, or when
    the server stops.
    """
    news = here.feed.follow(job.id, after=job.num_events)
    coming: asyncio.Future[object] | None = None
    try:
        yield job
        while not (job.is_terminal or here.feed.is_ending):
            coming = coming or asyncio.ensure_future(anext(news, None))
            done, _ = await asyncio.wait({coming}, timeout=every_s)
            coming = None if done else coming
            try:
                job = await asyncio.to_thread(here.service.store.get, job.id, owner=None)
            except NotFound:
                return  # deleted while it was watched
            yield job
    finally:
        if coming is not None:
            coming.cancel()
            with suppress(asyncio.CancelledError):
                await coming
        await news.aclose()


async def finished(job: Job, here: Context) -> Job:
    """Wait for the terminal state, however long it takes.

    Raises: NotFound when the job is deleted meanwhile; Stopping when the server stops.
    """
    latest = job
    async for snapshot in snapshots(job, here, every_s=_QUIET_S):
        latest = snapshot
    if not latest.is_terminal and here.feed.is_ending:
        raise Stopping
    if not latest.is_terminal:
        raise NotFound(f"generation '{job.id}' was deleted")
    return latest
