"""Carrying a frozen issue to its readers: claim, send, record, until nothing is due; composes nothing.

Each letter costs at most one commit: the outcome of the last and the claim of the next share it.
Who else may be at work: the other workers; the web, where a reader may leave (the claim reads that); a person who
pauses or cancels (no claim after that). Never a second sender: the ledger comes with the right to send.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Event, Thread
from typing import Protocol, cast

from newsletter.actions.delivery.batch import CHECK_STOP_EVERY, Batch, BatchResult, RelayConnection, SendingContext
from newsletter.actions.delivery.multiplex import Multiplexer
from newsletter.domain.delivery.delivery import Claim, Finished, SkipReason
from newsletter.domain.delivery.issue import IssueEvent, IssueState
from newsletter.domain.delivery.outcome import Outcome, Rejected
from newsletter.domain.errors import SenderError
from newsletter.ports.sending import MultiplexSender, Worker
from newsletter.ports.store import Store

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


def deliver(store: Store, route: SendingContext, number: int, *, on_progress: Progress | None = None) -> BatchResult:
    """Send what is due of an issue in `sending`, over all connections; returns when nothing is due or `stop` is set.

    `stop` lets the letters in flight end and be recorded. Finishes the issue when no open delivery is left.
    Raises what a worker could not handle (TemplateError, a full disk): everything it had is recorded or in doubt.
    """
    with store.read() as tx:
        issue = tx.issues.get(number)
    still = sum(issue.counts[state] for state in ("pending", "sending", "deferred"))
    alone = replace(route, partner=None)
    shift = Batch(route if still >= route.partner_from else alone, number)
    done = shift.done
    before = issue.audience - still
    room = max(1, min(route.sender.connections, still))

    def on_tick() -> None:
        if on_progress:
            on_progress(before + done.final, issue.audience)

    run_batch(shift, room, on_tick)
    if done.worker_died and not shift.is_over:  # what it left may have come back when we were through already
        shift.route = alone
        run_batch(shift, room, on_tick)
    _settle(store, shift)
    if done.failure:
        raise done.failure
    return done


def run_batch(shift: Batch, room: int, on_tick: Callable[[], object]) -> None:
    """One round over up to `room` connections; `look` is called now and then, and at the end. Settles nothing."""
    threads = [
        Thread(target=_work, args=(shift, worker), name=f"sender-{n}", daemon=True)
        for n, worker in enumerate(_workers(shift, room))
    ]
    for thread in threads:
        thread.start()
    _wait(threads, shift.done, (shift.route.stop, shift.halt), on_tick)


class _Worker(Protocol):
    """Somebody with one connection or many."""

    def loop(self) -> None: ...
    def close(self) -> None: ...


def _workers(shift: Batch, room: int) -> Sequence[_Worker]:
    """One worker for all connections where they can be interleaved, else one for each; none when there is no way out.

    A partner gets half of the room, or all. Not where there are rates to keep: they are counted in this process.
    """
    partner = None if shift.pace.longest_window else shift.route.partner
    if partner and shift.route.hands_over:
        return [] if shift.is_over else [_WorkerProcess(shift, partner, room)]
    theirs = room // 2 if partner else 0
    lines = [RelayConnection() for _ in range(room - theirs)]
    if shift.is_over or shift.is_rate_limited or not shift.open(lines[0]):
        return []
    helper: list[_Worker] = [_WorkerProcess(shift, partner, theirs)] if partner and theirs else []
    if getattr(lines[0].session, "can_multiplex", False):
        return [*helper, Multiplexer(shift, cast("MultiplexSender", shift.route.sender), lines)]
    return [*helper, *(_SingleConnection(shift, line) for line in lines)]


class _WorkerProcess:
    """A second process, as one more worker: this thread only listens to it."""

    def __init__(self, shift: Batch, partner: Worker, room: int) -> None:
        self._batch = shift
        self._partner = partner
        self._room = room

    def loop(self) -> None:
        """Until it has said its last word."""
        for word in self._partner.work(self._room, lambda: self._batch.is_over):
            self._batch.add_progress(word)

    def close(self) -> None:
        """Nothing is in this thread's hand."""


def _wait(workers: Sequence[Thread], done: BatchResult, stops: Sequence[Event], on_tick: Callable[[], object]) -> None:
    """Until every worker ended. A first interruption lets them finish the letters in flight; one more does not wait."""
    interrupted: BaseException | None = None
    for worker in workers:
        while worker.is_alive():
            try:
                worker.join(CHECK_STOP_EVERY)
                on_tick()
            except KeyboardInterrupt as error:
                if any(stop.is_set() for stop in stops):
                    raise
                interrupted = error
                stops[-1].set()
    on_tick()
    if interrupted:
        done.failure = interrupted


def _work(shift: Batch, worker: _Worker) -> None:
    """A worker's life. Whatever happens, the outcomes in hand are recorded before the thread ends."""
    try:
        try:
            worker.loop()
        finally:
            worker.close()
    except Exception as error:  # noqa: BLE001 - a fault of ours: stop everything; the caller raises it
        shift.halt_for(error)


class _SingleConnection:
    """One connection, one letter at a time, waiting for each reply."""

    def __init__(self, shift: Batch, line: RelayConnection) -> None:
        self._batch = shift
        self._connection = line
        self._finished: list[Finished] = []

    def loop(self) -> None:
        """Send until nothing is due, somebody stops us, or the next hop is in trouble twice in a row."""
        while not self._batch.is_over and self._batch.open(self._connection):
            claims = self._record(1)
            if claims:
                self._send(claims[0])
            elif not self._batch.wait_for_rate():
                return

    def close(self) -> None:
        """Record what is in hand and end the connection."""
        try:
            if self._finished:
                self._record(0)
        finally:
            self._connection.close()

    def _record(self, take: int) -> list[Claim]:
        finished, self._finished = self._finished, []
        return self._batch.record(finished, take)

    def _send(self, claim: Claim) -> None:
        outcome: Outcome | None = None
        try:
            outcome = self._transmit(claim)
        finally:  # whatever was raised, the row has its end
            self._finished = [Finished(claim, outcome, self._batch.route.clock())]
        if outcome is not None:
            self._batch.count(claim, outcome)

    def _transmit(self, claim: Claim) -> Outcome | None:
        """Compose and hand over; None when the row is to go back."""
        letter = self._batch.compose(claim, self._batch.route.clock())
        if isinstance(letter, Rejected) or self._connection.session is None:
            return letter if isinstance(letter, Rejected) else None
        try:
            outcome = self._connection.session.send(*letter)
        except SenderError as trouble:
            self._batch.take(trouble, self._connection)
            return None
        except Exception as error:  # noqa: BLE001 - a sender that breaks its word
            self._connection.session = None
            return self._batch.in_doubt(error)
        self._connection.troubles = 0
        return outcome


def _settle(store: Store, shift: Batch) -> None:
    """After the last worker: stop, close or finish the issue.

    A tripped breaker's refusals are taken back before the pause: a crash between the two only tries them again.
    """
    route, number, done = shift.route, shift.number, shift.done
    now = route.clock()
    if done.paused:
        log.error("issue %d is paused: %s", number, done.paused)
        route.ledger.reopen(number, shift.breaker.run, now)
    with store.write() as tx:
        if not done.paused and tx.issues.finish_if_done(number, now):
            return
        state = tx.issues.get(number).state
        if state is IssueState.CANCELLED:  # letters that were in flight then may have come back
            tx.issues.skip_open(number, SkipReason.CANCELLED, now)
            done.paused = ""
        elif done.paused and state is IssueState.SENDING:
            tx.issues.change(number, IssueEvent.PAUSE, now, reason=done.paused)


__all__ = ["Batch", "BatchResult", "Progress", "SendingContext", "deliver", "run_batch"]
