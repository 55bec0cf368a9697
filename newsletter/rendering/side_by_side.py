"""A preview page for the owner: the HTML in light and dark mode and on a phone, the text part, and the preflight checks."""

from __future__ import annotations

from collections.abc import Sequence
from email import message_from_bytes
from email.policy import default

from newsletter.rendering.data import data_dir
from newsletter.rendering.preflight import Finding, part_of
from newsletter.rendering.templates import Templates

_DARK = "@media (prefers-color-scheme: dark)"


def side_by_side(raw: bytes, findings: Sequence[Finding]) -> str:
    """The page as HTML. Each frame shows its own color scheme, whatever the viewer's is."""
    message = message_from_bytes(raw, policy=default)
    html, text = (part_of(message, kind) for kind in ("html", "plain"))
    values = {
        "subject": str(message["Subject"]),
        "size": f"{len(raw):,}",
        "findings": findings,
        # The viewer's own color scheme would decide, so the media query is replaced by one that always or never matches.
        "light": html.replace(_DARK, "@media not all").replace('content="light dark"', 'content="light"'),
        "dark": html.replace(_DARK, "@media all").replace('content="light dark"', 'content="dark"'),
        "text": text,
    }
    return Templates([data_dir() / "templates" / "owner"]).render("preview.html", values)
