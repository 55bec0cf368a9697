"""What all workers of one batch share: the context, the circuit breaker, the rate limiter, the counts of outcomes.

A batch is one attempt to send everything that is due of one issue; a paused, deferred or throttled issue needs several.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event, Lock

from newsletter.actions.delivery.opening import CHECK_STOP_EVERY, Opener
from newsletter.domain.delivery.circuit_breaker import CircuitBreaker
from newsletter.domain.delivery.deferral_run import DeferralRun
from newsletter.domain.delivery.delivery import Claim, Finished
from newsletter.domain.delivery.outcome import Cause, Deferred, Envelope, InDoubt, Outcome, Rejected, Reply, Sent, Stage
from newsletter.domain.delivery.rate_limit import RateLimiter
from newsletter.domain.delivery.whose_trouble import WhoseTrouble
from newsletter.domain.english import plural
from newsletter.domain.errors import ConnectionEnded, InputError, NewsletterError, RelayRefusal, SenderError
from newsletter.domain.lists import issue_name
from newsletter.ports.clock import Clock
from newsletter.ports.sending import Ledger, Sender, Session, Worker, WorkerUpdate

log = logging.getLogger(__name__)

MAX_WAIT = timedelta(minutes=1)  # a longer wait ends the batch; the next one seeds its limiter from the ledger
MOST_LOGGED = 3  # lost connections of one batch; the others are counted
_RETRYABLE = (Deferred, InDoubt)

Compose = Callable[[Claim, datetime], bytes]
EnvelopeFrom = Callable[[Claim], str]


@dataclass(slots=True)
class BatchResult:
    """How one batch ended. sent: accepted emails; final: deliveries that need no further attempt, sent ones included.

    trouble: the last error of a connection. paused: why the circuit breaker paused the issue. failure: what no worker
    could handle. worker_died: the second process ended without a last update. has_opened: a connection has opened.
    refusal: why the mail server refuses every connection. is_deferred: the batch ended because it deferred everybody.
    """

    sent: int = 0
    final: int = 0
    trouble: str = ""
    paused: str = ""
    failure: BaseException | None = None
    worker_died: bool = False
    has_opened: bool = False
    refusal: str = ""
    is_deferred: bool = False
    lock: Lock = field(default_factory=Lock)


@dataclass(frozen=True, slots=True)
class SendingContext:
    """Everything the workers need to send one issue.

    dot_free: `compose` makes no line that begins with a dot. worker: a second process, used if at least
    `worker_threshold` deliveries are left. worker_takes_all: it gets all the connections, not half of them.
    trusts_mailboxes: as in `CircuitBreaker`. is_slowed: as in `DeferralRun`. list_key: "" for the first list.
    """

    ledger: Ledger
    sender: Sender
    compose: Compose
    envelope_from: EnvelopeFrom
    clock: Clock
    stop: Event
    dot_free: bool = False
    worker: Worker | None = None
    worker_threshold: int = 0
    worker_takes_all: bool = False
    trusts_mailboxes: bool = False
    is_slowed: bool = False
    list_key: str = ""


class Batch:
    """One batch of one issue. Safe to use from several threads."""

    def __init__(self, context: SendingContext, number: int, accepted: int = 0) -> None:
        """accepted: emails of this issue that earlier batches sent."""
        self.context = context
        self.number = number
        self.name = issue_name(number, context.list_key)
        self.result = BatchResult()
        self.breaker = CircuitBreaker(accepted, context.trusts_mailboxes)
        self.whose_trouble = WhoseTrouble(accepted=accepted)
        self.deferrals = DeferralRun(context.is_slowed, has_accepted=accepted > 0)
        self.began = context.clock()
        self.lost_connections = 0
        self.on_accepted: Callable[[], object] | None = None  # called once, after the first email was accepted
        self.halt = Event()
        self.limiter = RateLimiter(getattr(context.sender, "rates", ()))
        if self.limiter.longest_window:
            self.limiter.seed(context.ledger.claimed_since(context.clock() - self.limiter.longest_window))

    @property
    def is_over(self) -> bool:
        """Must no email be claimed any more? Emails in flight still finish."""
        return self.was_stopped or self.whose_trouble.gave_up

    @property
    def was_stopped(self) -> bool:
        """Did something stop it that says nothing about the mail server?"""
        return self.context.stop.is_set() or self.halt.is_set()

    @property
    def is_rate_limited(self) -> bool:
        """Do the rate limits ask for a longer wait than a batch makes?"""
        return self.limiter.wait_for(self.context.clock()) > MAX_WAIT

    def halt_for(self, error: Exception) -> None:
        """Stop all workers after the emails in flight; `deliver` raises the first error."""
        with self.result.lock:
            self.result.failure = self.result.failure or error
        self.halt.set()

    def record(self, finished: Sequence[Finished], take: int) -> list[Claim]:
        """Write outcomes to the ledger, which keeps them even if it raises, and claim up to `take` emails.

        With rate limits, fewer claims come back: those that may be sent now.
        """
        now = self.context.clock()
        if self.whose_trouble.is_suspicious or self.limiter.longest_window:
            with self.result.lock:
                return self._record_carefully(finished, take, now)
        # Nearly always the threads share nothing here: the ledger has a lock of its own.
        # Nothing is tried twice in one batch, however long it takes: what is deferred meanwhile is due for the next.
        return self.context.ledger.advance(self.number, finished, take, now, self.began)

    def _record_carefully(self, finished: Sequence[Finished], take: int, now: datetime) -> list[Claim]:
        """After trouble, claim one email at a time while none gets through, and end once all that are left were tried."""
        trouble = self.whose_trouble
        claims = self._record_within_rates(finished, min(take, 1) if trouble.spread else take, now)
        tired = [claim for claim in claims if not trouble.may_try(claim.subscriber_id)]
        if not tired:
            return claims
        self.context.ledger.advance(self.number, [Finished(claim, None, now) for claim in tired], 0, now)
        return [claim for claim in claims if claim not in tired]

    def _record_within_rates(self, finished: Sequence[Finished], take: int, now: datetime) -> list[Claim]:
        """Claim what the rates allow. An email whose domain is at its limit is requeued with its next time."""
        claims: list[Claim] = []
        while True:
            asked = min(take - len(claims), self.limiter.allowed(now)) if self.limiter.longest_window else take
            spread = self.whose_trouble.spread
            more = self.context.ledger.advance(self.number, finished, asked, now, self.began, spread=spread)
            # The outcomes are written now; from here on, only emails that a domain limit postponed are written.
            finished = []
            for claim in more:
                domain = claim.address.rpartition("@")[2]
                wait = self.limiter.domain_wait(domain, now)
                if wait:
                    finished.append(Finished(claim, None, now, not_before=now + wait))
                else:
                    self.limiter.record_claim(now, domain)
                    claims.append(claim)
            if not finished:
                return claims

    def wait_for_rate(self) -> bool:
        """Wait until the rates allow another email. False: no rate limit is in the way, or the wait is too long."""
        now = self.context.clock()
        with self.result.lock:  # to answer, the limiter drops old entries; another worker may be asking it
            wait = self.limiter.wait_for(now)
        if not timedelta() < wait <= MAX_WAIT:
            return False
        while not self.is_over and self.context.clock() < now + wait:
            self.halt.wait(min(CHECK_STOP_EVERY, wait.total_seconds()))
        return not self.is_over

    def compose(self, claim: Claim, now: datetime) -> tuple[Envelope, bytes] | Rejected:
        """The email to one subscriber, or a rejection if the cause is their data; raises every other error."""
        context = self.context
        try:
            message = context.compose(claim, now)
            return Envelope(context.envelope_from(claim), claim.address, context.dot_free), message
        except InputError as error:  # about this one subscriber: the others must not wait for them
            return Rejected(Reply(Stage.DATA, 554, "5.6.0", f"not sent: {error}"), Cause.OTHER)

    def in_doubt(self, error: Exception) -> InDoubt:
        """The outcome when a sender raises what its interface does not allow. Nobody knows how far it got: stop."""
        self.halt_for(error)
        return InDoubt(Reply(Stage.DOT, 0, "", f"to the dot: a bug in the program: {error!r}"))

    def count(self, claim: Claim, outcome: Outcome) -> None:
        """Count an outcome; if it trips the circuit breaker, all workers stop."""
        result = self.result
        with result.lock:
            domain = claim.address.rpartition("@")[2]
            is_retry = claim.attempts > 1
            reason = self.breaker.record_outcome(claim.subscriber_id, outcome, domain, is_retry=is_retry)
            if type(outcome) is Sent:
                self.whose_trouble.record_sent()
                self.deferrals.record_sent()
                result.sent += 1
                result.final += 1
                if self.on_accepted:
                    call, self.on_accepted = self.on_accepted, None
                    call()
                return
            if isinstance(outcome, InDoubt):
                reason = reason or self.whose_trouble.record_doubt(outcome.reply)
            else:
                self.whose_trouble.record_answer()
            if isinstance(outcome, Deferred):
                self.deferrals.record_deferred(outcome.reply, domain)
            result.final += not isinstance(outcome, _RETRYABLE)
            if reason and not result.paused:
                result.paused = reason
            if self.breaker.over_quota:
                result.trouble = f"the limit of the mail server is reached: {self.breaker.over_quota}"
            elif self.deferrals.over:
                result.trouble = f"the mail server defers every email: {self.deferrals.over}"
                result.is_deferred = True
        if result.paused or self.breaker.over_quota or result.is_deferred:
            self.halt.set()

    def add_progress(self, update: WorkerUpdate) -> None:
        """Count what a second process did; what stops it stops all workers."""
        result = self.result
        with result.lock:
            result.final += update.final
            result.sent += update.sent
            result.trouble = update.trouble or result.trouble
            result.paused = result.paused or update.paused
            result.worker_died |= update.died
            result.has_opened |= update.has_opened
            result.is_deferred |= update.is_deferred
            result.refusal = result.refusal or update.refusal
            # `deliver` reopens the rejections of both processes together.
            self.breaker.run.extend(update.run)
            self.breaker.accepted += update.sent
            self.whose_trouble.sent += update.sent
        if update.failure:
            self.halt_for(NewsletterError(update.failure))
        if update.paused:
            self.halt.set()

    def note_openings(self, opener: Opener) -> None:
        """At the end of a batch: a mail server that opens no connection, or none anymore, is in trouble."""
        if self.lost_connections > MOST_LOGGED:
            log.warning("%s: %s were lost in all", self.name, plural(self.lost_connections, "connection"))
        with self.result.lock:
            self.result.trouble = self.result.trouble or self.whose_trouble.trouble
            self.result.has_opened |= opener.has_worked
            if opener.is_hopeless and opener.error:
                self.result.trouble = str(opener.error)
                if isinstance(opener.error, RelayRefusal):
                    self.result.refusal = str(opener.error)

    def forget_trouble_that_is_over(self) -> None:
        """Errors of connections are no trouble if nothing that is due was left behind."""
        if self.result.trouble and not self.is_over:
            due_at = self.context.ledger.next_due_at(self.number)
            if due_at is None or due_at > self.context.clock():
                self.result.trouble = ""

    def conclude_openings(self) -> None:
        """Pause the issue if the mail server refused every connection of both processes.

        If it has taken one, it may only refuse more of them: the next batch will know.
        """
        if self.result.refusal and not self.result.has_opened:
            self.result.paused = self.result.paused or self.result.refusal
            self.halt.set()

    def take(self, error: SenderError, connection: RelayConnection, claim: Claim) -> Deferred | None:
        """Handle the error of a connection that carried an email; its outcome if the trouble is its own, else None.

        A refusal of us pauses the issue.
        """
        connection.session = None
        if isinstance(error, ConnectionEnded):
            return None
        with self.result.lock:
            self.lost_connections += 1
            if self.lost_connections <= MOST_LOGGED:
                log.warning("%s: %s", self.name, error)
            if isinstance(error, RelayRefusal):
                self.result.trouble = self.result.paused = str(error)
                self.halt.set()
                return None
            is_own = self.whose_trouble.record_failure(claim.subscriber_id, claim.troubles, claim.attempts, str(error))
        reply = error.reply or Reply(Stage.CONNECT, 0, "", f"from the mail server: {error}")
        return Deferred(reply) if is_own else None


@dataclass(slots=True)
class RelayConnection:
    """One connection to the mail server, and after an error the one that replaces it."""

    session: Session | None = None

    def may_reconnect(self, claim: Claim) -> None:
        """Let an email that was in trouble have a fresh connection if this one fails; if that fails too, it is the cause."""
        session = self.session
        if session and hasattr(session, "reconnects"):
            session.reconnects = claim.troubles > 0

    def close(self) -> None:
        """End the connection, if there is one."""
        if self.session:
            self.session.close()
