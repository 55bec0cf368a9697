"""Build a whole message for one recipient. A compiled email must produce the same bytes, which tests check."""

from __future__ import annotations

import re

from newsletter.domain.errors import InputError
from newsletter.mail.headers import MAX_LINE, Headers
from newsletter.mail.quoted_printable import quote
from newsletter.ports.rendering import Rendered

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*\Z")
_BOUNDARY = re.compile(r"[A-Za-z0-9_-]{1,60}\Z")
_BARE = re.compile(r"\r(?!\n)|(?<!\r)\n|\n(?! )|[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def build(headers: Headers, rendered: Rendered, boundary: str) -> bytes:
    """A multipart/alternative message, text before HTML (RFC 2046 section 5.1.4), in UTF-8 and quoted-printable, with CRLF.

    headers: final values, see `mail.headers`. boundary: 1 to 60 letters, digits, `_` or `-`. Raises InputError for a header
    field that would break the message.
    """
    before, between, after = frame(boundary)
    text, html = quote(one_newline(rendered.text)), quote(one_newline(rendered.html))
    return b"".join([header_block(headers), before, text.encode(), between, html.encode(), after])


def header_block(headers: Headers) -> bytes:
    """The header fields as bytes; only an address may have octets beyond ASCII (RFC 6532 section 3.2). Raises InputError."""
    lines = [f"{name}: {value}\r\n" for name, value in headers]
    # Check the final lines once more, whoever made the values: one bad field would break the whole message.
    for (name, value), line in zip(headers, lines, strict=True):
        too_long = any(len(part.encode(errors="replace")) > MAX_LINE for part in line.split("\r\n"))
        if not _NAME.match(name) or _BARE.search(value) or too_long:
            raise InputError(f"the header {name[:40]!r} cannot be sent as it is: {value[:80]!r}")
    return "".join(lines).encode()


def frame(boundary: str) -> tuple[bytes, bytes, bytes]:
    """The bytes before the text part, between the two parts, and after the HTML part (RFC 2046 section 5.1.1).

    The boundary begins with `=_`, which cannot occur in quoted-printable, so no line of a part can be mistaken for it (RFC
    2045 section 6.7). Raises ValueError for a boundary with other characters.
    """
    if not _BOUNDARY.match(boundary):
        raise ValueError(f"not a boundary: {boundary!r}")
    mark = f"=_{boundary}"
    part = (
        f"\r\n--{mark}\r\nContent-Type: text/{{}}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    )
    top = f'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="{mark}"\r\n'
    return (top + part.format("plain")).encode(), part.format("html").encode(), f"\r\n--{mark}--\r\n".encode()


def one_newline(text: str) -> str:
    """The text with exactly one newline at its end."""
    return text.rstrip("\r\n") + "\n"
