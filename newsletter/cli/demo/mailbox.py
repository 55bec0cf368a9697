"""The mailbox of the demo: a real SMTP server on loopback that keeps every email, and a web page to read them."""

from __future__ import annotations

import html
import socket
import threading
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Email:
    """One email as it arrived."""

    recipient: str
    octets: bytes
    message: EmailMessage

    def part(self, kind: str) -> str:
        """The text of the part `plain` or `html`, or ""."""
        body = self.message.get_body((kind,))
        return str(body.get_content()) if body else ""


class Mailbox:
    """Every email that has arrived, in order.

    The SMTP server adds emails from its own thread, while the demo waits for them in the main thread.
    """

    def __init__(self) -> None:
        self.emails: list[Email] = []
        self._arrived = threading.Condition()
        self._smtp = Controller(_Handler(self), hostname=HOST, port=free_port())
        self._web = ThreadingHTTPServer((HOST, 0), _page_of(self))

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


def free_port(preferred: int = 0) -> int:
    """A port on loopback that is free now: the preferred one if possible, or any other."""
    for port in (preferred, 0):
        try:
            with socket.create_server((HOST, port)) as listener:
                return int(listener.getsockname()[1])
        except OSError:
            continue
    raise OSError("no port is free on loopback")


def _page_of(mailbox: Mailbox) -> type[BaseHTTPRequestHandler]:
    class Page(BaseHTTPRequestHandler):
        """`/` lists the emails, `/N` shows one, and `/N/html` is its HTML part for a sandboxed frame."""

        def do_GET(self) -> None:
            number, _, view = self.path.strip("/").partition("/")
            if not number:
                self._answer(_list(mailbox))
            elif number.isdecimal() and int(number) < len(mailbox.emails):
                email = mailbox.emails[int(number)]
                self._answer(email.part("html") if view == "html" else _one(int(number), email))
            else:
                self.send_error(404)

        def _answer(self, page: str) -> None:
            body = page.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            """Log nothing; the demo owns the terminal."""

    return Page


_FRAME = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
:root {{ color-scheme: light dark; font: 17px/1.5 system-ui, sans-serif; }}
body {{ max-width: 46rem; margin: 0 auto; padding: 2rem 1rem; }}
h1 {{ font-size: 1.5rem; margin: 0 0 1.5rem; }}
a {{ color: inherit; }}
ol {{ list-style: none; padding: 0; margin: 0; }}
li a {{ display: block; padding: .8rem 0; border-top: 1px solid #8884; text-decoration: none; }}
li a:hover b {{ text-decoration: underline; }}
small {{ display: block; opacity: .7; }}
iframe {{ width: 100%; height: 75vh; border: 1px solid #8884; border-radius: 8px; background: #fff; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; }}
summary {{ cursor: pointer; padding: .6rem 0; }}
</style><body>{body}</body></html>"""


def _list(mailbox: Mailbox) -> str:
    rows = "".join(
        f'<li><a href="/{n}"><b>{_safe(email.message["Subject"])}</b><small>to {_safe(email.recipient)}</small></a>'
        for n, email in reversed(list(enumerate(mailbox.emails)))
    )
    return _FRAME.format(title="Mailbox", body=f"<h1>Mailbox</h1><ol>{rows or '<li>No emails yet.'}</ol>")


def _one(number: int, email: Email) -> str:
    headers = "\n".join(f"{name}: {value}" for name, value in email.message.items())
    body = (
        f'<p><a href="/">All emails</a></p><h1>{_safe(email.message["Subject"])}</h1>'
        f'<iframe title="The email" sandbox="allow-popups" src="/{number}/html"></iframe>'
        f"<details><summary>Text part</summary><pre>{_safe(email.part('plain'))}</pre></details>"
        f"<details><summary>Headers</summary><pre>{_safe(headers)}</pre></details>"
    )
    return _FRAME.format(title=_safe(email.message["Subject"]), body=body)


def _safe(text: object) -> str:
    return html.escape(str(text or ""))
