"""Writing while another process writes: the writer waits for its turn, and gives up after a while."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from newsletter.store.sqlite.connection import BUSY_FOR, begin_writing, set_pragmas
from tests.support.library import TUESDAY, new_store


@pytest.fixture
def other(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The connection of another process."""
    new_store(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "newsletter.db", isolation_level=None, check_same_thread=False)
    yield connection
    connection.close()


def test_a_visitor_waits_for_another_process_that_writes(tmp_path: Path, other: sqlite3.Connection) -> None:
    store = new_store(tmp_path)
    other.execute("BEGIN IMMEDIATE")

    def suppress() -> bool:
        with store.write() as tx:
            return tx.suppressions.add("reader@a.example", "manual", "test", TUESDAY)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(suppress)
        while not waiting.running():
            pass
        assert not waiting.done()
        other.execute("COMMIT")
        assert waiting.result(timeout=BUSY_FOR)
    store.close()


def test_a_lock_that_is_not_released_is_an_error_and_leaves_the_connection_as_it_was(
    tmp_path: Path, other: sqlite3.Connection
) -> None:
    connection = sqlite3.connect(tmp_path / "newsletter.db", timeout=BUSY_FOR)
    set_pragmas(connection)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        begin_writing(connection, 0.01)
    assert connection.execute("PRAGMA busy_timeout").fetchone() == (BUSY_FOR * 1000,)
    other.execute("ROLLBACK")
    begin_writing(connection, 0.01)
    assert connection.in_transaction
    connection.close()


@pytest.mark.parametrize("fails", [False, True])
def test_plain_sql_and_the_orm_share_a_transaction(tmp_path: Path, fails: bool) -> None:  # noqa: FBT001
    store = new_store(tmp_path)
    with suppress(ZeroDivisionError), store.write() as tx:
        tx.suppressions.add("reader@a.example", "manual", "test", TUESDAY)
        assert tx.calendar.mark_notified("alarm", "one", TUESDAY)
        assert tx.suppressions.count() == 1
        assert 1 // (not fails)
    with store.read() as tx:
        kept = (tx.suppressions.count(), tx.calendar.was_notified("alarm", "one"))
    store.close()
    assert kept == ((0, False) if fails else (1, True))
