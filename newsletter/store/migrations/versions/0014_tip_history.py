"""What happened to a tip in the library that it was exported from: the days on which it was sent, and the votes."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("tip", sa.Column("earlier_runs", sa.String(), nullable=False, server_default=""))
    op.add_column("tip", sa.Column("earlier_useful", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("tip", sa.Column("earlier_not_useful", sa.Integer(), nullable=False, server_default="0"))
