"""When the newsletter was set up, extra issues at any time, and the tips that came with welcome emails."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("library", sa.Column("set_up_at", sa.DateTime(), nullable=True))
    # The first tip came with `init`, or soon after it.
    op.execute("UPDATE library SET set_up_at = (SELECT min(added_at) FROM tip)")
    op.add_column("tip", sa.Column("pin_at", sa.DateTime(), nullable=True))
    op.create_table(
        "welcome_tip",
        sa.Column("tip_id", sa.Integer(), sa.ForeignKey("tip.id", ondelete="CASCADE"), nullable=False),
        sa.Column("subscriber_id", sa.Integer(), sa.ForeignKey("subscriber.id", ondelete="CASCADE"), nullable=False),
        sa.PrimaryKeyConstraint("tip_id", "subscriber_id"),
    )
