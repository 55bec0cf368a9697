"""What was written moves into the database itself beside those who write, and the log begins anew."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path
from threading import Event

import pytest

from newsletter.store.sqlite.wal import EVERY, LONG, Checkpoints, move
from newsletter.store.transactions import SqlStore
from tests.support.library import TUESDAY, new_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    """One that begins no checkpoints of its own."""
    new_store(tmp_path).close()  # and with it, everything is in the database
    with closing(SqlStore(tmp_path / "newsletter.db")) as store:
        store._database._checkpoints.close()
        yield store


def write(store: SqlStore, first: int, number: int = 100) -> None:
    with store.write() as tx:
        for reader in range(first, first + number):
            tx.suppressions.add(f"reader{reader}@a.example", "manual", "test", TUESDAY)


def moved(store: SqlStore) -> int:
    """How many are in the database without its log."""
    copy = shutil.copy(store.path, store.path.with_name("copy.db"))
    with closing(sqlite3.connect(copy)) as database:
        return int(database.execute("SELECT count(*) FROM suppression").fetchone()[0])


def log_size(store: SqlStore) -> int:
    return store.path.with_name("newsletter.db-wal").stat().st_size


def test_a_commit_moves_nothing_however_much_it_writes(store: SqlStore) -> None:
    write(store, 0, 50_000)
    assert log_size(store) > 5_000_000  # SQLite itself would have begun at four
    assert moved(store) == 0


def test_after_a_checkpoint_all_is_in_the_database_and_the_log_begins_anew(store: SqlStore) -> None:
    write(store, 0)
    move(store.path)
    size = log_size(store)
    assert moved(store) == 100
    write(store, 100, 10)
    assert (log_size(store), moved(store)) == (size, 100)


def test_no_checkpoint_begins_on_a_log_that_was_moved_whole(store: SqlStore) -> None:
    write(store, 0)
    assert move(store.path) > 1
    assert [move(store.path) for _ in range(3)] == [1, 1, 1]


def test_who_still_reads_hinders_nobody_and_sees_what_was(store: SqlStore) -> None:
    write(store, 0)
    with store.read() as tx:
        assert tx.suppressions.count() == 100
        write(store, 100)
        move(store.path)
        assert tx.suppressions.count() == 100
    move(store.path)
    assert moved(store) == 200


def test_a_long_log_begins_anew_even_while_somebody_writes_all_the_time(store: SqlStore) -> None:
    write(store, 0)
    many = count(1000, 20_000)
    while log_size(store) < 4096 * LONG:
        write(store, next(many), 20_000)
    stop = Event()

    def go_on() -> None:
        for reader in count(10**9):
            write(store, reader, 1)
            if stop.is_set():
                return

    with ThreadPoolExecutor(1) as pool:
        going_on = pool.submit(go_on)
        move(store.path)
        stop.set()
        going_on.result()
    size = log_size(store)
    write(store, -1000, 1000)
    assert log_size(store) == size


def test_so_many_commits_bring_a_checkpoint_about(store: SqlStore) -> None:
    write(store, 0)
    checkpoints = Checkpoints(store.path)
    for _ in range(EVERY):
        checkpoints.note_commit()
    checkpoints.close()
    assert moved(store) == 100


def test_nothing_is_done_where_nothing_was_written(store: SqlStore) -> None:
    write(store, 0)
    checkpoints = Checkpoints(store.path)
    for _ in range(2 * EVERY):
        checkpoints.note_commit()
    began = checkpoints._thread
    for _ in range(2 * EVERY):
        checkpoints.note_commit()
    checkpoints.close()
    assert began is not None
    assert checkpoints._thread is began
