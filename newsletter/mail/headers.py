"""The header fields of a letter, written out and encoded by us; knows nothing of bodies.

Python's own serialiser turns a long List-Unsubscribe into an encoded word, which kills one-click, and lets NUL
through (cpython issue 85725). Here values leave as they stand on the wire: ASCII, folded with CRLF SP.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, date, datetime
from email.utils import format_datetime

from newsletter.domain.errors import InputError
from newsletter.domain.site import Site

Headers = list[tuple[str, str]]

MAX_LINE = 998  # RFC 5322 section 2.1.1
_FOLD_AT = 76  # RFC 2047 section 2: a line with an encoded word
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")
_URL = re.compile(r"(?:https?://|mailto:)[\x21-\x3b\x3d\x3f-\x7e]{1,900}\Z")  # no blank, no angle bracket
_MAILBOX = re.compile(r"[^\s\x00-\x20\x7f-\x9f()<>\[\]:;@\\,\"]{1,64}@[^\s\x00-\x20\x7f-\x9f()<>:;@\\,\"]{1,255}\Z")


def issue_headers(
    site: Site,
    *,
    subject: str,
    issue: int,
    slot_or_date: date,
    archived_at: str,
    recipient: Mapping[str, str],
    stream: str = "weekly",
) -> Headers:
    """The header fields of one issue, those of MIME left to `message.build`.

    person: the values, or the sentinels, of the header holes of `mail.compiled`. archived_at: where the letter can be
    read (RFC 5064). Raises InputError for a value that has no place in a header.
    """
    reply_to = site.reply_to or site.from_address
    return [
        *_start(site, to=recipient["to"], subject=subject, date=recipient["date"], message_id=recipient["message_id"]),
        ("List-ID", named(site.title, list_id(site), offset=9)),
        ("List-Unsubscribe", f"{link(recipient['unsubscribe_url'])},\r\n {link(recipient['unsubscribe_mailto'])}"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),  # RFC 8058 section 3.1, these bytes
        ("List-Help", link(site.contact_url or f"mailto:{reply_to}?subject=help")),
        ("List-Archive", link(site.url("/archive"))),
        ("List-Subscribe", link(site.url("/"))),
        ("List-Post", "NO"),
        ("Archived-At", link(archived_at)),
        ("Feedback-ID", f"{issue}:{slot_or_date.isoformat()}:{stream}:{_sender_id(site)}"),
        *_end(site),
        ("Precedence", "bulk"),
    ]


def transactional_headers(site: Site, *, to: str, subject: str, message_id: str, date: datetime, kind: str) -> Headers:
    """The header fields of a transactional mail: no list, nothing to leave with one click.

    date: aware. kind: the folder of its template.
    """
    return [
        *_start(site, to=mailbox(to), subject=subject, date=format_date(date), message_id=message_id),
        ("Feedback-ID", _checked(f"{kind}:{_sender_id(site)}")),
        *_end(site),
    ]


def _start(site: Site, *, to: str, subject: str, date: str, message_id: str) -> Headers:
    reply_to = [("Reply-To", mailbox(site.reply_to))] if site.reply_to else []
    return [
        ("From", named(site.from_name, mailbox(site.from_address), offset=6)),
        ("To", _checked(to)),
        *reply_to,
        ("Subject", unstructured(subject, offset=9)),
        ("Date", _checked(date)),
        ("Message-ID", _checked(message_id)),
    ]


def _end(site: Site) -> Headers:
    return [
        ("Content-Language", _checked(site.language)),
        ("Auto-Submitted", "auto-generated"),  # RFC 3834 section 5
        ("X-Auto-Response-Suppress", "OOF, AutoReply"),
    ]


def list_id(site: Site) -> str:
    """The List-ID of RFC 2919: the From address with a dot for its @, the same for ever."""
    return mailbox(site.from_address).replace("@", ".").lower()


def _sender_id(site: Site) -> str:
    """The last field of Feedback-ID: 5 to 15 characters that stand for the sender."""
    return re.sub(r"[^a-z0-9]", "", site.from_domain.lower())[-15:].rjust(5, "0")


def format_date(at: datetime) -> str:
    """A Date of RFC 5322 section 3.3 in UTC; `at` is aware, else ValueError."""
    if at.tzinfo is None:
        raise ValueError("a Date needs an aware time")
    return format_datetime(at.astimezone(UTC))


def mailbox(address: str) -> str:
    """An address as a header shows it: domain in ASCII (RFC 5891), local part as it is; raises InputError.

    A local part beyond ASCII stays UTF-8 (RFC 6532) and needs a next hop with SMTPUTF8.
    """
    if not _MAILBOX.match(address):
        raise InputError(f"not an address for a header: {address!r}", fix="Enter it as name@example.com")
    if address.isascii():
        return address
    local, _, domain = address.rpartition("@")
    return f"{local}@{'.'.join(_a_label(label) for label in domain.split('.'))}"


def _a_label(label: str) -> str:
    # A checked address holds U-labels of IDNA 2008: no mapping is left to do, only Punycode (RFC 3492).
    return label if label.isascii() else f"xn--{label.encode('punycode').decode('ascii')}"


def link(url: str) -> str:
    """A URL between angle brackets (RFC 2369 section 2), never encoded, never folded; raises InputError."""
    if not _URL.match(url):
        raise InputError(f"not a URL for a header: {url[:80]!r}", fix="Write it in ASCII, beginning with https://")
    return f"<{url}>"


def unstructured(text: str, *, offset: int) -> str:
    """Text such as a Subject, with encoded words (RFC 2047) only where needed; `offset`: columns taken by the name."""
    _checked(text)
    plain = text.isascii() and "=?" not in text and text == " ".join(text.split())
    if plain and all(len(word) <= 60 for word in text.split()):
        return _folded(text, offset)
    return _encoded_words(text, offset)


def named(name: str, address: str, *, offset: int) -> str:
    """A display name and what follows it in angle brackets; an encoded one on a line of its own."""
    if not name:
        return f"<{address}>"
    words = phrase(name, offset=offset)
    return f"{words}\r\n <{address}>" if "=?" in words else f"{words} <{address}>"


def phrase(text: str, *, offset: int) -> str:
    """A display name: atoms, else a quoted string (RFC 5322 section 3.2), else encoded words."""
    _checked(text)
    if not text.isascii() or "=?" in text or len(text) > 60:
        return _encoded_words(text, offset)
    if _ATOMS.match(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _checked(text: str) -> str:
    """Refuse what could end a header field or hide in it: CR, LF, NUL and every other control character."""
    if _CONTROL.search(text):
        raise InputError(f"a control character in a header: {text[:80]!r}", fix="Write it on one line")
    return text


def _folded(text: str, offset: int) -> str:
    """Plain words folded at blanks."""
    lines, room = [""], _FOLD_AT - offset
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > room:
            lines.append(word)
            room = _FOLD_AT - 1
        else:
            lines[-1] = f"{lines[-1]} {word}".lstrip()
    return "\r\n ".join(lines)


def _encoded_words(text: str, offset: int) -> str:
    """RFC 2047 section 4.1: words of at most 75 characters, cut between code points, none of them alone on a name."""
    words, piece = [], b""
    room = (_FOLD_AT - offset - 12) // 4 * 3
    for character in text:
        octets = character.encode()
        if piece and len(piece) + len(octets) > room:
            words.append(piece)
            piece, room = b"", 45
        piece += octets
    words.append(piece)
    return "\r\n ".join(f"=?UTF-8?B?{b64encode(word).decode('ascii')}?=" for word in words)
