"""Why no email can be made of a tip, and which words the owner has approved for a slot."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("tip", sa.Column("problem", sa.String(), nullable=False, server_default=""))
    op.add_column("slot_wish", sa.Column("words", sa.String(), nullable=False, server_default=""))
