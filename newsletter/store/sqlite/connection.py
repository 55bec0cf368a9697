"""SQLite connections without the ORM: pragmas and write transactions."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

BUSY_FOR = 30.0  # seconds that a writer waits for another process
SHORT_WAIT = 0.002  # seconds that a writer waits if others have to wait for it in the meantime
POLL = (0.0002, 0.01)  # seconds between two attempts to get the write lock, the first and the longest


def connect(path: Path) -> sqlite3.Connection:
    """A connection for plain SQL; any thread may use it, under a lock of the caller."""
    connection = sqlite3.connect(path, timeout=BUSY_FOR, check_same_thread=False)
    set_pragmas(connection)
    return connection


def connect_to_write(path: Path) -> sqlite3.Connection:
    """A connection for `transaction`, which does the waiting: outside of one, a statement never waits for a lock."""
    connection = connect(path)
    connection.execute("PRAGMA busy_timeout = 0").close()
    return connection


def set_pragmas(connection: sqlite3.Connection) -> None:
    """Set WAL and the other pragmas on a new connection.

    synchronous = NORMAL survives `kill -9`. A power failure can undo the last commits, which means duplicate emails
    and never missing ones.
    """
    connection.isolation_level = None  # the module must not BEGIN by itself: we choose the kind of transaction
    for pragma in (
        f"busy_timeout = {int(BUSY_FOR * 1000)}",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
        "secure_delete = FAST",  # what is deleted is overwritten where that costs no further page
        "temp_store = MEMORY",
        "cache_size = -2000",  # 2 MB per connection; there may be dozens
        "wal_autocheckpoint = 0",  # `store.sqlite.wal` does it, and so does an import
    ):
        connection.execute(f"PRAGMA {pragma}").close()


class transaction:  # noqa: N801 - used as a function; a generator would take as long as the BEGIN
    """A write transaction on a connection of `connect_to_write`: all or nothing. Raises as `begin`."""

    __slots__ = ("_busy_for", "_connection")

    def __init__(self, connection: sqlite3.Connection, busy_for: float = BUSY_FOR) -> None:
        self._connection = connection
        self._busy_for = busy_for

    def __enter__(self) -> None:
        begin(self._connection, self._busy_for)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:  # Ctrl-C can come right after the COMMIT
                self._connection.execute("ROLLBACK")


def begin(connection: sqlite3.Connection, busy_for: float = BUSY_FOR) -> None:
    """BEGIN IMMEDIATE on a connection whose busy_timeout is 0. Raises sqlite3.OperationalError after `busy_for` seconds.

    The sender releases the write lock for a tenth of a millisecond at a time. SQLite's own waiting starts with 1 ms and
    soon sleeps for 100 ms, so it would miss most of these gaps; we poll more often.
    """
    pause, until = POLL[0], 0.0
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE").close()
        except sqlite3.OperationalError as error:
            now = time.monotonic()
            until = until or now + busy_for
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or now > until:
                raise
        else:
            return
        time.sleep(pause)
        pause = min(pause * 1.1, POLL[1])


def begin_writing(connection: sqlite3.Connection, busy_for: float = BUSY_FOR) -> None:
    """As `begin`, on a connection that waits by busy_timeout otherwise."""
    connection.execute("PRAGMA busy_timeout = 0").close()
    try:
        begin(connection, busy_for)
    finally:
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_FOR * 1000)}").close()
