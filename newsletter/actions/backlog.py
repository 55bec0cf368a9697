"""Transactional emails that have waited for long: what still makes sense is sent, the rest is dropped with its reason.

They pile up while a mail server is down or the daemon is switched off. Alerts become one email.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from newsletter.actions.calendar.plan import Rules
from newsletter.actions.owner.queue import alert_values
from newsletter.actions.subscribers.unsubscribe import is_still_unsubscribed
from newsletter.domain.delivery.delivery import GIVE_UP_AFTER
from newsletter.domain.slot_days import WEEK
from newsletter.domain.subscribers.subscriber import Subscriber
from newsletter.domain.subscribers.subscription import CONFIRM_WITHIN, Status
from newsletter.domain.tips.season_rule import in_words
from newsletter.mail.replies import is_of_a_dead_mailbox
from newsletter.ports.store import Store, Tx
from newsletter.ports.transactional import TransactionalEmail

LIFE = {
    "confirm": CONFIRM_WITHIN,  # as long as its link
    "reminder": CONFIRM_WITHIN,
    "confirm_address": CONFIRM_WITHIN,
    "welcome": WEEK,
    "report": WEEK,
    "alert": timedelta(days=30),
}
"""How old an email may be when it is sent; two days for every other kind."""
OLD = timedelta(hours=1)
TOGETHER = 3  # old alerts from which on they become one
LISTED = 12  # alerts that one email lists
BOUNCES_APART = timedelta(days=1)
"""An address is suppressed when a second email is refused so much later, and the relay accepted others in between."""
TOO_OLD = "too old to be of use"
IN_ONE = "is part of a later alert"


def is_too_old(email: TransactionalEmail, rules: Rules, now: datetime) -> bool:
    """Is this email of no use anymore?"""
    if email.kind == "preview":
        slot = date.fromisoformat(str(email.values["slot"]))
        return now > rules.schedule.starts_at(slot) + rules.late_window
    return now - email.created_at > LIFE.get(email.kind, GIVE_UP_AFTER)


def applies(email: TransactionalEmail, subscriber: Subscriber) -> bool:
    """Is what this email says still true?"""
    match email.kind:
        case "confirm" | "reminder":
            same = int(subscriber.signup_at.timestamp()) == email.values["signup_at"]
            return same and subscriber.status is Status.PENDING and subscriber.address == email.address
        case "confirm_address":
            asked_at = int(subscriber.new_address_at.timestamp()) if subscriber.new_address_at else 0
            wanted = subscriber.new_address.text if subscriber.new_address else ""
            return wanted == email.address and asked_at == email.values["asked_at"]
        case "unsubscribed":
            is_still_out = is_still_unsubscribed(subscriber, int(str(email.values["left_at"])))
            return subscriber.address == email.address and is_still_out and not email.unanswered  # at most once
        case "manage_link":
            return subscriber.address == email.address and subscriber.status not in (Status.PENDING, Status.EXPIRED)
        case _:
            return subscriber.address == email.address and subscriber.status is Status.CONFIRMED


def life_of(kind: str) -> timedelta:
    """For how long an email that cannot be sent is tried again."""
    return max(GIVE_UP_AFTER, LIFE["alert"]) if kind == "alert" else GIVE_UP_AFTER


def was_dead_before(tx: Tx, address: str, now: datetime) -> bool:
    """Did an earlier email to this address find no mailbox, and was another one accepted since?"""
    return any(is_of_a_dead_mailbox(f"rcpt {one}") for one in tx.transactional.rejections(address, now - BOUNCES_APART))


def join_alerts(store: Store, rules: Rules, now: datetime) -> None:
    """Make one alert of those that have waited for an hour or more, so that the owner gets one and not forty."""
    with store.read() as tx:  # the daemon asks every two seconds: look before taking the write lock
        if not _are_many(tx.transactional.old_alerts(now - OLD)):
            return
    with store.write() as tx:
        by_owner: dict[str, list[TransactionalEmail]] = {}
        for email in tx.transactional.old_alerts(now - OLD):
            by_owner.setdefault(email.address, []).append(email)
        for emails in by_owner.values():
            if not _are_many(emails):
                continue
            tx.transactional.replace(emails[-1].id, _joined(emails, rules))
            for email in emails[:-1]:
                tx.transactional.done(email.id, "skipped", IN_ONE, now)


def _are_many(alerts: Sequence[TransactionalEmail]) -> bool:
    return len(alerts) >= TOGETHER or (len(alerts) > 1 and any("joined" in one.values for one in alerts))


def _joined(emails: Sequence[TransactionalEmail], rules: Rules) -> dict[str, object]:
    """The values of one alert in place of several, oldest first; one that is joined already counts its own."""
    said: list[str] = []
    for email in emails:
        known = email.values.get("joined")
        day = in_words(rules.schedule.day_of(email.created_at))
        said += known if isinstance(known, list) else [f"{day}: {email.values['headline']}"]
    lines = [f"{one}." for one in said[-LISTED:]]
    if len(said) > LISTED:
        lines.insert(0, f"{len(said) - LISTED} more came before these.")
    values = alert_values(f"{len(said)} alerts could not be sent until now", lines, "Run newsletter doctor")
    return {**values, "joined": said}
