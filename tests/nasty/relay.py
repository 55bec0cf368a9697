"""A relay that misbehaves by a script: `FaultySmtp` with more ways to be bad. It records what truly arrived."""

from __future__ import annotations

import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from itertools import count

from tests.support.faulty_smtp import DROP, STALL, AcceptedEmail, Fault, FaultySmtp, ServerBehavior, SmtpSession

# What a relay can do instead of a reply.
RESET = "reset"  # RST instead of FIN
HALF_CLOSE = "half-close"  # sends no more, and reads on
SILENT = ""  # no reply to this one, but the connection stays
ENDLESS = "endless"  # a reply whose lines never end
__all__ = ["DROP", "ENDLESS", "HALF_CLOSE", "RESET", "SILENT", "STALL", "Bad", "Manners", "NastySmtp"]

Clock = Callable[[], datetime]


@dataclass
class Bad(Fault):
    """What goes wrong. does: as in `Fault`, one of the words above, or bytes that are sent as they are.

    `{id}` in a reply is a new number each time, and `{to}` the recipient. A reply of the class that the stage expects counts
    as its good one, and so does silence; at `dot`, nothing does. to: patterns of recipients, separated by spaces.

    per: what `first`, `every` and `times` count: chances of the "server", of a "connection", or of a "recipient".
    lasts: it happens only so long after the first chance, by the clock of the newsletter. window: `first` counts anew in
    each of them, so `first=5` is a limit of five. pause: seconds between two octets of the reply.
    """

    does: str | bytes = ""  # type: ignore[assignment]
    per: str = "server"
    lasts: timedelta | None = None
    window: timedelta | None = None
    pause: float = 0
    clock: Clock = lambda: datetime.min.replace(tzinfo=UTC)
    _seen: Counter[str] = field(default_factory=Counter, init=False, repr=False)
    _hits: Counter[str] = field(default_factory=Counter, init=False, repr=False)
    _since: dict[str, datetime] = field(default_factory=dict, init=False, repr=False)

    def happens(self, stage: str, recipient: str) -> bool:
        """Count a chance, and say whether it goes wrong this time."""
        if stage != self.stage or not any(fnmatchcase(recipient, pattern) for pattern in self.to.split()):
            return False
        key = {"server": "", "connection": threading.current_thread().name}.get(self.per, recipient)
        now = self.clock()
        if self.window and now - self._since.setdefault(key, now) >= self.window:
            self._since[key] = now
            self._seen[key] = 0
        self._seen[key] += 1
        past = self._seen[key] - self.first
        over = self.lasts is not None and now - self._since.setdefault(key, now) >= self.lasts
        if past <= 0 or past % self.every or over or 0 < self.times <= self._hits[key]:
            return False
        self._hits[key] += 1
        return True


@dataclass
class Manners(ServerBehavior):
    """How the relay behaves when nothing fails.

    greeting, ehlo: these replies instead. forgets: after each command it throws away what else has arrived, as a server
    does that offers PIPELINING without having it. at_once: connections that it serves at the same time; others get
    `excess`, a reply or STALL, which means that they wait.
    """

    greeting: str = ""
    ehlo: str = ""
    forgets: bool = False
    at_once: int = 0
    excess: str = STALL


class NastySmtp(FaultySmtp):
    """The relay. clock: the one of the newsletter, once there is one. `heal` makes it a good relay."""

    clock: Clock

    def __init__(self, faults: Sequence[Bad], manners: Manners) -> None:
        self.manners = manners
        self.ids = count(1000)
        self.slots = threading.Semaphore(manners.at_once) if manners.at_once else None
        super().__init__([replace(fault, clock=self.now) for fault in faults], manners)

    def session(self, connection: socket.socket) -> SmtpSession:
        return _NastySession(self, connection)

    def now(self) -> datetime:
        """The time of the newsletter."""
        return self.clock()

    def heal(self) -> None:
        """Be good from now on; who waits is let go."""
        with self._lock:
            self.faults.clear()
            self.behavior = self.manners = replace(self.manners, greeting="", ehlo="", forgets=False)
            self.behavior.pipelining, self.behavior.split, self.behavior.size = True, 0, None
        slots, self.slots = self.slots, None
        if slots:
            slots.release(1000)

    def take(self, email: AcceptedEmail) -> None:
        with self._lock:
            super().take(email)

    @property
    def arrived(self) -> Counter[str]:
        """How many copies of an email each recipient truly has."""
        with self._lock:
            return Counter(email.recipient for email in self.emails)

    def said(self, verb: str) -> int:
        """How often a command was given."""
        return sum(command.upper().startswith(verb) for command in self.commands)


class _NastySession(SmtpSession):
    server: NastySmtp

    def run(self) -> None:
        slots = self.server.slots
        if slots is None:
            return super().run()
        if not slots.acquire(blocking=self.server.manners.excess == STALL):
            self._reply(self.server.manners.excess)
            return None
        try:
            return super().run()
        finally:
            slots.release()

    def _answer(self, stage: str, good: str) -> bool:
        manners = self.server.manners
        other = {"banner": manners.greeting, "ehlo": manners.ehlo}.get(stage)
        return super()._answer(stage, other or good)

    def _strike(self, fault: Fault) -> bool:
        does: str | bytes = fault.does
        if does in (DROP, STALL):
            super()._strike(fault)
        elif does == RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            raise EOFError
        elif does == HALF_CLOSE:
            self._flush()
            self.connection.shutdown(socket.SHUT_WR)
            while self.connection.recv(65_536):
                pass
            raise EOFError
        elif does == ENDLESS:
            while not self.server.released.is_set():
                self.connection.sendall(b"250-and another line\r\n" * 50)
            raise EOFError
        return self._say(fault, does)

    def _say(self, fault: Fault, does: str | bytes) -> bool:
        if isinstance(does, bytes):
            self.outgoing += does
        elif does:
            self._reply(does.replace("{id}", f"{next(self.server.ids):x}").replace("{to}", self.tried))
        if isinstance(fault, Bad) and fault.pause:
            self._drip(fault.pause)
        self._flush()
        if fault.disconnect or does[:3] in ("421", b"421"):
            raise EOFError
        good = b"3" if fault.stage == "data" else b"2"
        said = does.encode() if isinstance(does, str) else does
        return fault.stage != "dot" and (
            not said or any(line.startswith(good) for line in said.replace(b"|", b"\n").splitlines())
        )

    def _drip(self, pause: float) -> None:
        slow, self.outgoing = self.outgoing, bytearray()
        for octet in slow:
            self.connection.sendall(bytes([octet]))
            if self.server.released.wait(pause):
                raise EOFError

    def _line(self) -> bytes:
        line = super()._line()
        if self.server.manners.forgets:
            self.received.clear()
        return line
