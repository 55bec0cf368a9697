"""Connections, transactions and the schema's version; knows no table by name."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import Any, cast

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlmodel import Session

from newsletter.domain.errors import Busy, NewsletterError, SchemaError, SettingsError
from newsletter.store.sqlite.connection import BUSY_FOR, SHORT_WAIT, begin_writing, in_words, set_pragmas, translated
from newsletter.store.sqlite.wal import Checkpoints

HEAD = "0005"
"""The schema this program works on; a test holds it against the newest migration."""


def sqlite_path(url: str) -> Path:
    """The file of a database address; raises SettingsError for what is not served (yet)."""
    fix = "Write NEWSLETTER_DATABASE_URL=sqlite:///data/newsletter.db"
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SettingsError("NEWSLETTER_DATABASE_URL is not a database address", fix=fix) from None
    if parsed.get_backend_name() != "sqlite":
        raise SettingsError(f"NEWSLETTER_DATABASE_URL: {parsed.get_backend_name()} is not served yet", fix=fix)
    if not parsed.database or parsed.database == ":memory:":
        raise SettingsError("NEWSLETTER_DATABASE_URL must name a file", fix=fix)
    return Path(parsed.database)


def make_engine(path: Path) -> Engine:
    """An engine on a SQLite file whose transactions begin as said: read ones deferred, write ones IMMEDIATE."""
    # The web answers in up to 40 threads; none of them should wait for a connection.
    engine = create_engine(
        f"sqlite:///{path}", connect_args={"check_same_thread": False, "timeout": BUSY_FOR}, pool_size=45
    )

    @event.listens_for(engine, "connect")
    def _connected(dbapi_connection: Any, _record: object) -> None:
        set_pragmas(dbapi_connection)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        db = _driven(connection)
        if db.in_transaction:  # the one of `Database`, which the ORM joins
            return
        # A read that turns into a write loses updates under WAL; IMMEDIATE takes the write lock first.
        if busy_for := connection.get_execution_options().get("immediate"):
            begin_writing(db, busy_for)
        else:
            db.execute("BEGIN").close()

    return engine


def _driven(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.driver_connection)


class Access:
    """One transaction. `db` is for plain SQL, which costs a tenth; `session` is the ORM's, made where it is wanted."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.db = _driven(connection)

    @cached_property
    def session(self) -> Session:
        """On the same connection, in the same transaction."""
        return Session(self._connection, expire_on_commit=False)

    def commit(self) -> None:
        """What both have written."""
        if "session" in self.__dict__:
            self.session.commit()
        self.db.commit()

    def close(self) -> None:
        """End the ORM's part."""
        if "session" in self.__dict__:
            self.session.close()


class Database:
    """One SQLite file. One writer at a time in this process; other processes wait by busy_timeout."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write_lock = RLock()
        self._engine = make_engine(path)
        self._checkpoints = Checkpoints(path)
        self._checked = False

    @contextmanager
    def reading(self) -> Iterator[Access]:
        """A read transaction: one snapshot from its first query on."""
        self.check_schema()
        with _translated(), self._engine.connect() as connection, closing(Access(connection)) as access:
            access.db.execute("BEGIN").close()
            yield access

    @contextmanager
    def writing(self, *, no_wait: bool = False) -> Iterator[Access]:
        """A write transaction, committed at the end, rolled back on any exception.

        at_once: raise Busy after a moment, for somebody who can ask again where waiting hinders nobody.
        """
        self.check_schema()
        busy_for = SHORT_WAIT if no_wait else BUSY_FOR
        if not self.write_lock.acquire(timeout=SHORT_WAIT if no_wait else -1):
            raise Busy("another thread is writing to the database", fix="Try again in a moment")
        try:
            with _translated(), self._engine.connect() as connection, closing(Access(connection)) as access:
                begin_writing(access.db, busy_for)
                yield access
                access.commit()
        finally:
            self.write_lock.release()
        self.note_commit()

    def note_commit(self) -> None:
        """Somebody has written: from time to time that is moved from the log into the database."""
        self._checkpoints.note_commit()

    def check_schema(self) -> None:
        """Refuse a database that is missing, behind or from the future; looked at once per process."""
        if self._checked:
            return
        found = revision(self.path)
        if found is None:
            raise SchemaError(f"there is no newsletter database at {self.path}", fix="Run: newsletter init")
        if found != HEAD:
            raise SchemaError(*_schema_words(found))
        self._checked = True

    def close(self) -> None:
        """Close every connection."""
        self._checkpoints.close()
        self._engine.dispose()


def _schema_words(found: str) -> tuple[str]:
    if found < HEAD:
        return (f"the database is at schema {found}, this program needs {HEAD}. Run: newsletter db upgrade",)
    return (f"the database is at schema {found}, made by a newer program (this one knows {HEAD}). Upgrade the program",)


def revision(path: Path) -> str | None:
    """The schema version written in the file; None when there is no database of ours. Does not create the file."""
    if not path.exists():
        return None
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_FOR)
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise NewsletterError(
            f"the database {path} cannot be opened: {error}", fix="Check the path and its rights"
        ) from None
    except sqlite3.DatabaseError as error:
        raise NewsletterError(f"{path} is not a database: {error}", fix="Check NEWSLETTER_DATABASE_URL") from None
    return str(row[0]) if row else None


def upgrade(path: Path) -> tuple[str | None, str]:
    """Bring the schema to HEAD, creating the file if need be; the versions before and after. Nothing is half done."""
    from alembic import command
    from alembic.config import Config

    before = revision(path)
    if before is not None and before > HEAD:
        raise SchemaError(*_schema_words(before))
    if before == HEAD:
        return before, HEAD
    path.parent.mkdir(parents=True, exist_ok=True)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
    engine = make_engine(path).execution_options(immediate=BUSY_FOR)
    with _translated(), engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()
    return before, HEAD


def backup(path: Path, target: Path) -> None:
    """Copy a live database as one consistent file (SQLite's backup API). Refuses to overwrite."""
    if target.exists():
        raise NewsletterError(f"{target} exists already", fix="Name a file that does not")
    if revision(path) is None:
        raise SchemaError(f"there is no newsletter database at {path}", fix="Run: newsletter init")
    _copy(path, target)


def restore(path: Path, source: Path, kept: Path) -> None:
    """Put a backup in the place of the database, in one transaction; what was there is kept in a file of its own."""
    found = revision(source)
    if found is None:
        raise NewsletterError(f"{source} is no newsletter database", fix="Name what `newsletter db backup` wrote")
    if found > HEAD:
        raise SchemaError(*_schema_words(found))
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        _copy(path, kept)
    _copy(source, path)
    upgrade(path)


def _copy(path: Path, target: Path) -> None:
    with translated(), closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


@contextmanager
def _translated() -> Iterator[None]:
    """Foreign errors at the border, those of the ORM too."""
    try:
        with translated():
            yield
    except OperationalError as error:
        raise in_words(error.orig or error) from error
