"""A letter made once and filled per reader: constant bytes with holes; the slow way is `message.build`.

Proof that filling is enough: the letter is rendered twice, for two invented readers, and one must become the other
by exchanging their values. A template that branches on a value, or changes it, fails that and is sent the slow way.
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
from newsletter.ports.store import Rendered

HEADER_PLACEHOLDERS = ("to", "message_id", "date", "unsubscribe_url", "unsubscribe_mailto")
BODY_PLACEHOLDERS = ("name", "address", "unsubscribe_url", "preferences_url", "useful_url", "joined_on")
PLACEHOLDERS = tuple(dict.fromkeys(HEADER_PLACEHOLDERS + BODY_PLACEHOLDERS))

Encode = Callable[[str], bytes]
Placeholder = tuple[str, str]  # the name of a value, and the context that says how it is encoded

_VERSION = 1
_MAX_VALUE = 900
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# What stands for itself in HTML and in one line of quoted-printable: no & < > " ' =, no dot in front, no blank behind.
_SIGNS = r"A-Za-z0-9!#$%()*+,./:;?@\[\]^_`{|}~-"
_PLAIN = rf"(?!\.|From )[ {_SIGNS}]{{0,{MAX_LINE}}}(?<! )"
_PLAIN_IN_HEADER = rf"[ -~]{{0,{_MAX_VALUE}}}"
_long_word = re.compile(rf"[{_SIGNS}]{{{MAX_LINE + 1},{_MAX_VALUE}}}").fullmatch


def sentinels(nonce: str) -> dict[str, str]:
    """A value for every hole that survives escaping, inlining and encoding; nonce: letters and digits."""
    marks = {name: f"{nonce}{name.replace('_', '')}z" for name in PLACEHOLDERS}
    return marks | {
        "unsubscribe_url": f"https://recipient.invalid/{marks['unsubscribe_url']}",
        "preferences_url": f"https://recipient.invalid/{marks['preferences_url']}",
        "useful_url": f"https://recipient.invalid/{marks['useful_url']}",
        "unsubscribe_mailto": f"mailto:{marks['unsubscribe_mailto']}@recipient.invalid",
    }


def twin_sentinels(nonce: str) -> tuple[dict[str, str], dict[str, str]]:
    """Two readers to render a letter for: the second has longer values and no name, to show wrapping and branching."""
    return sentinels(f"{nonce}a"), sentinels(f"{nonce}{'b' * 40}") | {"name": ""}


class CompiledEmail:
    """The letter of one issue. `uniform`: it can be filled; if not, render and `build` it per reader."""

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
        """The message for one reader, CRLF lines, not dot-stuffed; no line of a body begins with a dot.

        Raises InputError for a value with a control character in it.
        """
        return b"".join(self._filled(values))

    def fill_to_sign(self, values: Mapping[str, str]) -> tuple[bytes, bytes]:
        """The same message, and its body as `dkim.canonical_body` has it, whose constants were prepared once."""
        parts = self._filled(values)
        placeholders, constants = self._canonical
        body = constants.copy()
        for place in placeholders:
            body[place] = canonical_lines(parts[place])  # a value has lines of its own, see `_cut_body`
        return b"".join(parts), b"".join(body)

    def _filled(self, values: Mapping[str, str]) -> list[bytes]:
        parts = self._parts.copy()
        lines = "\n".join(map(values.__getitem__, self._names))
        if self._are_plain(lines):  # the same in every context, as nearly all are
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
        """The letter as it is kept with its issue: ASCII, JSON, with a version."""
        pieces = [piece.decode() if isinstance(piece, bytes) else list(piece) for piece in self.pieces]
        return json.dumps({"version": _VERSION, "uniform": self.uniform, "pieces": pieces}).encode()

    @classmethod
    def loads(cls, data: bytes) -> CompiledEmail:
        """What `dumps` gave; raises InputError for anything else."""
        try:
            kept = json.loads(data)
            if kept["version"] == _VERSION:
                pieces = [
                    piece.encode() if isinstance(piece, str) else (piece[0], piece[1]) for piece in kept["pieces"]
                ]
                return cls(pieces, uniform=bool(kept["uniform"]))
        except (ValueError, KeyError, TypeError, IndexError):
            pass
        raise InputError("the compiled letter cannot be read", fix="Was it made by another version of this program?")


def compile_email(
    headers: Headers,
    rendered_a: Rendered,
    rendered_b: Rendered,
    sentinels_a: Mapping[str, str],
    sentinels_b: Mapping[str, str],
    boundary: str,
) -> CompiledEmail:
    """Encode a letter once and cut it at the sentinels.

    headers, rendered_a: made with sentinels_a; rendered_b with sentinels_b (see `twin_sentinels`).
    Raises TemplateError when a part of the letter has no way to leave.
    """
    for part, text in (("text", rendered_a.text), ("html", rendered_a.html)):
        if sentinels_a["unsubscribe_url"] not in text:
            raise TemplateError(
                f"the {part} part of the letter has no unsubscribe link",
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
    """Does exchanging the values turn one letter into the other? A subject must be the same for all."""

    def exchanged(text: str) -> str:
        return "".join(sentinels_b[part] if odd else part for odd, part in _split(text, sentinels_a))

    return a.subject == b.subject and exchanged(a.text) == b.text and exchanged(a.html) == b.html


def _split(text: str, marks: Mapping[str, str]) -> list[tuple[bool, str]]:
    """The text as (False, constant) and (True, name of a hole), by turns, a constant first and last."""
    names = {mark: name for name, mark in marks.items() if mark}
    parts = re.split("(" + "|".join(re.escape(mark) for mark in sorted(names, key=len, reverse=True)) + ")", text)
    return [(bool(n % 2), names[part] if n % 2 else part) for n, part in enumerate(parts)]


def _cut_header(headers: Headers, marks: Mapping[str, str]) -> list[bytes | Placeholder]:
    text = header_block(headers).decode()
    return [(part, "header") if is_placeholder else part.encode() for is_placeholder, part in _split(text, marks)]


def _cut_body(text: str, marks: Mapping[str, str], context: str) -> list[bytes | Placeholder]:
    """Each constant encoded alone; a value gets lines of its own, between soft breaks."""
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
    """Neighbouring constants as one."""
    joined: list[bytes | Placeholder] = []
    for piece in pieces:
        if isinstance(piece, bytes) and joined and isinstance(joined[-1], bytes):
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


def _canonical_parts(parts: Sequence[bytes]) -> tuple[list[int], list[bytes]]:
    """The places of the body's holes, and its constants in canonical form; nothing stands for what is in the header."""
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
    """A long value that needs nothing but soft breaks, as addresses of pages do; else b""."""
    if _long_word(value):
        lines = [value[start : start + MAX_LINE] for start in range(0, len(value), MAX_LINE)]
        if not any(line.startswith(".") for line in lines):
            return "=\r\n".join(lines).encode()
    return b""


def _checked(value: str) -> str:
    if len(value) > _MAX_VALUE or _CONTROL.search(value):
        raise InputError(f"a personal value that cannot be mailed: {value[:40]!r}", fix="Write it on one line")
    return value


_ENCODERS: dict[str, Encode] = {"header": _header_value, "text": _text_value, "html": _html_value}
