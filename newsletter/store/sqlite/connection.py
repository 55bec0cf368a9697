"""SQLite as all of us open it, without the ORM: pragmas, errors in words, times as whole milliseconds."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from newsletter.domain.errors import Busy, NewsletterError

BUSY_FOR = 30.0  # seconds a writer waits for another process
SHORT_WAIT = 0.002  # seconds that somebody waits who holds others up meanwhile
NAPS = (0.0002, 0.01)  # seconds between two looks for the write lock, the first and the longest


def connect(path: Path) -> sqlite3.Connection:
    """A connection for plain SQL, to be used under a lock by any thread."""
    connection = sqlite3.connect(path, timeout=BUSY_FOR, check_same_thread=False)
    set_pragmas(connection)
    return connection


def connect_to_write(path: Path) -> sqlite3.Connection:
    """The same for `transaction`, which waits by itself: what is done outside of one waits for nobody."""
    connection = connect(path)
    connection.execute("PRAGMA busy_timeout = 0").close()
    return connection


def set_pragmas(connection: sqlite3.Connection) -> None:
    """WAL and friends. NORMAL survives `kill -9`; a power cut may take the last commits back (doubles, no losses)."""
    connection.isolation_level = None  # we say BEGIN ourselves, and of which kind
    for pragma in (
        f"busy_timeout = {int(BUSY_FOR * 1000)}",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
        "temp_store = MEMORY",
        "cache_size = -2000",  # 2 MB a connection; there may be dozens
        "wal_autocheckpoint = 0",  # `Checkpoints` sees to it, and an import itself
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
            if self._connection.in_transaction:  # Ctrl-C may come right after the COMMIT
                self._connection.execute("ROLLBACK")


def begin(connection: sqlite3.Connection, busy_for: float = BUSY_FOR) -> None:
    """BEGIN IMMEDIATE on a connection whose busy_timeout is 0. Raises sqlite3.OperationalError after `busy_for` seconds.

    Whoever sends gives the write lock back after a tenth of a millisecond and takes it again as soon: SQLite's own
    waiting, which begins with 1 ms and soon naps for 100, would wait long for one of these gaps.
    """
    nap, until = NAPS[0], 0.0
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
        time.sleep(nap)
        nap = min(nap * 1.1, NAPS[1])


def begin_writing(connection: sqlite3.Connection, busy_for: float = BUSY_FOR) -> None:
    """The same on a connection that elsewhere waits as SQLite does."""
    connection.execute("PRAGMA busy_timeout = 0").close()
    try:
        begin(connection, busy_for)
    finally:
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_FOR * 1000)}").close()


class translated:  # noqa: N801 - as `transaction`
    """Foreign errors at the border: a lock that did not come free is Busy, the rest is told in words."""

    __slots__ = ()

    def __enter__(self) -> None: ...

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: object) -> None:
        if isinstance(error, sqlite3.OperationalError):
            raise in_words(error) from error


def in_words(error: BaseException) -> NewsletterError:
    """What an operational error of SQLite means for whoever runs us."""
    if "locked" in str(error) or "busy" in str(error):
        return Busy("another process is writing to the database", fix="Try again in a moment")
    return NewsletterError(f"the database refused: {error}", fix="Check disk space and rights of the data directory")
