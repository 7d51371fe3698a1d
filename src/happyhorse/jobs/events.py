"""What happened to jobs: all the SQL of the table of events. Those of one job are numbered from 1 without a gap."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from happyhorse.db import Database, events
from happyhorse.errors import NotFound
from happyhorse.jobs.job import Event, Job

PREVIEW = "preview"
"""The field of an event that holds a small picture, as a data URL."""


def add(connection: sa.Connection, job: Job, kind: str, data: Mapping[str, object]) -> None:
    """Write an event in the transaction that changed the job; its number is the job's own count."""
    told = {"status": job.status.value, **data}
    row = {"job_id": job.id, "number": job.num_events, "at": time.time(), "type": kind, "data": told}
    connection.execute(sa.insert(events), row)


def drop_previews(connection: sa.Connection, job_id: str) -> None:
    """Keep what happened without the pictures: nobody looks at them when the job is over, and they are most of its weight."""
    rest: sa.ColumnElement[object] = sa.func.json_remove(events.c.data, f"$.{PREVIEW}")
    if connection.dialect.name == "postgresql":
        rest = sa.cast(sa.cast(events.c.data, JSONB).op("-")(sa.cast(PREVIEW, sa.Text)), sa.JSON)
    shown = sa.update(events).where(
        events.c.job_id == job_id, events.c.data[PREVIEW].as_string().is_not(None)
    )
    connection.execute(shown.values(data=rest))


def forget(connection: sa.Connection, job_ids: Sequence[str]) -> None:
    connection.execute(sa.delete(events).where(events.c.job_id.in_(job_ids)))


class EventLog:
    """The reader's side."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def of(self, job_id: str, *, after: int = 0, limit: int = 500) -> Sequence[Event]:
        """Those with a higher number than `after`, in order."""
        query = sa.select(events).where(events.c.job_id == job_id, events.c.number > after)
        with self.database.read() as connection:
            rows = connection.execute(query.order_by(events.c.number).limit(limit)).all()
        return [Event(row.job_id, row.number, row.at, row.type, row.data) for row in rows]

    def preview(self, job_id: str, number: str) -> bytes:
        """The picture of one event, a JPEG. Raises: NotFound when it has none, also any more."""
        found = None
        if number.isascii() and number.isdigit() and len(number) < 10:
            query = sa.select(events.c.data[PREVIEW].as_string())
            query = query.where(events.c.job_id == job_id, events.c.number == int(number))
            with self.database.read() as connection:
                found = connection.execute(query).scalar()
        if found is None:
            raise NotFound(f"generation '{job_id[:64]}' has no preview {number[:20]}")
        return base64.b64decode(found.partition(",")[2])
