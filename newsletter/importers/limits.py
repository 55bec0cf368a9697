"""Limits for every import format: the lengths of titles, texts, labels, and files."""

from __future__ import annotations

import re

MAX_TITLE = 200  # characters
MAX_BODY = 100_000  # characters
MAX_FILE = 5_000_000  # bytes
MAX_EXPORT = 100_000_000  # bytes of a file with many tips
MAX_FIELD = 1_000  # characters of a takeaway or teaser
MAX_LABELS, MAX_LABEL = 50, 100  # labels of one tip, and characters of each

_WORD = re.compile(r"[^\W_]")


def problem(title: str, body: str) -> str:
    """Why this title and body cannot be a tip, with the fix; "" if they can."""
    if not _WORD.search(title):
        return f"the title {title!r} has no word in it; write one"
    if len(title) > MAX_TITLE:
        return f"the title has {len(title)} characters; shorten it to {MAX_TITLE}"
    if len(body) > MAX_BODY:
        return f"the body has {len(body)} characters; shorten it to {MAX_BODY}"
    return ""
