"""Which tips were published before this system was in use, so that a queued one stays public."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("tip", sa.Column("ran_before", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("UPDATE tip SET ran_before = 1 WHERE state = 'archive' OR published_on IS NOT NULL")
