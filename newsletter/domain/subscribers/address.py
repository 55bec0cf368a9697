"""An e-mail address: is it one, how is it written, and when are two the same; asks no DNS whether it exists."""

from __future__ import annotations

import re
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
_SHORT = 64  # characters of an address that is within every limit of RFC 5321 section 4.5.3.1
_DOMAINS = 20_000  # that are remembered
_SPECIAL = re.compile(r"@(?:.*\.)?(?:arpa|invalid|local|localhost|onion|test)\Z|--", re.IGNORECASE)


class AddressProblem(StrEnum):
    """Why a text is no address of ours. Which of the public test cases falls under which: docs/reference/email-addresses.md."""

    TOO_LONG = "it is longer than 254 octets"
    NO_AT = "it has no @"
    NO_NAME = "nothing stands before the @"
    NO_DOMAIN = "nothing stands after the @"
    QUOTED = "a quotation mark or a backslash stands in it"
    LITERAL = "the number of a machine stands in place of a domain"
    COMMENT = "brackets stand in it"
    SPACE = "a blank or a control character stands in it"
    SECOND_AT = "it has more than one @"
    DOT = "a dot stands at an edge or beside another"
    LONG_NAME = "more than 64 octets stand before the @"
    HYPHEN = "a part of the domain begins or ends with a hyphen"
    LONG_LABEL = "a part of the domain is longer than 63 characters"
    ONE_LABEL = "its domain has no dot"
    CHARACTER = "a character stands where it may not"
    DOMAIN = "its domain cannot be one of the public internet"


# The first that fits names the flaw of a text that is refused. RFC 5321 section 4.1.2 allows quoted names and address
# literals, RFC 5322 section 3.4.1 comments and blanks; no mail provider gives such an address to anybody.
_FLAWS = tuple(
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

_IN_DETAIL = (AddressProblem.CHARACTER, AddressProblem.DOMAIN)


class BadAddress(InputError):
    """A text that is no address, or none that mail goes to; `flaw` says why."""

    def __init__(self, problem: AddressProblem, detail: str = "") -> None:
        because = f" ({detail.rstrip('.')})" if detail else ""
        super().__init__(f"not an e-mail address: {problem}{because}", fix="Enter it as name@example.com")
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Address:
    """`text` is what we mail to (domain lower-cased), `key` is what makes two addresses one."""

    text: str
    key: str


def parse_address(text: str) -> Address:
    """Check an address by RFC 5321/5322/6531 without DNS; raises BadAddress with the reason.

    White space around it goes, as a hand leaves it in a form or a file.

    The local part keeps its spelling for the envelope (RFC 5321 section 2.4), the key does not.
    """
    text = text.strip()
    if _is_plain(text):
        local, _, domain = text.rpartition("@")
        plain = f"{local}@{domain.lower()}"
        return Address(plain, plain.lower())
    return _checked_by_library(text)


def address_parser() -> Callable[[str], tuple[str, str]]:
    """`parse_address` for a million: the same verdicts, as (text, key), each plain domain looked at once. Bounded memory.

    With a plain local part, and too short for any limit, the verdict on an address is that on its domain.
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
            if len(domains) == _DOMAINS:
                domains.clear()
            domains[domain] = domain.lower()
        return found.text, found.key

    return read


def _is_plain(text: str) -> bool:
    return bool(_PLAIN.match(text) and not _SPECIAL.search(text) and text.index("@") <= 64)


def _checked_by_library(text: str) -> Address:
    from email_validator import EmailNotValidError, validate_email

    if len(text.encode(errors="replace")) > MAX_OCTETS:
        raise BadAddress(AddressProblem.TOO_LONG)
    try:
        found = validate_email(text, check_deliverability=False, strict=True, test_environment=True)
    except EmailNotValidError as error:
        problem = next((problem for problem, pattern in _FLAWS if pattern.search(text)), AddressProblem.DOMAIN)
        raise BadAddress(problem, str(error) if problem in _IN_DETAIL else "") from None
    return Address(found.normalized, found.normalized.casefold())
