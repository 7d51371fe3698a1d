"""Uploads are listed by their time: ids that other dialects give them do not follow it."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_index("files_by_owner", "files", ["owner", "created_at", "id"])


def downgrade() -> None:
    op.drop_index("files_by_owner", "files")
