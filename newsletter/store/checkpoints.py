"""Checkpoints: what was written moves from the log (WAL) into the database itself, beside whoever writes; writes nothing.

SQLite would do it inside of somebody's COMMIT, every thousand pages: up to a third of a second, which a visitor waits.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Lock, RLock, Thread

from newsletter.store.sqlite import connect

log = logging.getLogger(__name__)

EVERY = 500  # commits; a sign-up has thirteen pages of 4 KB
FEW = 1000  # pages: a few milliseconds


class Checkpoints:
    """Those of one process on one database. Safe for threads."""

    def __init__(self, path: Path, write_lock: RLock) -> None:
        self._path = path
        self._write_lock = write_lock
        self._counting = Lock()
        self._commits = 0
        self._thread: Thread | None = None

    def note_commit(self) -> None:
        """One more; every so many, a thread begins to move them. Only one does."""
        with self._counting:
            self._commits += 1
            if self._commits < EVERY or (self._thread and self._thread.is_alive()):
                return
            self._commits = 0
            self._thread = Thread(target=self._move, name="checkpoint", daemon=True)
            self._thread.start()

    def join(self) -> None:
        """Come back when nothing is moved any more."""
        if self._thread:
            self._thread.join()

    def _move(self) -> None:
        """The log begins anew once all of it was moved: the last few pages while nobody here adds to them.

        Where much is left, another process writes, and has checkpoints of its own.
        """
        try:
            with closing(connect(self._path)) as connection:
                if 0 < _left(connection) <= FEW:
                    with self._write_lock:
                        _left(connection)
        except sqlite3.Error as error:  # no harm is done: they are in the log, and the next one moves them
            log.warning("no checkpoint: %s", error)


def _left(connection: sqlite3.Connection) -> int:
    """Move what no reader keeps in the log, waiting for nobody; how many pages are left."""
    _, pages, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return int(pages - moved)
