"""DKIM signatures (RFC 6376, RFC 8463): canonicalize a message, and write its DKIM-Signature header fields.

Canonicalization is always relaxed/relaxed (RFC 6376 section 3.4), so that a signature survives a relay that folds a header
field or removes trailing spaces. `newsletter.keys` holds the private keys.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256

# The fields that RFC 6376 section 5.4.1 recommends, and both fields of one-click unsubscribe, which RFC 8058 section 4 requires.
SIGNED = (
    "From", "To", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type",
    "List-ID", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Help", "List-Archive", "List-Subscribe", "List-Post",
    "Archived-At", "Feedback-ID", "Content-Language", "Auto-Submitted", "Precedence",
)  # fmt: skip
# Named once more than they occur (RFC 6376 section 8.15), so that nobody can add a second one without breaking the signature.
OVERSIGNED = ("From", "To", "Subject", "Date")

_WIDTH = 74
_END_OF_FIELD = re.compile(rb"\r\n(?![ \t])")
_WHITESPACE = re.compile(rb"[ \t]+")


@dataclass(frozen=True, slots=True)
class Key:
    """A signing key. algorithm: for the tag `a=`. record: the TXT record with the public key.

    sign: takes bytes, and returns the raw signature of their SHA-256 hash.
    """

    selector: str
    algorithm: str
    record: str
    sign: Callable[[bytes], bytes]


class Dkim:
    """Signs messages for one domain, with each of its keys. May be used by several threads."""

    def __init__(self, domain: str, keys: Sequence[Key]) -> None:
        self.domain = domain
        self.keys = tuple(keys)

    def sign(self, message: bytes, at: datetime, *, body: bytes | None = None) -> bytes:
        """The message with one DKIM-Signature field per key in front.

        message: exactly as it is sent, with CRLF, before dot-stuffing. at: aware; the time of signing, in whole seconds. body:
        the result of `canonical_body`, if the caller has it already.
        """
        head, _, rest = message.partition(b"\r\n\r\n") if body is None else (_head(message), b"", b"")
        body_hash = sha256(canonical_body(rest) if body is None else body).digest()
        names, data = _signed_fields(head)
        middle = f"t={int(at.timestamp())};\r\n h={_folded_names(names)};\r\n bh={_base64(body_hash)};\r\n b="
        return b"".join([*(self._field(key, middle, data) for key in self.keys), message])

    def _field(self, key: Key, middle: str, data: bytes) -> bytes:
        start = f"v=1; a={key.algorithm}; c=relaxed/relaxed; d={self.domain};\r\n s={key.selector}; "
        field = f"DKIM-Signature: {start}{middle}".encode()
        signature = _base64(
            key.sign(data + canonical_field(field))
        )  # RFC 6376 section 3.7: this field last, with an empty b= and without CRLF
        lines = [signature[n : n + _WIDTH] for n in range(0, len(signature), _WIDTH)]
        return field + "\r\n ".join(lines).encode() + b"\r\n"


def canonical_field(field: bytes) -> bytes:
    """A header field in relaxed canonical form (RFC 6376 section 3.4.2), without its CRLF."""
    name, _, value = field.partition(b":")
    return name.strip().lower() + b":" + _WHITESPACE.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")


def canonical_body(body: bytes) -> bytes:
    """A body in relaxed canonical form (RFC 6376 section 3.4.4)."""
    body = canonical_lines(body if body.endswith(b"\r\n") else body + b"\r\n")
    while body.endswith(b"\r\n\r\n"):
        body = body[:-2]
    return b"" if body == b"\r\n" else body


def canonical_lines(lines: bytes) -> bytes:
    """Whole lines of a body in relaxed canonical form; empty lines at the end of the body are left."""
    return _WHITESPACE.sub(b" ", lines).replace(b" \r\n", b"\r\n")


def _head(message: bytes) -> bytes:
    return message[: message.index(b"\r\n\r\n")]


def _signed_fields(head: bytes) -> tuple[tuple[str, ...], bytes]:
    """The names for `h=`, and the bytes to sign. Of several fields with one name the last comes first (RFC 6376 section 5.4.2)."""
    found: dict[bytes, list[bytes]] = {}
    for raw in _END_OF_FIELD.split(head):
        field = _constant_field(raw)
        found.setdefault(field.partition(b":")[0], []).append(field)
    names, data = [], []
    for name, key in _KEYED:
        for field in reversed(found.get(key, ())):
            names.append(name)
            data.append(field)
    return (*names, *OVERSIGNED), b"".join(field + b"\r\n" for field in data)


_KEYED = tuple((name, name.lower().encode()) for name in SIGNED)
_constant_field = lru_cache(maxsize=256)(canonical_field)  # most fields are the same in every message


@lru_cache(maxsize=16)
def _folded_names(names: tuple[str, ...]) -> str:
    lines = [""]
    for name in names:
        if len(lines[-1]) + len(name) > _WIDTH:
            lines.append("")
        lines[-1] += f"{name}:"
    return "\r\n ".join(lines)[:-1]


def _base64(octets: bytes) -> str:
    return b64encode(octets).decode()
