"""Renames the kinds of transactional emails, because a kind is the name of a folder in templates/email."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

RENAMED = {
    "alarm": "alert",
    "farewell": "unsubscribed",
    "link": "manage_link",
    "move": "confirm_address",
    "remind": "reminder",
}


def upgrade() -> None:
    kind = sa.column("kind", sa.String())
    # One pass, because the table may have millions of rows.
    op.execute(sa.update(sa.table("notice", kind)).where(kind.in_(RENAMED)).values(kind=sa.case(RENAMED, value=kind)))
