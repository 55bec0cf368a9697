"""A preview page for the owner: the inbox, the HTML in light and dark mode and on a phone, the text, and the checks."""

from __future__ import annotations

from collections.abc import Sequence
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from email.utils import parseaddr

import lxml.html

from newsletter.rendering.data import data_dir
from newsletter.rendering.preflight import Finding, part_of
from newsletter.rendering.templates import Templates

PREVIEW_TEXT = 160  # characters; inboxes show 40 to 140
LEVELS = ("error", "warning", "ok")
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u034f\u200b\u200c\u200d\u2007\u2060\ufeff"))  # what fills up a preview text
_DARK = "@media (prefers-color-scheme: dark)"


def side_by_side(raw: bytes, findings: Sequence[Finding]) -> str:
    """The page as HTML. Each frame shows its own color scheme, whatever the viewer's is."""
    message = message_from_bytes(raw, policy=default)
    html, text = (part_of(message, kind) for kind in ("html", "plain"))
    values = {
        "subject": str(message["Subject"]),
        "size": _in_kb(len(raw)),
        "sender": sender(message),
        "preview_text": preview_text(html),
        "problems": sorted((one for one in findings if one.level != "ok"), key=lambda one: LEVELS.index(one.level)),
        "passed": [one for one in findings if one.level == "ok"],
        # The viewer's own color scheme would decide, so the media query is replaced by one that always or never matches.
        "light": _in_scheme(html, "light", "@media not all"),
        "dark": _in_scheme(html, "dark", "@media all"),
        "text": text,
    }
    return Templates([data_dir() / "templates" / "owner"]).render("preview.html", values)


def _in_scheme(html: str, scheme: str, query: str) -> str:
    html = html.replace(_DARK, query).replace('content="light dark"', f'content="{scheme}"')
    return html.replace("color-scheme: light dark", f"color-scheme: {scheme}")


def sender(message: EmailMessage) -> str:
    """The sender as an inbox shows it: the name, or the address if there is none."""
    name, address = parseaddr(str(message["From"] or ""))
    return name or address


def preview_text(html: str) -> str:
    """What an inbox shows after the subject: the beginning of the text of the email, hidden or not."""
    body = lxml.html.document_fromstring(html or "<p></p>").find("body")
    if body is None:
        return ""
    # Inboxes put a space between two elements, even if they are not paragraphs.
    text = " ".join(" ".join(body.itertext(with_tail=True)).translate(_INVISIBLE).split())
    return text if len(text) <= PREVIEW_TEXT else text[:PREVIEW_TEXT].rsplit(None, 1)[0] + "…"


def _in_kb(size: int) -> str:
    """A number of bytes in words."""
    return f"{size:,} bytes" if size < 1000 else f"{size / 1000:,.0f} KB"
