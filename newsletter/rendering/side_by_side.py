"""One letter for its owner to look at: HTML by day, by night and on a phone, the text, and the checks, on one page."""

from __future__ import annotations

from collections.abc import Sequence
from email import message_from_bytes
from email.policy import default

from newsletter.rendering.data import data_dir
from newsletter.rendering.preflight import Finding, part_of
from newsletter.rendering.templates import Templates

_DARK = "@media (prefers-color-scheme: dark)"


def side_by_side(raw: bytes, findings: Sequence[Finding]) -> str:
    """The page. Whatever the viewer's own scheme is, each frame shows its own."""
    message = message_from_bytes(raw, policy=default)
    html, text = (part_of(message, kind) for kind in ("html", "plain"))
    values = {
        "subject": str(message["Subject"]),
        "size": f"{len(raw):,}",
        "findings": findings,
        "light": html.replace(_DARK, "@media not all").replace('content="light dark"', 'content="light"'),
        "dark": html.replace(_DARK, "@media all").replace('content="light dark"', 'content="dark"'),
        "text": text,
    }
    return Templates([data_dir() / "templates" / "owner"]).render("preview.html", values)
