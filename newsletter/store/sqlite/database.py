"""The SQLite database: its engine, its transactions, and the version of its schema."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError
from sqlmodel import Session

from newsletter import files
from newsletter.domain.errors import Busy, SchemaError, SettingsError
from newsletter.store import copy_guard
from newsletter.store.sqlite.connection import BUSY_FOR, SHORT_WAIT, begin_writing, set_pragmas
from newsletter.store.sqlite.errors import is_about_the_file, newest_backup, translate, translated, unusable
from newsletter.store.sqlite.stale_log import check_log
from newsletter.store.sqlite.wal import Checkpoints
from newsletter.store.sqlite.watch import FileWatch
from newsletter.store.times import to_text

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0019"
"""The schema version this program needs; a test compares it with the newest migration."""


def sqlite_path(url: str) -> Path:
    """The file of a database URL; raises SettingsError for a URL that is not supported."""
    fix = "Write NEWSLETTER_DATABASE_URL=sqlite:///data/newsletter.db"
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SettingsError("NEWSLETTER_DATABASE_URL is not a database URL", fix=fix) from None
    if parsed.get_backend_name() != "sqlite":
        raise SettingsError(f"NEWSLETTER_DATABASE_URL: {parsed.get_backend_name()} is not supported yet", fix=fix)
    if not parsed.database or parsed.database == ":memory:":
        raise SettingsError("NEWSLETTER_DATABASE_URL must point to a file", fix=fix)
    return Path(parsed.database)


def files_of(path: Path) -> tuple[Path, ...]:
    """The database and the files that SQLite and we keep next to it."""
    return tuple(path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm", ".sender", ".identity"))


def make_engine(
    path: Path, on_connect: Callable[[], None] = lambda: None, on_close: Callable[[], None] = lambda: None
) -> Engine:
    """An engine on a SQLite file. on_connect, on_close: called after a connection is made, and before it is closed.

    A transaction is deferred (to read), unless the execution option `immediate` gives the seconds a writer waits.
    """
    # The web server has up to 40 threads; none of them should have to wait for a connection.
    engine = create_engine(
        f"sqlite:///{path}", connect_args={"check_same_thread": False, "timeout": BUSY_FOR}, pool_size=45
    )

    @event.listens_for(engine, "connect")
    def _connected(dbapi_connection: Any, _record: object) -> None:
        set_pragmas(dbapi_connection)
        on_connect()

    @event.listens_for(engine, "close")
    def _closing(_dbapi_connection: Any, _record: object) -> None:
        on_close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        db = _driven(connection)
        if db.in_transaction:  # `Database` has begun one, and the ORM joins it
            return
        # Under WAL, a read transaction that begins to write can lose updates; IMMEDIATE takes the write lock first.
        if busy_for := connection.get_execution_options().get("immediate"):
            begin_writing(db, busy_for)
        else:
            db.execute("BEGIN").close()

    return engine


def _driven(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.driver_connection)


class Access:
    """One transaction, for plain SQL (`db`, which takes a tenth of the time) and for the ORM (`session`).

    The session is made when it is first used.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.db = _driven(connection)

    @cached_property
    def session(self) -> Session:
        """The ORM on the same connection, in the same transaction."""
        return Session(self._connection, expire_on_commit=False)

    def commit(self) -> None:
        """Commit what both have written."""
        if "session" in self.__dict__:
            self.session.commit()
        self.db.commit()

    def close(self) -> None:
        """Close the session, if there is one."""
        if "session" in self.__dict__:
            self.session.close()


class Database:
    """One SQLite file. Safe for threads.

    One thread writes at a time (`write_lock`); between processes, SQLite's own lock decides, and a writer polls for it.
    """

    def __init__(self, path: Path, watch: FileWatch) -> None:
        self.path = path
        self.watch = watch
        self.write_lock = RLock()
        self._engine = make_engine(path, watch.note_open, watch.note_close)
        self._checkpoints = Checkpoints(path, lambda: watch.check(now=True))
        self._checked = False

    @contextmanager
    def reading(self) -> Iterator[Access]:
        """A read transaction: one snapshot from its first query on."""
        self.check_schema()
        with _translated(self.path), self._engine.connect() as connection, closing(Access(connection)) as access:
            access.db.execute("BEGIN").close()
            yield access

    @contextmanager
    def writing(self, *, no_wait: bool = False) -> Iterator[Access]:
        """A write transaction, committed at the end, rolled back on any exception.

        no_wait: raise Busy after 2 ms, for callers that can try again later and must not keep others waiting.
        """
        self.check_schema()
        busy_for = SHORT_WAIT if no_wait else BUSY_FOR
        # Threads of this process queue here, since SQLite lets only one connection write at a time.
        if not self.write_lock.acquire(timeout=SHORT_WAIT if no_wait else -1):
            raise Busy("another thread is writing to the database", fix="Try again in a moment")
        try:
            with _translated(self.path), self._engine.connect() as connection, closing(Access(connection)) as access:
                begin_writing(access.db, busy_for)
                yield access
                self.watch.check_place()
                access.commit()
        finally:
            self.write_lock.release()
        self.note_commit()

    def note_commit(self) -> None:
        """Count a commit; every few hundred commits, a checkpoint moves the log into the database."""
        self._checkpoints.note_commit()

    def check_schema(self) -> None:
        """Raises SchemaError if the database is missing, or if its schema is older or newer; checked once per process.

        Afterwards, it raises Unavailable if the file was replaced since.
        """
        if self._checked:
            self.watch.check()
            return
        check_log(self.path)
        found = revision(self.path)
        if found is None:
            raise no_database(self.path)
        if found != HEAD:
            raise wrong_schema(found)
        self.watch.begin()
        self._checked = True

    def close(self) -> None:
        """Close every connection. The next use looks at the file as at one that is new."""
        self._checkpoints.close()
        self.watch.set_log_aside()
        self._engine.dispose()
        self._checked = False


def no_database(path: Path) -> SchemaError:
    """The error for a database that does not exist, or for one of another program."""
    if not path.exists() and copy_guard.read(path):
        return SchemaError(
            f"the database {path} is gone: what is next to it shows that it was here",
            fix=f"Put it back, or restore a backup: newsletter db restore {newest_backup(path) or 'FILE'}. "
            "To start a new newsletter instead: newsletter init",
        )
    if not path.exists():
        return SchemaError(f"there is no newsletter database at {path}", fix="Run: newsletter init")
    if tables := _tables(path):
        return SchemaError(
            f"{path} is the database of another program (its tables: {', '.join(tables[:3])}); nothing was changed",
            fix="Set NEWSLETTER_DATABASE_URL to another file",
        )
    return SchemaError(
        f"the database {path} is empty",
        fix="Restore a backup: newsletter db restore FILE; or start a new newsletter: newsletter init",
    )


def wrong_schema(found: str) -> SchemaError:
    """The error for a schema version that is not HEAD."""
    if found < HEAD:
        return SchemaError(
            f"the database has schema {found}, but this program needs {HEAD}. Run: newsletter db upgrade"
        )
    return SchemaError(
        f"the database has schema {found} of a newer program (this one needs {HEAD}). Upgrade the program"
    )


def revision(path: Path) -> str | None:
    """The schema version of a file; None if it does not exist, is empty, or belongs to another program.

    Never creates the file. Raises NewsletterError for a file that cannot be read as a database.
    """
    if not path.exists():
        return None
    if error := unusable(path):
        raise error
    with translated(path):
        tables = _tables(path)
        if "alembic_version" not in tables or "suppression" not in tables:
            return None
        with closing(open_to_read(path)) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None


def _tables(path: Path) -> list[str]:
    with translated(path), closing(open_to_read(path)) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        return [str(name) for (name,) in rows]


def open_to_read(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, and does not create the file."""
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_FOR)


def open_backup(path: Path) -> sqlite3.Connection:
    """As `open_to_read`, for a file that nobody writes: no -shm file appears beside it, even on a medium for writing."""
    how = "ro" if path.with_name(f"{path.name}-wal").exists() else "ro&immutable=1"
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode={how}", uri=True, timeout=BUSY_FOR)


def upgrade(path: Path, now: datetime | None = None) -> tuple[str | None, str]:
    """Migrate the schema to HEAD in one transaction; creates the file if necessary.

    now: a new database was set up at this time. Returns the schema versions before and after. Raises SchemaError for the
    schema of a newer program.
    """
    from alembic.config import Config  # noqa: PLC0415 - slow, and only a new schema needs it

    before = revision(path)
    if before is not None and before > HEAD:
        raise wrong_schema(before)
    if before is None and path.exists() and _tables(path):
        raise no_database(path)
    files.close_to_others(files_of(path))
    if before == HEAD:
        return before, HEAD
    files.make_directory(path.parent)
    if not path.exists():
        os.close(files.create(path))
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
    engine = make_engine(path).execution_options(immediate=BUSY_FOR)
    with _translated(path), engine.connect() as connection:
        # A migration may write a table again to which others refer (sqlite.org/lang_altertable.html#otheralter).
        _driven(connection).execute("PRAGMA foreign_keys = OFF").close()
        with connection.begin():
            _migrate(connection, config, set_up_at=now if before is None else None)
    engine.dispose()
    return before, HEAD


def _migrate(connection: Connection, config: Config, *, set_up_at: datetime | None) -> None:
    from alembic import command  # noqa: PLC0415 - as above

    db = _driven(connection)
    dangling = set(db.execute("PRAGMA foreign_key_check").fetchall())
    # Alembic uses this transaction, so that a migration is complete or leaves no trace.
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    if set(db.execute("PRAGMA foreign_key_check").fetchall()) - dangling:
        raise SchemaError("the upgrade would leave rows that refer to nothing; nothing was changed", fix="Report this")
    if set_up_at:
        db.execute("UPDATE library SET set_up_at = ?", (to_text(set_up_at),)).close()


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """As `errors.translated`, for errors of the ORM too."""
    try:
        with translated(path):
            yield
    except DatabaseError as error:
        if is_about_the_file(error.orig):
            raise translate(error.orig, path) from error
        raise
