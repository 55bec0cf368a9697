"""Every built-in sender passes the suite of `newsletter.testing`; what is special to one is tested elsewhere."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Session
from aiosmtpd.smtp import Envelope as Received

from newsletter.domain.delivery.outcome import Envelope
from newsletter.ports.sending import Sender
from newsletter.senders import make_sender
from newsletter.testing import MemorySender, ReceivedEmails, SenderContract, SentEmail
from tests.support.faulty_smtp import FaultySmtp, ServerBehavior


class _Keeper:
    """The handler that aiosmtpd calls for each email."""

    def __init__(self) -> None:
        self.emails: list[SentEmail] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Received) -> str:  # noqa: N802, ARG002 - the names are aiosmtpd's
        assert isinstance(envelope.content, bytes)
        [recipient] = envelope.rcpt_tos
        sender = (envelope.mail_from or "").removeprefix("<>")  # how aiosmtpd writes the null reverse-path
        self.emails.append(SentEmail(Envelope(sender, recipient), envelope.content))
        return "250 2.0.0 kept"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


class TestSmtpWithAiosmtpd(SenderContract):
    """A server that offers no PIPELINING: the plain dialogue."""

    @pytest.fixture
    def keeper(self) -> _Keeper:
        return _Keeper()

    @pytest.fixture
    def sender(self, keeper: _Keeper) -> Iterator[Sender]:
        server = Controller(keeper, hostname="127.0.0.1", port=_free_port(), enable_SMTPUTF8=True)
        server.start()
        try:
            yield make_sender(f"smtp://127.0.0.1:{server.port}", hostname="client.example")
        finally:
            server.stop()

    @pytest.fixture
    def arrived(self, keeper: _Keeper) -> ReceivedEmails:
        return lambda: keeper.emails


@pytest.mark.parametrize("pipelining", [True, False])
class TestSmtp(SenderContract):
    """With and without pipelining, against a server that rejects commands out of order."""

    @pytest.fixture
    def server(self, *, pipelining: bool) -> Iterator[FaultySmtp]:
        with FaultySmtp(behavior=ServerBehavior(pipelining=pipelining)) as server:
            yield server

    @pytest.fixture
    def sender(self, server: FaultySmtp) -> Sender:
        return make_sender(server.url(), hostname="client.example")

    @pytest.fixture
    def arrived(self, server: FaultySmtp) -> ReceivedEmails:
        return lambda: [SentEmail(Envelope(kept.sender, kept.recipient), kept.message) for kept in server.emails]


class TestMaildir(SenderContract):
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "mail with a space"

    @pytest.fixture
    def sender(self, folder: Path) -> Sender:
        return make_sender(folder.as_uri().replace("file:", "maildir:"), hostname="client.example")

    @pytest.fixture
    def arrived(self, folder: Path) -> ReceivedEmails:
        return lambda: [_without_envelope(file.read_bytes()) for file in (folder / "new").iterdir()]


def _without_envelope(kept: bytes) -> SentEmail:
    returns, delivered, message = kept.split(b"\r\n", 2)
    sender = returns.removeprefix(b"Return-Path: <").removesuffix(b">").decode()
    return SentEmail(Envelope(sender, delivered.removeprefix(b"Delivered-To: ").decode()), message)


class TestConsole(SenderContract):
    preserves_bytes: ClassVar[bool] = False

    @pytest.fixture
    def sender(self) -> Sender:
        return make_sender("console:", hostname="client.example")

    @pytest.fixture
    def arrived(self, capsys: pytest.CaptureFixture[str]) -> ReceivedEmails:
        shown: list[SentEmail] = []

        def read() -> list[SentEmail]:
            pages = re.findall(r"^envelope  <(.*)>  →  <(.*)>\n((?s:.*?))^─+$", capsys.readouterr().out, re.MULTILINE)
            shown.extend(SentEmail(Envelope(sender, recipient), text.encode()) for sender, recipient, text in pages)
            return shown

        return read


class TestMemory(SenderContract):
    @pytest.fixture
    def sender(self) -> MemorySender:
        return MemorySender(connections=2)

    @pytest.fixture
    def arrived(self, sender: MemorySender) -> ReceivedEmails:
        return lambda: sender.emails


class TestFailover(SenderContract):
    """Two relays, the first of which does not exist."""

    @pytest.fixture
    def server(self) -> Iterator[FaultySmtp]:
        with FaultySmtp() as server:
            yield server

    @pytest.fixture
    def sender(self, server: FaultySmtp) -> Sender:
        return make_sender(f"smtp://127.0.0.1:{_free_port()} {server.url()}", hostname="client.example")

    @pytest.fixture
    def arrived(self, server: FaultySmtp) -> ReceivedEmails:
        return lambda: [SentEmail(Envelope(kept.sender, kept.recipient), kept.message) for kept in server.emails]
