"""One SMTP transaction that never waits, so that one thread can carry letters over many connections.

The same dialogue as `senders.smtp.connection.Connection.carry`, for a plain connection with PIPELINING (RFC 2920) only; TLS, other
servers, connecting and signing in stay with the blocking one. A contract test holds the two side by side.
"""

from __future__ import annotations

import select
import time

from newsletter.domain.delivery.outcome import Envelope, InDoubt, Outcome, Reply, Stage
from newsletter.domain.errors import SenderError
from newsletter.mail.replies import parse_reply
from newsletter.senders.smtp.connection import Closing, Connection, Lost, Stale, with_dots

# What we wait for. Not an enum: to ask one for its members took a microsecond a letter.
_NOTHING = 0
_GO_AHEAD = 1  # the replies to MAIL, RCPT and DATA
_ROOM = 2  # room in the socket for the rest of the letter
_VERDICT = 3  # the reply to the dot
_UNWANTED = 4  # the reply to a DATA that came too late: the letter is refused already
_RESET = 5  # the reply that ends a refused transaction


class Flow:
    """Letters over one connection, one at a time: `start`, then `proceed` whenever the socket is ready.

    descriptor, events: what to wait for, as `select.poll` has it.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._socket = connection.open_socket
        self._socket.setblocking(False)
        self.descriptor = self._socket.fileno()
        self.events = select.POLLIN
        self._at = _NOTHING
        self._until = 0.0
        self._data = b""
        self._rest: bytes | memoryview = b""
        self._heard = 0
        self._said_rset = False
        self._outcome: Outcome | None = None

    def start(self, envelope: Envelope, message: bytes) -> Outcome | None:
        """Say who the letter is from and for; an outcome at once where it cannot be carried. Raises as `proceed`."""
        connection = self.connection
        refusal = connection.cannot_carry(envelope, message)
        if refusal:
            return refusal
        commands = f"{connection.mail_command(envelope, message)}RCPT TO:<{envelope.recipient}>\r\nDATA\r\n".encode()
        self._data = with_dots(message, dot_free=envelope.dot_free)
        self._heard, self._outcome = 0, None
        try:
            connection.expect_silence()
            self._write(commands, _GO_AHEAD, connection.peer.reply_timeout)
            if self._rest:
                raise Lost("it takes no commands")
        except OSError as error:
            return self._broken(error)
        return None

    def proceed(self) -> Outcome | None:
        """Go as far as the socket lets us; the outcome when the letter has one.

        Raises SenderTrouble (Stale, if a new connection may well do) as `Connection.carry` does.
        """
        try:
            if self._at == _ROOM:
                self._write_on()
                return None
            connection = self.connection
            while (reply := connection.take_reply()) is None:
                try:
                    connection.receive()
                except BlockingIOError:
                    if self.is_overdue(time.monotonic()):
                        raise TimeoutError("it gave no reply in time") from None
                    return None
                if self._at == _GO_AHEAD and not self._heard and connection.take_go_ahead():
                    self._flush(self._data)
                    return None
            return self._hear(reply)
        except OSError as error:
            return self._broken(error)

    def is_overdue(self, now: float) -> bool:
        """Has the server been silent for too long? now: monotonic seconds. `proceed` then ends the letter."""
        return self._at != _NOTHING and now >= self._until

    # -- inside ----------------------------------------------------------------------------------

    def _hear(self, reply: tuple[int, bytes] | None) -> Outcome | None:
        """Take the replies that are there, one by one."""
        while reply is not None:
            if self._at == _VERDICT:
                return self._done(self.connection.judge(parse_reply(Stage.DOT, *reply)))
            if self._at == _RESET:
                if self._said_rset and reply[0] != 250:
                    self.connection.close_quietly()
                return self._done(self._outcome)
            if self._at == _UNWANTED:
                self._abandon(reply[0])
            elif self._may_write_letter(reply):
                self._flush(self._data)
                return None
            reply = self.connection.take_reply()
        return None

    def _may_write_letter(self, reply: tuple[int, bytes]) -> bool:
        """One of the three replies to MAIL, RCPT and DATA, all of which are read whatever the first one says."""
        stage = (Stage.MAIL, Stage.RCPT, Stage.DATA)[self._heard]
        self._heard += 1
        if stage is Stage.DATA:
            if reply[0] == 354:
                return self._outcome is None
            self._outcome = self.connection.judge(parse_reply(stage, *reply))
            self._abandon(reply[0])
        elif reply[0] // 100 != 2:
            self._outcome = self.connection.judge(parse_reply(stage, *reply))
            self._at = _UNWANTED
        return False

    def _abandon(self, data_code: int) -> None:
        """RFC 2920 section 3.1: a DATA that was accepted although nobody is to have it is ended by a lone dot."""
        self._said_rset = data_code != 354
        self._write(b"RSET\r\n" if self._said_rset else b".\r\n", _RESET, self.connection.peer.final_timeout)

    def _flush(self, data: bytes | memoryview) -> None:
        self._write(data, _VERDICT, self.connection.peer.final_timeout)
        if self._rest:
            self._at, self._until = _ROOM, time.monotonic() + self.connection.peer.reply_timeout

    def _write_on(self) -> None:
        before, was_overdue = len(self._rest), self.is_overdue(time.monotonic())
        self._flush(self._rest)
        if len(self._rest) == before and was_overdue:
            raise TimeoutError("it took no more of it in time")

    def _write(self, data: bytes | memoryview, at: int, seconds: float) -> None:
        """Write what the socket takes, and wait for `at`; the rest stays in `_rest`, until there is room."""
        try:
            written = self._socket.send(data)
        except BlockingIOError:
            written = 0
        self._rest = b"" if written == len(data) else memoryview(data)[written:]
        self.events = select.POLLOUT if self._rest else select.POLLIN
        self._at, self._until = at, time.monotonic() + seconds

    def _done(self, outcome: Outcome | None) -> Outcome | None:
        self._at = _NOTHING
        self.connection.carried += 1
        return outcome

    def _broken(self, error: OSError) -> Outcome | None:
        """What the end of the connection means where we stand."""
        at, connection = self._at, self.connection
        self._at = _NOTHING
        if at in (_UNWANTED, _RESET):  # the verdict stands; only the connection is lost
            connection.close_quietly()
            return self._outcome
        if at == _ROOM:
            reply = connection.last_words()
            if reply is not None:
                return connection.judge(reply)
            raise SenderError(f"{connection.peer}: it hung up in the middle of the letter: {error}") from None
        if at == _VERDICT:
            connection.close_quietly()
            if isinstance(error, Closing):
                raise SenderError(f"{connection.peer}: {error}") from None
            return InDoubt(Reply(Stage.DOT, 0, "", f"no reply to the dot: {error}"))
        raise self._lost(error) from None

    def _lost(self, error: OSError) -> SenderError:
        """Gone before the letter's data: on a connection that has carried letters before, worth a new one."""
        connection = self.connection
        connection.close_quietly()
        is_stale = connection.carried and not isinstance(error, TimeoutError)
        return (Stale if is_stale else SenderError)(f"{connection.peer}: {error}")
