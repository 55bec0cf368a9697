"""Persons and subscriptions apart: what a subscriber has with one list moves to a table of its own, with the list.

The columns are dropped in place: the indexes of keys and addresses stay, and the file does not grow by a second table.
"""

from alembic import op

revision = "0019"
down_revision = "0018"

_TABLE = """CREATE TABLE subscription (
    list_id INTEGER NOT NULL, subscriber_id INTEGER NOT NULL, status VARCHAR NOT NULL, pace VARCHAR DEFAULT 'weekly' NOT NULL, resting BOOLEAN DEFAULT 0 NOT NULL, paused_until DATETIME,
    signup_at DATETIME NOT NULL, confirmed_at DATETIME, left_at DATETIME, confirmation_mailed_at DATETIME, reminded_at DATETIME,
    quarterly_at DATETIME, source VARCHAR DEFAULT '' NOT NULL, last_tip_id INTEGER,
    PRIMARY KEY (list_id, subscriber_id), FOREIGN KEY (subscriber_id) REFERENCES subscriber (id) ON DELETE CASCADE)
    WITHOUT ROWID"""
_MOVED = (
    "status", "pace", "resting", "paused_until", "signup_at", "confirmed_at", "left_at", "confirmation_mailed_at",
    "reminded_at", "quarterly_at", "source",
)  # fmt: skip


def upgrade() -> None:
    columns = ", ".join(_MOVED)
    op.execute(_TABLE)
    op.execute(
        f"INSERT INTO subscription (list_id, subscriber_id, {columns}) SELECT 1, id, {columns} FROM subscriber ORDER BY id"  # noqa: S608 - our own names
    )
    op.execute("CREATE INDEX subscription_status ON subscription (status)")
    op.execute("CREATE INDEX subscription_of_person ON subscription (subscriber_id)")
    op.execute("CREATE INDEX subscription_quarterly ON subscription (quarterly_at) WHERE quarterly_at IS NOT NULL")
    op.execute("DROP INDEX ix_subscriber_status")
    op.execute("DROP INDEX subscriber_quarterly")
    for name in _MOVED:
        op.execute(f"ALTER TABLE subscriber DROP COLUMN {name}")
    op.execute("ALTER TABLE subscriber ADD COLUMN one_a_day BOOLEAN DEFAULT 0 NOT NULL")
    op.execute("ALTER TABLE consent ADD COLUMN list_id INTEGER DEFAULT 1 NOT NULL")
    op.execute("CREATE INDEX consent_of_other_list ON consent (list_id) WHERE list_id <> 1")
    op.execute("ALTER TABLE farewell ADD COLUMN list_id INTEGER DEFAULT 1 NOT NULL")
