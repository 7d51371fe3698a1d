"""Every SQL statement that changes a job: create, begin, progress, finish, cancel, forget. Reading them is `reader`.

A change of a job is one UPDATE that names the statuses it may come from (`job.TRANSITIONS`) and, for a worker, the attempt
that it belongs to. So a worker that stalled and woke up after another took over changes nothing. The event of a change is
written in the same transaction and takes its number from the job's own counter.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import cast

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from happyhorse.db import Database, jobs, new_id
from happyhorse.engines.base import Progress
from happyhorse.errors import Conflict, LimitExceeded, NotFound
from happyhorse.jobs import events
from happyhorse.jobs.deliveries import announce, announce_progress, drop_progress, forget_told
from happyhorse.jobs.job import LIVE_VALUES, TERMINAL_VALUES, Job, JobError, NewJob, Status, sources
from happyhorse.jobs.ledger import charge
from happyhorse.jobs.limits import check_spend, free_places
from happyhorse.jobs.reader import JobReader, job_of
from happyhorse.jobs.webhooks import EventName

_CANCELABLE_VALUES = (Status.QUEUED.value, Status.RUNNING.value)

Enqueue = Callable[[sa.Connection, Job], None]


class JobStore(JobReader):
    """Jobs in a database, and all that may change them. `retention_s` is how long a finished job is kept; 0 keeps it for ever."""

    def __init__(self, database: Database, *, retention_s: float = 0.0) -> None:
        super().__init__(database)
        self.retention_s = retention_s

    # -- in ------------------------------------------------------------------------------------------------------------

    def create(self, new: NewJob, enqueue: Enqueue) -> Job:
        """Store a job and put it in the queue in one transaction. The same idempotency key returns the same job.

        Raises: Conflict when the key was used for another request; LimitExceeded when the owner's spend limit is reached.
        """
        own = {"id": new_id(), "status": Status.QUEUED.value, "num_events": 1, "created_at": time.time()}
        try:
            with self.database.write() as connection:
                check_spend(connection, new.owner, new.price_micros)
                job = job_of(connection.execute(sa.insert(jobs).returning(jobs), vars(new) | own).one())
                events.add(connection, job, "queued", {})
                enqueue(connection, job)
        except (IntegrityError, LimitExceeded):
            known = self.known(new.owner, new.idempotency_key, new.request_hash)
            if known is None:
                raise
            return known  # this key came before, and what it made may be what reached the limit
        return job

    # -- the worker's side -----------------------------------------------------------------------------------------------

    def begin(self, job_id: str, worker: str) -> Job | None:
        """Start the next attempt. None when there is nothing to do: the job is over, canceled or gone, or it must wait
        because its key has as many running as it may (`turns` queues it again).
        """
        begun = {
            "attempt": jobs.c.attempt + 1,
            "worker": worker,
            "started_at": sa.func.coalesce(jobs.c.started_at, time.time()),
        }
        with self.database.write() as connection:
            if _must_wait(connection, job_id):
                return None
            job = _move(connection, job_id, Status.RUNNING, values=begun)
            if job is None:
                self._end(connection, job_id, Status.CANCELED)  # one that the dead worker did not live to see
            elif job.attempt == 1:
                announce(connection, job, "running")
        return job

    def progress(self, job_id: str, attempt: int, progress: Progress) -> Status | None:
        """Write progress and return the status now; None when this attempt no longer owns the job.

        The fraction never goes back: an attempt that does again what a dead worker had done waits where that one was.
        """
        facts = {
            "stage": progress.stage,
            "step": progress.step,
            "num_steps": progress.num_steps,
            "eta_s": progress.eta_s,
        }
        number, before = jobs.c.num_events + 1, jobs.c.fraction
        furthest = sa.case((before > progress.fraction, before), else_=progress.fraction)
        values = {**facts, "fraction": furthest, "num_events": number}
        if progress.preview is not None:
            values["preview_event"] = number
        with self.database.write(durable=False) as connection:
            mine = (jobs.c.attempt == attempt, jobs.c.status.in_(("running", "canceling")))
            job = _update(connection, job_id, values, *mine)
            if job is not None:
                told = {**facts, "fraction": job.fraction, **_preview(progress)}
                events.add(connection, job, "progress", told)
                announce_progress(connection, job)
        return None if job is None else job.status

    def settle(self, job: Job) -> bool:
        """Write the inputs that the job owed, with its plan and price; False when this attempt no longer owns it."""
        values = {"media": job.media, "plan": job.plan, "price_micros": job.price_micros}
        with self.database.write() as connection:
            mine = (jobs.c.attempt == job.attempt, jobs.c.status.in_(LIVE_VALUES))
            return _update(connection, job.id, values, *mine) is not None

    def keep(self, job: Job, *digests: str) -> None:
        """Note contents that the job goes on from, so that the sweep leaves them however long the job stands still."""
        with self.database.write() as connection:
            before = connection.execute(sa.select(jobs.c.kept).where(jobs.c.id == job.id)).scalar() or []
            kept = list(dict.fromkeys((*before, *digests)))
            _update(connection, job.id, {"kept": kept}, jobs.c.status.in_(LIVE_VALUES))

    def succeed(self, job_id: str, attempt: int, output: Mapping[str, object]) -> Job | None:
        """running -> succeeded, its charge and its news in one transaction; None when this attempt may not do it."""
        done = {"output": dict(output), "fraction": 1.0, "eta_s": 0.0, "cost_micros": jobs.c.price_micros}
        with self.database.write() as connection:
            job = self._end(connection, job_id, Status.SUCCEEDED, values=done, attempt=attempt)
            if job is not None:
                charge(connection, job)
        return job

    def fail(self, job_id: str, attempt: int | None, error: JobError) -> Job | None:
        """-> failed; nothing is charged. Without an attempt it is the service that gives up, not a worker."""
        values = {"error": asdict(error)}
        with self.database.write() as connection:
            return self._end(connection, job_id, Status.FAILED, values=values, attempt=attempt)

    def finish_cancel(self, job_id: str) -> Job | None:
        """canceling -> canceled, by the worker that has stopped."""
        with self.database.write() as connection:
            return self._end(connection, job_id, Status.CANCELED)

    def _end(
        self,
        connection: sa.Connection,
        job_id: str,
        to: Status,
        *where: sa.ColumnElement[bool],
        values: Mapping[str, object] = {},
        attempt: int | None = None,
    ) -> Job | None:
        now = time.time()
        last = {
            "finished_at": now,
            "expires_at": now + self.retention_s if self.retention_s else None,
            "preview_event": None,
            "kept": None,
        }
        job = _move(connection, job_id, to, *where, values={**values, **last}, attempt=attempt)
        if job is not None:
            events.drop_previews(connection, job.id)
            drop_progress(connection, job.id)
            announce(connection, job, cast(EventName, to.value))
        return job

    # -- the caller's side ---------------------------------------------------------------------------------------------

    def cancel(self, job_id: str, *, owner: str | None, only_waiting: bool = False) -> Job:
        """queued -> canceled at once; running -> canceling, and the worker stops within a step. Again is no error.

        Raises: NotFound; Conflict when the job is over, or runs and only a waiting one may be canceled.
        """
        owned = () if owner is None else (jobs.c.owner == owner,)
        with self.database.write() as connection:
            # One statement asks and acts, so a worker that takes the job just now comes before it or after it.
            waits = (jobs.c.status == Status.QUEUED.value, *owned)
            job = self._end(connection, job_id, Status.CANCELED, *waits)
            if job is None and not only_waiting:
                job = _move(connection, job_id, Status.CANCELING, *owned)
        if job is not None:
            return job
        job = self.get(job_id, owner=owner)
        if job.status in (Status.CANCELING, Status.CANCELED) and not only_waiting:
            return job
        raise Conflict(f"job {job_id} is {job.status.value} and can no longer be canceled")

    def cancel_overdue(self) -> None:
        """Cancel what is not over at the time that its caller named."""
        query = sa.select(jobs.c.id).where(
            jobs.c.cancel_at <= time.time(), jobs.c.status.in_(_CANCELABLE_VALUES)
        )
        with self.database.read() as connection:
            overdue = connection.execute(query).scalars().all()
        for job_id in overdue:
            with suppress(Conflict, NotFound):  # it ended meanwhile
                self.cancel(job_id, owner=None)

    def finish_abandoned_cancels(self, live_workers: Callable[[], Collection[str]]) -> None:
        """canceling -> canceled where no worker lives that would see it."""
        query = sa.select(jobs.c.id, jobs.c.worker).where(jobs.c.status == Status.CANCELING.value)
        with self.database.read() as connection:
            canceling = connection.execute(query).all()
        live = live_workers() if canceling else ()
        for row in canceling:
            if row.worker not in live:
                self.finish_cancel(row.id)

    def delete(self, job_id: str, *, owner: str | None) -> Job:
        """Forget a job that is over; the ledger keeps its line. Raises: NotFound; Conflict while it runs."""
        job = self.get(job_id, owner=owner)
        if not job.is_terminal:
            raise Conflict(f"job {job_id} is {job.status.value}; cancel it before deleting it")
        with self.database.write() as connection:
            _forget(connection, [job.id])
            forget_told(connection, job.id)
        return job

    def forget_expired(self, *, limit: int = 200) -> int:
        """Delete jobs whose time is over. Returns how many."""
        query = sa.select(jobs.c.id).where(
            jobs.c.expires_at < time.time(), jobs.c.status.in_(TERMINAL_VALUES)
        )
        with self.database.read() as connection:
            expired = list(connection.execute(query.limit(limit)).scalars())
        with self.database.write() as connection:
            _forget(connection, expired)
        return len(expired)


def _move(
    connection: sa.Connection,
    job_id: str,
    to: Status,
    *where: sa.ColumnElement[bool],
    values: Mapping[str, object] = {},
    attempt: int | None = None,
) -> Job | None:
    """Give a job another status if the table of transitions, and the attempt if given, allow it; write the event of it."""
    conditions = [jobs.c.status.in_(sources(to)), *where]
    if attempt is not None:
        conditions.append(jobs.c.attempt == attempt)
    changed = {**values, "status": to.value, "num_events": jobs.c.num_events + 1}
    job = _update(connection, job_id, changed, *conditions)
    if job is not None:
        events.add(connection, job, to.value, _told(job))
    return job


def _update(
    connection: sa.Connection, job_id: str, values: Mapping[str, object], *where: sa.ColumnElement[bool]
) -> Job | None:
    statement = sa.update(jobs).where(jobs.c.id == job_id, *where).values(**values).returning(jobs)
    row = connection.execute(statement).first()
    return None if row is None else job_of(row)


def _told(job: Job) -> Mapping[str, object]:
    """What the event of a new status says beside it."""
    if job.error is not None:
        return {"error": asdict(job.error)}
    return {"attempt": job.attempt} if job.status is Status.RUNNING else {}


def _must_wait(connection: sa.Connection, job_id: str) -> bool:
    """Whether the job would be one too many of its key's to run at once. One that runs already goes on."""
    query = sa.select(jobs.c.owner).where(jobs.c.id == job_id, jobs.c.status == Status.QUEUED.value)
    owner = connection.execute(query).scalar()
    return owner is not None and free_places(connection, owner) == 0


def _preview(progress: Progress) -> Mapping[str, str]:
    """As a data URL, which is small."""
    if progress.preview is None:
        return {}
    return {events.PREVIEW: f"data:image/jpeg;base64,{base64.b64encode(progress.preview).decode()}"}


def _forget(connection: sa.Connection, ids: Sequence[str]) -> None:
    events.forget(connection, ids)
    connection.execute(sa.delete(jobs).where(jobs.c.id.in_(ids)))
