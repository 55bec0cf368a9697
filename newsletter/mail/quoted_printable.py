"""Quoted-printable (RFC 2045 section 6.7) with two guards: no line begins with a dot or with `From `."""

from __future__ import annotations

from collections.abc import Iterable

MAX_LINE = 75  # 76 with the `=` of a soft break
_CODES = [chr(byte) if 32 <= byte < 127 and byte != 61 else f"={byte:02X}" for byte in range(256)]
_CODES[9] = "\t"


def quote(text: str) -> str:
    """Text with LF or CRLF line ends, encoded, with CRLF line ends; it must begin at the beginning of a line."""
    return "\r\n".join(_quote_line(line) for line in text.replace("\r\n", "\n").split("\n"))


def _quote_line(line: str) -> str:
    codes = [_CODES[byte] for byte in line.encode()]
    if codes and codes[-1] in " \t":
        codes[-1] = f"={ord(codes[-1]):02X}"  # RFC 2045 section 6.7 rule 3
    if line.startswith("From "):
        codes[0] = "=46"  # RFC 2049 section 3: mailbox files take it for a new message
    return "=\r\n".join(_fold(codes))


def _fold(codes: Iterable[str]) -> list[str]:
    lines = [""]
    for code in codes:
        if len(lines[-1]) + len(code) > MAX_LINE:
            lines.append("")
        lines[-1] += "=2E" if code == "." and not lines[-1] else code
    return lines
