"""Checkpoints move the log into the database file while others write, and then the log is restarted."""

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
    """A store that starts no checkpoints by itself."""
    new_store(tmp_path).close()  # closing it moves everything into the database file
    with closing(SqlStore(tmp_path / "newsletter.db")) as store:
        store._database._checkpoints.close()
        yield store


def write(store: SqlStore, first: int, number: int = 100) -> None:
    with store.write() as tx:
        for place in range(first, first + number):
            tx.suppressions.add(f"reader{place}@a.example", "manual", "test", TUESDAY)


def moved(store: SqlStore) -> int:
    """How many rows are in the database file, without its log."""
    copy = shutil.copy(store.path, store.path.with_name("copy.db"))
    with closing(sqlite3.connect(copy)) as database:
        return int(database.execute("SELECT count(*) FROM suppression").fetchone()[0])


def log_size(store: SqlStore) -> int:
    return store.path.with_name("newsletter.db-wal").stat().st_size


def test_a_commit_runs_no_checkpoint_even_if_it_writes_much(store: SqlStore) -> None:
    write(store, 0, 50_000)
    assert log_size(store) > 5_000_000  # SQLite itself would have run one at 4 MB
    assert moved(store) == 0


def test_a_checkpoint_moves_everything_into_the_database_and_the_log_is_reused(store: SqlStore) -> None:
    write(store, 0)
    move(store.path)
    size = log_size(store)
    assert moved(store) == 100
    write(store, 100, 10)
    assert (log_size(store), moved(store)) == (size, 100)


def test_no_checkpoint_starts_on_a_log_that_was_moved_completely(store: SqlStore) -> None:
    write(store, 0)
    assert move(store.path) > 1
    assert [move(store.path) for _ in range(3)] == [1, 1, 1]


def test_a_read_transaction_keeps_its_snapshot_and_delays_nobody(store: SqlStore) -> None:
    write(store, 0)
    with store.read() as tx:
        assert tx.suppressions.count() == 100
        write(store, 100)
        move(store.path)
        assert tx.suppressions.count() == 100
    move(store.path)
    assert moved(store) == 200


def test_a_long_log_is_restarted_even_while_another_thread_writes_all_the_time(store: SqlStore) -> None:
    write(store, 0)
    many = count(1000, 20_000)
    while log_size(store) < 4096 * LONG:
        write(store, next(many), 20_000)
    stop = Event()

    def keep_writing() -> None:
        for place in count(10**9):
            write(store, place, 1)
            if stop.is_set():
                return

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(keep_writing)
        for _try in range(5):  # one of them finds the writer between two commits
            move(store.path)
        stop.set()
        writing.result()
    size = log_size(store)
    write(store, -1000, 1000)
    assert log_size(store) == size


def test_a_checkpoint_runs_after_so_many_commits(store: SqlStore) -> None:
    write(store, 0)
    checkpoints = Checkpoints(store.path)
    for _ in range(EVERY):
        checkpoints.note_commit()
    checkpoints.close()
    assert moved(store) == 100


def test_no_checkpoint_runs_if_nothing_was_written(store: SqlStore) -> None:
    write(store, 0)
    checkpoints = Checkpoints(store.path)
    for _ in range(2 * EVERY):
        checkpoints.note_commit()
    first = checkpoints._thread
    for _ in range(2 * EVERY):
        checkpoints.note_commit()
    checkpoints.close()
    assert first is not None
    assert checkpoints._thread is first
