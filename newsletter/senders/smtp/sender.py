"""The `smtp` and `smtps` senders: sessions that renew their connection when it is used up or lost.

A session waits for replies (`send`), or its caller waits for many sessions at a time (`start`, `proceed`, `ready`).
"""

from __future__ import annotations

import select
import time
from collections.abc import Sequence
from typing import cast

from email_validator import EmailNotValidError, validate_email

from newsletter.domain.delivery.outcome import Envelope, Outcome
from newsletter.domain.errors import ConnectionEnded, SenderError
from newsletter.ports.sending import MultiplexSession, RelayCheck
from newsletter.senders.base import check_envelope
from newsletter.senders.smtp.check import check_relay
from newsletter.senders.smtp.connect import connect
from newsletter.senders.smtp.connection import Connection
from newsletter.senders.smtp.dialogue import Stale
from newsletter.senders.smtp.drivers import NonblockingDriver, send_blocking
from newsletter.senders.smtp.options import SmtpOptions
from newsletter.senders.url import SenderUrl


class SmtpSender:
    """One relay. connections: how many sessions it allows at a time. rates: its rate limits, kept by the caller."""

    def __init__(self, url: SenderUrl, hostname: str) -> None:
        self._options = SmtpOptions.from_url(url, hostname)
        self.connections = url.get_integer("connections", 10, maximum=1000)
        self.rates = url.rates()

    def open(self) -> SmtpSession:
        """Connect, greet, encrypt and sign in. Raises SenderError or AuthenticationFailed."""
        return SmtpSession(self._options)

    def check(self, senders: Sequence[str], recipient: str) -> RelayCheck:
        """As `ports.sending.CheckedSender.check`."""
        return check_relay(self._options, senders, recipient)

    def ready(self, sessions: Sequence[MultiplexSession], seconds: float) -> Sequence[MultiplexSession]:
        """Wait at most `seconds` until some of our sessions can proceed; returns those."""
        poller, waiting = select.poll(), {}
        for session in cast("Sequence[SmtpSession]", sessions):
            if driver := session.driver:
                poller.register(driver.descriptor, driver.events)
                waiting[driver.descriptor] = session
        found = [waiting[number] for number, _ in poller.poll(seconds * 1000)]
        if found:
            return found
        # Only when no socket is ready: a server that is silent for too long never becomes ready by itself.
        now = time.monotonic()
        return [session for session in waiting.values() if session.driver and session.driver.is_overdue(now)]


class SmtpSession:
    """Sends messages over one connection at a time, and over a new one when that is used up or lost.

    reconnects, is_patient: as in `ports.sending.Session`.
    """

    def __init__(self, options: SmtpOptions) -> None:
        self.reconnects = self.is_patient = True
        self.driver: NonblockingDriver | None = None
        self._options = options
        self._closed = False
        self._connection = connect(options)
        self._email = (Envelope("", ""), b"")

    @property
    def can_multiplex(self) -> bool:
        """As `ports.sending.MultiplexSession.can_multiplex`."""
        return self._connection.can_multiplex

    @property
    def is_spent(self) -> bool:
        """As `ports.sending.MultiplexSession.is_spent`."""
        connection = self._connection
        return connection.sock is None or connection.dialogue.finished >= connection.limit

    def send(self, envelope: Envelope, message: bytes) -> Outcome:
        """As `ports.sending.Session.send`."""
        refusal = self._take(envelope, message)
        if refusal:
            return refusal
        try:
            return self._send()
        except BaseException:
            self.close()
            raise

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
        if self.driver is None:
            return None
        try:
            try:
                return self.driver.proceed()
            except Stale as error:
                self._give_up_connection(error)
                return self._start()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """QUIT; never raises."""
        self._closed = True
        self.driver = None
        self._connection.quit_quietly()

    # -- inside ----------------------------------------------------------------------------------

    # A server may hang up between two messages, for instance after a number of its own. The connection is then Stale, and
    # the message is sent over a new one. A new connection is never Stale, so there is no third try.

    def _send(self) -> Outcome:
        self.driver = None
        try:
            return send_blocking(self._usable(), *self._email)
        except Stale as error:
            self._give_up_connection(error)
            return send_blocking(self._usable(), *self._email)

    def _start(self) -> Outcome | None:
        connection = self._usable()
        if self.driver is None or self.driver.connection is not connection:
            if not connection.can_multiplex:
                return self._send()
            self.driver = NonblockingDriver(connection)
        try:
            return self.driver.start(*self._email)
        except Stale as error:
            self._give_up_connection(error)
            return self._start()

    def _take(self, envelope: Envelope, message: bytes) -> Outcome | None:
        """Keep an email until it has its outcome; returns a refusal if no server can take such an envelope."""
        if self._closed:
            raise SenderError(f"{self._options}: this session is closed")
        self._email = (envelope if envelope.recipient.isascii() else _with_ascii_domain(envelope), message)
        return check_envelope(envelope)

    def _give_up_connection(self, error: Stale) -> None:
        """Make room for another connection, or raise the error if this session has only one."""
        if not self.reconnects:
            raise error
        self._connection.close_quietly()

    def _usable(self) -> Connection:
        """The connection, or a new one if it is closed or has sent its number of messages."""
        if self.is_spent:
            self._connection.quit_quietly()
            try:
                self._connection = connect(self._options)
            except SenderError as error:  # not about the message that waits for it
                raise ConnectionEnded(error.message, fix=error.fix) from error
        self._connection.is_patient = self.reconnects and self.is_patient
        return self._connection


def _with_ascii_domain(envelope: Envelope) -> Envelope:
    """The recipient's domain as A-labels (RFC 5891): then only a local part outside ASCII needs SMTPUTF8."""
    try:
        found = validate_email(envelope.recipient, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return envelope
    return envelope._replace(recipient=found.ascii_email or envelope.recipient)
