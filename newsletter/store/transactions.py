"""The store: transactions with all tables in them, the sending lock, and fast reads for the pages."""

from __future__ import annotations

import copy
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import Any

from newsletter.domain.errors import Refused, Unavailable
from newsletter.domain.lists import FIRST_LIST
from newsletter.domain.subscribers.imported import ImportCounts, ImportOptions, StagedSubscriber
from newsletter.ports.sending import Holder, SendingLock
from newsletter.store import copy_guard, import_subscribers
from newsletter.store.archive import VERSION, CatalogCache, SqlArchive
from newsletter.store.calendar import SqlCalendar
from newsletter.store.courses import SqlCourses
from newsletter.store.deliveries import SqliteLedger
from newsletter.store.issues import SqlIssues
from newsletter.store.lists import SqlLists
from newsletter.store.maintenance import SqlMaintenance
from newsletter.store.pictures import SqlPictures
from newsletter.store.sender_runs import end_run, start_run
from newsletter.store.signup_limits import SqlSignupLimits
from newsletter.store.sqlite.connection import POLL, connect, connect_to_write
from newsletter.store.sqlite.database import Access, Database, sqlite_path
from newsletter.store.sqlite.errors import translated
from newsletter.store.sqlite.sending_lock import holder_of, sending_lock
from newsletter.store.sqlite.watch import FileWatch, check_room
from newsletter.store.subscribers import SqlSubscribers
from newsletter.store.suppressions import SqlSuppressions
from newsletter.store.tips import SqlTips
from newsletter.store.transactional import SqlTransactionalEmails
from newsletter.store.unsubscribes import SqlUnsubscribes


class SqlTx:
    """Implements ports.store.Tx on one transaction; each part is made when it is first used."""

    def __init__(self, access: Access, catalog_cache: CatalogCache, list_id: int, *, may_cache: bool) -> None:
        self.access = access
        self.list_id = list_id
        self._catalog_cache = catalog_cache
        self._may_cache = may_cache

    def of_list(self, list_id: int) -> SqlTx:
        """The same transaction, seen from another list."""
        if list_id == self.list_id:
            return self
        if list_id not in self._views:
            self._views[list_id] = SqlTx(self.access, self._catalog_cache, list_id, may_cache=self._may_cache)
        return self._views[list_id]

    @cached_property
    def _views(self) -> dict[int, SqlTx]:
        return {}

    @cached_property
    def lists(self) -> SqlLists:
        """The lists of the installation."""
        return SqlLists(self.access.session, self.list_id)

    @property
    def courses(self) -> SqlCourses:
        """Where the subscribers of a course are."""
        return SqlCourses(self.access.db, self.list_id)

    @cached_property
    def tips(self) -> SqlTips:
        """The library of tips."""
        return SqlTips(self.access.session, self.list_id)

    @cached_property
    def archive(self) -> SqlArchive:
        """The public archive."""
        return SqlArchive(partial(_ask, self.access.db), self._catalog_cache, self.list_id, may_cache=self._may_cache)

    @cached_property
    def subscribers(self) -> SqlSubscribers:
        """The subscribers and their consent."""
        return SqlSubscribers(self.access.db, self.list_id)

    @cached_property
    def suppressions(self) -> SqlSuppressions:
        """The addresses that must never get an email."""
        return SqlSuppressions(self.access.db)

    @cached_property
    def unsubscribes(self) -> SqlUnsubscribes:
        """The unsubscribes and their reasons."""
        return SqlUnsubscribes(self.access.db, self.list_id)

    @cached_property
    def pictures(self) -> SqlPictures:
        """Pictures that were taken in."""
        return SqlPictures(self.access.session)

    @cached_property
    def signup_limits(self) -> SqlSignupLimits:
        """What the sign-up limits remember."""
        return SqlSignupLimits(self.access.db)

    @cached_property
    def maintenance(self) -> SqlMaintenance:
        """The changes that are due by time alone."""
        return SqlMaintenance(self.access.db, self.list_id)

    @cached_property
    def issues(self) -> SqlIssues:
        """The issues and their deliveries."""
        return SqlIssues(self.access, self.list_id)

    @cached_property
    def calendar(self) -> SqlCalendar:
        """Plans of tips, overrides of slots, notifications of the owner, heartbeats."""
        return SqlCalendar(self.access.session, self.list_id)

    @cached_property
    def transactional(self) -> SqlTransactionalEmails:
        """The queue of transactional emails."""
        return SqlTransactionalEmails(self.access.db)

    @contextmanager
    def rolled_back(self) -> Iterator[None]:
        """Undo what plain SQL writes inside, with a savepoint; the ORM does not notice."""
        db = self.access.db
        db.execute("SAVEPOINT rehearsal")
        try:
            yield
        finally:
            db.execute("ROLLBACK TO rehearsal")
            db.execute("RELEASE rehearsal")


def _ask(connection: sqlite3.Connection, sql: str, values: Sequence[object]) -> Sequence[Any]:
    return connection.execute(sql, tuple(values)).fetchall()


class _Pages:
    """The one connection for the pages, and whose turn it is; the views of all lists share it."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.connection: sqlite3.Connection | None = None


class SqlStore:
    """Implements ports.store.Store on one SQLite file, which `sqlite.database.upgrade` has made. Safe for threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.list_id = FIRST_LIST
        self._watch = FileWatch(path, lambda: getattr(copy_guard.read(path), "key", ""))
        self._database = Database(path, self._watch)
        self._pages = _Pages()
        self._catalog_cache = CatalogCache()

    def of_list(self, list_id: int) -> SqlStore:
        """The same database and the same connections, seen from one list."""
        view = copy.copy(self)
        view.list_id = list_id
        return view

    @contextmanager
    def read(self) -> Iterator[SqlTx]:
        """A read transaction."""
        with self._database.reading() as access:
            yield SqlTx(access, self._catalog_cache, self.list_id, may_cache=True)

    @contextmanager
    def write(self, *, no_wait: bool = False, after_others: bool = False) -> Iterator[SqlTx]:
        """A write transaction: all or nothing. See ports.store for `no_wait` and `after_others`."""
        if after_others:
            time.sleep(2 * POLL[1])  # a writer that waits asks for the lock at least that often
        with self._database.writing(no_wait=no_wait) as access:
            yield SqlTx(access, self._catalog_cache, self.list_id, may_cache=False)

    @contextmanager
    def sending(self, role: str, now: datetime, *, hold_in_doubt: bool = False) -> Iterator[SendingLock]:
        """Become the only sender; see ports.store."""
        self._database.check_schema()
        with sending_lock(self.path, role, now) as lock:
            if why := self.hold_reason():
                raise Refused(f"sending from this database is on hold: {why}", fix=copy_guard.FIX)
            self.mark_active(now)
            self._watch.on_version = partial(copy_guard.note_version, self.path)
            with self._database.writing() as access:
                # Every sender has an id of its own: rows in `sending` with another owner belong to a dead one.
                run = start_run(access.db, role, now)
            ledger = SqliteLedger(
                self._connect(),
                self._database.write_lock,
                run,
                hold_in_doubt=hold_in_doubt,
                on_commit=self._database.note_commit,
                watch=self._watch,
            )
            try:
                # Tr runs before the first claim: rows in `sending` belong to dead senders now, since we hold the lock.
                yield SendingLock(ledger, ledger.recover(now), lock)
            finally:
                # Before the lock is released: outcomes that could not be written get a last chance.
                ledger.close()
                self._watch.on_version = None
                with suppress(Unavailable):  # whoever works on the database next sees that this run did not end
                    with self._database.writing() as access:
                        end_run(access.db, run)
                    self.mark_active(now)

    def library_version(self) -> int:
        """See ports.store."""
        with self._page_read() as connection:
            return int(connection.execute(VERSION).fetchone()[0])

    @contextmanager
    def archive(self) -> Iterator[SqlArchive]:
        """See ports.store."""
        with self._page_read() as connection:
            connection.execute("BEGIN").close()
            try:
                yield SqlArchive(partial(_ask, connection), self._catalog_cache, self.list_id, may_cache=True)
            finally:
                connection.rollback()

    @contextmanager
    def _page_read(self) -> Iterator[sqlite3.Connection]:
        """The one connection for the pages, used in turns. A transaction of the ORM takes thirty times as long."""
        with self._pages.lock, translated(self.path):
            if self._pages.connection is None:
                self._database.check_schema()
                self._pages.connection = connect(self.path)
            self._watch.check()
            yield self._pages.connection

    def holder(self) -> Holder | None:
        """The process that is sending on this database now."""
        return holder_of(self.path)

    def hold_reason(self) -> str:
        """Why nothing may be sent from this database, or ""."""
        with self._database.reading() as access:
            return copy_guard.hold(access.session, self.path)

    def known_until(self) -> datetime | None:
        """See ports.store."""
        with self._database.reading() as access:
            return copy_guard.known_until(access.session, self.path)

    def check(self) -> None:
        """See ports.store."""
        self._watch.check(now=True)
        self._database.check_schema()
        check_room(self.path)

    def adopt(self, now: datetime) -> None:
        """Make this database the one that sends."""
        with self._database.writing() as access:
            mark = copy_guard.adopt(access.session, self.path, now)
        copy_guard.write(self.path, mark)

    def mark_active(self, now: datetime) -> None:
        """Update the mark in the database first, then the file next to it; `store.copy_guard` relies on this order."""
        with self._database.writing() as access:
            session = access.session
            mark = None if copy_guard.hold(session, self.path) else copy_guard.advance(session, self.path, now)
        if mark:
            copy_guard.write(self.path, mark)

    def import_staged(self, rows: Iterable[StagedSubscriber], options: ImportOptions) -> ImportCounts:
        """Import a whole file of subscribers; see ports.subscribers."""
        self._database.check_schema()
        with closing(self._connect()) as connection:
            return import_subscribers.import_staged(connection, self._database.write_lock, rows, options, self.list_id)

    def import_lists(
        self, lists: Sequence[tuple[int, Iterable[StagedSubscriber]]], options: ImportOptions
    ) -> ImportCounts:
        """Import a whole file of subscribers of several lists; see ports.subscribers."""
        self._database.check_schema()
        with closing(self._connect()) as connection:
            return import_subscribers.import_lists(connection, self._database.write_lock, lists, options)

    def close(self) -> None:
        """Close every connection."""
        with self._pages.lock:
            if self._pages.connection:
                self._pages.connection.close()
                self._pages.connection = None
        self._database.close()

    def _connect(self) -> sqlite3.Connection:
        return connect_to_write(self.path)


def open_store(url: str) -> SqlStore:
    """The store at a database URL; it opens no file before it is used."""
    return SqlStore(sqlite_path(url))
