"""Signed addresses that encode a subscriber and an issue: VERP envelope senders, and mailto: addresses for unsubscribing.

They consist of lower-case letters, digits and hyphens, because some mail servers change the case of an address in a bounce.
A local part has at most 64 octets (RFC 5321 section 4.5.3.1.1).
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
_UNSUBSCRIBE = re.compile(r"(?:.*\+)?u-(([0-9a-z]{1,32})-([0-9a-z]{1,8}))-([0-9a-f]{16})\Z", re.DOTALL)


def base36(number: int) -> str:
    """A number, 0 or more, in base 36 with lower-case letters; `int(text, 36)` reads it."""
    text = ""
    while number > 35:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return _DIGITS[number] + text


issue_in_base36 = lru_cache(maxsize=16)(base36)  # all messages of an issue have the same number


class SignedAddresses:
    """The signed addresses of a newsletter: plus addresses of From (`tips+b-…@`), or addresses at the bounce domain, if set."""

    __slots__ = ("_after", "_before", "_seal_bounce", "_seal_unsubscribe")

    def __init__(self, site: Site, signer: Signer) -> None:
        self._seal_bounce, self._seal_unsubscribe = (
            signer.sealer(Purpose.BOUNCE),
            signer.sealer(Purpose.UNSUBSCRIBE_EMAIL),
        )
        local, _, domain = site.from_address.rpartition("@")
        self._before, self._after = (
            ("", f"@{site.bounce_domain}") if site.bounce_domain else (f"{local}+", f"@{domain}")
        )

    def bounce(self, issue: int, subscriber: int) -> str:
        """The envelope sender of one delivery: a bounce to this address identifies the delivery. Raises SettingsError."""
        what = f"{issue_in_base36(issue)}-{base36(subscriber)}"
        return self._whole(f"{self._before}b-{what}-{self._seal_bounce(what)}")

    def unsubscribe(self, issue: int, subscriber_key: str) -> str:
        """The mailto: address of List-Unsubscribe (RFC 2369 section 3.2). Raises SettingsError."""
        what = f"{subscriber_key}-{issue_in_base36(issue)}"
        return self._whole(f"{self._before}u-{what}-{self._seal_unsubscribe(what)}")

    def _whole(self, local: str) -> str:
        if len(local) > MAX_LOCAL and self._before:
            raise SettingsError(
                "the name before the @ in NEWSLETTER_FROM is too long for bounce addresses",
                fix="Shorten it to 20 characters, or set NEWSLETTER_BOUNCE_DOMAIN",
            )
        return local + self._after


def read_envelope_sender(signer: Signer, local_part: str) -> tuple[int, int]:
    """The issue number and the subscriber id in the local part of an envelope sender. Raises BadToken."""
    issue, subscriber = _read(_BOUNCE, Purpose.BOUNCE, signer, local_part)
    return int(issue, 36), int(subscriber, 36)


def read_unsubscribe_address(signer: Signer, local_part: str) -> tuple[str, int]:
    """The subscriber key and the issue number in the local part of an unsubscribe address. Raises BadToken."""
    key, issue = _read(_UNSUBSCRIBE, Purpose.UNSUBSCRIBE_EMAIL, signer, local_part)
    return key, int(issue, 36)


def _read(pattern: re.Pattern[str], purpose: Purpose, signer: Signer, local_part: str) -> tuple[str, str]:
    found = pattern.match(local_part.lower()) if len(local_part) <= MAX_LOCAL else None
    if not found or not signer.is_sealed(purpose, found[1], found[4]):
        raise BadToken("this address was not signed by this newsletter")
    return found[2], found[3]
