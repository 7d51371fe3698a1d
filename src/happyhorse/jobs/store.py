"""Every SQL statement about jobs: create, begin, progress, finish, cancel, list.

A change of a job is one UPDATE that names the statuses it may come from (`job.TRANSITIONS`) and, for a worker, the attempt
that it belongs to. So a worker that stalled and woke up after another took over changes nothing. The event of a change is
written in the same transaction and takes its number from the job's own counter.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from happyhorse.db import Database, files, jobs, new_id
from happyhorse.engines.base import Progress
from happyhorse.errors import Conflict, LimitExceeded, NotFound
from happyhorse.jobs import events
from happyhorse.jobs.deliveries import announce, announce_progress, forget_told
from happyhorse.jobs.job import LIVE_VALUES, TERMINAL, Job, JobError, NewJob, Status, sources
from happyhorse.jobs.ledger import Ledger, charge
from happyhorse.jobs.limits import check_spend, free_places
from happyhorse.jobs.webhooks import EventName

MAX_PAGE = 100
_TERMINAL_VALUES = tuple(status.value for status in TERMINAL)
_CANCELABLE_VALUES = (Status.QUEUED.value, Status.RUNNING.value)

Enqueue = Callable[[sa.Connection, Job], None]


@dataclass(frozen=True)
class Filter:
    """Which jobs to list; None means any."""

    owner: str | None = None
    status: Status | None = None
    mode: str | None = None
    engine: str | None = None
    metadata: Mapping[str, str] | None = None
    since: float | None = None
    until: float | None = None


class JobStore:
    """Jobs in a database. `retention_s` is how long a finished job is kept; 0 keeps it for ever."""

    def __init__(self, database: Database, *, retention_s: float = 0.0) -> None:
        self.database = database
        self.retention_s = retention_s
        self.events, self.ledger = events.EventLog(database), Ledger(database)

    # -- in ------------------------------------------------------------------------------------------------------------

    def create(self, new: NewJob, enqueue: Enqueue) -> Job:
        """Store a job and put it in the queue in one transaction. The same idempotency key returns the same job.

        Raises: Conflict when the key was used for another request; LimitExceeded when the owner's spend limit is reached.
        """
        own = {"id": new_id(), "status": Status.QUEUED.value, "num_events": 1, "created_at": time.time()}
        try:
            with self.database.write() as connection:
                check_spend(connection, new.owner, new.price_micros)
                job = _job(connection.execute(sa.insert(jobs).returning(jobs), vars(new) | own).one())
                events.add(connection, job, "queued", {})
                enqueue(connection, job)
        except (IntegrityError, LimitExceeded):
            known = self.known(new.owner, new.idempotency_key, new.request_hash)
            if known is None:
                raise
            return known  # this key came before, and what it made may be what reached the limit
        return job

    def known(self, owner: str, idempotency_key: str | None, request_hash: str) -> Job | None:
        """The job that this key made. Raises: Conflict when it made another one than is asked for now."""
        if idempotency_key is None:
            return None
        query = sa.select(jobs).where(jobs.c.owner == owner, jobs.c.idempotency_key == idempotency_key)
        with self.database.read() as connection:
            row = connection.execute(query).first()
        if row is not None and row.request_hash != request_hash:
            text = f"idempotency key '{idempotency_key[:40]}' was used for another request (job {row.id})"
            raise Conflict(text, field="Idempotency-Key")
        return None if row is None else _job(row)

    def keyed(self, idempotency_key: str, *, owner: str) -> Job:
        """The job that this key made. Raises: NotFound."""
        query = sa.select(jobs).where(jobs.c.owner == owner, jobs.c.idempotency_key == idempotency_key)
        with self.database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotFound(f"no generation was made with the key '{idempotency_key[:64]}'")
        return _job(row)

    # -- the worker's side -----------------------------------------------------------------------------------------------

    def begin(self, job_id: str, worker: str) -> Job | None:
        """Start the next attempt. None when there is nothing to do: the job is over, canceled or gone, or it must wait
        because its key has as many running as it may (`turns` queues it again).
        """
        now = time.time()
        begun = {
            "status": Status.RUNNING.value,
            "attempt": jobs.c.attempt + 1,
            "worker": worker,
            "started_at": sa.func.coalesce(jobs.c.started_at, now),
            "num_events": jobs.c.num_events + 1,
        }
        with self.database.write() as connection:
            if _must_wait(connection, job_id):
                return None
            job = _change(connection, job_id, begun, to=Status.RUNNING)
            if job is not None:
                events.add(connection, job, "running", {"attempt": job.attempt})
                if job.attempt == 1:
                    announce(connection, job, "running")
                return job
            self._end(
                connection, job_id, Status.CANCELED, {}, {}
            )  # a cancel that the dead worker did not live to see
        return None

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

    def status(self, job_id: str, attempt: int) -> Status | None:
        """The status as a worker sees it between two writes of progress; None when the attempt no longer owns the job."""
        query = sa.select(jobs.c.status, jobs.c.attempt).where(jobs.c.id == job_id)
        with self.database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None or row.attempt != attempt else Status(row.status)

    def succeed(self, job_id: str, attempt: int, output: Mapping[str, object]) -> Job | None:
        """running -> succeeded, its charge and its news in one transaction; None when this attempt may not do it."""
        done = {
            "output": dict(output),
            "fraction": 1.0,
            "eta_s": 0.0,
            "cost_micros": jobs.c.price_micros,
        }
        with self.database.write() as connection:
            job = self._end(connection, job_id, Status.SUCCEEDED, done, {}, attempt=attempt)
            if job is not None:
                charge(connection, job)
        return job

    def fail(self, job_id: str, attempt: int | None, error: JobError) -> Job | None:
        """-> failed; nothing is charged. Without an attempt it is the service that gives up, not a worker."""
        values = {"error": asdict(error)}
        with self.database.write() as connection:
            return self._end(
                connection, job_id, Status.FAILED, values, {"error": asdict(error)}, attempt=attempt
            )

    def finish_cancel(self, job_id: str) -> Job | None:
        """canceling -> canceled, by the worker that has stopped."""
        with self.database.write() as connection:
            return self._end(connection, job_id, Status.CANCELED, {}, {})

    def _end(
        self,
        connection: sa.Connection,
        job_id: str,
        status: Status,
        values: Mapping[str, object],
        told: Mapping[str, object],
        *where: sa.ColumnElement[bool],
        attempt: int | None = None,
    ) -> Job | None:
        now = time.time()
        last = {
            "status": status.value,
            "finished_at": now,
            "expires_at": now + self.retention_s if self.retention_s else None,
            "num_events": jobs.c.num_events + 1,
            "preview_event": None,
        }
        job = _change(connection, job_id, {**values, **last}, *where, to=status, attempt=attempt)
        if job is not None:
            events.add(connection, job, status.value, told)
            events.drop_previews(connection, job.id)
            announce(connection, job, cast(EventName, status.value))
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
            job = self._end(connection, job_id, Status.CANCELED, {}, {}, *waits)
            if job is None and not only_waiting:
                values = {"status": Status.CANCELING.value, "num_events": jobs.c.num_events + 1}
                job = _change(connection, job_id, values, *owned, to=Status.CANCELING)
                if job is not None:
                    events.add(connection, job, "canceling", {})
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

    def get(self, job_id: str, *, owner: str | None) -> Job:
        """Raises: NotFound, also for another owner's job."""
        query = sa.select(jobs).where(jobs.c.id == job_id)
        if owner is not None:
            query = query.where(jobs.c.owner == owner)
        with self.database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotFound(f"there is no generation '{job_id[:64]}'")
        return _job(row)

    def list(
        self, wanted: Filter, *, limit: int = 20, after: str | None = None, oldest_first: bool = False
    ) -> tuple[Sequence[Job], str | None]:
        """Newest first unless told so. Returns the page and the cursor of the next one, None at the end."""
        limit = max(1, min(limit, MAX_PAGE))
        order = jobs.c.id.asc() if oldest_first else jobs.c.id.desc()
        query = self._matching(sa.select(jobs), wanted).order_by(order).limit(limit + 1)
        if after is not None:
            query = query.where(jobs.c.id > after if oldest_first else jobs.c.id < after)
        with self.database.read() as connection:
            rows = connection.execute(query).all()
        page = [_job(row) for row in rows[:limit]]
        return page, page[-1].id if len(rows) > limit else None

    def page(self, wanted: Filter, *, number: int, size: int) -> tuple[Sequence[Job], int]:
        """For dialects that count pages from 1: newest first, and how many match in all."""
        query = self._matching(sa.select(jobs), wanted).order_by(jobs.c.id.desc())
        count = self._matching(sa.select(sa.func.count()).select_from(jobs), wanted)
        with self.database.read() as connection:
            rows = connection.execute(query.limit(size).offset((number - 1) * size)).all()
            return [_job(row) for row in rows], int(connection.execute(count).scalar_one())

    def _matching(self, query: sa.Select[Any], wanted: Filter) -> sa.Select[Any]:
        for name in ("owner", "status", "mode", "engine"):
            value = getattr(wanted, name)
            if value is not None:
                query = query.where(jobs.c[name] == value)
        for key, text in (wanted.metadata or {}).items():
            query = query.where(self._has_metadata(key, text))
        if wanted.since is not None:
            query = query.where(jobs.c.created_at >= wanted.since)
        if wanted.until is not None:
            query = query.where(jobs.c.created_at <= wanted.until)
        return query

    def _has_metadata(self, key: str, text: str) -> sa.ColumnElement[bool]:
        """The path of a key in SQLite's JSON cannot say every key, such as one with a quote in it; its list of pairs can."""
        if not self.database.is_sqlite:
            same: sa.ColumnElement[bool] = jobs.c.metadata[key].as_string() == text
            return same
        pair = sa.func.json_each(jobs.c.metadata).table_valued("key", "value")
        return sa.exists().where(pair.c.key == key, pair.c.value == text)

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
            jobs.c.expires_at < time.time(), jobs.c.status.in_(_TERMINAL_VALUES)
        )
        with self.database.read() as connection:
            expired = list(connection.execute(query.limit(limit)).scalars())
        with self.database.write() as connection:
            _forget(connection, expired)
        return len(expired)

    # -- what others read ----------------------------------------------------------------------------------------------

    def is_over(self, job_id: str) -> bool:
        """Whether nothing will happen to it any more; also when it is not there."""
        query = sa.select(jobs.c.status).where(jobs.c.id == job_id)
        with self.database.read() as connection:
            return connection.execute(query).scalar() in (None, *_TERMINAL_VALUES)

    def event_counts(self, ids: Sequence[str]) -> Mapping[str, int]:
        """How many events each of these jobs has: one cheap query for all the watchers of a process."""
        query = sa.select(jobs.c.id, jobs.c.num_events).where(jobs.c.id.in_(ids))
        with self.database.read() as connection:
            return {row.id: row.num_events for row in connection.execute(query)}

    def live(self, *, older_than_s: float = 0.0, limit: int = 500) -> Sequence[Job]:
        """Jobs that are not over, oldest first."""
        query = sa.select(jobs).where(
            jobs.c.status.in_(LIVE_VALUES), jobs.c.created_at <= time.time() - older_than_s
        )
        with self.database.read() as connection:
            return [_job(row) for row in connection.execute(query.order_by(jobs.c.created_at).limit(limit))]

    def waiting(self, owner: str, *, limit: int = 500) -> Sequence[Job]:
        """Jobs of one owner that have not begun, in the order in which they should."""
        query = sa.select(jobs).where(jobs.c.owner == owner, jobs.c.status == Status.QUEUED.value)
        query = query.order_by(jobs.c.priority.desc(), jobs.c.id).limit(limit)
        with self.database.read() as connection:
            return [_job(row) for row in connection.execute(query)]

    def free_places(self, owner: str) -> int | None:
        """How many more jobs of this owner may begin now; None without a limit."""
        with self.database.read() as connection:
            return free_places(connection, owner)

    def counts(self) -> Mapping[str, int]:
        """Jobs by status."""
        query = sa.select(jobs.c.status, sa.func.count().label("number")).group_by(jobs.c.status)
        with self.database.read() as connection:
            return {row.status: row.number for row in connection.execute(query)}

    def blobs_in_use(self, digests: Sequence[str]) -> set[str]:
        """Which of these contents a job or an upload still needs."""
        found: set[str] = set()
        with self.database.read() as connection:
            for column in (jobs.c.output["sha256"].as_string(), jobs.c.output["thumbnail"].as_string()):
                found.update(connection.execute(sa.select(column).where(column.in_(digests))).scalars())
            found.update(
                connection.execute(sa.select(files.c.sha256).where(files.c.sha256.in_(digests))).scalars()
            )
            for media in connection.execute(sa.select(jobs.c.media).where(jobs.c.mode != "t2v")).scalars():
                found.update(info["sha256"] for info in media.values())
        return found & set(digests)


def _change(
    connection: sa.Connection,
    job_id: str,
    values: Mapping[str, object],
    *where: sa.ColumnElement[bool],
    to: Status,
    attempt: int | None = None,
) -> Job | None:
    """Move a job if the table of transitions, and the attempt if given, allow it."""
    conditions = [jobs.c.status.in_(sources(to)), *where]
    if attempt is not None:
        conditions.append(jobs.c.attempt == attempt)
    return _update(connection, job_id, values, *conditions)


def _must_wait(connection: sa.Connection, job_id: str) -> bool:
    """Whether the job would be one too many of its key's to run at once. One that runs already goes on."""
    query = sa.select(jobs.c.owner).where(jobs.c.id == job_id, jobs.c.status == Status.QUEUED.value)
    owner = connection.execute(query).scalar()
    return owner is not None and free_places(connection, owner) == 0


def _update(
    connection: sa.Connection, job_id: str, values: Mapping[str, object], *where: sa.ColumnElement[bool]
) -> Job | None:
    statement = sa.update(jobs).where(jobs.c.id == job_id, *where).values(**values).returning(jobs)
    row = connection.execute(statement).first()
    return None if row is None else _job(row)


def _preview(progress: Progress) -> Mapping[str, str]:
    """As a data URL, which is small."""
    if progress.preview is None:
        return {}
    return {events.PREVIEW: f"data:image/jpeg;base64,{base64.b64encode(progress.preview).decode()}"}


def _forget(connection: sa.Connection, ids: Sequence[str]) -> None:
    events.forget(connection, ids)
    connection.execute(sa.delete(jobs).where(jobs.c.id.in_(ids)))


def _job(row: sa.Row[tuple[object, ...]]) -> Job:
    fields = dict(row._mapping)
    del fields["idempotency_key"], fields["request_hash"]
    fields["status"] = Status(fields["status"])
    fields["error"] = JobError(**fields["error"]) if fields["error"] else None
    return Job(**fields)
