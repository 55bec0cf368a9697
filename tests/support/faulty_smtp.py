"""A real SMTP server for tests that can fail at every stage; it relays nothing.

In a test: `with FaultySmtp(faults=[Fault("rcpt", "550 5.1.1 no such user", to="bad@*")]) as server: …`
As a process: `python tests/support/faulty_smtp.py --port 2525 --log accepted.jsonl --fault 'rcpt=451 4.3.0 later;every=7'`
Each accepted message is one JSON line in the log, appended before the 250 leaves, so that the log survives `kill -9`.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import socket
import ssl
import threading
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Self

STAGES = ("banner", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "body", "dot", "accepted", "rset", "quit")
DROP, STALL = "drop", "stall"
_LOGGED = {"message_id": rb"^Message-ID:[ \t]*(?:\r\n[ \t]+)?(\S+)", "subject": rb"^Subject: ([^\r\n]*)"}


@dataclass
class Fault:
    """What fails, and at which stage. `does`: a reply (lines separated by |), or "drop", or "stall" (until `release`).

    body: after 354, in the middle of the message. dot: after the dot; the message is not accepted.
    accepted: the message is accepted and logged, but its 250 is not sent.
    to: only for recipients that match this pattern. first: successes before the first failure. times: how often, 0 = always.
    """

    stage: str
    does: str
    to: str = "*"
    first: int = 0
    every: int = 1
    times: int = 0
    disconnect: bool = False
    _chances: int = field(default=0, repr=False)
    _done: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        assert self.stage in STAGES, self.stage

    def happens(self, stage: str, recipient: str) -> bool:
        """Count a chance, and say whether it goes wrong this time."""
        if stage != self.stage or not fnmatchcase(recipient, self.to) or 0 < self.times <= self._done:
            return False
        self._chances += 1
        if self._chances <= self.first or (self._chances - self.first) % self.every:
            return False
        self._done += 1
        return True


@dataclass(frozen=True)
class AcceptedEmail:
    """An email the server accepted, in memory."""

    sender: str
    recipient: str
    message: bytes


@dataclass
class ServerBehavior:
    """How the server behaves when nothing fails. split: octets per packet, 0 = whole replies, several at a time."""

    pipelining: bool = True
    eightbit: bool = True
    smtputf8: bool = True
    size: int | None = 10_000_000
    multiline: bool = False
    data_without_recipients: bool = False
    split: int = 0
    users: Mapping[str, str] = field(default_factory=dict)
    starttls: ssl.SSLContext | None = None
    implicit: ssl.SSLContext | None = None
    after_go_ahead: bytes = b""


class FaultySmtp:
    """The server. `emails` and `commands` are kept if `keep`; `log` is a file to append to, or None."""

    def __init__(
        self,
        faults: Sequence[Fault] = (),
        behavior: ServerBehavior | None = None,
        *,
        log: Path | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
        keep: bool = True,
    ) -> None:
        self.faults = list(faults)
        self.behavior = behavior or ServerBehavior()
        self.keep = keep
        self.emails: list[AcceptedEmail] = []
        self.commands: list[str] = []
        self.connections = self.uninvited = 0
        self.released = threading.Event()
        self.stalling = threading.Event()
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if log else None
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((host, port), backlog=200)
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def url(self, *options: str, login: str = "", host: str = "127.0.0.1", scheme: str = "smtp") -> str:
        """A sender URL for this server, with options such as `reply_timeout=1s`."""
        return f"{scheme}://{login}{host}:{self.port}{'?' if options else ''}{'&'.join(options)}"

    def session(self, connection: socket.socket) -> SmtpSession:
        """What talks to one client."""
        return SmtpSession(self, connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def release(self) -> None:
        """End every stall; the stalled connections are then closed."""
        self.released.set()

    def stop(self) -> None:
        """Drop every connection and close the port, as a server that dies does."""
        self.release()
        _shut(self._listener)
        self._listener.close()
        self._acceptor.join()
        with self._lock:
            for connection in self._open:
                _shut(connection)
        for thread in self._threads:
            thread.join()
        if self._log is not None:
            os.close(self._log)
            self._log = None

    def fault(self, stage: str, recipient: str) -> Fault | None:
        """The first fault that happens now."""
        with self._lock:
            return next((fault for fault in self.faults if fault.happens(stage, recipient)), None)

    def take(self, email: AcceptedEmail) -> None:
        """Accept an email: write it to the log before the reply is sent."""
        if self._log is not None:
            line = {"sender": email.sender, "recipient": email.recipient}
            for name, pattern in _LOGGED.items():
                found = re.findall(pattern, email.message, re.IGNORECASE | re.MULTILINE)
                line[name] = b"".join(found[:1]).decode("ascii", "replace")
            line["sha256"] = hashlib.sha256(email.message).hexdigest()
            os.write(self._log, json.dumps(line).encode() + b"\n")
        if self.keep:
            self.emails.append(email)

    def track(self, gone: socket.socket, *talks: socket.socket) -> None:
        """Keep track of open connections, for `stop`."""
        with self._lock:
            self._open = (self._open - {gone}) | {*talks}

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self.track(connection, connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        dialogue = self.session(connection)
        with contextlib.suppress(OSError, EOFError):
            dialogue.run()
        self.track(dialogue.connection)
        dialogue.close()


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class SmtpSession:
    """One connection: commands in, replies out, strict enough about RFC 5321 to notice a client that is out of step."""

    def __init__(self, server: FaultySmtp, connection: socket.socket) -> None:
        self.server, self.behavior, self.connection = server, server.behavior, connection
        self.received = bytearray()
        self.outgoing = bytearray()
        self.sender: str | None = None
        self.recipients: list[str] = []
        self.line = self.tried = ""
        self.encrypted = False
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def run(self) -> None:
        if self.behavior.implicit:
            self._encrypt(self.behavior.implicit)
        self._answer("banner", "220 faulty.example ESMTP")
        verbs: dict[str, Callable[[], None]] = {
            "MAIL": self._mail, "RCPT": self._rcpt, "DATA": self._data, "RSET": self._rset, "EHLO": self._ehlo,
            "HELO": partial(self._reply, "250 faulty.example"), "STAR": self._starttls, "AUTH": self._auth, "QUIT": self._quit,
        }  # fmt: skip
        while True:
            self.line = self._line().decode("utf-8", "replace")
            if self.server.keep:
                self.server.commands.append(self.line)
            if self.received and not self.behavior.pipelining:
                self.server.uninvited += 1
                self._reply("503 5.5.0 pipelining was not offered")
                raise EOFError
            verbs.get(self.line[:4].upper(), partial(self._reply, "500 5.5.1 unknown command"))()

    def close(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._flush()
        self.connection.close()

    # -- commands ------------------------------------------------------------------------------

    def _ehlo(self) -> None:
        offered, polite = ["faulty.example"], self.behavior
        offered += ["PIPELINING"] * polite.pipelining + ["8BITMIME"] * polite.eightbit + ["SMTPUTF8"] * polite.smtputf8
        offered += [f"SIZE {polite.size}"] * (polite.size is not None) + ["AUTH PLAIN LOGIN"] * bool(polite.users)
        offered += ["STARTTLS"] * (polite.starttls is not None and not self.encrypted)
        self._reset()
        self._answer("ehlo", "|".join(["250-" + name for name in offered[:-1]] + ["250 " + offered[-1]]))

    def _starttls(self) -> None:
        if self.behavior.starttls is None:
            self._reply("502 5.5.1 not offered")
        elif self._answer("starttls", "220 2.0.0 go ahead"):
            self.outgoing += self.behavior.after_go_ahead
            self._flush()
            self.received.clear()
            self._encrypt(self.behavior.starttls)

    def _auth(self) -> None:
        _, mechanism, *first = self.line.split()
        if mechanism.upper() == "PLAIN":
            _, user, password = b64decode(first[0]).decode().split("\0")
        else:
            self._reply("334 UGFzc3dvcmQ6")
            user, password = b64decode(first[0]).decode(), b64decode(self._line()).decode()
        taken = self.behavior.users.get(user) == password
        self._answer("auth", "235 2.7.0 welcome" if taken else "535 5.7.8 wrong user or password")

    def _mail(self) -> None:
        if self.sender is not None:
            self._reply("503 5.5.1 nested MAIL")
        elif self._answer("mail", "250 2.1.0 ok"):
            self.sender = self._address()

    def _rcpt(self) -> None:
        self.tried = self._address()
        if self.sender is None:
            self._reply("503 5.5.1 RCPT without MAIL")
        elif self._answer("rcpt", "250 2.1.5 ok"):
            self.recipients.append(self.tried)

    def _data(self) -> None:
        if not self.recipients and not self.behavior.data_without_recipients:
            self._reply("503 5.5.1 no valid recipients")
        elif self._answer("data", "354 end with a lone dot"):
            message = self._body()
            if not self.recipients:
                self._reply("554 5.5.1 no valid recipients")
            elif self._answer("dot", "250"):
                self.server.take(AcceptedEmail(self.sender or "", self.recipients[0], message))
                self._answer("accepted", "250 2.0.0 taken")
            self._reset()

    def _rset(self) -> None:
        self._reset()
        self._answer("rset", "250 2.0.0 ok")

    def _reset(self) -> None:
        self.sender, self.recipients = None, []

    def _quit(self) -> None:
        self._answer("quit", "221 2.0.0 bye")
        raise EOFError

    # -- words ---------------------------------------------------------------------------------

    def _answer(self, stage: str, good: str) -> bool:
        """Send the good reply, or do what a fault says for this stage; returns whether nothing failed.

        `dot` is only a chance to fail: its good reply is sent at `accepted`.
        """
        fault = self.server.fault(stage, self.tried)
        if fault is None:
            if stage != "dot":
                self._reply(f"{good[:3]}-first|{good}" if self.behavior.multiline and "|" not in good else good)
            return True
        return self._strike(fault)

    def _strike(self, fault: Fault) -> bool:
        """Do what a fault says; returns whether the dialogue goes on as if nothing had failed."""
        if fault.does in (DROP, STALL):
            self._flush()
            if fault.does == STALL:
                self.server.stalling.set()
                self.server.released.wait()
            raise EOFError
        self._reply(fault.does)
        if fault.disconnect or fault.does.startswith("421"):
            raise EOFError
        return False

    def _address(self) -> str:
        return self.line[self.line.index("<") + 1 : self.line.index(">")]

    def _reply(self, text: str) -> None:
        self.outgoing += text.replace("|", "\r\n").encode() + b"\r\n"

    def _flush(self) -> None:
        """Send all replies so far in one packet, or in packets of `split` octets."""
        said = bytes(self.outgoing)
        self.outgoing.clear()
        step = self.behavior.split or len(said) or 1
        for at in range(0, len(said), step):
            self.connection.sendall(said[at : at + step])

    def _line(self) -> bytes:
        while (end := self.received.find(b"\n")) < 0:
            self._more()
        line = bytes(self.received[:end]).rstrip(b"\r")
        del self.received[: end + 1]
        return line

    def _body(self) -> bytes:
        """Read a message and undo its dot-stuffing."""
        fault = self.server.fault("body", self.tried)
        if fault:
            self._more()
            self._strike(fault)
            raise EOFError
        self.received[:0] = b"\r\n"  # so that a lone dot ends an empty message too
        while (end := self.received.find(b"\r\n.\r\n")) < 0:
            self._more()
        message = bytes(self.received[: end + 2])
        del self.received[: end + 5]
        return message.replace(b"\r\n.", b"\r\n")[2:]

    def _more(self) -> None:
        self._flush()
        chunk = self.connection.recv(65_536)
        if not chunk:
            raise EOFError
        self.received += chunk

    def _encrypt(self, context: ssl.SSLContext) -> None:
        plain, self.connection = self.connection, context.wrap_socket(self.connection, server_side=True)
        self.server.track(plain, self.connection)
        self.encrypted = True


def parse_fault(text: str) -> Fault:
    """`stage=what it does;to=pattern;every=n;first=n;times=n`."""
    (stage, does), *more = (part.split("=", 1) for part in text.split(";"))
    fields = dict(more)
    first, every, times = (int(fields.get(name, least)) for name, least in (("first", 0), ("every", 1), ("times", 0)))
    return Fault(stage, does, fields.get("to", "*"), first, every, times)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until the process is killed; prints the port first."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--fault", action="append", default=[], type=parse_fault)
    parser.add_argument("--no-pipelining", action="store_true")
    given = parser.parse_args(arguments)
    behavior = ServerBehavior(pipelining=not given.no_pipelining)
    server = FaultySmtp(given.fault, behavior, log=given.log, port=given.port, keep=False)
    print(server.port, flush=True)  # noqa: T201 - the parent process reads it
    server.released.wait()


if __name__ == "__main__":
    main()
