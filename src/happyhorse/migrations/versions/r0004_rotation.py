"""Rotation of webhook secrets: which secret of an endpoint is the current one, and since when."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("secret_number", sa.Integer, nullable=False, server_default="1"))
    op.add_column("webhooks", sa.Column("rotated_at", sa.Double))


def downgrade() -> None:
    op.drop_column("webhooks", "rotated_at")
    op.drop_column("webhooks", "secret_number")
