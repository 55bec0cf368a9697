"""One SMTP connection: smtplib does the connect, EHLO, TLS and AUTH; the mail transaction is `senders.smtp.dialogue`.

All bytes from the server pass one ReplyReader, including the replies to smtplib's commands, so that no second buffer hides any.
"""

from __future__ import annotations

import base64
import smtplib
import socket
import ssl
import time
from contextlib import suppress
from typing import Any

from newsletter.domain.delivery.outcome import Outcome
from newsletter.senders.smtp.dialogue import Dialogue, Extensions, Lost, ReplyReader
from newsletter.senders.smtp.options import SmtpOptions
from newsletter.senders.smtp.reach import reach

CHUNK = 448  # octets: longer than nearly all replies, and small enough for Python's fast allocator
_LAST_REPLY_TIMEOUT = 2.0  # seconds to wait for the reply of a server that hung up in the middle of a message
_QUIT_TIMEOUT = 5.0
_HIDDEN = b"***"
_SHORTEST = 4  # octets: a shorter password may be part of any word


class NoReply(TimeoutError):
    """The server was connected and did not reply in time; its text is a clause that says so."""


class Connection(smtplib.SMTP):
    """A connection made by `senders.smtp.connect`; it can send messages until `is_open` is false.

    limit: the number of messages after which it should be renewed.
    is_patient: whether the next message has the whole `reply_timeout` for each reply, even if the relay is mostly quick.
    """

    def __init__(self, options: SmtpOptions, **library: Any) -> None:
        self.options = options
        self.replies = ReplyReader()
        self.dialogue = Dialogue(str(options), self.replies, Extensions())
        self.is_patient = True
        self.limit = options.per_connection
        self._patience = options.greeting_timeout
        timeout = options.connect_timeout
        super().__init__(options.host, options.port, local_hostname=options.hostname, timeout=timeout, **library)

    @property
    def is_open(self) -> bool:
        """Can it send a message?"""
        return self.sock is not None

    @property
    def can_multiplex(self) -> bool:
        """Can it be driven without waiting? Plain connections with PIPELINING can."""
        return self.dialogue.pipelines and self.is_open and not isinstance(self.sock, ssl.SSLSocket)

    @property
    def command_timeout(self) -> float:
        """Seconds for the replies to MAIL, RCPT and DATA.

        Short for a relay that was quick before, and for a first group of commands, which may be too much for the relay.
        """
        options = self.options
        is_short = (options.experience.is_quick and not self.is_patient) or self.dialogue.may_be_out_of_step
        return options.recipient_timeout if is_short else options.reply_timeout

    @property
    def open_socket(self) -> socket.socket:
        """The socket; raises Lost if there is none."""
        if self.sock is None:
            raise Lost("the connection is closed")
        return self.sock

    def ready(self) -> None:
        """Take over from smtplib, after its last EHLO."""
        extensions = Extensions.parse(self.esmtp_features)
        self.dialogue = Dialogue(str(self.options), self.replies, extensions, self.options.experience)
        self.limit = self.options.experience.limit(self.options.per_connection)
        self._patience = self.options.reply_timeout
        # Nagle's algorithm would hold a short segment back until the server has acknowledged the one before.
        self.open_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def getreply(self) -> tuple[int, bytes]:
        """Read one reply for smtplib's commands. Raises Lost or another OSError, and is then closed."""
        try:
            code, text = self._read_reply(self._patience)
        except OSError as error:
            self.close()
            if isinstance(error, TimeoutError):
                raise NoReply(f"no reply in time ({self._patience:g} s)") from None
            raise
        self.open_socket.settimeout(self._patience)  # of the TLS handshake, which may follow
        return code, without_credentials(text, self.options.user, self.options.password)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """As smtplib has it: connect."""
        return reach(host, port, timeout)

    def abort(self, error: OSError, *, unsent: bool) -> Outcome:
        """Close a connection that failed during a transaction; returns and raises as `Dialogue.lost`."""
        last = None
        if unsent and self.dialogue.awaits_final_reply:
            # A server that does not like a message may refuse it and hang up before it has read the rest
            with suppress(OSError):
                last = self._read_reply(_LAST_REPLY_TIMEOUT)
        self.close_quietly()
        return self.dialogue.lost(error, unsent=unsent, last=last)

    def quit_quietly(self) -> None:
        """QUIT and close; never raises.

        In the middle of a transaction it does not wait: the server may be waiting for a message, and other emails wait for us.
        """
        patience = 0 if self.dialogue.is_busy else min(_QUIT_TIMEOUT, self.options.reply_timeout)
        try:
            if self.sock is not None:
                self.sock.settimeout(patience)
                self.sock.sendall(b"QUIT\r\n")
                self._read_reply(patience)
        except OSError:
            pass
        finally:
            self.close_quietly()

    def close_quietly(self) -> None:
        """Close without QUIT; never raises."""
        self.replies.unread = b""
        try:
            self.close()
        except OSError:
            self.sock = None

    def _read_reply(self, timeout: float) -> tuple[int, bytes]:
        """Wait for one whole reply. timeout: in seconds, for all of it: a server may not send it byte by byte."""
        deadline = time.monotonic() + timeout
        while (reply := self.replies.take()) is None:
            self.open_socket.settimeout(remaining(deadline))
            self.replies.feed(self.open_socket.recv(CHUNK))
        return reply


def remaining(deadline: float) -> float:
    """Seconds until a deadline, for `settimeout`, where 0 would mean "do not wait at all". Raises TimeoutError."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


class TlsConnection(Connection, smtplib.SMTP_SSL):
    """A connection that is encrypted from the first byte (RFC 8314)."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """As smtplib has it: connect and encrypt."""
        plain = super()._get_socket(host, port, timeout)
        try:
            return self.options.context.wrap_socket(plain, server_hostname=host)
        except OSError:
            plain.close()
            raise


def without_credentials(reply: bytes, user: str, password: str) -> bytes:
    """A reply without what some servers repeat of the AUTH command, since replies are logged and shown."""
    if not password:
        return reply
    forms = [f"\0{user}\0{password}", f"{user}\0{user}\0{password}", password, user]
    for form in forms:
        reply = reply.replace(base64.b64encode(form.encode()), _HIDDEN)
    return reply.replace(password.encode(), _HIDDEN) if len(password) >= _SHORTEST else reply
