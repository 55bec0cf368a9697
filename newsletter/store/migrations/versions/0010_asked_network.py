"""The network that a confirmation email came from."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("asked", sa.Column("network", sa.String(), nullable=False, server_default=""))
