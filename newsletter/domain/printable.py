"""Text from outside, so that it can neither control a terminal nor look different from what it is."""

from __future__ import annotations

import re

# C0 without line breaks, C1 (U+009B begins a command as ESC [ does), line separators, invisible characters, and marks that
# turn the direction of text (Unicode Technical Report 36, section 2.10).
_HIDDEN = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\ud800-\udfff\U000e0000-\U000e007f]"
)


def printable(text: object) -> str:
    """The text with U+FFFD for every character that is not shown; line breaks stay."""
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in str(text))


def escaped_json(text: str) -> str:
    """JSON with the same value, in which such characters are written as escapes (RFC 8259, section 7)."""
    return _HIDDEN.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
