"""Substitute tips in an issue, the identity of the database file, and heartbeats."""

import sqlalchemy as sa
from alembic import op

from newsletter.store.sqlite.columns import UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # Plain ALTER TABLE: a batch operation would rewrite a table of millions of rows.
    op.add_column("delivery", sa.Column("tip_id", sa.Integer(), nullable=True))
    op.create_index(
        "delivery_by_tip",
        "delivery",
        ["tip_id", "subscriber_id"],
        unique=False,
        sqlite_where=sa.text("tip_id IS NOT NULL"),
        postgresql_where=sa.text("tip_id IS NOT NULL"),
    )
    op.create_table(
        "other_letter",
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("tip_id", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"]),
        sa.ForeignKeyConstraint(["tip_id"], ["tip.id"]),
        sa.PrimaryKeyConstraint("issue_id", "tip_id"),
    )
    for name in ("inode", "device", "path"):
        op.add_column("installation", sa.Column(name, sa.String(), nullable=False, server_default=""))
    op.create_table(
        "watchdog_call",
        sa.Column("slot", sa.Date(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", UtcDateTime(), nullable=True),
        sa.Column("done_at", UtcDateTime(), nullable=True),
        sa.Column("reply", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("slot"),
    )
    op.execute(
        "INSERT INTO watchdog_call (slot, attempts, done_at, reply)"
        " SELECT about, 1, at, '' FROM told WHERE what = 'ping'"
    )
    op.execute("DELETE FROM told WHERE what = 'ping'")
