"""What one key may use: requests a minute, dollars a day and in all, jobs at once. All the SQL of limits.

Each check runs in the transaction of what it allows, on the row of the key, so it holds over all processes of a fleet and a
new limit counts at once. An owner that is no key (the single user) has no limits.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from happyhorse.db import jobs, keys, ledger
from happyhorse.errors import LimitExceeded
from happyhorse.jobs.job import LIVE_VALUES, MICROS, Status

MINUTE_S = 60.0
_BEGUN = (Status.RUNNING.value, Status.CANCELING.value)


def take_turn(connection: sa.Connection, key_id: str, per_minute: int) -> float:
    """Count one request. Returns the seconds until the next is allowed; 0 when this one was.

    A token bucket, kept as the time at which it is full again: a minute's requests at once, then one after another at
    their rate. Nothing is written for a request that is refused.
    """
    now, each_s = time.time(), MINUTE_S / per_minute
    latest = now + MINUTE_S - each_s
    full_at = sa.case((keys.c.full_at > now, keys.c.full_at), else_=now)
    has_room = sa.or_(keys.c.full_at.is_(None), keys.c.full_at <= latest)
    taken = sa.update(keys).where(keys.c.id == key_id, has_room).values(full_at=full_at + each_s)
    if connection.execute(taken).rowcount:
        return 0.0
    full = connection.execute(sa.select(keys.c.full_at).where(keys.c.id == key_id)).scalar()
    return 0.0 if full is None else max(full - latest, 0.0)


def check_spend(connection: sa.Connection, owner: str, price_micros: int) -> None:
    """What is charged, what is on its way and this job together must stay within the key's limits.

    Raises: LimitExceeded, with the time until the day is over when it is the day's limit.
    """
    columns = (keys.c.spend_limit_micros, keys.c.daily_spend_limit_micros)
    limits = connection.execute(sa.select(*columns).where(keys.c.id == owner)).first()
    if limits is None or (limits.spend_limit_micros is None and limits.daily_spend_limit_micros is None):
        return
    _hold(connection, owner)
    coming = _sum(connection, jobs.c.price_micros, jobs.c.owner == owner, jobs.c.status.in_(LIVE_VALUES))
    mine = ledger.c.owner == owner
    if limits.spend_limit_micros is not None:
        spent = _sum(connection, ledger.c.micros, mine)
        if spent + coming + price_micros > limits.spend_limit_micros:
            raise LimitExceeded(_spend_text(limits.spend_limit_micros, "", spent, coming, price_micros))
    if limits.daily_spend_limit_micros is not None:
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        spent = _sum(connection, ledger.c.micros, mine, ledger.c.at >= today.timestamp())
        if spent + coming + price_micros > limits.daily_spend_limit_micros:
            text = _spend_text(limits.daily_spend_limit_micros, " a day (UTC)", spent, coming, price_micros)
            tomorrow = (today + timedelta(days=1)).timestamp()
            raise LimitExceeded(text, retry_after_s=tomorrow - time.time())


def free_places(connection: sa.Connection, owner: str) -> int | None:
    """How many more jobs of this owner may begin now; None without a limit. Nobody else begins one in this transaction."""
    query = sa.select(keys.c.concurrent_jobs).where(keys.c.id == owner)
    limit = connection.execute(query).scalar()
    if limit is None:
        return None
    _hold(connection, owner)
    running = sa.select(sa.func.count()).select_from(jobs)
    running = running.where(jobs.c.owner == owner, jobs.c.status.in_(_BEGUN))
    return max(int(limit) - int(connection.execute(running).scalar_one()), 0)


def _hold(connection: sa.Connection, owner: str) -> None:
    """Let no other transaction count for this owner before this one ends; on SQLite there is only one writer anyhow."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext(:owner))"), {"owner": owner})


def _sum(connection: sa.Connection, column: sa.ColumnElement[int], *where: sa.ColumnElement[bool]) -> int:
    return int(connection.execute(sa.select(sa.func.sum(column)).where(*where)).scalar() or 0)


def _spend_text(limit: int, period: str, spent: int, coming: int, price: int) -> str:
    return (
        f"this job costs {price / MICROS:.3f} USD, and the key's limit of {limit / MICROS:.3f} USD{period} leaves "
        f"{max(limit - spent - coming, 0) / MICROS:.3f}: {spent / MICROS:.3f} are spent, {coming / MICROS:.3f} on their way"
    )
