"""Whether a file that shall become the database has the tables of this program, and values that can be read.

SQLite's own check says nothing about that: a file can be sound and still lack a column, bring a trigger, or hold a time that
no page can show.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from newsletter.domain.delivery.delivery import State
from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.subscribers.subscription import STORED, Frequency
from newsletter.domain.tips.tip import TipState
from newsletter.store.sqlite.database import upgrade

_ACTIVE = ("trigger", "view")  # what does something by itself
_WORDS: Mapping[tuple[str, str], Iterable[StrEnum]] = {
    ("subscription", "status"): STORED,
    ("subscription", "pace"): Frequency,
    ("issue", "state"): IssueState,
    ("delivery", "state"): State,
    ("tip", "state"): TipState,
}
_TIME = "[12][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-2][0-9]:[0-5][0-9]:*"
_DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
_ADDRESS = """typeof(address) <> 'text' OR instr(address, '@') = 0 OR instr(address, char(0)) > 0
    OR address GLOB '*[' || char(1) || '-' || char(31) || ']*'"""


def schema_problem(db: sqlite3.Connection) -> str:
    """What the newest schema has and this database does not, or which trigger or view it brings; "" for neither."""
    wanted, found = _new_schema(), _schema(db)
    if missing := sorted(wanted - found, key=lambda one: (one[0] != "table", one)):
        kind, name = missing[0]
        return f"it has no {kind} {name}"
    if db.execute("SELECT count(*) FROM alembic_version").fetchone() != (1,):
        return "it says that it has several versions"
    extra = sorted(one for one in found - wanted if one[0] in _ACTIVE)
    return f"it has a {extra[0][0]} {extra[0][1]}, which is not ours" if extra else ""


def value_problem(db: sqlite3.Connection) -> str:
    """The first value that cannot be read, such as a time that is none; "" for none."""
    for table, column, wrong in _wrong_values(db):
        if db.execute(f"SELECT 1 FROM {table} WHERE {wrong} LIMIT 1").fetchone():  # noqa: S608 - our own names
            return f"a row of the table {table} has no readable {column}"
    return ""


def _wrong_values(db: sqlite3.Connection) -> Iterator[tuple[str, str, str]]:
    """(table, column, condition of a value that cannot be read)."""
    for (table, column), words in _WORDS.items():
        known = ", ".join(f"'{word.value}'" for word in words)
        yield table, column, f"{column} NOT IN ({known})"
    yield "subscriber", "address", _ADDRESS
    tables = [name for kind, name in sorted(_new_schema()) if kind == "table"]
    for table in tables:
        for _, column, kind, *_ in db.execute(f'PRAGMA table_info("{table}")').fetchall():
            pattern = {"DATETIME": _TIME, "DATE": _DAY}.get(kind)
            if pattern:
                readable = f"{column} GLOB '{pattern}' AND julianday({column}) IS NOT NULL"
                yield table, column, f"{column} IS NOT NULL AND NOT ({readable})"


@lru_cache(maxsize=1)
def _new_schema() -> frozenset[tuple[str, str]]:
    with TemporaryDirectory(prefix="newsletter-") as directory:
        path = Path(directory) / "new.db"
        upgrade(path)
        with closing(sqlite3.connect(path)) as db:
            return frozenset(_schema(db))


def _schema(db: sqlite3.Connection) -> set[tuple[str, str]]:
    """(kind, name) of everything; a column is `table.column`."""
    rows = db.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'").fetchall()
    found = {(str(kind), str(name)) for kind, name in rows}
    for table in [name for kind, name in found if kind == "table"]:
        quoted = table.replace('"', '""')
        columns = db.execute(f'PRAGMA table_info("{quoted}")').fetchall()
        found |= {("column", f"{table}.{column[1]}") for column in columns}
    return found
