"""One SMTP connection: connect, EHLO, TLS and AUTH are the library's, the mail transaction is our own.

Not the session: when a connection is used up or broken, `senders.smtp.sender` opens the next one.
All bytes from the server pass one buffer, also for the library's commands, so that nothing hides in a second one.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from typing import Any

from newsletter.domain.delivery.outcome import Envelope, InDoubt, Outcome, Reply, Stage
from newsletter.domain.errors import SenderError
from newsletter.mail.replies import classify, parse_reply
from newsletter.senders.base import rejected
from newsletter.senders.smtp.options import SmtpOptions

_MAX_BUFFER = 16_384  # RFC 5321 section 4.5.3.1.5 asks for 512 octets a line; some servers write more
_MAX_LINES = 100
_CHUNK = 448  # octets: longer than nearly all replies, and small enough for Python's quick allocator
_BLANK = ord(" ")
_DOT_LINE = re.compile(rb"\n\.")  # a third of the time that `in` takes over 17 KB
_GO_AHEAD = re.compile(rb"2\d\d [^\n]*\n2\d\d [^\n]*\n354 [^\n]*\n")
_LAST_WORDS_FOR = 2.0  # seconds to wait for the reply of a server that hung up in the middle of a letter
_QUIT_FOR = 5.0


class Lost(ConnectionError):
    """The dialogue cannot go on: the server hung up, said 421, or what it says is not SMTP."""


class Closing(Lost):
    """A 421: the server closes the channel and has not done what was asked (RFC 5321 section 3.8)."""


class Stale(SenderError):
    """A connection that has carried letters before was gone; a new one may well do."""


class Connection(smtplib.SMTP):
    """A connection that may carry letters until `is_open` is false. Made by `senders.smtp.connect`."""

    def __init__(self, peer: SmtpOptions, **library: Any) -> None:
        self.peer = peer
        self.carried = 0
        self.unread = b""
        self._pipelining = self._eightbit = self._utf8 = self._size = False
        self._size_limit = 0
        super().__init__(peer.host, peer.port, local_hostname=peer.hostname, timeout=peer.connect_timeout, **library)

    @property
    def is_open(self) -> bool:
        """May it carry a letter?"""
        return self.sock is not None

    @property
    def can_multiplex(self) -> bool:
        """Can it be driven without waiting? Plain connections with PIPELINING can; see `senders.smtp.transaction`."""
        return self._pipelining and self.is_open and not isinstance(self.sock, ssl.SSLSocket)

    def ready(self) -> None:
        """Take over from the library, after its last EHLO."""
        self._pipelining = self.has_extn("pipelining")
        self._eightbit = self.has_extn("8bitmime")
        self._utf8 = self.has_extn("smtputf8")
        self._size = self.has_extn("size")
        limit = self.esmtp_features.get("size", "").strip()
        self._size_limit = int(limit) if limit.isascii() and limit.isdigit() and len(limit) < 20 else 0
        self.open_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.open_socket.settimeout(self.peer.reply_timeout)

    def getreply(self) -> tuple[int, bytes]:
        """One reply for the library's commands. Raises Lost or another OSError, and is then closed."""
        try:
            self.open_socket.settimeout(self.peer.reply_timeout)
            return self._read()
        except OSError:
            self.close()
            raise

    def carry(self, envelope: Envelope, message: bytes) -> Outcome:
        """One transaction (RFC 5321 section 3.3), as `ports.sending.Session.send` has it. Closed after any trouble.

        Raises Stale if the connection was gone before the letter's data and had carried another one before.
        """
        refusal = self.cannot_carry(envelope, message)
        if refusal:
            return refusal
        try:
            reply = self._begin(
                self.mail_command(envelope, message).encode(), f"RCPT TO:<{envelope.recipient}>\r\n".encode()
            )
        except TimeoutError:
            self.close_quietly()
            raise SenderError(f"{self.peer}: it gave no reply in time") from None
        except OSError as error:
            self.close_quietly()
            raise (Stale if self.carried else SenderError)(f"{self.peer}: {error}") from None
        outcome = self.judge(reply) if reply else self._finish(message, dot_free=envelope.dot_free)
        self.carried += 1
        return outcome

    def farewell(self) -> None:
        """QUIT and close; never raises."""
        try:
            if self.sock is not None:
                self.sock.settimeout(_QUIT_FOR)
                self.sock.sendall(b"QUIT\r\n")
                self._read()
        except OSError:
            pass
        finally:
            self.close_quietly()

    # -- the transaction -----------------------------------------------------------------------

    def cannot_carry(self, envelope: Envelope, message: bytes) -> Outcome | None:
        """What this server has not offered to take is refused here: no letter is bent to fit."""
        if not self._utf8 and not (envelope.sender.isascii() and envelope.recipient.isascii()):
            text = "not sent: the address needs SMTPUTF8, and the server does not offer it"
            return rejected(Stage.RCPT, 553, "5.6.7", text)  # RFC 6531 section 3.2
        if not self._eightbit and not message.isascii():
            text = "not sent: the letter needs 8BITMIME, and the server does not offer it"
            return rejected(Stage.DATA, 554, "5.6.3", text)  # RFC 6152 section 3
        if 0 < self._size_limit < len(message):
            text = f"not sent: {len(message)} octets, the server takes at most {self._size_limit}"
            return rejected(Stage.MAIL, 552, "5.3.4", text)  # RFC 1870 section 6.1
        return None

    def mail_command(self, envelope: Envelope, message: bytes) -> str:
        """MAIL FROM with the parameters this server has offered and this letter needs."""
        command = f"MAIL FROM:<{envelope.sender}>"
        if self._size:
            command += f" SIZE={len(message)}"
        if self._eightbit and not message.isascii():
            command += " BODY=8BITMIME"
        if self._utf8 and not (envelope.sender.isascii() and envelope.recipient.isascii()):
            command += " SMTPUTF8"
        return f"{command}\r\n"

    def _begin(self, mail: bytes, rcpt: bytes) -> Reply | None:
        """Get as far as 354; otherwise the reply that refused the letter, with the connection ready for the next one."""
        self.expect_silence()
        return self._begin_at_once(mail, rcpt) if self._pipelining else self._begin_step_by_step(mail, rcpt)

    def expect_silence(self) -> None:
        """Raise Lost when words wait that nobody asked for, as a 421 before hanging up: they would shift every reply."""
        if self.unread:
            self._read()
            raise Lost("it speaks without being asked")

    def _begin_at_once(self, mail: bytes, rcpt: bytes) -> Reply | None:
        """RFC 2920: three commands in one write, then all three replies, whatever the first one says."""
        self.open_socket.sendall(mail + rcpt + b"DATA\r\n")
        mailed, named = self._read(), self._read()
        if mailed[0] // 100 != 2 or named[0] // 100 != 2:
            self._abandon(None)
            return parse_reply(Stage.MAIL, *mailed) if mailed[0] // 100 != 2 else parse_reply(Stage.RCPT, *named)
        data = self._read()
        if data[0] == 354:
            return None
        self._abandon(data[0])
        return parse_reply(Stage.DATA, *data)

    def _begin_step_by_step(self, mail: bytes, rcpt: bytes) -> Reply | None:
        for stage, command, wanted in ((Stage.MAIL, mail, 2), (Stage.RCPT, rcpt, 2), (Stage.DATA, b"DATA\r\n", 3)):
            self.open_socket.sendall(command)
            code, text = self._read()
            if code // 100 != wanted:
                self._abandon(code)
                return parse_reply(stage, code, text)
        return None

    def _abandon(self, data_code: int | None) -> None:
        """End a transaction without a letter; None: the reply to DATA is still on its way.

        The verdict stands already, so trouble here only costs the connection.
        """
        try:
            if data_code is None:
                data_code, _ = self._read()
            if data_code == 354:
                # RFC 2920 section 3.1: DATA was accepted although nobody is to have it; a lone dot ends it
                self.open_socket.sendall(b".\r\n")
                self.open_socket.settimeout(self.peer.final_timeout)
                self._read()
                self.open_socket.settimeout(self.peer.reply_timeout)
            else:
                self.open_socket.sendall(b"RSET\r\n")
                if self._read()[0] != 250:
                    self.farewell()
        except OSError:
            self.close_quietly()

    def _finish(self, message: bytes, *, dot_free: bool) -> Outcome:
        """Everything after 354: the letter, the dot, and the one reply that counts."""
        try:
            self.open_socket.sendall(with_dots(message, dot_free=dot_free))
        except OSError as error:
            # the last octet never left, so nothing was accepted
            reply = self.last_words()
            if reply is None:
                raise self._trouble(f"it hung up in the middle of the letter: {error}") from None
            return self.judge(reply)
        try:
            self.open_socket.settimeout(self.peer.final_timeout)
            reply = parse_reply(Stage.DOT, *self._read())
            self.open_socket.settimeout(self.peer.reply_timeout)
        except Closing as closing:
            raise self._trouble(str(closing)) from None
        except OSError as error:
            self.close_quietly()
            return InDoubt(Reply(Stage.DOT, 0, "", f"no reply to the dot: {error}"))
        return self.judge(reply)

    def judge(self, reply: Reply) -> Outcome:
        """Turn the reply that ended a transaction into an outcome; a refusal at MAIL is trouble, not the reader's."""
        outcome = classify(reply)
        if outcome is None:
            raise self._trouble(f"it answered {reply} to {reply.stage.upper()}")
        if isinstance(outcome, InDoubt):
            self.close_quietly()  # replies and commands are out of step
        return outcome

    def last_words(self) -> Reply | None:
        """The refusal of a server that hung up while the letter was on its way, if it said one."""
        try:
            self.open_socket.settimeout(_LAST_WORDS_FOR)
            code, text = self._read()
        except OSError:
            return None
        finally:
            self.close_quietly()
        return parse_reply(Stage.DOT, code, text) if code >= 400 else None

    def _trouble(self, what: str) -> SenderError:
        self.farewell()
        return SenderError(f"{self.peer}: {what}")

    # -- bytes ---------------------------------------------------------------------------------

    @property
    def open_socket(self) -> socket.socket:
        """The socket; raises Lost where there is none."""
        if self.sock is None:
            raise Lost("the connection is closed")
        return self.sock

    def _read(self) -> tuple[int, bytes]:
        """One whole reply, waited for."""
        while (reply := self.take_reply()) is None:
            self.receive()
        return reply

    def take_reply(self) -> tuple[int, bytes] | None:
        """One whole reply out of the buffer: its code, and its lines joined by LF (RFC 5321 section 4.2.1).

        None when its end has not come yet. Raises Closing for a 421, Lost for what is no reply.
        """
        rest = self.unread
        if not rest:
            return None
        end = rest.find(b"\n")
        # Nearly every reply is one line.
        if end > 3 and rest[3] == _BLANK and rest[:3].isdigit() and rest[:3] != b"421":
            self.unread = rest[end + 1 :]
            return int(rest[:3]), rest[4:end].strip()
        return self._take_lines()

    def take_go_ahead(self) -> bool:
        """Take the replies to MAIL, RCPT and DATA at once where all three are there and say yes, as nearly always."""
        if _GO_AHEAD.fullmatch(self.unread):
            self.unread = b""
            return True
        return False

    def _take_lines(self) -> tuple[int, bytes] | None:
        lines: list[bytes] = []
        start = 0
        while (end := self.unread.find(b"\n", start)) >= 0:
            line = self.unread[start:end]
            start = end + 1
            code, mark = line[:3], line[3:4]
            if not (code.isdigit() and len(code) == 3 and mark in b" -\r") or len(lines) > _MAX_LINES:
                raise Lost(f"this is not an SMTP reply: {line[:80].decode('ascii', 'replace')!r}")
            lines.append(line[4:].strip())
            if mark != b"-":
                break
        else:
            return None
        self.unread = self.unread[start:]
        if code == b"421":
            raise Closing(f"421 {b' '.join(lines)[:200].decode('utf-8', 'replace')}")
        return int(code), lines[0] if len(lines) == 1 else b"\n".join(lines)

    def receive(self) -> None:
        """Take some of what the socket has. Raises Lost at its end, BlockingIOError where there is nothing yet."""
        if len(self.unread) > _MAX_BUFFER:
            raise Lost("its reply does not end")
        chunk = self.open_socket.recv(_CHUNK)
        if not chunk:
            raise Lost("it closed the connection")
        self.unread += chunk

    def close_quietly(self) -> None:
        """Close without a word; never raises."""
        self.unread = b""
        try:
            self.close()
        except OSError:
            self.sock = None


class TlsConnection(Connection, smtplib.SMTP_SSL):
    """A connection that is encrypted from the first octet (RFC 8314)."""


def with_dots(message: bytes, *, dot_free: bool = False) -> bytes:
    """Dot-stuffed and ended by its dot (RFC 5321 section 4.5.2).

    Every LF counts as a line's end here: a lone one must not let a dot through that some server takes for the end.
    """
    if not dot_free:
        if _DOT_LINE.search(message):
            message = message.replace(b"\n.", b"\n..")
        if message.startswith(b"."):
            message = b"." + message
    return message + (b".\r\n" if message.endswith(b"\r\n") or not message else b"\r\n.\r\n")
