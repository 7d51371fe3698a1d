"""Addresses that hear of every job of a caller: all the SQL of the table of webhooks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from happyhorse.db import Database, new_id, webhooks
from happyhorse.errors import InvalidRequest, LimitExceeded, NotFound
from happyhorse.jobs.outbound import Outbound
from happyhorse.jobs.rows import owned_row
from happyhorse.jobs.webhooks import EVENTS, Target, check_target

MAX_ENDPOINTS = 50
OVERLAP_S = 24 * 3600.0
"""How long the secret before the last rotation signs beside the new one."""


@dataclass(frozen=True)
class Endpoint:
    """A registered address. Its signing secret is derived from its id (`webhooks.signing_secret`)."""

    id: str
    owner: str
    audience: str | None
    """The owner whose jobs it hears of; None for those of everybody."""
    url: str
    form: str
    events: Sequence[str]
    base_url: str
    created_at: float
    secret_number: int
    rotated_at: float | None

    @property
    def overlap_ends_at(self) -> float | None:
        """Until when the secret before this one signs too; None when there was none."""
        return None if self.rotated_at is None else self.rotated_at + OVERLAP_S

    def signing_numbers(self, at: float) -> Sequence[int]:
        """The secrets that sign at a time, newest first."""
        if self.overlap_ends_at is None or at >= self.overlap_ends_at:
            return (self.secret_number,)
        return (self.secret_number, self.secret_number - 1)


class EndpointStore:
    """Registered webhooks. `outbound` says which addresses may be told."""

    def __init__(self, database: Database, outbound: Outbound) -> None:
        self.database, self.outbound = database, outbound

    def create(self, target: Target, *, owner: str, audience: str | None) -> Endpoint:
        """Raises: InvalidRequest for an address or an event that cannot be; LimitExceeded."""
        check_target(target, self.outbound, field="url")
        unknown = sorted(set(target.events) - set(EVENTS))
        if unknown or not target.events:
            text = f"events must be some of {', '.join(EVENTS)}; got '{', '.join(unknown)[:80]}'"
            raise InvalidRequest(text, field="events")
        row = {
            **target.to_dict(),
            "id": f"wh_{new_id().replace('-', '')}",
            "owner": owner,
            "audience": audience,
            "created_at": time.time(),
        }
        mine = sa.select(sa.func.count()).select_from(webhooks).where(webhooks.c.owner == owner)
        with self.database.write() as connection:
            if connection.execute(mine).scalar_one() >= MAX_ENDPOINTS:
                raise LimitExceeded(f"there are {MAX_ENDPOINTS} webhooks, the most that are kept; delete one")
            stored = connection.execute(sa.insert(webhooks).values(row).returning(webhooks)).one()
        return Endpoint(**stored._mapping)

    def list(self, *, owner: str | None, form: str | None = None) -> Sequence[Endpoint]:
        """Oldest first."""
        query = sa.select(webhooks).order_by(webhooks.c.id)
        if owner is not None:
            query = query.where(webhooks.c.owner == owner)
        if form is not None:
            query = query.where(webhooks.c.form == form)
        with self.database.read() as connection:
            return [Endpoint(**row._mapping) for row in connection.execute(query)]

    def get(self, webhook_id: str, *, owner: str | None) -> Endpoint:
        """Raises: NotFound, also for another owner's."""
        row = owned_row(self.database, webhooks, webhook_id, owner=owner, noun="webhook")
        return Endpoint(**row._mapping)

    def rotate(self, webhook_id: str, *, owner: str | None) -> Endpoint:
        """Give it a new secret; the one before signs too for OVERLAP_S, any older one no longer. Raises: NotFound."""
        found = self.get(webhook_id, owner=owner)
        values = {"secret_number": webhooks.c.secret_number + 1, "rotated_at": time.time()}
        statement = sa.update(webhooks).where(webhooks.c.id == found.id).values(**values).returning(webhooks)
        with self.database.write() as connection:
            row = connection.execute(statement).first()
        if row is None:
            raise NotFound(f"there is no webhook '{webhook_id[:64]}'")
        return Endpoint(**row._mapping)

    def delete(self, webhook_id: str, *, owner: str | None) -> None:
        """Tell it nothing new; what waits is still delivered. Raises: NotFound."""
        found = self.get(webhook_id, owner=owner)
        with self.database.write() as connection:
            connection.execute(sa.delete(webhooks).where(webhooks.c.id == found.id))
