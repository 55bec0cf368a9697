"""Stores the teaser that lists show, so that it is made only when the text is written."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from newsletter.domain.archive.entries import teaser
from newsletter.domain.tips.tip import TipText

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and fill it."""
    op.add_column("tip", sa.Column("shown_teaser", sa.String(), nullable=False, server_default=""))
    connection = op.get_bind()
    rows = connection.exec_driver_sql("SELECT id, title, body, teaser FROM tip").all()
    for tip_id, title, body, own in rows:
        shown = teaser(TipText(title, body, teaser=own))
        connection.exec_driver_sql("UPDATE tip SET shown_teaser = ? WHERE id = ?", (shown, tip_id))
