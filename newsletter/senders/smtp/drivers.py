"""Two drivers of an SMTP dialogue: one that waits for the server, and one for many connections in one thread."""

from __future__ import annotations

import math
import select
import time

from newsletter.domain.delivery.outcome import Envelope, Outcome
from newsletter.senders.smtp.connection import CHUNK, Connection, remaining
from newsletter.senders.smtp.dialogue import Lost
from newsletter.senders.smtp.options import SmtpOptions


def send_blocking(connection: Connection, envelope: Envelope, message: bytes) -> Outcome:
    """Send one message as `ports.sending.Session.send` does, over any kind of connection.

    Raises Stale if the connection was gone before the message began and had sent others before.
    """
    dialogue, options, unsent = connection.dialogue, connection.options, False
    patience = connection.command_timeout
    began = time.monotonic()
    deadline = began + patience
    try:
        step = dialogue.start(envelope, message)
        while isinstance(step, bytes):
            if step:
                unsent = True
                if dialogue.awaits_final_reply:
                    _note_time(options, time.monotonic() - began)
                connection.open_socket.settimeout(options.reply_timeout)
                connection.open_socket.sendall(step)
                unsent = False
                deadline = time.monotonic() + (options.final_timeout if dialogue.awaits_final_reply else patience)
            connection.open_socket.settimeout(remaining(deadline))
            step = dialogue.advance() or dialogue.receive(connection.open_socket.recv(CHUNK))
    except OSError as error:
        return connection.abort(error, unsent=unsent)
    if not dialogue.is_usable:
        connection.close_quietly()
    return step


class NonblockingDriver:
    """Never waits: call `start`, then `proceed` whenever the socket is ready, until there is an outcome.

    For plain connections with PIPELINING only, see `Connection.can_multiplex`.
    descriptor, events: what to wait for, as `select.poll` has it.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.descriptor = connection.open_socket.fileno()
        self.events = select.POLLIN
        self._dialogue = connection.dialogue
        self._socket = connection.open_socket
        self._socket.setblocking(False)
        self._deadline = math.inf
        self._patience = connection.command_timeout
        self._began = 0.0
        self._unsent: bytes | memoryview = b""

    def start(self, envelope: Envelope, message: bytes) -> Outcome | None:
        """Send the commands; returns an outcome if the message cannot be sent. Raises as `proceed`."""
        self._patience = self.connection.command_timeout
        try:
            step = self._dialogue.start(envelope, message)
            if not isinstance(step, bytes):
                return step
            self._send(step)
            if self._unsent:
                raise Lost("it does not read commands")
        except OSError as error:
            return self._abort(error)
        return None

    def proceed(self) -> Outcome | None:
        """Go as far as the socket allows; returns the outcome once there is one.

        Raises SenderError as `send_blocking` does.
        """
        try:
            if self._unsent:
                self._send_more()
                return None
            step = self._dialogue.advance() or self._dialogue.receive(self._socket.recv(CHUNK))
            if isinstance(step, bytes):
                if step:
                    self._send(step)
                return None
        except BlockingIOError:
            return self._abort(TimeoutError()) if self.is_overdue(time.monotonic()) else None
        except OSError as error:
            return self._abort(error)
        self._deadline = math.inf
        if not self._dialogue.is_usable:
            self.connection.close_quietly()
        return step

    def is_overdue(self, now: float) -> bool:
        """Has the server been silent for too long? now: monotonic seconds. `proceed` then ends the message."""
        return now >= self._deadline

    def _send_more(self) -> None:
        before, was_overdue = len(self._unsent), self.is_overdue(time.monotonic())
        self._send(self._unsent)
        if len(self._unsent) == before and was_overdue:
            raise TimeoutError

    def _send(self, data: bytes | memoryview) -> None:
        """Write what the socket takes; the rest stays in `_unsent` until there is room."""
        try:
            written = self._socket.send(data)
        except BlockingIOError:
            written = 0
        options, now = self.connection.options, time.monotonic()
        if self._dialogue.awaits_final_reply:
            if self._began:
                _note_time(options, now - self._began)
                self._began = 0.0
            # RFC 5321 section 4.5.3.2.6: the server may take 10 minutes to reply to the dot.
            limit = options.final_timeout
        else:
            self._began, limit = now, self._patience
        if written == len(data):
            self._unsent, self.events = b"", select.POLLIN
        else:
            self._unsent, self.events = memoryview(data)[written:], select.POLLOUT
            limit = options.reply_timeout
        self._deadline = now + limit

    def _abort(self, error: OSError) -> Outcome:
        self._deadline = math.inf
        return self.connection.abort(error, unsent=bool(self._unsent))


def _note_time(options: SmtpOptions, seconds: float) -> None:
    """The replies to the commands before a message have taken so long."""
    if seconds > options.recipient_timeout / 2:
        options.experience.was_slow()
