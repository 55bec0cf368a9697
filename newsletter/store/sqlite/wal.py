"""Checkpoints: what was written moves from the log (WAL) into the database itself, beside whoever writes.

SQLite would do it inside of somebody's COMMIT, every thousand pages: up to a third of a second, which a visitor waits.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from threading import Event, Lock, Thread

from newsletter.store.sqlite.connection import connect_to_write, transaction

log = logging.getLogger(__name__)

EVERY = 500  # commits; a sign-up has thirteen pages of 4 KB
AT_LEAST_EVERY = 1.0  # seconds, if there is another commit: other processes write too
LONG = 8000  # pages, 32 MB
FEW = 500  # pages: two or three milliseconds
ROUNDS = 4
GIVE_UP_AFTER = 1.0  # seconds


class Checkpoints:
    """Those of one process on one database. Safe for threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = path.with_name(f"{path.name}-wal")
        self._counting = Lock()
        self._commits, self._began_at, self._seen = 0, time.monotonic(), 0
        self._closing = Event()
        self._thread: Thread | None = None

    def note_commit(self) -> None:
        """One more. Every so many, or after so long, a thread moves what is in the log; never two at once."""
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
        """Begin no more; come back when nothing is moved any more."""
        self._closing.set()
        if self._thread:
            self._thread.join()

    def _is_new(self) -> bool:
        """Has anybody written since the last one ended? An idle newsletter starts no thread."""
        return self._written_at() != self._seen

    def _written_at(self) -> int:
        try:
            return self._log.stat().st_mtime_ns
        except OSError:
            return 0

    def _move(self) -> None:
        try:
            while move(self._path) >= LONG and not self._closing.wait(AT_LEAST_EVERY / 2):
                pass
        except sqlite3.Error as error:  # no harm is done: they are in the log, and the next one moves them
            log.info("no checkpoint: %s", error)
        self._seen = self._written_at()


def move(path: Path) -> int:
    """One checkpoint; how many pages were in the log. A long log begins anew after it. Raises sqlite3.Error."""
    with closing(connect_to_write(path)) as mover:
        pages, moved = _move_most(mover)
        if pages >= LONG:
            _restart_log(path, mover, moved)
        return pages


def _restart_log(path: Path, mover: sqlite3.Connection, moved: int) -> None:
    """A log begins anew when all of it was moved, and while somebody writes, that is never.

    So round follows round, each with what was written during the last one, until that is little; what was written
    during that is moved while nobody can add to it.
    """
    for _ in range(ROUNDS):
        before = moved
        pages, moved = _move_most(mover)
        if pages - before <= FEW:
            break
    if moved >= pages:  # else a reader keeps some of it, and the next checkpoint moves them
        with closing(connect_to_write(path)) as holder, transaction(holder, GIVE_UP_AFTER):
            _checkpoint(mover)


def _move_most(mover: sqlite3.Connection) -> tuple[int, int]:
    """What no reader keeps; the pages that were in the log at the beginning, and those moved.

    First it writes a page as it stands. SQLite up to 3.51.2 may lose what is committed while a checkpoint begins on a
    log that was moved whole before (sqlite.org/wal.html#walresetbug); of this log, that page was not.
    """
    with transaction(mover, GIVE_UP_AFTER):
        (version,) = mover.execute("PRAGMA user_version").fetchone()
        mover.execute(f"PRAGMA user_version = {version:d}").close()
    return _checkpoint(mover)


def _checkpoint(mover: sqlite3.Connection) -> tuple[int, int]:
    """Waits for nobody."""
    _, pages, moved = mover.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return int(pages), int(moved)
