"""The `smtp` and `smtps` senders: sessions that renew their connection; the dialogue itself is in `senders.smtp.connection`.

A session waits for its replies (`send`), or is driven by somebody who waits for many (`start`, `proceed`, `ready`).
"""

from __future__ import annotations

import select
import time
from collections.abc import Sequence
from typing import cast

from newsletter.domain.delivery.outcome import Envelope, Outcome
from newsletter.domain.errors import SenderError
from newsletter.ports.sending import MultiplexSession
from newsletter.senders.base import check_envelope
from newsletter.senders.smtp.connect import dial
from newsletter.senders.smtp.connection import Connection, Stale
from newsletter.senders.smtp.options import SmtpOptions
from newsletter.senders.smtp.transaction import Flow
from newsletter.senders.url import SenderUrl


class SmtpSender:
    """One relay. rates: what it allows; whoever schedules the letters keeps to them."""

    def __init__(self, url: SenderUrl, hostname: str) -> None:
        self._peer = SmtpOptions.of(url, hostname)
        self.connections = url.get_integer("connections", 10, maximum=1000)
        self.rates = url.rates()

    def open(self) -> SmtpSession:
        """Connect, greet, encrypt, sign in; raises SenderTrouble or AuthenticationRefused."""
        return SmtpSession(self._peer)

    def ready(self, sessions: Sequence[MultiplexSession], seconds: float) -> Sequence[MultiplexSession]:
        """Those of our sessions that can proceed, waiting at most `seconds` for the first."""
        poller, places = select.poll(), {}
        for session in cast("Sequence[SmtpSession]", sessions):
            if flow := session.flow:
                poller.register(flow.descriptor, flow.events)
                places[flow.descriptor] = session
        found = [places[number] for number, _ in poller.poll(seconds * 1000)]
        if found:
            return found
        now = time.monotonic()
        return [session for session in places.values() if session.flow and session.flow.is_overdue(now)]


class SmtpSession:
    """Letters over one connection at a time, renewed when it is used up or was lost with a letter's outcome known."""

    def __init__(self, peer: SmtpOptions) -> None:
        self._peer = peer
        self._closed = False
        self._connection = dial(peer)
        self.flow: Flow | None = None
        self._letter = (Envelope("", ""), b"")

    def send(self, envelope: Envelope, message: bytes) -> Outcome:
        """As `ports.sending.Session.send`; reconnects at the next letter where the last one cost the connection."""
        refusal = self._take(envelope, message)
        if refusal:
            return refusal
        try:
            return self._carry()
        except BaseException:
            self.close()
            raise

    @property
    def can_multiplex(self) -> bool:
        """As `ports.sending.MultiplexSession`."""
        return self._connection.can_multiplex

    def start(self, envelope: Envelope, message: bytes) -> Outcome | None:
        """As `ports.sending.MultiplexSession.start`."""
        refusal = self._take(envelope, message)
        if refusal:
            return refusal
        try:
            return self._start()
        except BaseException:
            self.close()
            raise

    def proceed(self) -> Outcome | None:
        """As `ports.sending.MultiplexSession.proceed`."""
        if self.flow is None:
            return None
        try:
            try:
                return self.flow.proceed()
            except Stale:  # hung up between two letters, as in `_carry`: once more on a new connection
                return self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> Outcome | None:
        connection = self._usable()
        if self.flow is None or self.flow.connection is not connection:
            if not connection.can_multiplex:
                return self._carry()
            self.flow = Flow(connection)
        try:
            return self.flow.start(*self._letter)
        except Stale:  # hung up since the last letter, as in `_carry`: once more on a new connection, which is none
            return self._start()

    def _take(self, envelope: Envelope, message: bytes) -> Outcome | None:
        """Keep a letter until it has its outcome; one at once where no server may see such an envelope."""
        if self._closed:
            raise SenderError(f"{self._peer}: this session is closed")
        self._letter = (envelope if envelope.recipient.isascii() else _with_ascii_domain(envelope), message)
        return check_envelope(envelope)

    def _carry(self) -> Outcome:
        """A server may have hung up between two letters, as after a number of its own: that is no trouble yet."""
        if self.flow and self._connection.is_open:
            self._connection.open_socket.settimeout(self._peer.reply_timeout)
        self.flow = None
        try:
            return self._usable().carry(*self._letter)
        except Stale:
            return self._usable().carry(*self._letter)

    def _usable(self) -> Connection:
        if not self._connection.is_open or self._connection.carried >= self._peer.per_connection:
            self._connection.farewell()
            self._connection = dial(self._peer)
        return self._connection

    def close(self) -> None:
        """QUIT; never raises."""
        self._closed = True
        self.flow = None
        self._connection.farewell()


def _with_ascii_domain(envelope: Envelope) -> Envelope:
    """The recipient's domain as A-labels (RFC 5891): then only a local part outside ASCII needs SMTPUTF8."""
    from email_validator import EmailNotValidError, validate_email

    try:
        found = validate_email(envelope.recipient, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return envelope
    return envelope._replace(recipient=found.ascii_email or envelope.recipient)
