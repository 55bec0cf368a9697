"""Check and normalize email addresses by their syntax; whether an address exists is never asked."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from newsletter.domain.errors import InputError

MAX_OCTETS = 254  # RFC 5321 section 4.5.3.1.3: a path is 256 octets with its angle brackets
_PLAIN = re.compile(
    r"(?=.{6,254}\Z)[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}\Z"
)
_PLAIN_LOCAL = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*\Z")
_SHORT = 64  # an address of at most this many characters is within every limit of RFC 5321 section 4.5.3.1
_MAX_CACHED_DOMAINS = 20_000
_SPECIAL = re.compile(r"@(?:.*\.)?(?:arpa|invalid|local|localhost|onion|test)\Z|--", re.IGNORECASE)


class AddressProblem(StrEnum):
    """Why an address is not accepted. docs/reference/email-addresses.md lists the public test cases under each problem."""

    TOO_LONG = "it is longer than 254 bytes"
    NO_AT = "it has no @"
    NO_NAME = "there is nothing before the @"
    NO_DOMAIN = "there is nothing after the @"
    QUOTED = "it contains a quotation mark or a backslash"
    LITERAL = "it has an IP address instead of a domain"
    COMMENT = "it contains parentheses"
    SPACE = "it contains a space or a control character"
    SECOND_AT = "it has more than one @"
    DOT = "a dot is at the start or end of a part, or next to another dot"
    LONG_NAME = "there are more than 64 bytes before the @"
    HYPHEN = "a part of its domain begins or ends with a hyphen"
    LONG_LABEL = "a part of its domain is longer than 63 characters"
    ONE_LABEL = "its domain has no dot"
    DAMAGED = "it contains U+FFFD, which stands for a character that was lost when the text was saved"
    CHARACTER = "it contains a character that is not allowed there"
    DOMAIN = "its domain cannot exist on the public internet"


# The first pattern that matches names the problem. RFC 5321 section 4.1.2 allows quoted names and address literals, and
# RFC 5322 section 3.4.1 allows comments and spaces; but no mail provider gives such an address to anyone.
_PATTERNS = tuple(
    (problem, re.compile(pattern))
    for problem, pattern in {
        AddressProblem.NO_AT: r"\A[^@]*\Z",
        AddressProblem.NO_NAME: r"\A@",
        AddressProblem.NO_DOMAIN: r"@\Z",
        AddressProblem.QUOTED: r'["\\]',
        AddressProblem.LITERAL: r"@\[.*\]\Z",
        AddressProblem.COMMENT: r"[()]",
        AddressProblem.SPACE: r"[\x00-\x20\x7f]",
        AddressProblem.SECOND_AT: r"@.*@",
        AddressProblem.DOT: r"\A\.|\.\.|\.@|@\.|\.\Z",
        AddressProblem.LONG_NAME: r"\A[^@]{65}",
        AddressProblem.HYPHEN: r"@-|@.*(?:\.-|-\.)|-\Z",
        AddressProblem.LONG_LABEL: r"@.*[^.]{64}",
        AddressProblem.ONE_LABEL: r"@[^.]*\Z",
        AddressProblem.CHARACTER: r"[^\w.!#$%&'*+/=?^`{|}~@-]|@.*[^\w.-]",
    }.items()
)

_INVISIBLE = re.compile("[\u00a0\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202f\u2060-\u206f\ufeff]")
_JOINERS = re.compile("[\u200c\u200d]")  # meaningful between the letters of some scripts, and noise in ASCII
_WITH_DETAIL = (AddressProblem.CHARACTER, AddressProblem.DOMAIN)


class BadAddress(InputError):
    """A text that is not an email address, or one that no email can be sent to; `problem` says why."""

    def __init__(self, problem: AddressProblem, detail: str = "") -> None:
        because = f" ({detail.rstrip('.')})" if detail else ""
        super().__init__(f"not an email address: {problem}{because}", fix="Enter it as name@example.com")
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Address:
    """`text` is the address to send to, with its domain in lower case. Two addresses with the same `key` are the same."""

    text: str
    key: str


def parse_address(text: str) -> Address:
    """Check an address by RFC 5321, 5322 and 6531, without DNS. Raises BadAddress with the reason.

    White space around the address is removed, and invisible characters anywhere, since people copy them into forms and
    files. The local part keeps its case in `text` (RFC 5321 section 2.4), but not in `key`.
    """
    text = without_invisible(text)
    if _is_plain(text):
        local, _, domain = text.rpartition("@")
        plain = f"{local}@{domain.lower()}"
        return Address(plain, plain.lower())
    return _checked_by_library(text)


def without_invisible(text: str) -> str:
    """The text without white space around it and without the characters that nobody sees, such as U+200B and a BOM."""
    if text.isascii():
        return text.strip()
    text = _INVISIBLE.sub("", text)
    visible = _JOINERS.sub("", text)
    return (visible if visible.isascii() else text).strip()


def address_parser() -> Callable[[str], tuple[str, str]]:
    """A fast `parse_address` for millions of addresses: the same results, as (text, key), with bounded memory.

    It checks each plain domain once: if the local part is plain and the address too short for any limit, the address is
    valid if its domain is.
    """
    domains: dict[str, str] = {}

    def read(text: str) -> tuple[str, str]:
        local, _, domain = text.rpartition("@")
        short = len(text) <= _SHORT
        if short and (known := domains.get(domain)) and _PLAIN_LOCAL.match(local):
            plain = f"{local}@{known}"
            return plain, plain.lower()
        found = parse_address(text)
        if short and _is_plain(text):
            if len(domains) == _MAX_CACHED_DOMAINS:
                domains.clear()
            domains[domain] = domain.lower()
        return found.text, found.key

    return read


def _is_plain(text: str) -> bool:
    return bool(_PLAIN.match(text) and not _SPECIAL.search(text) and text.index("@") <= 64)


def _checked_by_library(text: str) -> Address:
    # 40 ms that nearly no command needs, since nearly every address is plain.
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415 - slow to import

    if len(text.encode(errors="replace")) > MAX_OCTETS:
        raise BadAddress(AddressProblem.TOO_LONG)
    if "\ufffd" in text:
        raise BadAddress(AddressProblem.DAMAGED)
    try:
        found = validate_email(text, check_deliverability=False, strict=True, test_environment=True)
    except EmailNotValidError as error:
        problem = next((problem for problem, pattern in _PATTERNS if pattern.search(text)), AddressProblem.DOMAIN)
        raise BadAddress(problem, str(error) if problem in _WITH_DETAIL else "") from None
    return Address(found.normalized, address_key(found.normalized))


def address_key(address: str) -> str:
    """What is the same for all spellings of one address, and differs between two persons.

    address: checked and normalized, as `Address.text`. Letters of the local part are compared in lower case, although RFC
    5321 section 2.4 would allow a host to tell them apart; but no letter becomes another one: RFC 6531 section 3.2 and
    RFC 6532 section 3.1 know only NFC, so that straße@ and strasse@ are two people, and so are ı@ and i@. The same holds
    for the domain, where IDNA2008 (RFC 5894 section 7.2) made straße.de and strasse.de two domains.
    """
    local, _, domain = address.rpartition("@")
    return f"{unicodedata.normalize('NFC', local.lower())}@{domain}"


def older_key(key: str) -> str:
    """The key that versions before schema 0013 gave to an address, for which ß was ss, and ς was σ."""
    return key.casefold()


def mailbox_key(address_key: str) -> str:
    """One key for all addresses that very likely reach one mailbox: without a plus tag, and at Gmail without dots.

    address_key: as `Address.key`. Only for counting: elsewhere, `anna@` and `anna+tips@` are two subscribers.
    """
    local, _, domain = address_key.rpartition("@")
    base = local.partition("+")[0] or local
    if domain in {"gmail.com", "googlemail.com"}:
        return f"{base.replace('.', '')}@gmail.com"
    return f"{base}@{domain}"


def masked_address(address: str) -> str:
    """The address for a page that strangers may see: `anna@host.example` becomes `a***@host.example`."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}***@{domain}"
