"""What was written moves into the database itself beside those who write, and the log begins anew."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from newsletter.store.checkpoints import EVERY
from newsletter.store.sql import SqlStore
from tests.support.library import TUESDAY, new_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    new_store(tmp_path).close()  # and with it, everything is in the database
    with closing(SqlStore(tmp_path / "newsletter.db")) as store:
        yield store


def write(store: SqlStore, commits: int, first: int = 0) -> None:
    for number in range(first, first + commits):
        with store.write() as tx:
            tx.suppressions.add(f"reader{number}@a.example", "manual", "test", TUESDAY)
    store._database._checkpoints.join()


def moved(store: SqlStore) -> int:
    """How many are in the database without its log."""
    copy = shutil.copy(store.path, store.path.with_name("copy.db"))
    with closing(sqlite3.connect(copy)) as database:
        return int(database.execute("SELECT count(*) FROM suppression").fetchone()[0])


def test_no_commit_stops_to_move_pages_and_so_many_of_them_let_a_thread_do_it(store: SqlStore) -> None:
    write(store, EVERY - 1)
    assert moved(store) == 0
    write(store, 1, first=EVERY)
    assert moved(store) == EVERY


def test_the_log_begins_anew_after_that(store: SqlStore) -> None:
    write(store, EVERY)
    log = store.path.with_name("newsletter.db-wal")
    size = log.stat().st_size
    write(store, EVERY // 2, first=EVERY)
    assert log.stat().st_size == size


def test_who_still_reads_hinders_no_checkpoint_and_sees_what_was(store: SqlStore) -> None:
    with store.read() as tx:
        assert tx.suppressions.count() == 0
        write(store, EVERY)
        assert tx.suppressions.count() == 0
    write(store, EVERY, first=EVERY)
    assert moved(store) == 2 * EVERY
