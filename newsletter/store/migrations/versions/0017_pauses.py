"""The end of a pause in the year 9999 was imported as `9999`, which is no time: the list of subscribers could not be shown."""

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.execute("UPDATE subscriber SET paused_until = '2999-12-31 00:00:00.000000' WHERE paused_until = '9999'")
