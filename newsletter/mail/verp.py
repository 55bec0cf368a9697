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
_UNSUBSCRIBE = re.compile(r"(?:.*\+)?u-(([0-9a-z]{1,32})-([0-9a-z]{1,8}))-([0-9a-f]{16})\Z", re.DOTALL)


def base36(number: int) -> str:
    """A number, 0 or more, in digits and lower-case letters; `int(text, 36)` reads it."""
    text = ""
    while number > 35:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return _DIGITS[number] + text


issue_in_base36 = lru_cache(maxsize=16)(base36)  # the same one for a whole list of readers


class SignedAddresses:
    """The signed addresses of a site's letters: each begins with the name of From, unless there is a bounce domain."""

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
        """The envelope sender of one letter: a bounce that comes back to it says whose it is."""
        what = f"{issue_in_base36(issue)}-{base36(subscriber)}"
        return self._whole(f"{self._before}b-{what}-{self._seal_bounce(what)}")

    def leave(self, issue: int, subscriber_key: str) -> str:
        """The address of the mailto: form of List-Unsubscribe (RFC 2369 section 3.2)."""
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
    """Issue number and subscriber id of a bounce's local part; raises BadToken."""
    issue, subscriber = _read(_BOUNCE, Purpose.BOUNCE, signer, local_part)
    return int(issue, 36), int(subscriber, 36)


def read_unsubscribe_address(signer: Signer, local_part: str) -> tuple[str, int]:
    """Subscriber key and issue number of a mail to `SignedAddresses.leave`; raises BadToken."""
    key, issue = _read(_UNSUBSCRIBE, Purpose.UNSUBSCRIBE_EMAIL, signer, local_part)
    return key, int(issue, 36)


def _read(pattern: re.Pattern[str], purpose: Purpose, signer: Signer, local_part: str) -> tuple[str, str]:
    found = pattern.match(local_part.lower()) if len(local_part) <= 64 else None
    if not found or not signer.is_sealed(purpose, found[1], found[4]):
        raise BadToken("this address is not one of ours")
    return found[2], found[3]
