"""What differs from reader to reader in one issue: the values of every hole; renders nothing."""

from __future__ import annotations

import hashlib
from datetime import date
from functools import lru_cache

from newsletter.domain.delivery import Claim
from newsletter.domain.seasons import in_words
from newsletter.domain.site import Site
from newsletter.mail.headers import mailbox
from newsletter.mail.tokens import Purpose, Signer
from newsletter.mail.verp import base36, leave_address

_GERMAN_MONTHS = (
    "Januar", "Februar", "März", "April", "Mai", "Juni",
    "Juli", "August", "September", "Oktober", "November", "Dezember",
)  # fmt: skip


def message_id(secret: bytes, issue: int, subscriber: int, domain: str) -> str:
    """The Message-ID of one letter: the same on every retry, so that receivers can drop a double; not guessable."""
    what = b"message-id:%d:%d" % (issue, subscriber)
    return f"<{hashlib.blake2b(what, digest_size=16, key=secret).hexdigest()}@{domain}>"


def personal(claim: Claim, *, site: Site, signer: Signer, secret: bytes, date: str) -> dict[str, str]:
    """A value for every name in `mail.compiled.HOLES`.

    secret: the issue's own key. date: the Date header as `headers.format_date` writes it; make it once a second.
    """
    issue = base36(claim.issue_id)
    return {
        "to": mailbox(claim.address),
        "message_id": message_id(secret, claim.issue_id, claim.subscriber_id, site.from_domain),
        "date": date,
        "unsubscribe_url": site.url(f"/u/{signer.sign(Purpose.UNSUBSCRIBE, claim.subscriber_key, issue)}"),
        "unsubscribe_mailto": f"mailto:{leave_address(site, signer, claim.issue_id, claim.subscriber_key)}",
        "name": claim.name,
        "address": claim.address,
        "preferences_url": site.url(f"/p/{signer.sign(Purpose.PREFERENCES, claim.subscriber_key)}"),
        "useful_url": site.url(f"/useful/{signer.sign(Purpose.USEFUL, claim.subscriber_key, issue)}"),
        "joined_on": joined_in_words(claim.joined_on, site.language),
    }


@lru_cache(maxsize=4096)
def joined_in_words(joined_on: str, language: str) -> str:
    """The day a reader joined, for a sentence: ISO or "" in; never empty, so that a template need not ask.

    For each reader of each letter, so it knows the languages that have a catalogue of ours; in others it stays ISO.
    """
    day, spoken = date.fromisoformat(joined_on[:10]) if joined_on else None, language.partition("-")[0].lower()
    if spoken == "en":
        return in_words(day) if day else "some time ago"
    if spoken == "de":
        return f"{day.day}. {_GERMAN_MONTHS[day.month - 1]} {day.year}" if day else "vor einiger Zeit"
    return day.isoformat() if day else "–"
