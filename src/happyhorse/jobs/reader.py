"""Jobs as they are read: one, a page of them, what waits and what lives. Nothing here changes a job.

Those who ask for many get them as a page, oldest or newest first: a job's id grows with the time of its making.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from happyhorse.db import Database, files, jobs
from happyhorse.errors import Conflict, NotFound
from happyhorse.jobs.events import EventLog
from happyhorse.jobs.job import LIVE_VALUES, TERMINAL_VALUES, Job, JobError, Status
from happyhorse.jobs.ledger import Ledger
from happyhorse.jobs.limits import free_places
from happyhorse.jobs.rows import owned_row

MAX_PAGE = 100


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


class JobReader:
    """Jobs in a database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.events, self.ledger = EventLog(database), Ledger(database)

    def get(self, job_id: str, *, owner: str | None) -> Job:
        """Raises: NotFound, also for another owner's job."""
        return job_of(owned_row(self.database, jobs, job_id, owner=owner, noun="generation"))

    def list(
        self, wanted: Filter, *, limit: int = 20, after: str | None = None, oldest_first: bool = False
    ) -> tuple[Sequence[Job], str | None]:
        """Newest first unless told so. Returns the page and the cursor of the next one, None at the end."""
        limit = max(1, min(limit, MAX_PAGE))
        order = jobs.c.id.asc() if oldest_first else jobs.c.id.desc()
        query = self._matching(sa.select(jobs), wanted).order_by(order).limit(limit + 1)
        if after is not None:
            query = query.where(jobs.c.id > after if oldest_first else jobs.c.id < after)
        found = self._jobs(query)
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    def page(self, wanted: Filter, *, number: int, size: int) -> tuple[Sequence[Job], int]:
        """For dialects that count pages from 1: newest first, and how many match in all."""
        query = self._matching(sa.select(jobs), wanted).order_by(jobs.c.id.desc())
        count = self._matching(sa.select(sa.func.count()).select_from(jobs), wanted)
        with self.database.read() as connection:
            rows = connection.execute(query.limit(size).offset((number - 1) * size)).all()
            return [job_of(row) for row in rows], int(connection.execute(count).scalar_one())

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

    def known(self, owner: str, idempotency_key: str | None, request_hash: str) -> Job | None:
        """The job that this key made. Raises: Conflict when it made another one than is asked for now."""
        if idempotency_key is None:
            return None
        row = self._row(_made_by(idempotency_key, owner))
        if row is not None and row.request_hash != request_hash:
            text = f"idempotency key '{idempotency_key[:40]}' was used for another request (job {row.id})"
            raise Conflict(text, field="Idempotency-Key")
        return None if row is None else job_of(row)

    def keyed(self, idempotency_key: str, *, owner: str) -> Job:
        """The job that this key made. Raises: NotFound."""
        row = self._row(_made_by(idempotency_key, owner))
        if row is None:
            raise NotFound(f"no generation was made with the key '{idempotency_key[:64]}'")
        return job_of(row)

    def status(self, job_id: str, attempt: int) -> Status | None:
        """The status as a worker sees it between two writes of progress; None when the attempt no longer owns the job."""
        query = sa.select(jobs.c.status, jobs.c.attempt).where(jobs.c.id == job_id)
        row = self._row(query)
        return None if row is None or row.attempt != attempt else Status(row.status)

    def is_over(self, job_id: str) -> bool:
        """Whether nothing will happen to it any more; also when it is not there."""
        query = sa.select(jobs.c.status).where(jobs.c.id == job_id)
        with self.database.read() as connection:
            return connection.execute(query).scalar() in (None, *TERMINAL_VALUES)

    def event_counts(self, ids: Sequence[str]) -> Mapping[str, int]:
        """How many events each of these jobs has: one cheap query for all the watchers of a process."""
        query = sa.select(jobs.c.id, jobs.c.num_events).where(jobs.c.id.in_(ids))
        with self.database.read() as connection:
            return {row.id: row.num_events for row in connection.execute(query)}

    def live(self, *, older_than_s: float = 0.0, after: str = "", limit: int = 500) -> Sequence[Job]:
        """Jobs that are not over, oldest first, from the one after the job `after` on."""
        old_enough = jobs.c.created_at <= time.time() - older_than_s
        query = sa.select(jobs).where(jobs.c.status.in_(LIVE_VALUES), old_enough, jobs.c.id > after)
        return self._jobs(query.order_by(jobs.c.id).limit(limit))

    def waiting(self, owner: str, *, limit: int = 500) -> Sequence[Job]:
        """Jobs of one owner that have not begun, in the order in which they should."""
        query = sa.select(jobs).where(jobs.c.owner == owner, jobs.c.status == Status.QUEUED.value)
        return self._jobs(query.order_by(jobs.c.priority.desc(), jobs.c.id).limit(limit))

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
            live = sa.select(jobs.c.kept).where(jobs.c.status.in_(LIVE_VALUES))
            for kept in connection.execute(live).scalars():
                found.update(kept or ())
        return found & set(digests)

    def _row(self, query: sa.Select[Any]) -> sa.Row[Any] | None:
        with self.database.read() as connection:
            return connection.execute(query).first()

    def _jobs(self, query: sa.Select[Any]) -> Sequence[Job]:
        with self.database.read() as connection:
            return [job_of(row) for row in connection.execute(query)]


def _made_by(idempotency_key: str, owner: str) -> sa.Select[Any]:
    return sa.select(jobs).where(jobs.c.owner == owner, jobs.c.idempotency_key == idempotency_key)


def job_of(row: sa.Row[tuple[object, ...]]) -> Job:
    """A row of the table of jobs without what only the store looks at."""
    fields = dict(row._mapping)
    del fields["idempotency_key"], fields["request_hash"], fields["kept"]
    fields["status"] = Status(fields["status"])
    fields["error"] = JobError(**fields["error"]) if fields["error"] else None
    return Job(**fields)
