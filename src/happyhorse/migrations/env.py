"""Alembic runs this: the connection comes from `db._migrate`, which holds the lock."""

from __future__ import annotations

from alembic import context

from happyhorse.db import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True
)
context.run_migrations()
