"""Transactional emails that could not be sent: in words, for the log, doctor, the owner, and the dead man's switch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from newsletter.domain.english import plural
from newsletter.mail.replies import is_about_the_mailbox
from newsletter.ports.store import Tx
from newsletter.ports.transactional import UnsentEmails

LOOK_BACK = timedelta(days=2)  # older failures are no news
FOR_THE_OWNER = ("alert", "preview", "report")
PATIENCE = timedelta(hours=1)  # a temporary refusal, such as greylisting, is no news before
NAMES = {
    "confirm": "confirmation email",
    "reminder": "reminder",
    "confirm_address": "address confirmation email",
    "welcome": "welcome email",
    "unsubscribed": "unsubscribe email",
    "manage_link": "personal link email",
}


def unsent_emails(tx: Tx, now: datetime) -> Sequence[UnsentEmails]:
    """What waits after a failed attempt, and what failed lately.

    Not what is no news: a mailbox that does not exist, as after a typo, and a temporary refusal in the last hour.
    """
    return [one for one in tx.transactional.unsent(now - LOOK_BACK) if _is_news(one, now)]


def _is_news(one: UnsentEmails, now: datetime) -> bool:
    if one.is_waiting:
        return not one.reply.startswith("4") or now - one.oldest > PATIENCE
    return not is_about_the_mailbox(f"rcpt {one.reply}")


def in_words(one: UnsentEmails) -> str:
    """`3 confirmation emails wait after a failed attempt: 550 5.7.1 Sender address rejected`."""
    number = plural(one.number, NAMES.get(one.kind, f"{one.kind} email"))
    is_one = one.number == 1
    what = ("waits" if is_one else "wait") + " after a failed attempt" if one.is_waiting else "could not be sent"
    return f"{number} {what}: {one.reply}"
