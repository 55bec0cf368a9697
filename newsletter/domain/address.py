"""An e-mail address: is it one, how is it written, and when are two the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Address:
    """`text` is what we mail to (domain lower-cased), `key` is what makes two addresses one."""

    text: str
    key: str


def parse_address(text: str) -> Address:
    """Check an address by RFC 5321/5322/6531 without DNS; raises InputError with the reason.

    The local part keeps its spelling for the envelope (RFC 5321 section 2.4), the key does not.
    """
    text = text.strip()
    if _is_plain(text):
        local, _, domain = text.rpartition("@")
        plain = f"{local}@{domain.lower()}"
        return Address(plain, plain.lower())
    return _checked_by_library(text)


def address_reader() -> Callable[[str], tuple[str, str]]:
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
        raise InputError("the address is too long", fix=f"An address has at most {MAX_OCTETS} octets")
    try:
        found = validate_email(text, check_deliverability=False, strict=True, test_environment=True)
    except EmailNotValidError as error:
        raise InputError(f"not an e-mail address: {str(error).rstrip('.')}", fix="Write it as name@domain") from None
    return Address(found.normalized, found.normalized.casefold())
