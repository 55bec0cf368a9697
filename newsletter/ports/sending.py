"""What sending needs of the outside world: a way to the next hop, a ledger, the right to send, a helper.

All times are aware. What a Session raises is SenderTrouble; what a Ledger raises is Busy or another NewsletterError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from newsletter.domain.delivery.delivery import Claim, Finished
from newsletter.domain.delivery.outcome import Envelope, Outcome


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

    Optional: `rates`, a tuple of `domain.delivery.rate_limit.Rate`, kept by whoever schedules the letters.
    """

    connections: int

    def open(self) -> Session:
        """Open a session; raises SenderTrouble or AuthenticationRefused."""
        ...


class MultiplexSession(Session, Protocol):
    """A session that can also be driven without waiting, so that one thread carries letters over many of them.

    Optional: `deliver` gives every other session a thread of its own.
    """

    @property
    def can_multiplex(self) -> bool:
        """Can this connection be driven so?"""
        ...

    def start(self, envelope: Envelope, message: bytes) -> Outcome | None:
        """Take a letter and say the first words; an outcome where it has one at once. Raises as `send`."""
        ...

    def proceed(self) -> Outcome | None:
        """Go on as far as the connection lets us; the outcome when the letter has one. Raises as `send`."""
        ...


class MultiplexSender(Sender, Protocol):
    """A sender whose sessions may flow."""

    def ready(self, sessions: Sequence[MultiplexSession], seconds: float) -> Sequence[MultiplexSession]:
        """Wait until some of the sessions can proceed, at most `seconds`; those."""
        ...


# -- the ledger, and who may send ------------------------------------------------------------------


class Ledger(Protocol):
    """The hot path of one sending process: outcomes in, claims out, one commit per call."""

    def advance(self, issue: int, finished: Sequence[Finished], take: int, now: datetime) -> list[Claim]:
        """T3 then T2 in one transaction: write the outcomes, claim up to `take` next due rows.

        Rows whose reader is no longer deliverable become `skipped` on the way and do not count.
        An outcome whose row is no longer ours is dropped.
        """
        ...

    def claimed_since(self, since: datetime) -> list[tuple[datetime, str]]:
        """(when, recipient domain) of every letter the next hop was given since then, oldest first."""
        ...

    def reopen(self, issue: int, subscriber_ids: Iterable[int], now: datetime) -> None:
        """Take back the refusals of a tripped breaker: rejected rows pending, their suppressions gone."""
        ...

    def requeue(self, owner: int, now: datetime) -> int:
        """Recover the rows of one sender that is dead for sure; how many it had."""
        ...

    def invalidate(self, issue: int) -> None:
        """Another process has written rows of this issue meanwhile."""
        ...

    def next_due_at(self, issue: int) -> datetime | None:
        """When the next open row may be tried; None when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class SendingLock:
    """What the only sender on a database holds: its ledger, and how many rows a crash had left in doubt.

    lock: the descriptor of the sending lock; whoever inherits it keeps others away too.
    """

    ledger: Ledger
    recovered: int
    lock: int


@dataclass(frozen=True, slots=True)
class Holder:
    """Who sends on this database now. A dead one's second process keeps the lock until its letters in flight ended."""

    role: str
    pid: int
    host: str
    since: str
    is_alive: bool = True


@dataclass(frozen=True, slots=True)
class WorkerUpdate:
    """What the second process did since its last word: how many went, how many need no other try.

    trouble: what the next hop said; paused: why its breaker stopped the issue; run: the subscribers of its last
    refusals in a row; failure: what it could not handle; died: it ended without a last word.
    """

    sent: int = 0
    final: int = 0
    trouble: str = ""
    paused: str = ""
    run: Sequence[int] = ()
    failure: str = ""
    died: bool = False


class Worker(Protocol):
    """Carries letters of the same issue, over connections and with claims of its own."""

    def work(self, connections: int, is_over: Callable[[], bool]) -> Iterator[WorkerUpdate]:
        """Send until nothing is due or somebody says stop; letters in flight end. A dead one's rows are put back."""
        ...
