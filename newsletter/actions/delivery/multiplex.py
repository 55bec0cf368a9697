"""Many connections in one thread: letters interleave, and one commit takes whatever outcomes have arrived.

For a relay that is near: there the work of this process is the limit, and threads that wait for one lock halve it.
Still no row is in `sending` that has no connection, and no timer holds an outcome back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from newsletter.actions.delivery.batch import Batch, RelayConnection
from newsletter.domain.delivery.delivery import Claim, Finished
from newsletter.domain.delivery.outcome import Envelope, Outcome, Rejected
from newsletter.domain.errors import SenderError
from newsletter.ports.sending import MultiplexSender, MultiplexSession

ComposedEmail = tuple[Envelope, bytes] | Rejected

WAIT_FOR = 0.25  # seconds without a reply after which we look whether somebody said stop


class Multiplexer:
    """Drives the sessions of a FlowSender. `loop` until nothing is due, then `close`."""

    def __init__(self, shift: Batch, sender: MultiplexSender, lines: Sequence[RelayConnection]) -> None:
        self._batch = shift
        self._sender = sender
        self._idle = list(lines)
        self._busy: dict[MultiplexSession, tuple[RelayConnection, Claim]] = {}
        self._finished: list[Finished] = []

    def loop(self) -> None:
        """Send until nothing is due, somebody stops us, or every connection is in trouble.

        Whatever is raised, the letters in flight end first: a row left in `sending` would wait for another life.
        """
        try:
            while self._claim() or self._busy or self._batch.wait_for_rate():
                self._read_replies()
        except Exception as error:
            self._batch.halt_for(error)
            while self._busy:
                self._read_replies()
            raise

    def close(self) -> None:
        """Record what is in hand and end the connections."""
        try:
            if self._finished:
                self._record(0)
        finally:
            for line in self._idle:
                line.close()

    def _claim(self) -> bool:
        """Record what arrived and claim a letter for every idle connection, in one commit; is anything under way?"""
        idle = [] if self._batch.is_over else [line for line in self._idle if self._batch.open(line)]
        if not idle and not self._finished:
            return False
        claims = self._record(len(idle))
        letters, fault = self._compose(claims)
        for line, claim, letter in zip(idle, claims, letters, strict=False):
            self._start(line, claim, letter)
        if fault:
            raise fault
        return bool(claims)

    def _compose(self, claims: Sequence[Claim]) -> tuple[list[ComposedEmail], Exception | None]:
        """All letters before the first word leaves: to wake the next hop ten times costs as much as to compose them.

        What cannot be composed, and all behind it, goes back.
        """
        letters: list[ComposedEmail] = []
        now = self._batch.route.clock()
        try:
            for claim in claims:
                letters.append(self._batch.compose(claim, now))  # noqa: PERF401 - those before a fault are kept
        except Exception as fault:  # noqa: BLE001 - raised when those that were composed are on their way
            self._finished += [Finished(claim, None, now) for claim in claims[len(letters) :]]
            return letters, fault
        return letters, None

    def _record(self, take: int) -> list[Claim]:
        finished, self._finished = self._finished, []
        return self._batch.record(finished, take)

    def _start(self, line: RelayConnection, claim: Claim, letter: ComposedEmail) -> None:
        session: MultiplexSession = line.session  # type: ignore[assignment]  # `open` made it, and `deliver` looked at its kind
        self._idle.remove(line)
        self._busy[session] = (line, claim)
        if isinstance(letter, Rejected):
            self._end(session, letter)
        else:
            self._step(session, partial(session.start, *letter))

    def _read_replies(self) -> None:
        """Let every connection go on that can, waiting for the first if need be.

        Who began last goes first: their letters keep the next hop at work while we read what became of the others.
        """
        wait = WAIT_FOR
        while self._busy and (ready := self._sender.ready(list(self._busy), wait)):
            for session in reversed(ready):
                self._step(session, session.proceed)
            wait = 0.0

    def _step(self, session: MultiplexSession, step: Callable[[], Outcome | None]) -> None:
        line, _ = self._busy[session]
        try:
            outcome = step()
        except SenderError as trouble:
            self._batch.take(trouble, line)
            self._end(session, None)
        except Exception as error:  # noqa: BLE001 - a sender that breaks its word
            line.session = None
            self._end(session, self._batch.in_doubt(error))
        else:
            if outcome is not None:
                line.troubles = 0
                self._end(session, outcome)

    def _end(self, session: MultiplexSession, outcome: Outcome | None) -> None:
        line, claim = self._busy.pop(session)
        self._idle.append(line)
        self._finished.append(Finished(claim, outcome, self._batch.route.clock()))
        if outcome is not None:
            self._batch.count(claim, outcome)
