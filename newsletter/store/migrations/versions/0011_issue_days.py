"""The date of each issue in the newsletter's zone, also of those outside the calendar."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("issue", sa.Column("day", sa.Date(), nullable=True))
    op.execute("UPDATE issue SET day = coalesce(slot, date(due_at))")
