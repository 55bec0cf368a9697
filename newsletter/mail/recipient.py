"""What differs from reader to reader in one issue: the values of every hole; renders nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date
from functools import lru_cache

from newsletter.domain.delivery.delivery import Claim
from newsletter.domain.site import Site
from newsletter.domain.tips.season_rule import in_words
from newsletter.mail.headers import mailbox
from newsletter.mail.tokens import Purpose, Signer, digester
from newsletter.mail.verp import SignedAddresses, issue_in_base36

_GERMAN_MONTHS = (
    "Januar", "Februar", "März", "April", "Mai", "Juni",
    "Juli", "August", "September", "Oktober", "November", "Dezember",
)  # fmt: skip


def message_id(secret: bytes, issue: int, subscriber: int, domain: str) -> str:
    """The Message-ID of one letter: the same on every retry, so that receivers can drop a double; not guessable."""
    return f"<{_digester(secret)(f'message-id:{issue}:{subscriber}').hex()}@{domain}>"


@lru_cache(maxsize=16)
def _digester(secret: bytes) -> Callable[[str], bytes]:
    return digester(hashlib.blake2b(digest_size=16, key=secret))


class RecipientValues:
    """What one letter says to each of its readers. secret: the issue's own key."""

    def __init__(self, site: Site, signer: Signer, secret: bytes) -> None:
        self._site = site
        self._leave_by_mail = SignedAddresses(site, signer).leave
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
            "joined_on": format_join_date(claim.joined_on, self._site.language),
        }


@lru_cache(maxsize=4096)
def format_join_date(joined_on: str, language: str) -> str:
    """The day a reader joined, for a sentence: ISO or "" in; never empty, so that a template need not ask.

    For each reader of each letter, so it knows the languages that have a catalogue of ours; in others it stays ISO.
    """
    day, spoken = date.fromisoformat(joined_on[:10]) if joined_on else None, language.partition("-")[0].lower()
    if spoken == "en":
        return in_words(day) if day else "some time ago"
    if spoken == "de":
        return f"{day.day}. {_GERMAN_MONTHS[day.month - 1]} {day.year}" if day else "vor einiger Zeit"
    return day.isoformat() if day else "–"
