"""A stored row by its id: whoever asks for another owner's hears that there is none."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from happyhorse.db import Database
from happyhorse.errors import NotFound


def owned_row(
    database: Database, table: sa.Table, row_id: str, *, owner: str | None, noun: str
) -> sa.Row[Any]:
    """The row with this id, of this owner or, with None, of anybody. Raises: NotFound naming the `noun`."""
    query = sa.select(table).where(table.c.id == row_id)
    if owner is not None:
        query = query.where(table.c.owner == owner)
    with database.read() as connection:
        row = connection.execute(query).first()
    if row is None:
        raise NotFound(f"there is no {noun} '{row_id[:64]}'")
    return row
