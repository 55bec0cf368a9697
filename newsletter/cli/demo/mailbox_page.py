"""The web page of the demo's mailbox: the list of emails, and each of them as an email program shows it."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler
from typing import Any


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


def page_of(emails: Sequence[Email]) -> type[BaseHTTPRequestHandler]:
    """The handler of the pages. emails: may grow while the pages are served."""

    class Page(BaseHTTPRequestHandler):
        """`/` lists the emails, `/N` shows one, and `/N/html` is its HTML part for a sandboxed frame."""

        def do_GET(self) -> None:
            number, _, view = self.path.strip("/").partition("/")
            if not number:
                self._answer(_list(emails))
            elif number.isdecimal() and int(number) < len(emails):
                email = emails[int(number)]
                self._answer(_html_part(email) if view == "html" else _one(int(number), email))
            else:
                self.send_error(404)

        def _answer(self, page: str) -> None:
            body = page.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("Content-Security-Policy", "script-src 'none'")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            """Log nothing; the demo owns the terminal."""

    return Page


# Links of an email open in a new tab: our pages refuse to be shown in a frame. The tab must not inherit the sandbox, in
# which no form could be sent.
_SANDBOX = "allow-popups allow-popups-to-escape-sandbox"
_HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
_BASE = '<base target="_blank">'
_LINK = re.compile(r"https?://[^\s<>&]+(?:&amp;[^\s<>&]+)*")

_FRAME = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">{more}<title>{title}</title><style>
:root {{ color-scheme: light dark; font: 17px/1.5 system-ui, sans-serif; }}
body {{ max-width: 46rem; margin: 0 auto; padding: 1.5rem 1rem; }}
h1 {{ font-size: 1.4rem; line-height: 1.3; margin: 0 0 1rem; }}
a {{ color: inherit; }}
ol {{ list-style: none; padding: 0; margin: 0; }}
li a {{ display: block; padding: .8rem 0; border-top: 1px solid #8884; text-decoration: none; }}
li a:hover b {{ text-decoration: underline; }}
small {{ display: block; opacity: .75; overflow-wrap: anywhere; }}
iframe {{ width: 100%; height: 75vh; border: 1px solid #8884; border-radius: 8px; background: #fff; margin-top: 1rem; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; }}
summary {{ cursor: pointer; padding: .6rem 0; }}
</style></head><body>{body}</body></html>"""


def _html_part(email: Email) -> str:
    page = email.part("html")
    head = _HEAD.search(page)
    return f"{page[: head.end()]}{_BASE}{page[head.end() :]}" if head else _BASE + page


def _list(emails: Sequence[Email]) -> str:
    rows = "".join(
        f'<li><a href="/{n}"><b>{_safe(email.message["Subject"])}</b><small>to {_safe(email.recipient)}</small></a>'
        for n, email in reversed(list(enumerate(emails)))
    )
    body = (
        "<h1>Mailbox</h1><p>All emails of the demo, the newest first. This page reloads itself.</p>"
        f"<ol>{rows or '<li>No emails yet.'}</ol>"
    )
    return _FRAME.format(title="Mailbox", more='<meta http-equiv="refresh" content="5">', body=body)


def _one(number: int, email: Email) -> str:
    subject = _safe(email.message["Subject"])
    headers = "\n".join(f"{name}: {value}" for name, value in email.message.items())
    body = (
        f'<p><a href="/">All emails</a></p><h1>{subject}</h1>'
        f"<small>from {_safe(email.message['From'])}<br>to {_safe(email.recipient)}</small>"
        f'<iframe title="The email" sandbox="{_SANDBOX}" src="/{number}/html"></iframe>'
        f"<details><summary>Text part</summary><pre>{_with_links(email.part('plain'))}</pre></details>"
        f"<details><summary>Headers</summary><pre>{_safe(headers)}</pre></details>"
    )
    return _FRAME.format(title=subject, more="", body=body)


def _with_links(text: str) -> str:
    return _LINK.sub(lambda found: f'<a href="{found[0]}" target="_blank">{found[0]}</a>', _safe(text))


def _safe(text: object) -> str:
    return html.escape(str(text or ""))
