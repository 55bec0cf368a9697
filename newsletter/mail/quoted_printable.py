"""Encode text as quoted-printable (RFC 2045 section 6.7), so that no line begins with a dot or with `From `.

A line without a leading dot needs no dot-stuffing (RFC 5321 section 4.5.2), so the bytes can be sent as they are.
"""

from __future__ import annotations

from collections.abc import Iterable

MAX_LINE = 75  # 76 with the `=` of a soft line break (RFC 2045 section 6.7 rule 5)
_CODES = [chr(byte) if 32 <= byte < 127 and byte != 61 else f"={byte:02X}" for byte in range(256)]
_CODES[9] = "\t"


def quote(text: str) -> str:
    """Encode text with LF or CRLF line ends; the result has CRLF. The text must begin at the beginning of a line."""
    return "\r\n".join(_quote_line(line) for line in text.replace("\r\n", "\n").split("\n"))


def _quote_line(line: str) -> str:
    codes = [_CODES[byte] for byte in line.encode()]
    if codes and codes[-1] in " \t":
        codes[-1] = f"={ord(codes[-1]):02X}"  # RFC 2045 section 6.7 rule 3
    if line.startswith("From "):
        codes[0] = "=46"  # RFC 2049 section 3: mbox files mistake it for a new message
    return "=\r\n".join(_fold(codes))


def _fold(codes: Iterable[str]) -> list[str]:
    lines = [""]
    for code in codes:
        if len(lines[-1]) + len(code) > MAX_LINE:
            lines.append("")
        # A soft line break may put a dot at the start of a line, where SMTP would want it doubled.
        lines[-1] += "=2E" if code == "." and not lines[-1] else code
    return lines
