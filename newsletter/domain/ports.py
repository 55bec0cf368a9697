"""The small protocols through which the verbs meet the outside; `app.py` introduces the two.

All times are aware. Anything in `Store` may raise SchemaError or Busy; nothing else foreign passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from newsletter.domain.calendar_ports import Calendar, Quarters
from newsletter.domain.delivery import Claim, Finished
from newsletter.domain.issues import IssueEvent, IssueFacts
from newsletter.domain.outcomes import Envelope, Outcome
from newsletter.domain.people import DeliveryFacts
from newsletter.domain.people_ports import Door, Farewells, Subscribers, Suppressions, TakesReaders, Upkeep
from newsletter.domain.reading import NOTHING_BESIDE, Beside, Votes
from newsletter.domain.reading_ports import Archive
from newsletter.domain.tips import TipCard, TipFull, TipState, TipText

Clock = Callable[[], datetime]


# -- senders ---------------------------------------------------------------------------------------


class Session(Protocol):
    """One connection to the next hop; used by one thread at a time."""

    def send(self, envelope: Envelope, message: bytes) -> Outcome:
        """Carry one message (CRLF lines, not dot-stuffed) to one recipient.

        Returns what became of it. Raises SenderTrouble when the connection is the trouble and the letter
        is known not to be accepted; the session is then closed and must not be used again.
        """
        ...

    def close(self) -> None:
        """End the connection politely; never raises."""
        ...


class Sender(Protocol):
    """A way to the next hop. connections: how many sessions may be open at once.

    Optional: `rates`, a tuple of `domain.pace.Rate`, kept by whoever schedules the letters.
    """

    connections: int

    def open(self) -> Session:
        """Open a session; raises SenderTrouble or AuthenticationRefused."""
        ...


class FlowSession(Session, Protocol):
    """A session that can also be driven without waiting, so that one thread carries letters over many of them.

    Optional: `deliver` gives every other session a thread of its own.
    """

    @property
    def may_flow(self) -> bool:
        """Can this connection be driven so?"""
        ...

    def start(self, envelope: Envelope, message: bytes) -> Outcome | None:
        """Begin a letter; an outcome where it has one at once. Raises as `send`."""
        ...

    def proceed(self) -> Outcome | None:
        """Go on as far as the connection lets us; the outcome when the letter has one. Raises as `send`."""
        ...


class FlowSender(Sender, Protocol):
    """A sender whose sessions may flow."""

    def ready(self, sessions: Sequence[FlowSession], seconds: float) -> Sequence[FlowSession]:
        """Wait until some of the sessions can proceed, at most `seconds`; those."""
        ...


# -- rendering -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail before MIME: one line of subject, the text part, the inlined HTML part."""

    subject: str
    text: str
    html: str


NOTHING_MORE: Mapping[str, object] = {}


class Renderer(Protocol):
    """Templates to mails. Raises TemplateError with file and line."""

    def issue(
        self,
        tip: TipText,
        *,
        tip_key: str,
        number: int,
        slot: date,
        person: Mapping[str, str],
        beside: Beside = NOTHING_BESIDE,
        kind: str = "issue",
        more: Mapping[str, object] = NOTHING_MORE,
    ) -> Rendered:
        """The weekly letter; `person` maps every hole (`mail.compiled.HOLES`) to a value or a sentinel.

        kind: a folder whose templates stand over those of the letter, as `preview`; more: what they show besides.
        """
        ...

    def notice(self, kind: str, values: Mapping[str, object]) -> Rendered:
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
    def add(self, text: TipText, identity: str, key: str, state: TipState, now: datetime) -> TipCard: ...
    def rewrite(
        self,
        tip_id: int,
        found: TipText,
        now: datetime,
        *,
        complete_state: TipState | None = None,
        identity: str | None = None,
    ) -> None:
        """Replace the text; `complete_state` also sets the state (a teaser that was completed), `identity` the day."""
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

    def rekey(self, tip_id: int, key: str) -> None:
        """Give a tip another key; the old one leads to it from now on."""
        ...

    def vote(self, tip_id: int, subscriber_id: int, *, useful: bool) -> None:
        """Keep a reader's answer; a later one takes its place."""
        ...

    def votes(self, tip_id: int) -> Votes: ...


class Issues(Quarters, Protocol):
    """The numbered editions. A state changes only through `domain.issues`."""

    def get(self, number: int) -> IssueFacts:
        """With counts; raises NotFound."""
        ...

    def for_slot(self, slot: date) -> IssueFacts | None: ...
    def each(self) -> list[IssueFacts]:
        """Newest first, with counts."""
        ...

    def open(self) -> list[IssueFacts]:
        """Planned, preparing or sending, oldest first, without counts."""
        ...

    def last_number(self) -> int:
        """The number of the newest issue; 0 when there is none."""
        ...

    def last_slot(self) -> date | None:
        """The newest slot that has an issue."""
        ...

    def recent(self, limit: int) -> list[IssueFacts]:
        """Newest first, without counts."""
        ...

    def last_slot_before(self, slot: date) -> date | None:
        """The newest slot before this one that has an issue."""
        ...

    def from_slot(self, slot: date) -> list[IssueFacts]:
        """The issues of this slot and of later ones, without counts."""
        ...

    def plan(self, slot: date | None, due_at: datetime, now: datetime) -> IssueFacts:
        """T0: the issue of this slot, inserted unless it was there (UNIQUE slot)."""
        ...

    def change(self, number: int, event: IssueEvent, now: datetime, *, reason: str = "") -> IssueFacts:
        """Apply an event; raises IllegalTransition."""
        ...

    def bind(self, number: int, tip_id: int, now: datetime) -> None: ...
    def freeze(self, number: int, subject: str, compiled: bytes, now: datetime) -> int:
        """T1: keep the compiled letter, copy the audience into deliveries, go to sending; the snapshot size."""
        ...

    def compiled(self, number: int) -> bytes: ...
    def secret(self, number: int) -> bytes:
        """16 random bytes made with the issue: the key of its Message-IDs."""
        ...

    def finish_if_done(self, number: int, now: datetime) -> bool:
        """T5: done only where no open delivery exists."""
        ...

    def retry(self, number: int, states: Sequence[str], now: datetime) -> int:
        """Put failed or held deliveries back to pending (event RETRY); how many."""
        ...

    def skip_open(self, number: int, reason: str, now: datetime) -> int: ...
    def deliveries(self, number: int, state: str | None = None) -> Iterator[DeliveryFacts]: ...
    def broken_invariants(self) -> list[str]:
        """I1, I2, I3, I4 and I7 of the delivery design, each broken one in words."""
        ...


class Notices(Protocol):
    """Transactional mails that wait to be sent: confirmation, welcome, owner's mails."""

    def add(self, kind: str, address: str, values: Mapping[str, object], now: datetime, *, wanted: bool = True) -> None:
        """Queue a mail; one that is not wanted is only written down as skipped."""
        ...

    def due(self, now: datetime, limit: int) -> list[Notice]:
        """Claimed for this caller: attempts is counted and the next attempt moved on before anything is sent."""
        ...

    def done(self, notice_id: int, state: str, reply: str, now: datetime) -> None: ...
    def waiting(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Notice:
    """One transactional mail. values: what its template needs, JSON."""

    id: int
    kind: str
    address: str
    values: Mapping[str, object]
    attempts: int
    created_at: datetime


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
    def farewells(self) -> Farewells: ...
    @property
    def door(self) -> Door: ...
    @property
    def upkeep(self) -> Upkeep: ...
    @property
    def issues(self) -> Issues: ...
    @property
    def calendar(self) -> Calendar: ...
    @property
    def notices(self) -> Notices: ...
    def rehearsal(self) -> AbstractContextManager[None]:
        """What is written inside is undone at its end: the same work, and no trace."""
        ...


class Ledger(Protocol):
    """The hot path of one sending process: outcomes in, claims out, one commit per call."""

    def advance(self, issue: int, finished: Sequence[Finished], take: int, now: datetime) -> list[Claim]:
        """T3 then T2 in one transaction: write the outcomes, claim up to `take` next due rows.

        Rows whose reader is no longer deliverable become `skipped` on the way and do not count.
        An outcome whose row is no longer ours is dropped.
        """
        ...

    def taken_since(self, since: datetime) -> list[tuple[datetime, str]]:
        """(when, recipient domain) of every letter the next hop was given since then, oldest first."""
        ...

    def reopen(self, issue: int, subscriber_ids: Iterable[int], now: datetime) -> None:
        """Take back the refusals of a tripped breaker: rejected rows pending, their suppressions gone."""
        ...

    def next_due_at(self, issue: int) -> datetime | None:
        """When the next open row may be tried; None when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class SendingRight:
    """What the only sender on a database holds: its ledger, and how many rows a crash had left in doubt."""

    ledger: Ledger
    recovered: int


@dataclass(frozen=True, slots=True)
class Holder:
    """Who sends on this database now."""

    role: str
    pid: int
    host: str
    since: str


class Store(TakesReaders, Protocol):
    """The database."""

    def read(self) -> AbstractContextManager[Tx]: ...
    def write(self) -> AbstractContextManager[Tx]: ...
    def sending(self, role: str, now: datetime, *, hold_in_doubt: bool = False) -> AbstractContextManager[SendingRight]:
        """Be the only sender on this database; rows of dead senders are recovered first.

        Raises Busy naming the holder. The kernel drops the lock with the process, however it dies.
        """
        ...

    def holder(self) -> Holder | None: ...
    def hold(self) -> str:
        """Why nothing may be mailed from this database (it is a copy, or was put back); "" when all is well."""
        ...

    def adopt(self, now: datetime) -> None:
        """From now on this database is the one that mails."""
        ...

    def beat(self, now: datetime) -> None:
        """Leave a mark in the database and beside it, by which a copy is known; nothing happens while it is held."""
        ...

    def close(self) -> None: ...
