"""News on their way to webhooks: all the SQL of deliveries and of their tries.

    pending ──► delivered      the receiver answered 2xx
       │  ◄──┐
       └──► dead               a day of tries, or nothing left to tell of;  `replay` makes either pending again

A sender claims a delivery by moving its `due_at` ahead, past the longest try: one statement that names the time it saw, so of
many processes one wins. If that process dies, the delivery is due again when the claim runs out. The same time proves, when the
result is written, that nobody claimed or replayed the delivery in between.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

import sqlalchemy as sa

from happyhorse.db import Database, deliveries, new_id, tries, webhooks
from happyhorse.jobs.job import Job
from happyhorse.jobs.rows import owned_row
from happyhorse.jobs.webhooks import EventName, Target

PROGRESS_S = 0.5
"""How long news of progress wait; what happens meanwhile is told with them."""
KEPT_S = 7 * 24 * 3600.0
"""How long a delivery stays in the log after it ended; longer than the job itself, so that dead letters can be replayed."""


class State(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True)
class Delivery:
    """One news to one address. Times are seconds since 1970 UTC."""

    id: str
    owner: str
    job_id: str
    webhook_id: str | None
    event: EventName
    url: str
    form: str
    base_url: str
    state: State
    tries: int
    """Those recorded since it was made or last replayed."""
    due_at: float
    body: str | None
    created_at: float
    ended_at: float | None


@dataclass(frozen=True)
class Try:
    """One attempt to deliver: the status that was answered, or why there was none."""

    at: float
    seconds: float
    status: int | None = None
    error: str | None = None

    @property
    def arrived(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def announce(connection: sa.Connection, job: Job, event: EventName) -> None:
    """Store a delivery for everybody who wants to hear of this, in the transaction that changes the job."""
    _store(connection, job, event, _hearers(connection, job, event), after_s=0.0)


def announce_progress(connection: sa.Connection, job: Job) -> None:
    """The same for progress, unless earlier news of it still wait: their body is made when they are sent."""
    query = sa.select(deliveries.c.webhook_id)
    mine = (deliveries.c.job_id == job.id, deliveries.c.event == "progress")
    waiting = set(connection.execute(query.where(*mine)).scalars())
    hearers = [to for to in _hearers(connection, job, "progress") if to["webhook_id"] not in waiting]
    _store(connection, job, "progress", hearers, after_s=PROGRESS_S)


def drop_progress(connection: sa.Connection, job_id: str) -> None:
    """Forget news of progress that wait: the job is over, and nobody wants to hear of its progress after its end."""
    _drop(connection, sa.and_(deliveries.c.job_id == job_id, deliveries.c.event == "progress"))


def _store(
    connection: sa.Connection,
    job: Job,
    event: EventName,
    hearers: Iterable[Mapping[str, object]],
    *,
    after_s: float,
) -> None:
    now = time.time()
    news = {"job_id": job.id, "event": event, "state": State.PENDING.value, "created_at": now}
    rows = [
        {"id": f"msg_{new_id().replace('-', '')}", "due_at": now + after_s, **news, **to} for to in hearers
    ]
    if rows:
        connection.execute(sa.insert(deliveries), rows)


def _hearers(connection: sa.Connection, job: Job, event: EventName) -> Iterator[Mapping[str, object]]:
    """Where this news goes: the job's own target, and the endpoints that hear of its owner."""
    own = None if job.webhook is None else Target.from_dict(job.webhook)
    if own is not None and event in own.events:
        yield {
            "owner": job.owner,
            "webhook_id": None,
            "url": own.url,
            "form": own.form,
            "base_url": own.base_url,
        }
    hears = sa.or_(webhooks.c.audience.is_(None), webhooks.c.audience == job.owner)
    for row in connection.execute(sa.select(webhooks).where(hears)):
        if event in row.events:
            place = {"url": row.url, "form": row.form, "base_url": row.base_url}
            yield {"owner": row.owner, "webhook_id": row.id, **place}


def forget_told(connection: sa.Connection, job_id: str) -> None:
    """Drop what was told of a job that its owner deletes; what is still to be told stays until it was."""
    _drop(connection, sa.and_(deliveries.c.job_id == job_id, deliveries.c.state != State.PENDING.value))


def _drop(connection: sa.Connection, which: sa.ColumnElement[bool]) -> int:
    ids = sa.select(deliveries.c.id).where(which)
    connection.execute(sa.delete(tries).where(tries.c.delivery_id.in_(ids)))
    return connection.execute(sa.delete(deliveries).where(which)).rowcount


class DeliveryStore:
    """Deliveries in a database: the sender's side and the reader's."""

    def __init__(self, database: Database) -> None:
        self.database = database

    # -- the sender's side ---------------------------------------------------------------------------------------------

    def due(
        self, *, limit: int, not_urls: Sequence[str] = (), not_owners: Sequence[str] = ()
    ) -> Sequence[Delivery]:
        """What should be sent now, longest due first."""
        query = sa.select(deliveries).where(
            deliveries.c.state == State.PENDING.value,
            deliveries.c.due_at <= time.time(),
            deliveries.c.url.not_in(not_urls),
            deliveries.c.owner.not_in(not_owners),
        )
        with self.database.read() as connection:
            rows = connection.execute(query.order_by(deliveries.c.due_at).limit(limit)).all()
        return [_delivery(row) for row in rows]

    def claim(self, seen: Delivery, *, seconds: float) -> Delivery | None:
        """Take a delivery for this long; None when another was faster."""
        with self.database.write() as connection:
            return self._update(connection, seen, {"due_at": time.time() + seconds})

    def keep_body(self, claimed: Delivery, body: str) -> None:
        """Write down what is sent, so that every try and every replay sends the same."""
        with self.database.write() as connection:
            self._update(connection, claimed, {"body": body})

    def record(self, claimed: Delivery, done: Try, *, state: State, due_at: float) -> None:
        """Log a try and what follows from it, unless the delivery is no longer this sender's."""
        ended = None if state is State.PENDING else done.at + done.seconds
        with self.database.write() as connection:
            row = {"id": new_id(), "delivery_id": claimed.id, **asdict(done)}
            connection.execute(sa.insert(tries).values(row))
            values = {"state": state.value, "tries": claimed.tries + 1, "due_at": due_at, "ended_at": ended}
            self._update(connection, claimed, values)

    def drop(self, claimed: Delivery) -> None:
        """Forget news that are tried once."""
        with self.database.write() as connection:
            _drop(connection, deliveries.c.id == claimed.id)

    @staticmethod
    def _update(connection: sa.Connection, seen: Delivery, values: Mapping[str, object]) -> Delivery | None:
        mine = (deliveries.c.state == State.PENDING.value, deliveries.c.due_at == seen.due_at)
        statement = sa.update(deliveries).where(deliveries.c.id == seen.id, *mine).values(**values)
        row = connection.execute(statement.returning(deliveries)).first()
        return None if row is None else _delivery(row)

    # -- the reader's side ---------------------------------------------------------------------------------------------

    def get(self, delivery_id: str, *, owner: str | None) -> Delivery:
        """Raises: NotFound, also for another owner's."""
        return _delivery(owned_row(self.database, deliveries, delivery_id, owner=owner, noun="delivery"))

    def list(
        self,
        *,
        owner: str | None,
        state: State | None = None,
        webhook_id: str | None = None,
        job_id: str | None = None,
        limit: int = 20,
        after: str | None = None,
    ) -> tuple[Sequence[Delivery], str | None]:
        """Newest first, and the cursor of the next page."""
        query = sa.select(deliveries).order_by(deliveries.c.id.desc()).limit(limit + 1)
        wanted = {"owner": owner, "state": state, "webhook_id": webhook_id, "job_id": job_id}
        for name, value in wanted.items():
            if value is not None:
                query = query.where(deliveries.c[name] == value)
        if after is not None:
            query = query.where(deliveries.c.id < after)
        with self.database.read() as connection:
            found = [_delivery(row) for row in connection.execute(query)]
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    def counts(self) -> Mapping[str, int]:
        """Deliveries by state."""
        query = sa.select(deliveries.c.state, sa.func.count()).group_by(deliveries.c.state)
        with self.database.read() as connection:
            return {str(state): count for state, count in connection.execute(query)}

    def tries(self, delivery_id: str) -> Sequence[Try]:
        """Oldest first, those before a replay too."""
        query = sa.select(tries).where(tries.c.delivery_id == delivery_id).order_by(tries.c.id)
        with self.database.read() as connection:
            return [Try(row.at, row.seconds, row.status, row.error) for row in connection.execute(query)]

    def replay(self, delivery_id: str, *, owner: str | None) -> Delivery:
        """Send it again under the same id, with a new day of tries. Raises: NotFound."""
        found = self.get(delivery_id, owner=owner)
        values = {"state": State.PENDING.value, "tries": 0, "due_at": time.time(), "ended_at": None}
        statement = sa.update(deliveries).where(deliveries.c.id == found.id).values(values)
        with self.database.write() as connection:
            return _delivery(connection.execute(statement.returning(deliveries)).one())

    def forget_old(self) -> int:
        """Drop from the log what ended long ago. Returns how many."""
        with self.database.write() as connection:
            return _drop(connection, deliveries.c.ended_at < time.time() - KEPT_S)


def _delivery(row: sa.Row[tuple[object, ...]]) -> Delivery:
    fields = dict(row._mapping)
    return Delivery(**{**fields, "state": State(fields["state"])})
