"""The sign-up limits, the key for the hashes of erased addresses, and quarterly issues."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "tally",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "lane",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("budget", sa.Float(), nullable=False),
        sa.Column("unanswered", sa.Float(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_until", sa.BigInteger(), nullable=True),
        sa.Column("closures", sa.Integer(), nullable=False),
        sa.Column("turned_away", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "asked",
        sa.Column("address_key", sa.String(), nullable=False),
        sa.Column("lane", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("address_key"),
    )
    own_key = op.create_table(
        "own_key",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.bulk_insert(own_key, [{"name": "erased", "value": secrets.token_bytes(32)}])
    op.add_column("issue", sa.Column("quarter", sa.String(), nullable=True))
    op.create_index("issue_quarter", "issue", ["quarter"], unique=True)
    op.create_index(
        "subscriber_quarterly",
        "subscriber",
        ["quarterly_at"],
        unique=False,
        sqlite_where=sa.text("quarterly_at IS NOT NULL"),
        postgresql_where=sa.text("quarterly_at IS NOT NULL"),
    )
