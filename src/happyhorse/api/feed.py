"""News of jobs for the event streams: one query for all watchers of the process tells whose job has something new."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

from happyhorse.jobs.job import TERMINAL_VALUES, Event
from happyhorse.jobs.reader import JobReader

POLL_S = 0.1
_BATCH = 400
_log = logging.getLogger("happyhorse.api")


class Feed:
    """Streams of events, each from any number on, none left out. Runs while somebody watches, until it is told to end."""

    def __init__(self, store: JobReader) -> None:
        self.store = store
        self._watchers: dict[str, list[asyncio.Event]] = {}
        self._known: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None
        self.is_ending = False

    async def follow(self, job_id: str, *, after: int) -> AsyncGenerator[Event]:
        """Yield the events after a number as they come, and end after the last one of the job, or when the feed ends."""
        bell = asyncio.Event()
        bell.set()
        self._watchers.setdefault(job_id, []).append(bell)
        self._start()
        try:
            while True:
                await bell.wait()
                bell.clear()
                if self.is_ending:
                    return
                over = await asyncio.to_thread(self.store.is_over, job_id)  # asked before the events are read
                while batch := await asyncio.to_thread(self.store.events.of, job_id, after=after):
                    for event in batch:
                        after = event.number
                        yield event
                        if event.type in TERMINAL_VALUES:
                            return
                if over:
                    return  # the caller had seen the last event already, or the job was deleted
        finally:
            self._leave(job_id, bell)

    def end(self) -> None:
        """End all streams, also those that are yet to come: the server stops, and who watches goes on elsewhere."""
        self.is_ending = True
        for bells in self._watchers.values():
            for bell in bells:
                bell.set()

    def _leave(self, job_id: str, bell: asyncio.Event) -> None:
        watchers = self._watchers[job_id]
        watchers.remove(bell)
        if not watchers:
            del self._watchers[job_id]
            self._known.pop(job_id, None)

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll())

    async def _poll(self) -> None:
        while self._watchers:
            await asyncio.sleep(POLL_S)
            ids = list(self._watchers)
            try:
                for start in range(0, len(ids), _BATCH):
                    await self._ring(ids[start : start + _BATCH])
            except SQLAlchemyError:  # away for a moment; who watches must not wait for ever for that
                _log.exception("the database did not say what is new")

    async def _ring(self, ids: Sequence[str]) -> None:
        counts = await asyncio.to_thread(self.store.event_counts, ids)
        for job_id in ids:
            count = counts.get(job_id)
            if count == self._known.get(job_id):
                continue
            if count is not None:
                self._known[job_id] = count
            for bell in self._watchers.get(job_id, ()):
                bell.set()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
