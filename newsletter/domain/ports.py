"""The small protocols through which the verbs meet the outside; `app.py` introduces the two.

All times are aware. Anything in `Store` may raise SchemaError or Busy; nothing else foreign passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from newsletter.domain.delivery import Claim, Finished
from newsletter.domain.issues import IssueEvent, IssueFacts
from newsletter.domain.outcomes import Envelope, Outcome
from newsletter.domain.people import Consent, DeliveryFacts, NewReader, Reader, Suppression
from newsletter.domain.subscription import Status
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


class Renderer(Protocol):
    """Templates to mails. Raises TemplateError with file and line."""

    def issue(self, tip: TipText, *, tip_key: str, number: int, slot: date, person: Mapping[str, str]) -> Rendered:
        """The weekly letter; `person` maps every hole (`mail.compiled.HOLES`) to a value or a sentinel."""
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
    def rewrite(self, tip_id: int, text: TipText, now: datetime, *, complete_state: TipState | None = None) -> None:
        """Replace the text; `complete_state` also sets the state (a teaser that was completed)."""
        ...

    def set_state(self, tip_id: int, state: TipState, *, sent_on: date | None = None) -> None: ...
    def move(self, key: str, *, before: str | None = None, first: bool = False) -> None:
        """To the first place, before another tip, or (neither) to the last; raises NotFound."""
        ...

    def key_taken(self, key: str) -> bool: ...


class Subscribers(Protocol):
    """The readers and their consent, one log entry per change."""

    def by_address(self, address_key: str) -> Reader | None: ...
    def by_key(self, subscriber_key: str) -> Reader | None: ...
    def add(self, reader: NewReader, now: datetime) -> Reader: ...
    def set_status(
        self, subscriber_id: int, status: Status, now: datetime, *, paused_until: datetime | None = None
    ) -> None: ...
    def sign_up_again(self, subscriber_id: int, name: str, now: datetime) -> None:
        """Back to pending with a new sign-up time; old confirm links become stale."""
        ...

    def rename(self, subscriber_id: int, name: str) -> None: ...
    def confirmation_mailed(self, subscriber_id: int, now: datetime) -> None: ...
    def log_consent(self, subscriber_id: int, consent: Consent) -> None: ...
    def consents(self, subscriber_id: int) -> list[Consent]: ...
    def deliveries(self, subscriber_id: int) -> list[DeliveryFacts]: ...
    def each(self, status: str | None = None) -> Iterator[Reader]: ...
    def count(self) -> Mapping[str, int]:
        """How many by status (suppressed counts apart)."""
        ...

    def mailable(self) -> int:
        """How many are confirmed and not suppressed: the audience if an issue froze now."""
        ...


class Suppressions(Protocol):
    """Addresses never to mail, whatever consent says."""

    def get(self, address_key: str) -> Suppression | None: ...
    def add(self, address_key: str, reason: str, source: str, now: datetime) -> bool:
        """False when it was there already (the first reason stays)."""
        ...

    def remove(self, address_key: str) -> bool: ...
    def each(self) -> Iterator[Suppression]: ...


class Issues(Protocol):
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

    def add(self, kind: str, address: str, values: Mapping[str, object], now: datetime) -> None: ...
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
    def subscribers(self) -> Subscribers: ...
    @property
    def suppressions(self) -> Suppressions: ...
    @property
    def issues(self) -> Issues: ...
    @property
    def notices(self) -> Notices: ...


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


class Store(Protocol):
    """The database."""

    def read(self) -> AbstractContextManager[Tx]: ...
    def write(self) -> AbstractContextManager[Tx]: ...
    def sending(self, role: str, now: datetime, *, hold_in_doubt: bool = False) -> AbstractContextManager[SendingRight]:
        """Be the only sender on this database; rows of dead senders are recovered first.

        Raises Busy naming the holder. The kernel drops the lock with the process, however it dies.
        """
        ...

    def holder(self) -> Holder | None: ...
    def close(self) -> None: ...
