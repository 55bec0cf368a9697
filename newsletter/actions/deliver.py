"""Carrying a frozen issue to its readers: claim, send, record, until nothing is due; composes nothing.

Each letter costs at most one commit: the outcome of the last and the claim of the next share it.
Who else may be at work: the other workers; the web, where a reader may leave (the claim reads that); a person who
pauses or cancels (no claim after that). Never a second sender: the ledger comes with the right to send.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import Protocol, cast

from newsletter.actions.interleave import Interleaver
from newsletter.actions.shift import LOOK_UP_EVERY, Line, Round, Route, Shift
from newsletter.domain.delivery import Claim, Finished, Skip
from newsletter.domain.errors import SenderTrouble
from newsletter.domain.issues import IssueEvent, IssueState
from newsletter.domain.outcomes import Outcome, Rejected
from newsletter.domain.ports import FlowSender

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


def deliver(route: Route, number: int, *, on_progress: Progress | None = None) -> Round:
    """Send what is due of an issue in `sending`, over all connections; returns when nothing is due or `stop` is set.

    `stop` lets the letters in flight end and be recorded. Finishes the issue when no open delivery is left.
    Raises what a worker could not handle (TemplateError, a full disk): everything it had is recorded or in doubt.
    """
    shift = Shift(route, number)
    done = shift.done
    with route.store.read() as tx:
        issue = tx.issues.get(number)
    before = issue.audience - sum(issue.counts[state] for state in ("pending", "sending", "deferred"))
    threads = [
        Thread(target=_work, args=(shift, worker), name=f"sender-{n}", daemon=True)
        for n, worker in enumerate(_workers(shift, max(1, min(route.sender.connections, issue.audience - before))))
    ]
    for thread in threads:
        thread.start()
    stops = (route.stop, shift.halt)
    _wait(threads, done, stops, lambda: on_progress and on_progress(before + done.final, issue.audience))
    _settle(shift)
    if done.failure:
        raise done.failure
    return done


class _Worker(Protocol):
    """Somebody with one connection or many."""

    def loop(self) -> None: ...
    def close(self) -> None: ...


def _workers(shift: Shift, room: int) -> Sequence[_Worker]:
    """Few workers for all connections where they can be interleaved, else one for each; none when there is no way out."""
    lines = [Line() for _ in range(room)]
    if shift.is_over or shift.is_spent or not shift.open(lines[0]):
        return []
    if getattr(lines[0].session, "may_flow", False):
        sender, few = cast("FlowSender", shift.route.sender), min(shift.route.drivers, room)
        return [Interleaver(shift, sender, lines[n::few]) for n in range(few)]
    return [_OneLine(shift, line) for line in lines]


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


def _work(shift: Shift, worker: _Worker) -> None:
    """A worker's life. Whatever happens, the outcomes in hand are recorded before the thread ends."""
    try:
        try:
            worker.loop()
        finally:
            worker.close()
    except Exception as error:  # noqa: BLE001 - a fault of ours: stop everything; the caller raises it
        shift.halt_for(error)


class _OneLine:
    """One connection, one letter at a time, waiting for each reply."""

    def __init__(self, shift: Shift, line: Line) -> None:
        self._shift = shift
        self._line = line
        self._finished: list[Finished] = []

    def loop(self) -> None:
        """Send until nothing is due, somebody stops us, or the next hop is in trouble twice in a row."""
        while not self._shift.is_over and self._shift.open(self._line):
            claims = self._record(1)
            if claims:
                self._send(claims[0])
            elif not self._shift.rest():
                return

    def close(self) -> None:
        """Record what is in hand and end the connection."""
        try:
            if self._finished:
                self._record(0)
        finally:
            self._line.close()

    def _record(self, take: int) -> list[Claim]:
        finished, self._finished = self._finished, []
        return self._shift.record(finished, take)

    def _send(self, claim: Claim) -> None:
        outcome: Outcome | None = None
        try:
            outcome = self._carry(claim)
        finally:  # whatever was raised, the row has its end
            self._finished = [Finished(claim, outcome, self._shift.route.clock())]
        if outcome is not None:
            self._shift.count(claim, outcome)

    def _carry(self, claim: Claim) -> Outcome | None:
        """Compose and hand over; None when the row is to go back."""
        letter = self._shift.compose(claim)
        if isinstance(letter, Rejected) or self._line.session is None:
            return letter if isinstance(letter, Rejected) else None
        try:
            outcome = self._line.session.send(*letter)
        except SenderTrouble as trouble:
            self._shift.take(trouble, self._line)
            return None
        except Exception as error:  # noqa: BLE001 - a sender that breaks its word
            self._line.session = None
            return self._shift.in_doubt(error)
        self._line.troubles = 0
        return outcome


def _settle(shift: Shift) -> None:
    """After the last worker: stop, close or finish the issue.

    A tripped breaker's refusals are taken back before the pause: a crash between the two only tries them again.
    """
    route, number, done = shift.route, shift.number, shift.done
    now = route.clock()
    if done.paused:
        log.error("issue %d is paused: %s", number, done.paused)
        route.ledger.reopen(number, shift.breaker.run, now)
    with route.store.write() as tx:
        if not done.paused and tx.issues.finish_if_done(number, now):
            return
        state = tx.issues.get(number).state
        if state is IssueState.CANCELLED:  # letters that were in flight then may have come back
            tx.issues.skip_open(number, Skip.CANCELLED, now)
            done.paused = ""
        elif done.paused and state is IssueState.SENDING:
            tx.issues.change(number, IssueEvent.PAUSE, now, reason=done.paused)


__all__ = ["Progress", "Round", "Route", "deliver"]
