"""The small protocols through which the verbs meet the outside; `app.py` introduces the two.

All times are aware. Anything in `Store` may raise SchemaError or Busy; nothing else foreign passes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from newsletter.domain.archive.entries import NO_ARCHIVE_LINKS, ArchiveLinks, Votes
from newsletter.domain.tips.tip import TipCard, TipFull, TipState, TipText
from newsletter.ports.archive import Archive
from newsletter.ports.calendar import Calendar
from newsletter.ports.issues import Issues
from newsletter.ports.sending import Holder, SendingLock
from newsletter.ports.subscribers import (
    ImportsSubscribers,
    Maintenance,
    SignupLimits,
    Subscribers,
    Suppressions,
    Unsubscribes,
)

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail before MIME: one line of subject, the text part, the inlined HTML part."""

    subject: str
    text: str
    html: str


NO_EXTRA_VALUES: Mapping[str, object] = {}


class Renderer(Protocol):
    """Templates to mails. Raises TemplateError with file and line."""

    def issue(
        self,
        tip: TipText,
        *,
        tip_key: str,
        number: int,
        slot: date,
        recipient: Mapping[str, str],
        archive_links: ArchiveLinks = NO_ARCHIVE_LINKS,
        kind: str = "issue",
        extra: Mapping[str, object] = NO_EXTRA_VALUES,
    ) -> Rendered:
        """The weekly letter; `person` maps every hole (`mail.compiled.PLACEHOLDERS`) to a value or a sentinel.

        kind: a folder whose templates stand over those of the letter, as `preview`; more: what they show besides.
        """
        ...

    def transactional(self, kind: str, values: Mapping[str, object]) -> Rendered:
        """A transactional mail: `kind` is the folder in templates/email."""
        ...


# -- store -----------------------------------------------------------------------------------------


class Tips(Protocol):
    """The library. Positions grow; the lowest is the next."""

    def cards(self) -> list[TipCard]: ...
    def get(self, key: str) -> TipFull:
        """Raises NotFound."""
        ...

    def by_id(self, tip_id: int) -> TipFull: ...
    def find(self, identity: str) -> TipFull | None: ...
    def find_source(self, source: str, identity: str) -> TipFull | None:
        """The tip that this source told under this identity, whatever it is called now."""
        ...

    def source_fingerprints(self, tip_id: int) -> Mapping[str, str]:
        """The fingerprints of what sources said of a tip when last taken in, by their names."""
        ...

    def record_source(self, tip_id: int, source: str, identity: str, fingerprint: str) -> None: ...
    def add(self, text: TipText, identity: str, key: str, state: TipState, now: datetime) -> TipCard: ...
    def rewrite(
        self,
        tip_id: int,
        found: TipText,
        now: datetime,
        *,
        edited: bool,
        complete_state: TipState | None = None,
        identity: str | None = None,
    ) -> None:
        """Replace the text; `complete_state` also sets the state (a teaser that was completed), `identity` the day.

        edited: the owner's own words stand in it.
        """
        ...

    def optimize_search(self) -> None:
        """Make the search as fast as it can be, after many tips were written; ten milliseconds for a thousand tips."""
        ...

    def set_state(self, tip_id: int, state: TipState, *, sent_on: date | None = None) -> None: ...
    def move(self, key: str, *, before: str | None = None, first: bool = False) -> None:
        """To the first place, before another tip, or (neither) to the last; raises NotFound."""
        ...

    def key_taken(self, key: str) -> bool:
        """Is it the key of a tip, or was it once?"""
        ...

    def is_key(self, key: str) -> bool: ...
    def all(self) -> list[TipFull]:
        """Every tip with its text, in queue order."""
        ...

    def change_key(self, tip_id: int, key: str) -> None:
        """Give a tip another key; the old one leads to it from now on."""
        ...

    def vote(self, tip_id: int, subscriber_id: int, *, useful: bool) -> None:
        """Keep a reader's answer; a later one takes its place."""
        ...

    def votes(self, tip_id: int) -> Votes: ...
    def useful(self) -> Mapping[str, int]: ...


class TransactionalEmails(Protocol):
    """Transactional mails that wait to be sent: confirmation, welcome, owner's mails."""

    def add(self, kind: str, address: str, values: Mapping[str, object], now: datetime, *, wanted: bool = True) -> None:
        """Queue a mail; one that is not wanted is only written down as skipped."""
        ...

    def due(self, now: datetime, limit: int) -> list[TransactionalEmail]:
        """Claimed for this caller: attempts is counted and the next attempt moved on before anything is sent."""
        ...

    def done(self, notice_id: int, state: str, reply: str, now: datetime) -> None: ...
    def waiting(self) -> int: ...


@dataclass(frozen=True, slots=True)
class TransactionalEmail:
    """One transactional mail. values: what its template needs, JSON.

    unanswered: an attempt was begun before, and nobody knows how it ended.
    """

    id: int
    kind: str
    address: str
    values: Mapping[str, object]
    attempts: int
    created_at: datetime
    unanswered: bool = False


class Tx(Protocol):
    """One transaction on all tables. Never keep it, never open a socket inside it."""

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
    def signup_limits(self) -> SignupLimits: ...
    @property
    def maintenance(self) -> Maintenance: ...
    @property
    def issues(self) -> Issues: ...
    @property
    def calendar(self) -> Calendar: ...
    @property
    def transactional(self) -> TransactionalEmails: ...
    def rolled_back(self) -> AbstractContextManager[None]:
        """What is written inside is undone at its end: the same work, and no trace."""
        ...


class Store(ImportsSubscribers, Protocol):
    """The database."""

    def read(self) -> AbstractContextManager[Tx]: ...
    def write(self, *, no_wait: bool = False) -> AbstractContextManager[Tx]:
        """All or nothing. at_once: raise Busy after two milliseconds, instead of waiting for whoever writes."""
        ...

    def sending(self, role: str, now: datetime, *, hold_in_doubt: bool = False) -> AbstractContextManager[SendingLock]:
        """Be the only sender on this database; rows of dead senders are recovered first.

        Raises Busy naming the holder. The kernel drops the lock with the process, however it dies.
        """
        ...

    def holder(self) -> Holder | None: ...
    def hold_reason(self) -> str:
        """Why nothing may be mailed from this database (it is a copy, or was put back); "" when all is well."""
        ...

    def adopt(self, now: datetime) -> None:
        """From now on this database is the one that mails."""
        ...

    def mark_active(self, now: datetime) -> None:
        """Leave a mark in the database and beside it, by which a copy is known; nothing happens while it is held."""
        ...

    def archive(self) -> AbstractContextManager[Archive]:
        """What anybody may read, without the rest: `read` for pages, one at a time, and several times as fast."""
        ...

    def library_version(self) -> int:
        """A number that grows with every change of any tip; asked at each look at a page."""
        ...

    def close(self) -> None: ...
