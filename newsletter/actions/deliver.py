"""Carrying a frozen issue to its readers: claim, send, record, until nothing is due; composes nothing.

One worker per connection. Each letter costs one commit: the outcome of the last and the claim of the next share it.
Who else may be at work: the other workers; the web, where a reader may leave (the claim reads that); a person who
pauses or cancels (no claim after that). Never a second sender: the ledger comes with the right to send.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event, Lock, Thread

from newsletter.domain.breaker import Breaker
from newsletter.domain.delivery import Claim, Finished, Skip
from newsletter.domain.errors import AuthenticationRefused, InputError, NewsletterError, SenderTrouble
from newsletter.domain.issues import IssueEvent, IssueState
from newsletter.domain.outcomes import Cause, Deferred, Envelope, InDoubt, Outcome, Rejected, Reply, Sent, Stage
from newsletter.domain.ports import Clock, Ledger, Sender, Session, Store

log = logging.getLogger(__name__)

LOOK_UP_EVERY = 0.25  # seconds between two looks at the workers
TROUBLES_IN_A_ROW = 2  # a worker renews its connection once before it gives up for now

Progress = Callable[[int, int], None]
Compose = Callable[[Claim, datetime], bytes]
EnvelopeFrom = Callable[[Claim], str]


@dataclass(slots=True)
class Round:
    """How one round of sending ended: how many went, and how many need no other try.

    trouble: what the next hop said; paused: why the breaker stopped the issue.
    """

    sent: int = 0
    final: int = 0
    trouble: str = ""
    paused: str = ""
    failure: BaseException | None = None
    lock: Lock = field(default_factory=Lock)


@dataclass(frozen=True, slots=True)
class Route:
    """Everything a worker needs for one issue; made by `app.py`."""

    store: Store
    ledger: Ledger
    sender: Sender
    compose: Compose
    envelope_from: EnvelopeFrom
    clock: Clock
    stop: Event


def deliver(route: Route, number: int, *, on_progress: Progress | None = None) -> Round:
    """Send what is due of an issue in `sending`, over all connections; returns when nothing is due or `stop` is set.

    `stop` lets the letters in flight end and be recorded. Finishes the issue when no open delivery is left.
    Raises what a worker could not handle (TemplateError, a full disk): everything it had is recorded or in doubt.
    """
    done = Round()
    halt = Event()
    breaker = Breaker()
    with route.store.read() as tx:
        issue = tx.issues.get(number)
    before = issue.audience - sum(issue.counts[state] for state in ("pending", "sending", "deferred"))
    room = max(1, min(route.sender.connections, issue.audience - before))
    workers = [
        Thread(target=_work, args=(route, number, done, halt, breaker), name=f"sender-{n}", daemon=True)
        for n in range(room)
    ]
    for worker in workers:
        worker.start()
    _wait(workers, done, (route.stop, halt), lambda: on_progress and on_progress(before + done.final, issue.audience))
    _settle(route, number, done, breaker)
    if done.failure:
        raise done.failure
    return done


def _wait(workers: Sequence[Thread], done: Round, stops: Sequence[Event], look: Callable[[], object]) -> None:
    """Until every worker ended. A first interruption lets them finish the letters in flight; one more does not wait."""
    interrupted: BaseException | None = None
    for worker in workers:
        while worker.is_alive():
            try:
                worker.join(LOOK_UP_EVERY)
                look()
            except KeyboardInterrupt as error:
                if any(stop.is_set() for stop in stops):
                    raise
                interrupted = error
                stops[-1].set()
    look()
    if interrupted:
        done.failure = interrupted


def _work(route: Route, number: int, done: Round, halt: Event, breaker: Breaker) -> None:
    """One connection's life. Whatever happens, the outcome in hand is recorded before the thread ends."""
    worker = _Worker(route, number, done, halt, breaker)
    try:
        worker.loop()
    except Exception as error:  # noqa: BLE001  (a fault of ours: stop everything; the caller raises it)
        worker.halt_for(error)
    finally:
        worker.close()


class _Worker:
    """One connection, one letter at a time."""

    def __init__(self, route: Route, number: int, done: Round, halt: Event, breaker: Breaker) -> None:
        self._route = route
        self._number = number
        self._done = done
        self._halt = halt
        self._breaker = breaker
        self._session: Session | None = None
        self._finished: list[Finished] = []
        self._troubles = 0
        self._over = False

    def loop(self) -> None:
        """Send until nothing is due, somebody stops us, or the next hop is in trouble twice in a row."""
        route = self._route
        while not (self._over or route.stop.is_set() or self._halt.is_set()) and self._connect():
            claims = self._record(1)
            if not claims:
                return
            self._send(claims[0])

    def halt_for(self, error: Exception) -> None:
        """Everybody stops after the letters in flight; `deliver` raises the first error."""
        with self._done.lock:
            self._done.failure = self._done.failure or error
        self._halt.set()

    def close(self) -> None:
        """Record what is in hand and end the connection."""
        try:
            if self._finished:
                self._record(0)
        except NewsletterError as error:
            self.halt_for(error)
        if self._session:
            self._session.close()

    def _record(self, take: int) -> list[Claim]:
        """The outcome in hand goes to the ledger, which keeps it even if it raises; the next claims come back."""
        finished, self._finished = self._finished, []
        return self._route.ledger.advance(self._number, finished, take, self._route.clock())

    def _connect(self) -> bool:
        """Is there a connection? One is opened before a letter is claimed, so that trouble here touches no row."""
        while self._session is None and not self._over:
            try:
                self._session = self._route.sender.open()
            except SenderTrouble as trouble:
                self._take(trouble)
        return self._session is not None

    def _send(self, claim: Claim) -> None:
        outcome: Outcome | None = None
        try:
            outcome = self._carry(claim)
        finally:  # whatever was raised, the row has its end
            self._finished = [Finished(claim, outcome, self._route.clock())]
        if outcome is not None:
            self._count(claim, outcome)

    def _carry(self, claim: Claim) -> Outcome | None:
        """Compose and hand over; None when the row is to go back. Raises what is no reader's fault and no relay's."""
        route = self._route
        try:
            message = route.compose(claim, route.clock())
            envelope = Envelope(route.envelope_from(claim), claim.address)
        except InputError as error:  # about this one reader: the others must not wait for them
            return Rejected(Reply(Stage.DATA, 554, "5.6.0", f"not sent: {error}"), Cause.OTHER)
        try:
            outcome = self._session.send(envelope, message) if self._session else None
        except SenderTrouble as trouble:
            self._session = None
            self._take(trouble)
            return None
        except Exception as error:  # noqa: BLE001 - a sender that breaks its word: nobody knows how far it came
            self._session = None
            self.halt_for(error)
            return InDoubt(Reply(Stage.DOT, 0, "", f"a fault of the program: {error!r}"))
        self._troubles = 0
        return outcome

    def _count(self, claim: Claim, outcome: Outcome) -> None:
        done = self._done
        with done.lock:
            done.final += not isinstance(outcome, Deferred | InDoubt)
            done.sent += isinstance(outcome, Sent)
            reason = self._breaker.saw(claim.subscriber_id, outcome)
            if reason and not done.paused:
                done.paused = reason
        if done.paused:
            self._halt.set()

    def _take(self, trouble: SenderTrouble) -> None:
        """Trouble of the connection: another try, or the end of this worker; a refused password pauses the issue."""
        self._troubles += 1
        self._over = self._troubles >= TROUBLES_IN_A_ROW
        log.warning("issue %d: %s", self._number, trouble)
        with self._done.lock:
            self._done.trouble = str(trouble)
            if isinstance(trouble, AuthenticationRefused):
                self._done.paused = str(trouble)
                self._over = True
        if self._done.paused:
            self._halt.set()


def _settle(route: Route, number: int, done: Round, breaker: Breaker) -> None:
    """After the last worker: stop, close or finish the issue.

    A tripped breaker's refusals are taken back before the pause: a crash between the two only tries them again.
    """
    now = route.clock()
    if done.paused:
        log.error("issue %d is paused: %s", number, done.paused)
        route.ledger.reopen(number, breaker.run, now)
    with route.store.write() as tx:
        if not done.paused and tx.issues.finish_if_done(number, now):
            return
        state = tx.issues.get(number).state
        if state is IssueState.CANCELLED:  # letters that were in flight then may have come back
            tx.issues.skip_open(number, Skip.CANCELLED, now)
            done.paused = ""
        elif done.paused and state is IssueState.SENDING:
            tx.issues.change(number, IssueEvent.PAUSE, now, reason=done.paused)
