"""Compile an email once and fill it for each recipient: constant bytes with placeholders between them.

To prove that filling is enough, the email is rendered for two sample recipients. Exchanging the values must turn one into the
other. A template that branches on a personal value, or changes it, does not pass, and is rendered for each recipient and built
by `message.build` instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import chain

from newsletter.domain.errors import InputError, TemplateError
from newsletter.mail.dkim import canonical_lines
from newsletter.mail.headers import Headers
from newsletter.mail.message import frame, header_block, one_newline
from newsletter.mail.quoted_printable import MAX_LINE, quote
from newsletter.ports.rendering import Rendered

HEADER_PLACEHOLDERS = ("to", "message_id", "date", "unsubscribe_url", "unsubscribe_mailto")
BODY_PLACEHOLDERS = ("name", "address", "unsubscribe_url", "preferences_url", "useful_url", "joined_on")
PLACEHOLDERS = tuple(dict.fromkeys(HEADER_PLACEHOLDERS + BODY_PLACEHOLDERS))

Encode = Callable[[str], bytes]
Placeholder = tuple[str, str]  # the name of a value, and the context that decides its encoding

_VERSION = 1
_MAX_VALUE = 900
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Characters that need no encoding in HTML and in quoted-printable (RFC 2045 section 6.7): all but & < > " ' =. A value of these
# is its own encoding, if it fits on a line, does not begin with a dot or `From `, and does not end with a space.
_SIGNS = r"A-Za-z0-9!#$%()*+,./:;?@\[\]^_`{|}~-"
_PLAIN = rf"(?!\.|From )[ {_SIGNS}]{{0,{MAX_LINE}}}(?<! )"
_PLAIN_IN_HEADER = rf"[ -~]{{0,{_MAX_VALUE}}}"
_long_word = re.compile(rf"[{_SIGNS}]{{{MAX_LINE + 1},{_MAX_VALUE}}}").fullmatch


def sentinels(nonce: str) -> dict[str, str]:
    """Values to render a template with, which survive escaping, inlining and encoding, and are replaced per recipient.

    nonce: letters and digits that occur nowhere else in the email.
    """
    marks = {name: f"{nonce}{name.replace('_', '')}z" for name in PLACEHOLDERS}
    return marks | {
        "unsubscribe_url": f"https://recipient.invalid/{marks['unsubscribe_url']}",
        "preferences_url": f"https://recipient.invalid/{marks['preferences_url']}",
        "useful_url": f"https://recipient.invalid/{marks['useful_url']}",
        "unsubscribe_mailto": f"mailto:{marks['unsubscribe_mailto']}@recipient.invalid",
    }


def twin_sentinels(nonce: str) -> tuple[dict[str, str], dict[str, str]]:
    """Values of two sample recipients. The second has longer values and no name, to reveal templates that wrap or branch."""
    return sentinels(f"{nonce}a"), sentinels(f"{nonce}{'b' * 40}") | {"name": ""}


class CompiledEmail:
    """A compiled email. uniform: it can be filled; if not, it must be rendered and built for each recipient."""

    __slots__ = ("_are_plain", "_canonical", "_names", "_parts", "_places", "_plan", "pieces", "uniform")

    def __init__(self, pieces: Sequence[bytes | Placeholder], *, uniform: bool) -> None:
        self.uniform = uniform
        self.pieces = tuple(pieces)
        self._parts = [piece if isinstance(piece, bytes) else b"" for piece in pieces]
        plan: dict[str, dict[str, list[int]]] = {}
        for place, piece in enumerate(pieces):
            if not isinstance(piece, bytes):
                name, context = piece
                plan.setdefault(name, {}).setdefault(context, []).append(place)
        self._plan = [(name, _ENCODERS[way], places) for name, ways in plan.items() for way, places in ways.items()]
        self._names = [*plan]
        self._places = [(place, n) for n, ways in enumerate(plan.values()) for place in chain(*ways.values())]
        rules = [_PLAIN_IN_HEADER if [*ways] == ["header"] else _PLAIN for ways in plan.values()]
        self._are_plain = re.compile("\n".join(rules)).fullmatch
        self._canonical = _canonical_parts(self._parts)

    def fill(self, values: Mapping[str, str]) -> bytes:
        """The message for one recipient, with CRLF. It needs no dot-stuffing: no line of the body begins with a dot.

        values: by the names of PLACEHOLDERS. Raises InputError for a value that contains control characters or is too long.
        """
        return b"".join(self._filled(values))

    def fill_to_sign(self, values: Mapping[str, str]) -> tuple[bytes, bytes]:
        """The message, and its body as `dkim.canonical_body` returns it; the constants of the body were prepared once."""
        parts = self._filled(values)
        placeholders, constants = self._canonical
        body = constants.copy()
        for place in placeholders:
            body[place] = canonical_lines(parts[place])  # a value is on lines of its own, see `_cut_body`
        return b"".join(parts), b"".join(body)

    def _filled(self, values: Mapping[str, str]) -> list[bytes]:
        parts = self._parts.copy()
        # One match for all values: this runs for each message, so it must not loop over them in Python.
        lines = "\n".join(map(values.__getitem__, self._names))
        if self._are_plain(lines):  # fast path: nearly all values need no encoding in any context
            octets = lines.encode().split(b"\n")
            for place, which in self._places:
                parts[place] = octets[which]
            return parts
        for name, encode, places in self._plan:
            value = encode(values[name])
            for place in places:
                parts[place] = value
        return parts

    def dumps(self) -> bytes:
        """JSON in ASCII with a version number, to store with the issue."""
        pieces = [piece.decode() if isinstance(piece, bytes) else list(piece) for piece in self.pieces]
        return json.dumps({"version": _VERSION, "uniform": self.uniform, "pieces": pieces}).encode()

    @classmethod
    def loads(cls, data: bytes) -> CompiledEmail:
        """Read what `dumps` returned. Raises InputError for anything else."""
        try:
            stored = json.loads(data)
            if stored["version"] == _VERSION:
                pieces = [
                    piece.encode() if isinstance(piece, str) else (piece[0], piece[1]) for piece in stored["pieces"]
                ]
                return cls(pieces, uniform=bool(stored["uniform"]))
        except (ValueError, KeyError, TypeError, IndexError):
            pass
        raise InputError(
            "the compiled email cannot be read", fix="Check whether another version of this program compiled it"
        )


def compile_email(
    headers: Headers,
    rendered_a: Rendered,
    rendered_b: Rendered,
    sentinels_a: Mapping[str, str],
    sentinels_b: Mapping[str, str],
    boundary: str,
) -> CompiledEmail:
    """Encode an email once and cut it at the sentinels.

    headers, rendered_a: made with sentinels_a. rendered_b: made with sentinels_b (see `twin_sentinels`). boundary: as for
    `message.build`. Raises TemplateError for a part without an unsubscribe link.
    """
    for part, text in (("text", rendered_a.text), ("html", rendered_a.html)):
        if sentinels_a["unsubscribe_url"] not in text:
            raise TemplateError(
                f"the {part} part of the email has no unsubscribe link",
                fix="Keep {{ unsubscribe_url }} in the template",
            )
    if not _is_uniform(rendered_a, rendered_b, sentinels_a, sentinels_b):
        return CompiledEmail([], uniform=False)
    before, between, after = frame(boundary)
    pieces: list[bytes | Placeholder] = [
        *_cut_header(headers, sentinels_a),
        before,
        *_cut_body(one_newline(rendered_a.text), sentinels_a, "text"),
        between,
        *_cut_body(one_newline(rendered_a.html), sentinels_a, "html"),
        after,
    ]
    return CompiledEmail(_joined(pieces), uniform=True)


def _is_uniform(a: Rendered, b: Rendered, sentinels_a: Mapping[str, str], sentinels_b: Mapping[str, str]) -> bool:
    """Does exchanging the values turn one email into the other? The subject must be the same for everyone."""

    def exchanged(text: str) -> str:
        return "".join(sentinels_b[part] if odd else part for odd, part in _split(text, sentinels_a))

    return a.subject == b.subject and exchanged(a.text) == b.text and exchanged(a.html) == b.html


def _split(text: str, marks: Mapping[str, str]) -> list[tuple[bool, str]]:
    """The text as alternating (False, constant) and (True, name of a placeholder), with a constant first and last."""
    names = {mark: name for name, mark in marks.items() if mark}
    parts = re.split("(" + "|".join(re.escape(mark) for mark in sorted(names, key=len, reverse=True)) + ")", text)
    return [(bool(n % 2), names[part] if n % 2 else part) for n, part in enumerate(parts)]


def _cut_header(headers: Headers, marks: Mapping[str, str]) -> list[bytes | Placeholder]:
    text = header_block(headers).decode()
    return [(part, "header") if is_placeholder else part.encode() for is_placeholder, part in _split(text, marks)]


def _cut_body(text: str, marks: Mapping[str, str], context: str) -> list[bytes | Placeholder]:
    """Encode each constant by itself, and put each value on lines of its own, between soft line breaks.

    So the length of a value never changes where the constants wrap (RFC 2045 section 6.7 rule 5).
    """
    pieces: list[bytes | Placeholder] = []
    for is_placeholder, part in _split(text, marks):
        if is_placeholder:
            pieces.append((part, context))
            continue
        if pieces and not part.startswith("\n"):
            pieces.append(b"=\r\n")
        pieces.append(quote(part).encode())
        if not part.endswith("\n") and part:
            pieces.append(b"=\r\n")
    return pieces


def _joined(pieces: Sequence[bytes | Placeholder]) -> list[bytes | Placeholder]:
    """Join neighboring constants."""
    joined: list[bytes | Placeholder] = []
    for piece in pieces:
        if isinstance(piece, bytes) and joined and isinstance(joined[-1], bytes):
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


def _canonical_parts(parts: Sequence[bytes]) -> tuple[list[int], list[bytes]]:
    """The indexes of the placeholders in the body, and the constants of the body in canonical form; header parts are empty."""
    # The empty line between header and body is in a constant (RFC 5322 section 2.1), so the body begins within that part.
    border = next((place for place, part in enumerate(parts) if b"\r\n\r\n" in part), len(parts))
    body = [b"" if n < border else canonical_lines(part) for n, part in enumerate(parts)]
    if border < len(parts):
        body[border] = canonical_lines(parts[border].partition(b"\r\n\r\n")[2])
    return [n for n, part in enumerate(parts) if n > border and not part], body


def _header_value(value: str) -> bytes:
    if value.isascii() and value.isprintable() and len(value) <= _MAX_VALUE:
        return value.encode()
    return _checked(value).encode()


def _text_value(value: str) -> bytes:
    return _in_lines(value) or quote(_checked(value)).encode()


def _html_value(value: str) -> bytes:
    in_lines = _in_lines(value)
    if in_lines:
        return in_lines
    escaped = _checked(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return quote(escaped.replace('"', "&#34;").replace("'", "&#39;")).encode()


def _in_lines(value: str) -> bytes:
    """A long value that needs only soft line breaks, as URLs do; b"" for any other value."""
    if _long_word(value):
        lines = [value[start : start + MAX_LINE] for start in range(0, len(value), MAX_LINE)]
        if not any(line.startswith(".") for line in lines):
            return "=\r\n".join(lines).encode()
    return b""


def _checked(value: str) -> str:
    if len(value) > _MAX_VALUE or _CONTROL.search(value):
        raise InputError(f"a personal value that cannot be sent: {value[:40]!r}", fix="Write it on one line")
    return value


_ENCODERS: dict[str, Encode] = {"header": _header_value, "text": _text_value, "html": _html_value}
