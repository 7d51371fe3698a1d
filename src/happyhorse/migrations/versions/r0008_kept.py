"""What a job goes on from after a kill is noted at the job, so that no sweep removes it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("kept", sa.JSON))


def downgrade() -> None:
    op.drop_column("jobs", "kept")
