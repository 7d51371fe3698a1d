"""What was charged: all the SQL of the ledger. One line a job that succeeded; what a job cost outlives the job."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import sqlalchemy as sa

from happyhorse.db import Database, ledger
from happyhorse.jobs.job import MICROS, Job


@dataclass(frozen=True)
class UsageLine:
    """What one group of finished jobs came to."""

    day: str
    owner: str
    engine: str
    resolution: str
    jobs: int
    seconds: float
    usd: float


def charge(connection: sa.Connection, job: Job) -> None:
    """Write the line of a job in the transaction that finishes it. The job's id is the key: a second line cannot be."""
    line = {
        "job_id": job.id,
        "owner": job.owner,
        "engine": job.engine,
        "mode": job.mode,
        "resolution": str(job.plan["resolution"]),
        "seconds": cast(float, job.plan["billed_seconds"]),
        "micros": job.price_micros,
        "at": time.time(),
    }
    connection.execute(sa.insert(ledger), line)


class Ledger:
    """The reader's side."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def usage(self, *, owner: str | None, since: float, until: float) -> Sequence[UsageLine]:
        """Between two times, by UTC day, key, engine and resolution."""
        query = sa.select(ledger).where(ledger.c.at >= since, ledger.c.at < until).order_by(ledger.c.at)
        if owner is not None:
            query = query.where(ledger.c.owner == owner)
        groups: dict[tuple[str, str, str, str], list[tuple[float, int]]] = {}
        with self.database.read() as connection:
            for row in connection.execute(query):
                day = time.strftime("%Y-%m-%d", time.gmtime(row.at))
                group = groups.setdefault((day, row.owner, row.engine, row.resolution), [])
                group.append((row.seconds, row.micros))
        return [
            UsageLine(
                *group, len(lines), round(sum(s for s, _ in lines), 3), sum(m for _, m in lines) / MICROS
            )
            for group, lines in groups.items()
        ]
