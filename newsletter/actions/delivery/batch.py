"""What all workers of one round of sending share: the route, the breaker, the tally, and how one letter is judged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event, Lock

from newsletter.domain.delivery.circuit_breaker import CircuitBreaker
from newsletter.domain.delivery.delivery import Claim, Finished
from newsletter.domain.delivery.outcome import Cause, Deferred, Envelope, InDoubt, Outcome, Rejected, Reply, Sent, Stage
from newsletter.domain.delivery.rate_limit import RateLimiter
from newsletter.domain.errors import AuthenticationFailed, InputError, NewsletterError, SenderError
from newsletter.ports.sending import Ledger, Sender, Session, Worker, WorkerUpdate
from newsletter.ports.store import Clock

log = logging.getLogger(__name__)

MAX_WAIT = timedelta(minutes=1)  # a longer one ends the round; the next finds what went before in the ledger
CHECK_STOP_EVERY = 0.25  # seconds between two looks whether somebody said stop
_RETRYABLE = (Deferred, InDoubt)
TROUBLES_IN_A_ROW = 2  # a connection is renewed once before it is given up for now

Compose = Callable[[Claim, datetime], bytes]
EnvelopeFrom = Callable[[Claim], str]


@dataclass(slots=True)
class BatchResult:
    """How one round of sending ended: how many went, and how many need no other try.

    trouble: what the next hop said; paused: why the breaker stopped the issue; deserted: a second process died.
    """

    sent: int = 0
    final: int = 0
    trouble: str = ""
    paused: str = ""
    failure: BaseException | None = None
    worker_died: bool = False
    lock: Lock = field(default_factory=Lock)


@dataclass(frozen=True, slots=True)
class SendingContext:
    """Everything a worker needs for one issue; made by `app`.

    dot_free: `compose` makes no line that begins with a dot. partner: somebody who may help, where this many letters are
    left or more. hands_over: to do it all.
    """

    ledger: Ledger
    sender: Sender
    compose: Compose
    envelope_from: EnvelopeFrom
    clock: Clock
    stop: Event
    dot_free: bool = False
    partner: Worker | None = None
    partner_from: int = 0
    hands_over: bool = False


class Batch:
    """One round for one issue. Safe to use from several threads."""

    def __init__(self, route: SendingContext, number: int) -> None:
        self.route = route
        self.number = number
        self.done = BatchResult()
        self.breaker = CircuitBreaker()
        self.halt = Event()
        self.pace = RateLimiter(getattr(route.sender, "rates", ()))
        if self.pace.longest_window:
            self.pace.seed(route.ledger.claimed_since(route.clock() - self.pace.longest_window))

    @property
    def is_over(self) -> bool:
        """Did somebody say stop? Letters in flight still end."""
        return self.route.stop.is_set() or self.halt.is_set()

    @property
    def is_rate_limited(self) -> bool:
        """Have the rates no room for longer than a round would rest?"""
        return self.pace.wait_for(self.route.clock()) > MAX_WAIT

    def halt_for(self, error: Exception) -> None:
        """Everybody stops after the letters in flight; `deliver` raises the first error."""
        with self.done.lock:
            self.done.failure = self.done.failure or error
        self.halt.set()

    def record(self, finished: Sequence[Finished], take: int) -> list[Claim]:
        """Outcomes go to the ledger, which keeps them even if it raises; the claims that may go now come back."""
        now = self.route.clock()
        if not self.pace.longest_window:
            return self.route.ledger.advance(self.number, finished, take, now)
        with self.done.lock:
            return self._record_within_rates(finished, take, now)

    def _record_within_rates(self, finished: Sequence[Finished], take: int, now: datetime) -> list[Claim]:
        """Claim what the rates allow; a letter whose domain has had its share goes back with its time."""
        claims: list[Claim] = []
        while True:
            asked = min(take - len(claims), self.pace.allowed(now))
            more = self.route.ledger.advance(self.number, finished, asked, now)
            finished = []
            for claim in more:
                domain = claim.address.rpartition("@")[2]
                wait = self.pace.domain_wait(domain, now)
                if wait:
                    finished.append(Finished(claim, None, now, not_before=now + wait))
                else:
                    self.pace.record_claim(now, domain)
                    claims.append(claim)
            if not finished:
                return claims

    def wait_for_rate(self) -> bool:
        """Wait until the rates allow another letter; False when that is not what we wait for, or takes too long."""
        now = self.route.clock()
        with self.done.lock:  # the pace forgets as it answers; another worker may be asking it
            wait = self.pace.wait_for(now)
        if not timedelta() < wait <= MAX_WAIT:
            return False
        while not self.is_over and self.route.clock() < now + wait:
            self.halt.wait(min(CHECK_STOP_EVERY, wait.total_seconds()))
        return not self.is_over

    def compose(self, claim: Claim, now: datetime) -> tuple[Envelope, bytes] | Rejected:
        """The letter for one reader, or why there is none; raises what is no reader's fault."""
        route = self.route
        try:
            message = route.compose(claim, now)
            return Envelope(route.envelope_from(claim), claim.address, route.dot_free), message
        except InputError as error:  # about this one reader: the others must not wait for them
            return Rejected(Reply(Stage.DATA, 554, "5.6.0", f"not sent: {error}"), Cause.OTHER)

    def in_doubt(self, error: Exception) -> InDoubt:
        """A sender broke its word: nobody knows how far the letter came, and everybody stops."""
        self.halt_for(error)
        return InDoubt(Reply(Stage.DOT, 0, "", f"a fault of the program: {error!r}"))

    def count(self, claim: Claim, outcome: Outcome) -> None:
        """Take an outcome into the tally; a tripped breaker stops everybody."""
        done = self.done
        with done.lock:
            reason = self.breaker.record_outcome(claim.subscriber_id, outcome)
            if type(outcome) is Sent:
                done.sent += 1
                done.final += 1
                return
            done.final += not isinstance(outcome, _RETRYABLE)
            if reason and not done.paused:
                done.paused = reason
        if done.paused:
            self.halt.set()

    def add_progress(self, word: WorkerUpdate) -> None:
        """Take what a second process did into the tally; what stops it stops everybody."""
        done = self.done
        with done.lock:
            done.final += word.final
            done.sent += word.sent
            done.trouble = word.trouble or done.trouble
            done.paused = done.paused or word.paused
            done.worker_died |= word.died
            self.breaker.run.extend(word.run)
        if word.failure:
            self.halt_for(NewsletterError(word.failure))
        if word.paused:
            self.halt.set()

    def open(self, line: RelayConnection) -> bool:
        """Is there a connection? One is opened before a letter is claimed, so that trouble here touches no row."""
        while line.session is None and not line.is_given_up:
            try:
                line.session = self.route.sender.open()
            except SenderError as trouble:
                self.take(trouble, line)
        return line.session is not None

    def take(self, trouble: SenderError, line: RelayConnection) -> None:
        """Trouble of a connection: another try, or the end of this line; a refused password pauses the issue."""
        line.session = None
        line.troubles += 1
        log.warning("issue %d: %s", self.number, trouble)
        with self.done.lock:
            self.done.trouble = str(trouble)
            if isinstance(trouble, AuthenticationFailed):
                self.done.paused = str(trouble)
        if self.done.paused:
            line.troubles = TROUBLES_IN_A_ROW
            self.halt.set()


@dataclass(slots=True)
class RelayConnection:
    """One connection to the next hop, while it lasts, and the next one in its place."""

    session: Session | None = None
    troubles: int = 0

    @property
    def is_given_up(self) -> bool:
        """Is another try not worth it in this round?"""
        return self.troubles >= TROUBLES_IN_A_ROW

    def close(self) -> None:
        """End the connection, if there is one."""
        if self.session:
            self.session.close()
