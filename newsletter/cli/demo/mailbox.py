"""The mailbox of the demo: a real SMTP server on loopback that keeps every email, and a web page to read them."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable
from email import message_from_bytes, policy
from http.server import ThreadingHTTPServer

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope

from newsletter.cli.demo.mailbox_page import Email, page_of
from newsletter.cli.demo.port import HOST


class Mailbox:
    """Every email that has arrived, in order.

    The SMTP server adds emails from its own thread, while the demo waits for them in the main thread.
    """

    def __init__(self) -> None:
        self.emails: list[Email] = []
        self._arrived = threading.Condition()
        self._smtp = _SmtpServer(_Handler(self))
        self._web = ThreadingHTTPServer((HOST, 0), page_of(self.emails))

    def start(self) -> None:
        """Start both servers."""
        self._smtp.start()
        threading.Thread(target=self._web.serve_forever, name="mailbox page", daemon=True).start()

    def stop(self) -> None:
        """Stop both servers."""
        self._web.shutdown()
        self._web.server_close()
        self._smtp.stop()

    @property
    def sender_url(self) -> str:
        """The NEWSLETTER_SENDER_URL of this mailbox."""
        return f"smtp://{HOST}:{self._smtp.port}?tls=none&connections=2"

    @property
    def page_url(self) -> str:
        """The URL of the page that shows the emails."""
        return f"http://{HOST}:{self._web.server_port}/"

    def add(self, recipient: str, octets: bytes) -> None:
        """Add one email."""
        message = message_from_bytes(octets, policy=policy.default)
        with self._arrived:
            self.emails.append(Email(recipient, octets, message))
            self._arrived.notify_all()

    def find(self, recipient: str, header: str) -> Email | None:
        """The newest email to a recipient that has this header, or None."""
        found = (email for email in reversed(self.emails) if email.recipient == recipient and header in email.message)
        return next(found, None)

    def wait_for(self, recipient: str, header: str, seconds: float) -> Email | None:
        """The same, but wait for it; None if it has not arrived after this many seconds."""
        with self._arrived:
            self._arrived.wait_for(lambda: self.find(recipient, header) is not None, seconds)
        return self.find(recipient, header)


class _Handler:
    """The handler that aiosmtpd calls for each message."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        for recipient in envelope.rcpt_tos:
            self._mailbox.add(recipient, content)
        return "250 2.0.0 kept"


class _SmtpServer(Controller):
    """An SMTP server on a free port. It listens from the beginning, so that no other program can take its port."""

    def __init__(self, handler: _Handler) -> None:
        self._listener = socket.create_server((HOST, 0))
        super().__init__(handler, hostname=HOST, port=self._listener.getsockname()[1])

    def _create_server(self) -> Awaitable[asyncio.AbstractServer]:
        return self.loop.create_server(self._factory_invoker, sock=self._listener)
