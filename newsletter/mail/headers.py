"""Write the header fields of a message, encoded and folded as they are sent.

Python's `email` package turns a long List-Unsubscribe URL into an encoded word, which breaks one-click unsubscribe, and
lets NUL through (CPython issue 85725). Values returned from here are final: ASCII, folded with CRLF and a space. The only
exception is a local part beyond ASCII (RFC 6532).
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, date, datetime
from email.utils import format_datetime

from newsletter.domain.errors import InputError
from newsletter.domain.lists import shown_number
from newsletter.domain.site import Site

Headers = list[tuple[str, str]]

MAX_LINE = 998  # RFC 5322 section 2.1.1
_FOLD_AT = 76  # RFC 2047 section 2: the longest line that holds an encoded word
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")
_URL = re.compile(r"(?:https?://|mailto:)[\x21-\x3b\x3d\x3f-\x7e]{1,900}\Z")  # no space, no angle bracket
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
    """The header fields of an issue, without those of MIME, which `message.frame` writes.

    issue: its id. slot_or_date: for the Feedback-ID. archived_at: the URL of the issue's web page (RFC 5064); a list that is
    not public has no pages, so its emails name none. recipient: the values, or the
    sentinels, for `compiled.HEADER_PLACEHOLDERS`. stream: for the Feedback-ID. Raises InputError for a value that must not be
    in a header.
    """
    reply_to = site.reply_address
    return [
        *_start(site, to=recipient["to"], subject=subject, date=recipient["date"], message_id=recipient["message_id"]),
        ("List-ID", named(site.title, list_id(site), offset=9)),
        # Folded only after the comma: a URL that is folded or encoded no longer works (RFC 2369 section 2).
        ("List-Unsubscribe", f"{link(recipient['unsubscribe_url'])},\r\n {link(recipient['unsubscribe_mailto'])}"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),  # RFC 8058 section 3.1: exactly these bytes
        ("List-Help", link(site.contact_url or f"mailto:{reply_to}?subject=help")),
        *(
            [("List-Archive", link(site.url("/archive"))), ("List-Subscribe", link(site.url("/")))]
            if site.is_public
            else []
        ),
        ("List-Post", "NO"),  # RFC 2369 section 3.4: posting is not allowed
        *([("Archived-At", link(archived_at))] if site.is_public else []),
        ("Feedback-ID", f"{shown_number(issue)}:{slot_or_date.isoformat()}:{_stream(site, stream)}:{_sender_id(site)}"),
        *_end(site),
        ("Precedence", "bulk"),  # RFC 3834 section 3.1.8: for auto-responders that predate Auto-Submitted
    ]


def transactional_headers(
    site: Site, *, to: str, subject: str, message_id: str, date: datetime, kind: str, unsubscribe_url: str = ""
) -> Headers:
    """The header fields of a transactional email, without List-* fields if there is nothing to unsubscribe from.

    date: aware. kind: the folder of its template. unsubscribe_url: of the subscription that it welcomes. Raises InputError
    for a value that must not be in a header.
    """
    return [
        *_start(site, to=mailbox(to), subject=subject, date=format_date(date), message_id=message_id),
        *(_one_click(unsubscribe_url) if unsubscribe_url else []),
        ("Feedback-ID", _checked(f"{kind}:{_sender_id(site)}")),
        *_end(site),
    ]


def _one_click(url: str) -> Headers:
    """RFC 8058 section 3.1: the URL, and exactly these bytes in the second field."""
    return [("List-Unsubscribe", link(url)), ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")]


def _start(site: Site, *, to: str, subject: str, date: str, message_id: str) -> Headers:
    reply_to = [("Reply-To", mailbox(site.reply_address))] if site.reply_to else []
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
    """The list identifier (RFC 2919 section 2). It never changes.

    For the first list it is the From address with a dot for its @; for another one, its key and the domain.
    """
    if site.list_key:
        return f"{site.list_key}.{site.from_domain}".lower()
    return mailbox(site.from_address).replace("@", ".").lower()


def _stream(site: Site, stream: str) -> str:
    """What Postmaster Tools group emails by: the key of another list than the first."""
    if not site.list_key:
        return stream
    return site.list_key if stream == "weekly" else f"{stream}-{site.list_key}"


def _sender_id(site: Site) -> str:
    """The last field of the Feedback-ID, which Gmail's Postmaster Tools require: 5 to 15 characters for the sender."""
    return re.sub(r"[^a-z0-9]", "", site.from_domain.lower())[-15:].rjust(5, "0")


def format_date(at: datetime) -> str:
    """A Date (RFC 5322 section 3.3) in UTC. at: aware, else ValueError."""
    if at.tzinfo is None:
        raise ValueError("a Date header needs an aware time")
    return format_datetime(at.astimezone(UTC))


def mailbox(address: str) -> str:
    """An address for a header: the domain in ASCII (RFC 5891 section 4.4), the local part unchanged. Raises InputError.

    A local part beyond ASCII stays UTF-8 (RFC 6532 section 3.2) and needs a mail server with SMTPUTF8 (RFC 6531).
    """
    if not _MAILBOX.match(address):
        raise InputError(f"not an address for a header: {address!r}", fix="Enter it as name@example.com")
    if address.isascii():
        return address
    local, _, domain = address.rpartition("@")
    return f"{local}@{'.'.join(_a_label(label) for label in domain.split('.'))}"


def _a_label(label: str) -> str:
    # `parse_address` has normalized the domain to U-labels of IDNA 2008, so only Punycode is left to do (RFC 3492).
    return label if label.isascii() else f"xn--{label.encode('punycode').decode('ascii')}"


def link(url: str) -> str:
    """A URL in angle brackets (RFC 2369 section 2), neither encoded nor folded. Raises InputError."""
    if not _URL.match(url):
        raise InputError(f"not a URL for a header: {url[:80]!r}", fix="Write it in ASCII, beginning with https://")
    return f"<{url}>"


def unstructured(text: str, *, offset: int) -> str:
    """An unstructured value such as a Subject (RFC 5322 section 2.2.1), with encoded words (RFC 2047) only where needed.

    offset: the columns that the field name takes. Raises InputError.
    """
    _checked(text)
    plain = text.isascii() and "=?" not in text and text == " ".join(text.split())
    if plain and all(len(word) <= 60 for word in text.split()):
        return _folded(text, offset)
    return _encoded_words(text, offset)


def named(name: str, address: str, *, offset: int) -> str:
    """A display name and an address or identifier in angle brackets (RFC 5322 section 3.4, RFC 2919 section 3)."""
    if not name:
        return f"<{address}>"
    words = phrase(name, offset=offset)
    return f"{words}\r\n <{address}>" if "=?" in words else f"{words} <{address}>"


def phrase(text: str, *, offset: int) -> str:
    """A display name: atoms (RFC 5322 section 3.2.3), or a quoted string (3.2.4), or encoded words (RFC 2047 section 5)."""
    _checked(text)
    if not text.isascii() or "=?" in text or len(text) > 60:
        return _encoded_words(text, offset)
    if _ATOMS.match(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _checked(text: str) -> str:
    """The text, if it cannot end the header field or hide in it. Raises InputError for CR, LF, NUL and other controls."""
    if _CONTROL.search(text):
        raise InputError(f"a control character in a header: {text[:80]!r}", fix="Write it on one line")
    return text


def _folded(text: str, offset: int) -> str:
    """Words folded at spaces (RFC 5322 section 2.2.3)."""
    lines, room = [""], _FOLD_AT - offset
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > room:
            lines.append(word)
            room = _FOLD_AT - 1
        else:
            lines[-1] = f"{lines[-1]} {word}".lstrip()
    return "\r\n ".join(lines)


def _encoded_words(text: str, offset: int) -> str:
    """Encoded words of at most 75 characters (RFC 2047 section 2), cut between characters (section 5).

    offset: the columns that the field name takes, so that the first word fits beside it.
    """
    words, piece = [], b""
    room = (_FOLD_AT - offset - 12) // 4 * 3
    for character in text:
        octets = character.encode()
        if piece and len(piece) + len(octets) > room:
            words.append(piece)
            piece, room = b"", 45  # octets: 60 characters of base64 and 12 around them
        piece += octets
    words.append(piece)
    return "\r\n ".join(f"=?UTF-8?B?{b64encode(word).decode('ascii')}?=" for word in words)
