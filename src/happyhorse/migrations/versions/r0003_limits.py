"""Limits of a key: dollars a day, jobs at once, and the state of its rate limit, which all API processes share."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("keys", sa.Column("daily_spend_limit_micros", sa.BigInteger))
    op.add_column("keys", sa.Column("concurrent_jobs", sa.Integer))
    op.add_column("keys", sa.Column("full_at", sa.Double))


def downgrade() -> None:
    for name in ("full_at", "concurrent_jobs", "daily_spend_limit_micros"):
        op.drop_column("keys", name)
