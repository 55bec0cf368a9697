"""The demo's post office: a real SMTP server on loopback that keeps the mail, and a page to read it; for nothing else."""

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
    """One mail as it arrived."""

    recipient: str
    octets: bytes
    message: EmailMessage

    def part(self, kind: str) -> str:
        """The text of the part `plain` or `html`, "" when there is none."""
        body = self.message.get_body((kind,))
        return str(body.get_content()) if body else ""


class Mailbox:
    """Everything that arrived, in order; `wait_for` comes back when enough did."""

    def __init__(self) -> None:
        self.emails: list[Email] = []
        self._arrived = threading.Condition()
        self._smtp = Controller(_Handler(self), hostname=HOST, port=free_port())
        self._web = ThreadingHTTPServer((HOST, 0), _page_of(self))

    def start(self) -> None:
        """Take mail and show it."""
        self._smtp.start()
        threading.Thread(target=self._web.serve_forever, name="mailbox page", daemon=True).start()

    def stop(self) -> None:
        """Close both servers."""
        self._web.shutdown()
        self._web.server_close()
        self._smtp.stop()

    @property
    def sender_url(self) -> str:
        """The NEWSLETTER_SENDER_URL that ends here."""
        return f"smtp://{HOST}:{self._smtp.port}?tls=none&connections=2"

    @property
    def page_url(self) -> str:
        """Where the mail can be read."""
        return f"http://{HOST}:{self._web.server_port}/"

    def add(self, recipient: str, octets: bytes) -> None:
        """Put one mail in."""
        message = message_from_bytes(octets, policy=policy.default)
        with self._arrived:
            self.emails.append(Email(recipient, octets, message))
            self._arrived.notify_all()

    def find(self, recipient: str, header: str) -> Email | None:
        """The newest mail to somebody that has this header."""
        found = (mail for mail in reversed(self.emails) if mail.recipient == recipient and header in mail.message)
        return next(found, None)

    def wait_for(self, recipient: str, header: str, seconds: float) -> Email | None:
        """The same, waiting for it; None when it does not come in time."""
        with self._arrived:
            self._arrived.wait_for(lambda: self.find(recipient, header) is not None, seconds)
        return self.find(recipient, header)


class _Handler:
    """What aiosmtpd calls for each message."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        for recipient in envelope.rcpt_tos:
            self._mailbox.add(recipient, content)
        return "250 2.0.0 kept"


def free_port(preferred: int = 0) -> int:
    """A port on loopback that is free now: the wish, else any."""
    for port in (preferred, 0):
        try:
            with socket.create_server((HOST, port)) as listener:
                return int(listener.getsockname()[1])
        except OSError:
            continue
    raise OSError("no port is free on loopback")


def _page_of(mailbox: Mailbox) -> type[BaseHTTPRequestHandler]:
    class Page(BaseHTTPRequestHandler):
        """`/`: the list; `/N`: one mail; `/N/html`: its HTML part, alone in a frame without rights."""

        def do_GET(self) -> None:
            number, _, view = self.path.strip("/").partition("/")
            if not number:
                self._answer(_list(mailbox))
            elif number.isdecimal() and int(number) < len(mailbox.emails):
                mail = mailbox.emails[int(number)]
                self._answer(mail.part("html") if view == "html" else _one(int(number), mail))
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
            """Say nothing."""

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
        f'<li><a href="/{n}"><b>{_safe(mail.message["Subject"])}</b><small>to {_safe(mail.recipient)}</small></a>'
        for n, mail in reversed(list(enumerate(mailbox.emails)))
    )
    return _FRAME.format(title="Mailbox", body=f"<h1>Mailbox</h1><ol>{rows or '<li>Nothing yet.'}</ol>")


def _one(number: int, mail: Email) -> str:
    headers = "\n".join(f"{name}: {value}" for name, value in mail.message.items())
    body = (
        f'<p><a href="/">All mail</a></p><h1>{_safe(mail.message["Subject"])}</h1>'
        f'<iframe title="The letter" sandbox="allow-popups" src="/{number}/html"></iframe>'
        f"<details><summary>Text part</summary><pre>{_safe(mail.part('plain'))}</pre></details>"
        f"<details><summary>Headers</summary><pre>{_safe(headers)}</pre></details>"
    )
    return _FRAME.format(title=_safe(mail.message["Subject"]), body=body)


def _safe(text: object) -> str:
    return html.escape(str(text or ""))
