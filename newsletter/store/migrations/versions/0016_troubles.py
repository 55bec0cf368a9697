"""How often a connection failed with an email: pending deliveries of which that is true are claimed last."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.execute("ALTER TABLE delivery ADD COLUMN troubles INTEGER NOT NULL DEFAULT 0")
    op.drop_index("delivery_pending", "delivery")
    op.create_index(
        "delivery_pending",
        "delivery",
        ["issue_id", "troubles", "subscriber_id"],
        sqlite_where=sa.text("state = 'pending'"),
    )
