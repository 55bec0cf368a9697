"""Send over many connections in one thread, and record in one commit whatever outcomes have arrived.

With a mail server nearby, the work of this process is the bottleneck, and threads waiting for one lock halve it. Each
row in `sending` still has its connection, and no timer delays an outcome (invariant I4 of docs/delivery.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from newsletter.actions.delivery.batch import Batch, RelayConnection
from newsletter.actions.delivery.opening import CHECK_STOP_EVERY, Opener, close_all
from newsletter.domain.delivery.delivery import Claim, Finished
from newsletter.domain.delivery.outcome import Envelope, Outcome, Rejected
from newsletter.domain.errors import SenderError
from newsletter.ports.sending import MultiplexSender, MultiplexSession

ComposedEmail = tuple[Envelope, bytes] | Rejected

READ_TIMEOUT = 0.25  # seconds without a reply, after which the loop checks whether the batch is over


class Multiplexer:
    """Drives the sessions of a MultiplexSender: `loop` until nothing is due, then `close`."""

    def __init__(
        self, batch: Batch, sender: MultiplexSender, opener: Opener, connections: Sequence[RelayConnection]
    ) -> None:
        self._batch = batch
        self._sender = sender
        self._opener = opener
        self._idle = [connection for connection in connections if connection.session]
        self._closed = [connection for connection in connections if not connection.session]
        self._busy: dict[MultiplexSession, tuple[RelayConnection, Claim]] = {}
        self._finished: list[Finished] = []

    def loop(self) -> None:
        """Send until nothing is due, the batch is over, or every connection is given up.

        Whatever is raised, emails in flight finish first: a row left in `sending` would wait for the next restart.
        """
        try:
            while self._claim() or self._busy or self._batch.wait_for_rate() or self._wait_for_connection():
                self._read_replies()
        except Exception as error:
            # Claim nothing more, but read the replies to the emails in flight.
            self._batch.halt_for(error)
            while self._busy:
                self._read_replies()
            raise

    def close(self) -> None:
        """Record the last outcomes and end the connections."""
        try:
            if self._finished:
                self._record(0)
        finally:
            close_all([connection.session for connection in self._idle if connection.session])

    def _claim(self) -> bool:
        """Record the outcomes and claim an email for each idle connection, in one commit; was anything claimed?"""
        if self._closed and not self._opener.is_complete:
            self._take_opened()
        idle = [] if self._batch.is_over else list(self._idle)
        if not idle and not self._finished:
            return False
        # T3 and T2 are committed here, before a byte of these emails is sent.
        claims = self._record(len(idle))
        emails, failure = self._compose(claims)
        for connection, claim, email in zip(idle, claims, emails, strict=False):
            self._start(connection, claim, email)
        if failure:
            raise failure
        return bool(claims)

    def _take_opened(self, seconds: float = 0.0) -> None:
        """Use the connections that have opened meanwhile; waits at most `seconds` for the first."""
        while self._closed and (session := self._opener.get(seconds)):
            connection = self._closed.pop()
            connection.session = session
            self._idle.append(connection)
            seconds = 0.0

    def _wait_for_connection(self) -> bool:
        """Wait a moment for a connection to open. False: nothing is due, or no connection can be had."""
        if self._batch.is_over or self._idle or self._opener.is_hopeless:
            return False
        self._take_opened(CHECK_STOP_EVERY)
        return True

    def _compose(self, claims: Sequence[Claim]) -> tuple[list[ComposedEmail], Exception | None]:
        """Compose all emails before the first byte is sent: waking the server ten times costs as much as composing.

        If one cannot be composed, its delivery and those after it are requeued.
        """
        emails: list[ComposedEmail] = []
        now = self._batch.context.clock()
        try:
            for claim in claims:
                emails.append(self._batch.compose(claim, now))  # noqa: PERF401 - those before an error are kept
        except Exception as failure:  # noqa: BLE001 - raised once the composed ones are on their way
            self._finished += [Finished(claim, None, now) for claim in claims[len(emails) :]]
            return emails, failure
        return emails, None

    def _record(self, take: int) -> list[Claim]:
        finished, self._finished = self._finished, []
        return self._batch.record(finished, take)

    def _start(self, connection: RelayConnection, claim: Claim, email: ComposedEmail) -> None:
        session: MultiplexSession = connection.session  # type: ignore[assignment]  # `_workers` checked its kind
        self._idle.remove(connection)
        self._busy[session] = (connection, claim)
        connection.may_reconnect(claim)
        if isinstance(email, Rejected):
            self._end(session, email)
        else:
            self._step(session, partial(session.start, *email))

    def _read_replies(self) -> None:
        """Advance every connection that has a reply, waiting for the first one if need be.

        The one that started last is served first: the server works on its email while we read the other replies.
        """
        wait = READ_TIMEOUT
        while self._busy and (ready := self._sender.ready(list(self._busy), wait)):
            for session in reversed(ready):
                self._step(session, session.proceed)
            wait = 0.0

    def _step(self, session: MultiplexSession, step: Callable[[], Outcome | None]) -> None:
        connection, claim = self._busy[session]
        try:
            outcome = step()
        except SenderError as error:
            # The connection failed and mostly not the email, so its attempt is not counted then.
            self._end(session, self._batch.take(error, connection, claim), in_trouble=True)
        except Exception as error:  # noqa: BLE001 - a sender that raises what its interface does not allow
            connection.session = None
            self._end(session, self._batch.in_doubt(error))
        else:
            if outcome is not None:
                self._end(session, outcome)

    def _end(self, session: MultiplexSession, outcome: Outcome | None, *, in_trouble: bool = False) -> None:
        connection, claim = self._busy.pop(session)
        if connection.session is None or session.is_spent:
            self._lose(connection)
        else:
            self._idle.append(connection)
        self._finished.append(Finished(claim, outcome, self._batch.context.clock(), None, in_trouble))
        if outcome is not None and not in_trouble:
            self._batch.count(claim, outcome)

    def _lose(self, connection: RelayConnection) -> None:
        """Have another connection opened beside the sending."""
        session, connection.session = connection.session, None
        self._opener.lost(session)
        self._closed.append(connection)
