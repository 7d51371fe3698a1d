"""Jobs that are canceled when they are not over at a time that their caller named."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("cancel_at", sa.Double))
    op.create_index("jobs_by_deadline", "jobs", ["cancel_at"])


def downgrade() -> None:
    op.drop_index("jobs_by_deadline", "jobs")
    op.drop_column("jobs", "cancel_at")
