"""What sending needs: a connection to the next hop, the deliveries, the sending lock, and a second process.

All times are aware. A Session raises only SenderError; a Ledger raises Busy or another NewsletterError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from newsletter.domain.delivery.delivery import Claim, Finished
from newsletter.domain.delivery.outcome import Envelope, Outcome


class Session(Protocol):
    """One connection to the next hop; used by one thread at a time.

    Optional: `is_spent`, whether it should send no other message; `reconnects`, which may be set to False: then it raises
    ConnectionEnded instead of opening another connection while a message waits; `is_patient`, which may be set to False if
    the next message was in no trouble before, so that a stall need not be waited for as long as usual.
    """

    def send(self, envelope: Envelope, message: bytes) -> Outcome:
        """Send one message (CRLF line endings, not dot-stuffed) to one recipient.

        Returns the outcome. Raises SenderError when the connection fails and the email is known not to have been
        accepted; the session is then closed and must not be used again.
        """
        ...

    def close(self) -> None:
        """Close the connection politely; never raises."""
        ...


class Sender(Protocol):
    """A way to reach the next hop. connections: how many sessions may be open at the same time.

    Optional: `rates`, a tuple of `domain.delivery.rate_limit.Rate`; the code that schedules the emails applies them.
    """

    connections: int

    def open(self) -> Session:
        """Open a session; raises SenderError or AuthenticationFailed."""
        ...


@dataclass(frozen=True, slots=True)
class RelayCheck:
    """What came of asking one next hop whether it would take emails; nothing was sent.

    name: where it is, without secrets. done: what worked, as clauses. problem: a sentence, or "". fix: what to do.
    is_temporary: the same may work later. is_real: emails reach their recipients by it.
    """

    name: str
    done: Sequence[str] = ()
    problem: str = ""
    fix: str = ""
    is_temporary: bool = False
    is_real: bool = True


class CheckedSender(Sender, Protocol):
    """A sender that can tell whether it would take emails. Optional: of any other one, only `open` is tried."""

    def check(self, senders: Sequence[str], recipient: str) -> RelayCheck:
        """Go as far as possible without sending anything; never raises.

        senders: the envelope sender of issues, then the one of all other emails if it differs. recipient: the owner.
        """
        ...


class MultiplexSession(Session, Protocol):
    """A session that can also be driven without blocking, so that one thread sends over many connections.

    Optional: `actions.delivery` gives every session that is not one of these a thread of its own.
    """

    @property
    def can_multiplex(self) -> bool:
        """Can this connection be driven without blocking?"""
        ...

    @property
    def is_spent(self) -> bool:
        """Should it send no other message, since the connection ended or has sent its number of messages?"""
        ...

    def start(self, envelope: Envelope, message: bytes) -> Outcome | None:
        """Accept an email and send the first commands; returns an outcome if there is one already. Raises as `send`."""
        ...

    def proceed(self) -> Outcome | None:
        """Continue as far as possible without blocking; returns the outcome once there is one. Raises as `send`."""
        ...


class MultiplexSender(Sender, Protocol):
    """A sender whose sessions can be multiplexed."""

    def ready(self, sessions: Sequence[MultiplexSession], seconds: float) -> Sequence[MultiplexSession]:
        """Wait at most `seconds` until some of the sessions can proceed, and return these."""
        ...


# -- the deliveries, and the right to send them ------------------------------------------------------


class Ledger(Protocol):
    """The deliveries, as one sending process works on them: outcomes in, claims out, one commit per call.

    This is the hot path. T2, T3 and Tr are explained in docs/delivery.md.
    """

    def advance(
        self,
        issue: int,
        finished: Sequence[Finished],
        take: int,
        now: datetime,
        due_by: datetime | None = None,
        *,
        spread: float = 0.0,
    ) -> list[Claim]:
        """T3, then T2, in one transaction: write the outcomes, then claim up to `take` of the next due deliveries.

        Deliveries whose subscriber must not get the email anymore become `skipped`; they do not count toward `take`.
        Those that were in trouble come last. due_by: which deferred deliveries may be claimed; None: those that are due
        now. spread: above 0, begin at this share of the list.
        The outcome of a delivery that this process no longer owns is dropped.
        """
        ...

    def claimed_since(self, since: datetime) -> list[tuple[datetime, str]]:
        """(time, recipient domain) of every email passed to the next hop since then, oldest first."""
        ...

    def reopen(self, issue: int, subscriber_ids: Iterable[int], now: datetime) -> None:
        """Undo the rejections that tripped the circuit breaker: requeue the deliveries, delete their suppressions."""
        ...

    def requeue(self, owner: int, now: datetime) -> int:
        """Tr for one sender that is certainly dead; how many deliveries it had claimed."""
        ...

    def invalidate(self, issue: int) -> None:
        """Drop what is cached about this issue, because another process changed its deliveries."""
        ...

    def next_due_at(self, issue: int) -> datetime | None:
        """When the next open delivery may be tried; None if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class SendingLock:
    """What the only sender on a database holds.

    recovered: how many deliveries a crash had left in doubt. lock: the file descriptor of the lock; a process that
    inherits it keeps other senders away as well.
    """

    ledger: Ledger
    recovered: int
    lock: int


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds the sending lock.

    After it died, its second process keeps the lock until the emails in flight have ended; is_alive is then False.
    """

    role: str
    pid: int
    host: str
    since: str
    is_alive: bool = True


@dataclass(frozen=True, slots=True)
class WorkerUpdate:
    """What the second process did since its last update.

    sent: how many emails were accepted. final: how many deliveries need no further attempt. trouble: what the next hop
    replied. paused: why the circuit breaker paused the issue. run: the subscribers of its latest rejections in a row.
    failure: an error it could not handle. died: the process ended without a last update. has_opened, refusal,
    is_deferred: as in BatchResult.
    """

    sent: int = 0
    final: int = 0
    trouble: str = ""
    paused: str = ""
    run: Sequence[int] = ()
    failure: str = ""
    died: bool = False
    has_opened: bool = False
    refusal: str = ""
    is_deferred: bool = False


class Worker(Protocol):
    """Sends emails of the same issue, with connections and claims of its own."""

    def work(self, connections: int, is_over: Callable[[], bool]) -> Iterator[WorkerUpdate]:
        """Send until nothing is due or `is_over()`; emails in flight are finished first.

        If the process dies, its deliveries are requeued.
        """
        ...
