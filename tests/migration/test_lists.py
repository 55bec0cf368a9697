"""A database of one list becomes one with lists: everything in it belongs to the first one, and nothing is lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.errors import SchemaError
from newsletter.store.sqlite.database import HEAD, upgrade
from newsletter.store.transactions import SqlStore
from tests.migration.test_migrations import older

TIP = """INSERT INTO tip (id, key, identity, title, body, takeaway, teaser, complete, state, position, source, source_line,
    season, series, part, rerun, months, fallback, added_at, changed_at)
    VALUES (?, ?, ?, 'Say the name', 'Say it.', '', '', 1, 'sent', ?, '', 0, '', '', 0, '', '', 0,
    '2026-01-01 00:00:00.000000', '2026-01-01 00:00:00.000000')"""
ISSUE = """INSERT INTO issue (id, slot, quarter, day, due_at, state, tip_id, run, tip_was, subject, secret, audience, reason,
    planned_at) VALUES (?, ?, ?, '2026-11-24', '2026-11-24 13:00:00.000000', ?, ?, ?, 'fresh', 'Say', x'0102', 1, '',
    '2026-11-24 13:00:00.000000')"""

COPY = """INSERT INTO issue SELECT {id}, {list_id}, slot, NULL, day, due_at, state, NULL, NULL, '', '', secret, 0, '',
    planned_at, NULL, NULL FROM issue WHERE id = 614"""


def filled(path: Path) -> None:
    """A database of the schema before, with every row that a list takes over."""
    with closing(older(path, "0017")) as old, old:
        for number in (1, 2):
            old.execute(TIP, (number, f"tip-{number}", f"i{number}", number))
        old.execute(ISSUE, (614, "2026-11-24", None, "sending", 1, 1))
        old.execute(ISSUE, (613, "2026-11-17", None, "done", 2, 1))
        old.execute(ISSUE, (612, None, "2026-Q3", "done", 2, None))
        old.execute(ISSUE, (-1, "2026-11-10", None, "missed", None, None))
        old.execute("INSERT INTO compiled_issue VALUES (614, x'aa'), (613, x'bb')")
        old.execute("INSERT INTO other_letter VALUES (614, 2, 'Other', x'cc')")
        old.execute(
            "INSERT INTO delivery (issue_id, subscriber_id, state, attempts, crashes) VALUES (614, 7, 'pending', 0, 0)"
        )
        old.execute("INSERT INTO slot_wish VALUES ('2026-12-01', 'skip', 'holiday', '')")
        old.execute("INSERT INTO told VALUES ('preview', '2026-12-01 tip-1', '2026-11-23 13:00:00.000000')")
        old.execute("INSERT INTO watchdog_call VALUES ('2026-11-17', 1, NULL, '2026-11-17 13:05:00.000000', '')")


def test_everything_belongs_to_the_first_list_and_an_open_issue_goes_on(tmp_path: Path) -> None:
    filled(tmp_path / "n.db")

    assert upgrade(tmp_path / "n.db") == ("0017", HEAD)

    store = SqlStore(tmp_path / "n.db")
    with store.read() as tx:
        (open_one,) = tx.issues.open()
        assert (open_one.number, open_one.state, open_one.tip_key) == (614, IssueState.SENDING, "tip-1")
        assert (tx.issues.compiled(614), tx.issues.substitutes(614)) == (b"\xaa", {2: b"\xcc"})
        assert [issue.number for issue in tx.issues.each()].count(-1) == 1
        assert tx.issues.for_quarter("2026-Q3").number == 612  # type: ignore[union-attr]
        assert tx.issues.next_number(1) == 615
        assert tx.calendar.overrides()[date(2026, 12, 1)].about == "holiday"
        assert tx.calendar.was_notified("preview", "2026-12-01 tip-1")
        assert tx.calendar.heartbeat_of(date(2026, 11, 17)).done_at is not None  # type: ignore[union-attr]
        assert [card.key for card in tx.tips.cards()] == ["tip-1", "tip-2"]
    with store.of_list(2).read() as tx:
        assert (tx.issues.each(), tx.tips.cards(), tx.calendar.overrides()) == ([], [], {})
    store.close()


def test_the_tables_that_are_written_again_keep_their_rules(tmp_path: Path) -> None:
    filled(tmp_path / "n.db")
    upgrade(tmp_path / "n.db")
    with closing(sqlite3.connect(tmp_path / "n.db")) as db:
        db.execute("PRAGMA foreign_keys = ON")
        for wrong in (
            COPY.format(id=900, list_id=1),
            "UPDATE issue SET tip_id = 99 WHERE id = 614",
            "DELETE FROM issue WHERE id = 614",
            "INSERT INTO slot_wish VALUES (1, '2026-12-01', 'hold', '', '')",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                db.execute(wrong)
        db.execute(COPY.format(id=10_000_001, list_id=2))
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []


def test_rows_that_refer_to_nothing_do_not_stop_an_upgrade(tmp_path: Path) -> None:
    filled(tmp_path / "n.db")
    with closing(sqlite3.connect(tmp_path / "n.db")) as old, old:
        old.execute("INSERT INTO consent (subscriber_id, at, what, proof, origin) VALUES (99, '', 'import', '', '')")

    assert upgrade(tmp_path / "n.db") == ("0017", HEAD)


def test_an_interrupted_upgrade_leaves_the_schema_before(tmp_path: Path) -> None:
    filled(tmp_path / "n.db")
    with closing(sqlite3.connect(tmp_path / "n.db")) as old, old:
        old.execute("CREATE TABLE new_told (x)")
    with pytest.raises(Exception, match="new_told"):
        upgrade(tmp_path / "n.db")
    with closing(sqlite3.connect(tmp_path / "n.db")) as old:
        tables = {name for (name,) in old.execute("SELECT name FROM sqlite_master")}

    assert "mailing_list" not in tables
    with pytest.raises(SchemaError, match="0017"):
        SqlStore(tmp_path / "n.db").read().__enter__()
