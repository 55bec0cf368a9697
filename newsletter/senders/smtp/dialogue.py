"""The SMTP mail transaction without sockets and clocks: server bytes in, bytes to send out, and an outcome.

`senders.smtp.drivers` connects a dialogue to a socket. Section numbers are those of RFC 5321 unless they name another RFC.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from newsletter.domain.delivery.outcome import Envelope, InDoubt, Outcome, Rejected, Reply, Stage
from newsletter.domain.errors import ConnectionEnded, RelayRefusal, SenderError
from newsletter.mail.replies import classify, is_about_us, parse_reply
from newsletter.senders.base import rejected
from newsletter.senders.smtp.experience import Experience

_MAX_BUFFER = 16_384  # section 4.5.3.1.5 asks for 512 octets a line; some servers send more
_MAX_LINES = 100
_SPACE = ord(" ")
_DOT_LINE = re.compile(rb"\n\.")  # takes a third of the time of `in` over 17 KB
_GO_AHEAD = re.compile(rb"2\d\d [^\n]*\n2\d\d [^\n]*\n354 [^\n]*\n")
_STAGES = (Stage.MAIL, Stage.RCPT, Stage.DATA)

# The reply that is awaited. Plain numbers, because looking up the members of an enum took a microsecond per message.
_MAIL, _RCPT, _DATA = range(3)  # to a command
_FINAL = 3  # to the dot that ends the message
_RESET = 4  # to the RSET or the lone dot that ends a refused transaction

REFUSED_FIX = (
    "Check that your mail server accepts the address in NEWSLETTER_FROM and your account; if it accepts no other envelope"
    " sender, set NEWSLETTER_ENVELOPE=plain"
)
NOT_SIGNED_IN = 530  # RFC 4954 section 6
SIGN_IN_FIX = "Write user and password in NEWSLETTER_SENDER_URL, as in smtp://user:password@host:587"
_TOO_EARLY = "it sent a reply before it had the message"
# RFC 3463: too many recipients. An email of ours has one, so this is about the connection.
_TOO_MANY = re.compile(r"^[45]\.5\.3 |too many recipients", re.IGNORECASE)
# Replies to the first group of commands which show that a server takes them one by one, although it offers PIPELINING.
_OUT_OF_STEP = {Stage.MAIL: (500, 501, 503), Stage.RCPT: (500, 503), Stage.DATA: (500, 503)}
Step = bytes | Outcome  # bytes to send (none: wait for more from the server), or what became of the message


class Lost(ConnectionError):
    """The dialogue cannot go on: the server hung up, replied 421, or sent something that is not SMTP."""


class Closing(Lost):
    """A 421: the server closes the connection and has not done what was asked (section 3.8)."""


class Stale(ConnectionEnded):
    """A connection that had sent messages before was gone when the next one began; a new connection may work."""


class Extensions(NamedTuple):
    """The extensions of a server that matter to a transaction. size: None if not offered, 0 if it names no limit."""

    pipelining: bool = False
    eightbit: bool = False
    smtputf8: bool = False
    size: int | None = None

    @classmethod
    def parse(cls, features: Mapping[str, str]) -> Extensions:
        """Read the features of an EHLO reply as smtplib has them: lower-case keyword to parameters."""
        limit = features.get("size", "").strip()
        size = int(limit) if limit.isascii() and limit.isdigit() and len(limit) < 20 else 0
        return cls(
            pipelining="pipelining" in features,
            eightbit="8bitmime" in features,
            smtputf8="smtputf8" in features,
            size=size if "size" in features else None,
        )


class ReplyReader:
    """Splits the bytes of a server into replies. unread: what came after the last reply that was taken."""

    def __init__(self) -> None:
        self.unread = b""

    def feed(self, chunk: bytes) -> None:
        """Add what the server sent. Raises Lost if that is nothing, as at the end of a connection, or far too much."""
        if not chunk:
            raise Lost("it closed the connection")
        if len(self.unread) > _MAX_BUFFER:
            raise Lost("its reply does not end")
        self.unread += chunk

    def take(self) -> tuple[int, bytes] | None:
        """Take one whole reply: its code, and its lines joined by LF (section 4.2.1); None if its end is still missing.

        Raises Closing for a 421 and Lost for anything that is not a reply.
        """
        rest = self.unread
        if not rest:
            return None
        end = rest.find(b"\n")
        # Nearly every reply is one line.
        if end > 3 and rest[3] == _SPACE and rest[:3].isdigit() and rest[:3] != b"421":
            self.unread = rest[end + 1 :]
            return int(rest[:3]), rest[4:end].strip()
        return self._take_lines()

    def _take_lines(self) -> tuple[int, bytes] | None:
        lines: list[bytes] = []
        start = 0
        while (end := self.unread.find(b"\n", start)) >= 0:
            line = self.unread[start:end]
            start = end + 1
            code, mark = line[:3], line[3:4]
            if not (code.isdigit() and len(code) == 3 and mark in b" -\r") or len(lines) > _MAX_LINES:
                raise Lost(f"this is not an SMTP reply: {line[:80].decode('ascii', 'replace')!r}")
            if code[0] != self.unread[0]:  # section 4.2.1: all lines have the same code; nobody knows which one counts
                raise Lost(f"its reply has two codes: {self.unread[:3].decode()} and {code.decode()}")
            lines.append(line[4:].strip())
            if mark != b"-":
                break
        else:
            return None
        self.unread = self.unread[start:]
        if code == b"421":
            raise Closing(str(parse_reply(Stage.MAIL, 421, b"\n".join(lines)))[:204])
        return int(code), lines[0] if len(lines) == 1 else b"\n".join(lines)


class Dialogue:
    """The transactions of one connection, one after the other (section 3.3).

    `start` gives the first Step. Send its bytes, then alternate `advance` and `receive` until a Step is an outcome.
    All of them, and `lost`, raise SenderError when the relay is at fault; the connection must then be closed.

    finished: how many transactions had an outcome. is_usable: whether the connection can be used for another one.
    awaits_final_reply: whether the server now has the longer time limit for its reply to the dot (section 4.5.3.2.6).
    """

    def __init__(
        self, relay: str, replies: ReplyReader, extensions: Extensions, experience: Experience | None = None
    ) -> None:
        self.finished = 0
        self.is_usable = True
        self.awaits_final_reply = False
        self._relay = relay
        self._replies = replies
        self._extensions = extensions
        self._experience = experience or Experience()
        self._pipelining = extensions.pipelining and self._experience.pipelines is not False
        self._awaited = _MAIL
        self._commands: list[bytes] = []
        self._data = b""
        self._refusal: Reply | None = None
        self._refused = 0
        self._last_deferred = self._deferred_in_a_row = 0

    @property
    def pipelines(self) -> bool:
        """Are commands sent together (RFC 2920)?"""
        return self._pipelining

    @property
    def may_be_out_of_step(self) -> bool:
        """Are commands sent together, and is it not known yet whether the server can do that?"""
        return self._pipelining and self._experience.pipelines is None

    @property
    def is_busy(self) -> bool:
        """Has a transaction begun, and had no outcome?"""
        return self._awaited != _MAIL

    def start(self, envelope: Envelope, message: bytes) -> Step:
        """Begin a transaction. The outcome is a refusal of our own if the server does not offer what the message needs.

        Raises Lost if the server sent something before it was asked, such as a 421: it would be taken for a reply.
        """
        # Refused before a byte is sent, so the connection stays usable.
        mail = self._mail_command(envelope, message)
        if isinstance(mail, Rejected):
            return mail
        self._data = with_dot(message, dot_free=envelope.dot_free)
        if self._replies.unread:
            self._replies.take()
            raise Lost("it sent a reply before it was asked")
        commands = (mail, f"RCPT TO:<{envelope.recipient}>\r\n", "DATA\r\n")
        if self._pipelining:  # RFC 2920: three commands in one write
            return "".join(commands).encode()
        self._commands = [command.encode() for command in commands]
        return self._commands[_MAIL]

    def receive(self, chunk: bytes) -> Step:
        """Take what the server sent, empty at the end of the connection. Raises Lost if the dialogue cannot go on."""
        replies = self._replies
        replies.feed(chunk)
        # Nearly always the three replies of a pipelining server arrive together and are positive.
        if self._awaited == _MAIL and self._pipelining and _GO_AHEAD.fullmatch(replies.unread):
            replies.unread = b""
            return self._send_message()
        return self.advance()

    def advance(self) -> Step:
        """Go on with the replies that have been received but not been used yet. Raises as `receive`."""
        if self._replies.unread:
            while (reply := self._replies.take()) is not None:
                if step := self._handle(*reply):
                    return step
        return b""

    def lost(self, error: OSError, *, unsent: bool = False, last: tuple[int, bytes] | None = None) -> Outcome:
        """What the loss of the connection means for the message.

        unsent: some bytes of the last Step were never sent. last: the reply the server gave although it was cut off.
        Raises Stale or another SenderError if the message is known not to be accepted.
        """
        if self._refusal:  # the refusal stands; only the connection is lost
            return self._judge(self._refusal)
        is_late = isinstance(error, TimeoutError)
        what = "it gave no reply in time" if is_late else str(error)
        reply = self._no_reply(error, what)
        if self._awaited < _FINAL:
            if is_late or (self._awaited > _MAIL and not isinstance(error, Closing)):
                self._failed()
            raise self._gone(what, reply, is_late=is_late) from None
        if unsent:  # the last octet was never sent, so nothing was accepted
            if last and last[0] >= 400:
                return self._judge(parse_reply(Stage.DOT, *last))
            how = "stopped reading" if is_late else f"hung up ({error})"
            how = f"it {how} in the middle of the message"
            raise self._gone(how, reply._replace(text=f"to the message: {how}"), is_late=is_late) from None
        # Section 3.8: with a 421, the server has not done what was asked, so the message was not accepted.
        if isinstance(error, Closing):
            raise self._gone(what, reply, is_late=False) from None
        return InDoubt(Reply(Stage.DOT, 0, "", f"to the dot: {what}"))

    # -- inside ----------------------------------------------------------------------------------

    def _mail_command(self, envelope: Envelope, message: bytes) -> str | Rejected:
        """MAIL FROM with the parameters this message needs, or a refusal if the server does not offer one of them.

        No message is changed to fit.
        """
        extensions = self._extensions
        parameters = ""
        if not (envelope.sender.isascii() and envelope.recipient.isascii()):
            parameters = " SMTPUTF8"
            if not extensions.smtputf8:
                text = "not sent: the address needs SMTPUTF8, and the server does not offer it"
                return rejected(Stage.RCPT, 553, "5.6.7", text)  # RFC 6531 section 3.2
        if not message.isascii():
            parameters = f" BODY=8BITMIME{parameters}"
            if not extensions.eightbit:
                text = "not sent: the message needs 8BITMIME, and the server does not offer it"
                return rejected(Stage.DATA, 554, "5.6.3", text)  # RFC 6152 section 3
        if extensions.size is not None:
            parameters = f" SIZE={len(message)}{parameters}"
            if 0 < extensions.size < len(message):
                text = f"not sent: {len(message)} octets, the server takes at most {extensions.size}"
                return rejected(Stage.MAIL, 552, "5.3.4", text)  # RFC 1870 section 6.1
        return f"MAIL FROM:<{envelope.sender}>{parameters}\r\n"

    def _handle(self, code: int, text: bytes) -> Step:
        if self._awaited < _FINAL:
            return self._handle_command_reply(code, text)
        refusal = self._refusal
        if refusal:
            # Section 4.1.1.5: RSET is always answered with 250. A server that does not do so is out of step with us.
            self.is_usable = self.awaits_final_reply or code == 250
        reply = refusal or parse_reply(Stage.DOT, code, text)
        outcome = self._judge(reply)
        if refusal or code >= 400:
            self._count_refusal(reply)
        if not self.finished:
            self._experience.worked(pipelining=self._pipelining, was_deferred=reply.code // 100 == 4)
        self.finished += 1
        self._awaited, self._refusal, self.awaits_final_reply = _MAIL, None, False
        return outcome

    def _handle_command_reply(self, code: int, text: bytes) -> Step:
        """Read a reply to MAIL, RCPT or DATA. With PIPELINING all three are read, whatever the first one says."""
        stage = _STAGES[self._awaited]
        self._awaited += 1
        is_accepted = code // 100 == (3 if stage is Stage.DATA else 2)
        if not (is_accepted or self._refusal):
            reply = parse_reply(stage, code, text)
            if self.may_be_out_of_step and (code < 400 or code in _OUT_OF_STEP[stage]):
                self._failed()  # this email is tried again with single commands, and then its reply counts
                raise self._trouble(f"it answered {reply} to {stage.upper()} in a group of commands", reply)
            self._refusal = reply
        if self._pipelining and stage is not Stage.DATA:
            return b""
        if self._refusal:
            if self._accepted and _TOO_MANY.search(f"{self._refusal.enhanced} {self._refusal.text}"):
                self._experience.worn_out(self._accepted)
                raise Stale(f"{self._relay}: it answered {self._refusal} after {self._accepted} emails")
            # Trouble ends here: after a refused MAIL, a lone dot could send an empty message to an accepted recipient.
            self._judge(self._refusal)
            # RFC 2920 section 3.1: a DATA that was accepted although no recipient was is ended by a lone dot.
            self._awaited, self.awaits_final_reply = _RESET, is_accepted
            return b".\r\n" if is_accepted else b"RSET\r\n"
        return self._send_message() if stage is Stage.DATA else self._commands[self._awaited]

    @property
    def _accepted(self) -> int:
        """How many emails this connection has sent."""
        return self.finished - self._refused

    def _count_refusal(self, refusal: Reply) -> None:
        """After some emails, a server may defer every other one on this connection, and accept them on a new one."""
        accepted = self._accepted
        self._refused += 1
        if refusal.code // 100 != 4:
            return
        is_next = self.finished == self._last_deferred + 1
        self._deferred_in_a_row = self._deferred_in_a_row + 1 if is_next else 1
        self._last_deferred = self.finished
        if accepted and self._deferred_in_a_row >= self._experience.deferrals:
            self._experience.worn_out(accepted)
            self.is_usable = False

    def _send_message(self) -> Step:
        if self._replies.unread:
            return self._judge_early_reply()
        self._awaited, self.awaits_final_reply = _FINAL, True
        return self._data

    def _judge_early_reply(self) -> Outcome:
        """What came together with the 354 is no reply to the dot, which was not sent yet: a 250 would count for nothing.

        Nothing was accepted, so a refusal is one of DATA, and anything else is trouble.
        """
        self._awaited, self.is_usable = _DATA, False
        reply = self._replies.take()
        if reply and reply[0] >= 400:
            return self._judge(parse_reply(Stage.DATA, *reply))
        raise self._trouble(_TOO_EARLY, Reply(Stage.DATA, 0, "", f"to DATA: {_TOO_EARLY}"))

    def _judge(self, reply: Reply) -> Outcome:
        """The outcome of the reply that ended a transaction; a refusal at MAIL is not about the subscriber, so it is trouble."""
        outcome = classify(reply)
        if outcome is None:
            what = f"it answered {reply} to {reply.stage.upper()}"
            if is_about_us(reply):
                fix = SIGN_IN_FIX if reply.code == NOT_SIGNED_IN else REFUSED_FIX
                raise RelayRefusal(f"{self._relay}: {what}", fix=fix)
            # A server may also refuse to go on with MAIL after some emails; that is about the connection, too.
            raise self._gone(what, reply, is_late=False) if reply.stage is Stage.MAIL else self._trouble(what, reply)
        if isinstance(outcome, InDoubt):
            self.is_usable = False  # it may have answered another command
        return outcome

    def _trouble(self, what: str, reply: Reply) -> SenderError:
        error = SenderError(f"{self._relay}: {what}")
        error.reply = reply
        return error

    def _failed(self) -> None:
        """Nothing was accepted on this connection yet, and pipelining may be the reason."""
        if not self.finished:
            self._experience.failed(self._relay, pipelining=self._pipelining)

    def _gone(self, what: str, reply: Reply, *, is_late: bool) -> SenderError:
        """The error for a lost connection. On one that has sent others before, it says little about this message."""
        return Stale(f"{self._relay}: {what}") if self.finished and not is_late else self._trouble(what, reply)

    def _no_reply(self, error: OSError, what: str) -> Reply:
        """What is recorded as the reply to the command that the server did not carry out."""
        stage = _STAGES[self._awaited] if self._awaited < _FINAL else Stage.DOT
        if isinstance(error, Closing):
            return parse_reply(stage, 421, str(error).removeprefix("421 "))
        return Reply(stage, 0, "", f"to {stage.upper() if stage is not Stage.DOT else 'the message'}: {what}")


def with_dot(message: bytes, *, dot_free: bool = False) -> bytes:
    """Stuff the dots of a message and end it with its dot (section 4.5.2). dot_free: no line begins with a dot.

    Every LF counts as the end of a line: a dot after a lone one must not be taken for the end by any server.
    """
    if not dot_free:
        if _DOT_LINE.search(message):
            message = message.replace(b"\n.", b"\n..")
        if message.startswith(b"."):
            message = b"." + message
    return message + (b".\r\n" if message.endswith(b"\r\n") or not message else b"\r\n.\r\n")
