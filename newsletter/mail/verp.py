"""Addresses that carry who and which issue in their local part, signed; reads no mail.

Lower-case letters, digits and hyphens only: some hosts change the case on the way back. A local part has at
most 64 octets (RFC 5321 section 4.5.3.1.1).
"""

from __future__ import annotations

import re
from functools import lru_cache

from newsletter.domain.errors import BadToken, SettingsError
from newsletter.domain.site import Site
from newsletter.mail.tokens import Purpose, Signer

MAX_LOCAL = 64  # octets, RFC 5321 section 4.5.3.1.1
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_BOUNCE = re.compile(r"(?:.*\+)?b-(([0-9a-z]{1,8})-([0-9a-z]{1,13}))-([0-9a-f]{16})\Z", re.DOTALL)
_LEAVE = re.compile(r"(?:.*\+)?u-(([0-9a-z]{1,32})-([0-9a-z]{1,8}))-([0-9a-f]{16})\Z", re.DOTALL)


@lru_cache(maxsize=4096)
def base36(number: int) -> str:
    """A number, 0 or more, in digits and lower-case letters; `int(text, 36)` reads it."""
    text = ""
    while number > 35:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return _DIGITS[number] + text


def envelope_sender(site: Site, signer: Signer, issue: int, subscriber: int) -> str:
    """The address a bounce of this one letter comes back to: on the bounce domain, else From with a plus part."""
    what = f"{base36(issue)}-{base36(subscriber)}"
    return _address(site, f"b-{what}-{signer.seal(Purpose.BOUNCE, what)}")


def read_envelope_sender(signer: Signer, local_part: str) -> tuple[int, int]:
    """Issue number and subscriber id of a bounce's local part; raises BadToken."""
    issue, subscriber = _read(_BOUNCE, Purpose.BOUNCE, signer, local_part)
    return int(issue, 36), int(subscriber, 36)


def leave_address(site: Site, signer: Signer, issue: int, subscriber_key: str) -> str:
    """The address of the mailto: form of List-Unsubscribe (RFC 2369 section 3.2)."""
    what = f"{subscriber_key}-{base36(issue)}"
    return _address(site, f"u-{what}-{signer.seal(Purpose.UNSUBSCRIBE_MAIL, what)}")


def read_leave_address(signer: Signer, local_part: str) -> tuple[str, int]:
    """Subscriber key and issue number of a mail to `leave_address`; raises BadToken."""
    key, issue = _read(_LEAVE, Purpose.UNSUBSCRIBE_MAIL, signer, local_part)
    return key, int(issue, 36)


def _address(site: Site, signed: str) -> str:
    before, after = _around(site.bounce_domain, site.from_address)
    if len(before) + len(signed) > MAX_LOCAL and before:
        raise SettingsError(
            "the name before the @ in NEWSLETTER_FROM is too long for bounce addresses",
            fix="Shorten it to 20 characters, or set NEWSLETTER_BOUNCE_DOMAIN",
        )
    return f"{before}{signed}{after}"


@lru_cache(maxsize=16)
def _around(bounce_domain: str, from_address: str) -> tuple[str, str]:
    """What stands before and after the signed part."""
    if bounce_domain:
        return "", f"@{bounce_domain}"
    local, _, domain = from_address.rpartition("@")
    return f"{local}+", f"@{domain}"


def _read(pattern: re.Pattern[str], purpose: Purpose, signer: Signer, local_part: str) -> tuple[str, str]:
    found = pattern.match(local_part.lower()) if len(local_part) <= 64 else None
    if not found or not signer.is_sealed(purpose, found[1], found[4]):
        raise BadToken("this address is not one of ours")
    return found[2], found[3]
