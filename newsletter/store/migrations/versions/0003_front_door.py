"""The front door remembers: a key of its own for who was erased."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0001"


def upgrade() -> None:
    own_key = op.create_table(
        "own_key",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.bulk_insert(own_key, [{"name": "erased", "value": secrets.token_bytes(32)}])
