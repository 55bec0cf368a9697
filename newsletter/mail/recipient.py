"""What differs from subscriber to subscriber in one issue: a value for every placeholder of the compiled message."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache, partial

from newsletter.domain.delivery.delivery import Claim
from newsletter.domain.site import Site
from newsletter.mail.headers import mailbox
from newsletter.mail.tokens import Purpose, Signer, digester
from newsletter.mail.verp import SignedAddresses, issue_in_base36


def message_id(secret: bytes, issue: int, subscriber: int, domain: str) -> str:
    """The Message-ID of one email: the same on every retry, so that receivers can drop a duplicate; not guessable."""
    return f"<{_digester(secret)(f'message-id:{issue}:{subscriber}').hex()}@{domain}>"


@lru_cache(maxsize=16)
def _digester(secret: bytes) -> Callable[[str], bytes]:
    return digester(hashlib.blake2b(digest_size=16, key=secret))


class RecipientValues:
    """The values of one compiled email for each subscriber. secret: the issue's own key."""

    def __init__(self, site: Site, signer: Signer, secret: bytes) -> None:
        self._format_join_date = lru_cache(maxsize=4096)(partial(format_join_date, site=site))
        self._leave_by_mail = SignedAddresses(site, signer).unsubscribe
        self._secret = secret
        self._domain = site.from_domain
        self._pages = site.url("")
        self._leave, self._prefer, self._vote = (
            signer.stamp(purpose) for purpose in (Purpose.UNSUBSCRIBE, Purpose.PREFERENCES, Purpose.USEFUL)
        )

    def values(self, claim: Claim, date: str) -> dict[str, str]:
        """A value for every name in `mail.compiled.PLACEHOLDERS`. date: as `headers.format_date` writes it."""
        number, key, pages = claim.issue_id, claim.subscriber_key, self._pages
        both = f"{key}.{issue_in_base36(number)}"
        return {
            "to": mailbox(claim.address),
            "message_id": message_id(self._secret, number, claim.subscriber_id, self._domain),
            "date": date,
            "unsubscribe_url": f"{pages}/u/{self._leave(both)}",
            "unsubscribe_mailto": f"mailto:{self._leave_by_mail(number, key)}",
            "name": claim.name,
            "address": claim.address,
            "preferences_url": f"{pages}/p/{self._prefer(key)}",
            "useful_url": f"{pages}/useful/{self._vote(both)}",
            "joined_on": self._format_join_date(claim.joined_on),
        }


def format_join_date(joined_on: str, site: Site) -> str:
    """The day somebody subscribed in the newsletter's zone, for a sentence; never empty, so that a template need not ask.

    joined_on: an ISO date, or a time in UTC as `2026-12-15 01:30`, or "".
    """
    if not joined_on:
        return site.dates.unknown
    at = datetime.fromisoformat(joined_on)
    return site.dates.day(at.date() if len(joined_on) == 10 else site.day_of(at.replace(tzinfo=UTC)))
