"""Checkpoints: a thread moves what was written from the write-ahead log (WAL) into the database file.

SQLite would do this inside a COMMIT, every thousand pages, and take up to a third of a second: a visitor would wait.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event, Lock, Thread

from newsletter.domain.errors import NewsletterError
from newsletter.store.sqlite.connection import connect_to_write, transaction

log = logging.getLogger(__name__)

EVERY = 500  # commits; a sign-up writes thirteen pages of 4 KB
AT_LEAST_EVERY = 1.0  # seconds, checked at a commit: other processes write too, and their commits are not counted
LONG = 8000  # pages, 32 MB
FEW = 500  # pages: two or three milliseconds
ROUNDS = 4
GIVE_UP_AFTER = 1.0  # seconds
_VERSIONS = 1 << 31  # one for each second of 68 years


class Checkpoints:
    """The checkpoints of one process on one database. Safe for threads.

    check: raises a NewsletterError if the file is not the one that the log belongs to.
    """

    def __init__(self, path: Path, check: Callable[[], None] = lambda: None) -> None:
        self._path = path
        self._check = check
        self._log = path.with_name(f"{path.name}-wal")
        self._counting = Lock()
        self._commits, self._began_at, self._seen = 0, time.monotonic(), 0
        self._closing = Event()
        self._thread: Thread | None = None

    def note_commit(self) -> None:
        """Count a commit; after EVERY commits or AT_LEAST_EVERY seconds, start a checkpoint, unless one is running."""
        with self._counting:
            self._commits += 1
            now = time.monotonic()
            if self._commits < EVERY and now - self._began_at < AT_LEAST_EVERY:
                return
            if self._closing.is_set() or (self._thread and self._thread.is_alive()) or not self._is_new():
                return
            self._commits, self._began_at = 0, now
            self._thread = Thread(target=self._move, name="checkpoint", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Start no more checkpoints, and wait for the one that is running."""
        self._closing.set()
        if self._thread:
            self._thread.join()

    def _is_new(self) -> bool:
        """Has any process written since the last checkpoint? An idle newsletter starts no thread."""
        return self._written_at() != self._seen

    def _written_at(self) -> int:
        try:
            return self._log.stat().st_mtime_ns
        except OSError:
            return 0

    def _move(self) -> None:
        try:
            self._check()
            while move(self._path) >= LONG and not self._closing.wait(AT_LEAST_EVERY / 2):
                pass
        except (
            sqlite3.Error,
            NewsletterError,
        ) as error:  # harmless: the pages stay in the log, and the next checkpoint moves them
            log.info("no checkpoint: %s", error)
        # Read after the checkpoint, which itself writes a page (see `_move_most`).
        self._seen = self._written_at()


def move(path: Path) -> int:
    """Run a checkpoint; returns how many pages were in the log. A long log is restarted. Raises sqlite3.Error."""
    with closing(connect_to_write(path)) as mover:
        pages, moved = _move_most(mover)
        if pages >= LONG:
            _restart_log(path, mover, moved)
        return pages


def _restart_log(path: Path, mover: sqlite3.Connection, moved: int) -> None:
    """Make the next writer start at the beginning of the log; else the log grows for as long as others write.

    SQLite restarts a log only once all of it is in the database. So several rounds follow, each moving what was written
    during the one before, until little is left. The last pages are moved under the write lock.
    """
    for _ in range(ROUNDS):
        before = moved
        pages, moved = _move_most(mover)
        if pages - before <= FEW:
            break
    if moved >= pages:  # else a read transaction still needs some pages, and the next checkpoint moves them
        with closing(connect_to_write(path)) as writer, transaction(writer, GIVE_UP_AFTER):
            _checkpoint(mover)


def _move_most(mover: sqlite3.Connection) -> tuple[int, int]:
    """Move the pages that no read transaction needs; returns the pages in the log before, and those moved.

    It writes one page first, with a counter by which `sqlite.watch` and `copy_guard` know an older state. SQLite up to 3.51.2 can lose commits that are made while a checkpoint
    starts on a log that was moved completely before (sqlite.org/wal.html#walresetbug). With that page, it was not.
    """
    with transaction(mover, GIVE_UP_AFTER):
        (version,) = mover.execute("PRAGMA user_version").fetchone()
        mover.execute(f"PRAGMA user_version = {(version + 1) % _VERSIONS:d}").close()
    return _checkpoint(mover)


def _checkpoint(mover: sqlite3.Connection) -> tuple[int, int]:
    """A passive checkpoint, which never waits for a lock; returns (pages in the log, pages moved)."""
    _, pages, moved = mover.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return int(pages), int(moved)
