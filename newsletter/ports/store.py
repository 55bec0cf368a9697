"""The store, as the use cases see it: transactions on all tables, and the sending lock.

All times are aware. Every method of `Store` may raise SchemaError or Busy; other errors of the database are translated
into NewsletterError.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from newsletter.ports.archive import Archive
from newsletter.ports.calendar import Calendar
from newsletter.ports.courses import Courses
from newsletter.ports.issues import Issues
from newsletter.ports.lists import Lists
from newsletter.ports.pictures import Pictures
from newsletter.ports.sending import Holder, SendingLock
from newsletter.ports.subscribers import (
    ImportsSubscribers,
    Maintenance,
    SignupLimits,
    Subscribers,
    Suppressions,
    Unsubscribes,
)
from newsletter.ports.tips import Tips
from newsletter.ports.transactional import TransactionalEmails


class Tx(Protocol):
    """One transaction on all tables. Never keep it after its `with` block, and never open a socket inside it."""

    @property
    def list_id(self) -> int:
        """The list that this transaction sees."""
        ...

    def of_list(self, list_id: int) -> Tx:
        """The same transaction, seen from another list."""
        ...

    @property
    def lists(self) -> Lists: ...
    @property
    def tips(self) -> Tips: ...
    @property
    def archive(self) -> Archive: ...
    @property
    def subscribers(self) -> Subscribers: ...
    @property
    def suppressions(self) -> Suppressions: ...
    @property
    def unsubscribes(self) -> Unsubscribes: ...
    @property
    def pictures(self) -> Pictures: ...
    @property
    def signup_limits(self) -> SignupLimits: ...
    @property
    def maintenance(self) -> Maintenance: ...
    @property
    def issues(self) -> Issues: ...
    @property
    def calendar(self) -> Calendar: ...
    @property
    def courses(self) -> Courses: ...
    @property
    def transactional(self) -> TransactionalEmails: ...
    def rolled_back(self) -> AbstractContextManager[None]:
        """Undo at the end what is written inside, so that a rehearsal takes as long as the real thing."""
        ...


class Store(ImportsSubscribers, Protocol):
    """The database."""

    def of_list(self, list_id: int) -> Store:
        """The same database, seen from one list: its tips, issues, calendar, and subscriptions. Closed with this one."""
        ...

    def read(self) -> AbstractContextManager[Tx]:
        """A read transaction: one snapshot from its first query on."""
        ...

    def write(self, *, no_wait: bool = False, after_others: bool = False) -> AbstractContextManager[Tx]:
        """A write transaction: all or nothing. no_wait: raise Busy after 2 ms instead of waiting for other writers.

        after_others: first leave the database to writers that wait already, for callers with many transactions in a row.
        """
        ...

    def sending(self, role: str, now: datetime, *, hold_in_doubt: bool = False) -> AbstractContextManager[SendingLock]:
        """Become the only sender on this database; deliveries of dead senders are recovered first.

        role: what `holder` shows. hold_in_doubt: hold deliveries in doubt instead of requeuing them. Raises Busy, which
        names the holder, and Refused if this database must not send. The kernel releases the lock when the process
        ends, however it dies.
        """
        ...

    def check(self) -> None:
        """Raises Unavailable if the database was deleted, replaced, or overwritten since it was opened, or has no room."""
        ...

    def holder(self) -> Holder | None:
        """The process that is sending on this database now."""
        ...

    def hold_reason(self) -> str:
        """Why nothing may be sent from this database (it was copied or restored); "" if it may send."""
        ...

    def known_until(self) -> datetime | None:
        """If this database was restored: the time of its newest knowledge. None if it is not held as an older state."""
        ...

    def adopt(self, now: datetime) -> None:
        """Make this database the one that sends."""
        ...

    def mark_active(self, now: datetime) -> None:
        """Update the mark, in the database and next to it, that tells a copy; does nothing while sending is on hold."""
        ...

    def archive(self) -> AbstractContextManager[Archive]:
        """The public archive alone: a `read` for web pages, one at a time, and several times as fast."""
        ...

    def library_version(self) -> int:
        """A number that grows with every change of any tip; web pages ask for it at every request."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...
