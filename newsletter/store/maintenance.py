"""What time alone changes: pauses end, unconfirmed sign-ups expire, and personal data is deleted after its period."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import date, datetime

from newsletter.domain.subscribers.subscriber import Subscriber
from newsletter.domain.subscribers.subscription import (
    CONFIRM_EMAIL_EVERY,
    CONFIRM_WITHIN,
    DELETE_AFTER,
    KEEP_NAME_ON_UNSUBSCRIBE_FOR,
    KEEP_ORIGIN_FOR,
    MONTH,
    REMIND_AFTER,
)
from newsletter.store import consent, signup_limits, subscribers, subscriptions, tips, transactional, unsubscribes
from newsletter.store.times import to_ms, to_text

BATCH = 5_000  # origins that one call shortens

# In this order: `unconfirmed_emails` looks for the expired sign-ups that are deleted a day later. With the last subscription
# of a person, the person is deleted; whoever has another one loses only what belongs to the expired one.
_DELETE = {
    "reverted": subscriptions.REVERT_SIGNUPS,
    "expired": subscriptions.EXPIRE,
    "names": subscribers.FORGET_NAMES,
    "unconfirmed_emails": transactional.DELETE_UNCONFIRMED,
    "deleted": subscribers.DELETE_EXPIRED,
    "deleted_consents": consent.DELETE_EXPIRED,
    "deleted_subscriptions": subscriptions.DELETE_EXPIRED,
    "anonymized": unsubscribes.MAKE_ANONYMOUS,
    "address_changes": subscribers.DROP_MOVES,
    "emails": transactional.DELETE_DONE,
    "signup_counts": signup_limits.DELETE_OVER,
    "unanswered": signup_limits.DELETE_UNANSWERED,
}


class SqlMaintenance:
    """Implements ports.subscribers.Maintenance in one transaction, for all lists but where it says otherwise."""

    def __init__(self, db: sqlite3.Connection, list_id: int) -> None:
        self._db, self._list_id = db, list_id

    def end_pauses(self, now: datetime) -> int:
        """End the pauses that are over, and update who rests."""
        return self._end_pauses(now, "TRUE")

    def prepare_freeze(self, now: datetime) -> None:
        """The same before an audience is frozen, where only those who rest in this list matter."""
        self._end_pauses(now, "list_id = :list")

    def _end_pauses(self, now: datetime, lists: str) -> int:
        ended = self._db.execute(subscriptions.END_PAUSES, {"now": to_text(now)}).fetchall()
        consent.add_resumed(self._db, ended, now)
        values = {"since": to_ms(now - MONTH), "list": self._list_id}
        self._db.execute(subscriptions.MARK_RESTING.format(lists=lists), values)
        return len(ended)

    def due_reminders(self, now: datetime, limit: int) -> list[Subscriber]:
        """Unconfirmed sign-ups for this list that are three days old or more and have not been reminded."""
        values = {"remind": to_text(now - REMIND_AFTER), "confirm": to_text(now - CONFIRM_WITHIN), "limit": limit}
        rows = self._db.execute(subscribers.DUE_REMINDERS, {**values, "list": self._list_id})
        return [subscribers.read_subscriber(row) for row in rows]

    def skip_reminders(self, since: datetime, now: datetime) -> None:
        """Count the sign-ups since then as reminded."""
        self._db.execute(subscriptions.SKIP_REMINDERS, {"now": to_text(now), "since": to_text(since)})

    def delete_expired(self, now: datetime) -> Mapping[str, int]:
        """Delete what must not be kept any longer; how much of each kind."""
        before = {
            "confirm": to_text(now - CONFIRM_WITHIN),
            "forget": to_text(now - DELETE_AFTER),
            "farewell": to_text(now - KEEP_NAME_ON_UNSUBSCRIBE_FOR),
            "now_ms": to_ms(now),
            "day_ago_ms": to_ms(now - CONFIRM_EMAIL_EVERY),
        }
        counts = {what: self._db.execute(sql, before).rowcount for what, sql in _DELETE.items()}
        return counts | {"origins": consent.shorten_origins(self._db, now - KEEP_ORIGIN_FOR, BATCH)}

    def emails_waiting(self, until: datetime) -> int:
        """See ports.subscribers."""
        return int(self._db.execute(transactional.WAITING_SINCE, {"until": to_text(until)}).fetchone()[0])

    def drop_emails(self, until: datetime, now: datetime) -> int:
        """See ports.subscribers."""
        return self._db.execute(transactional.DROP, {"until": to_text(until), "now": to_text(now)}).rowcount

    def count_as_sent(self, tip_id: int, day: date) -> None:
        """See ports.subscribers."""
        self._db.execute(tips.COUNT_AS_SENT, {"tip": tip_id, "day": day.isoformat()})
