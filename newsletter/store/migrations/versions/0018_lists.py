"""Several lists: what belongs to a list says which. Everything that there was belongs to the first one."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"

_LISTS = """CREATE TABLE mailing_list (
    id INTEGER NOT NULL PRIMARY KEY, key VARCHAR NOT NULL UNIQUE, position INTEGER NOT NULL,
    title VARCHAR DEFAULT '' NOT NULL, description VARCHAR DEFAULT '' NOT NULL, from_address VARCHAR DEFAULT '' NOT NULL,
    reply_to VARCHAR DEFAULT '' NOT NULL, color VARCHAR DEFAULT '' NOT NULL, logo VARCHAR DEFAULT '' NOT NULL,
    schedule VARCHAR DEFAULT '' NOT NULL, timezone VARCHAR DEFAULT '' NOT NULL, late_window VARCHAR DEFAULT '' NOT NULL,
    approval VARCHAR DEFAULT '' NOT NULL, first_issue VARCHAR DEFAULT '' NOT NULL,
    order_by VARCHAR DEFAULT 'together' NOT NULL, then_list VARCHAR DEFAULT '' NOT NULL,
    again_after VARCHAR DEFAULT '' NOT NULL, onboarding VARCHAR DEFAULT '' NOT NULL, public BOOLEAN DEFAULT 1 NOT NULL,
    added_at DATETIME, retired_at DATETIME)"""
_FIRST = "INSERT INTO mailing_list (id, key, position) VALUES (1, 'tips', 1)"
# SQLite cannot change a primary key or a UNIQUE constraint, so these tables are written again.
_TABLES = {
    "issue": """(id INTEGER NOT NULL PRIMARY KEY, list_id INTEGER DEFAULT '1' NOT NULL, slot DATE, quarter VARCHAR, day DATE,
        due_at DATETIME NOT NULL, state VARCHAR NOT NULL, tip_id INTEGER REFERENCES tip (id), run INTEGER,
        tip_was VARCHAR NOT NULL, subject VARCHAR NOT NULL, secret BLOB NOT NULL, audience INTEGER NOT NULL,
        reason VARCHAR NOT NULL, planned_at DATETIME NOT NULL, started_at DATETIME, done_at DATETIME,
        CONSTRAINT issue_tip_runs_once UNIQUE (tip_id, run), CONSTRAINT issue_slot_once UNIQUE (list_id, slot))""",
    "slot_wish": """(list_id INTEGER NOT NULL, slot DATE NOT NULL, wish VARCHAR NOT NULL, about VARCHAR NOT NULL,
        words VARCHAR DEFAULT '' NOT NULL, PRIMARY KEY (list_id, slot))""",
    "told": """(list_id INTEGER NOT NULL, what VARCHAR NOT NULL, about VARCHAR NOT NULL, at DATETIME NOT NULL,
        PRIMARY KEY (list_id, what, about))""",
    "watchdog_call": """(list_id INTEGER NOT NULL, slot DATE NOT NULL, attempts INTEGER NOT NULL, next_attempt_at DATETIME,
        done_at DATETIME, reply VARCHAR NOT NULL, PRIMARY KEY (list_id, slot))""",
}


def upgrade() -> None:
    op.execute(_LISTS)
    op.execute(_FIRST)
    connection = op.get_bind()
    for name, columns in _TABLES.items():
        old = ", ".join(row[1] for row in connection.exec_driver_sql(f"PRAGMA table_info({name})"))
        op.execute(f"CREATE TABLE new_{name} {columns}")
        op.execute(f"INSERT INTO new_{name} (list_id, {old}) SELECT 1, {old} FROM {name}")  # noqa: S608 - names of columns
        op.execute(f"DROP TABLE {name}")
        op.execute(f"ALTER TABLE new_{name} RENAME TO {name}")
    op.execute("CREATE INDEX ix_issue_state ON issue (state)")
    op.execute("CREATE UNIQUE INDEX issue_quarter ON issue (list_id, quarter)")
    op.execute("ALTER TABLE tip ADD COLUMN list_id INTEGER DEFAULT '1' NOT NULL")
