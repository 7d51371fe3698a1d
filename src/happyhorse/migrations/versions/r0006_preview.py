"""Jobs know which of their events holds the latest preview, so that a poll need not look for it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("preview_event", sa.Integer))


def downgrade() -> None:
    op.drop_column("jobs", "preview_event")
