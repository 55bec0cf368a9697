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
from newsletter.store import signup_limits, subscribers, tips, transactional, unsubscribes
from newsletter.store.consent import add_resumed, shorten_origins
from newsletter.store.times import to_ms, to_text

BATCH = 5_000  # origins that one call shortens

# In this order: `unconfirmed_emails` looks for the expired sign-ups that `deleted` deletes a day later.
_DELETE = {
    "reverted": subscribers.REVERT_SIGNUPS,
    "expired": subscribers.EXPIRE,
    "unconfirmed_emails": transactional.DELETE_UNCONFIRMED,
    "deleted": subscribers.DELETE_EXPIRED,
    "anonymized": unsubscribes.MAKE_ANONYMOUS,
    "address_changes": subscribers.DROP_MOVES,
    "emails": transactional.DELETE_DONE,
    "signup_counts": signup_limits.DELETE_OVER,
    "unanswered": signup_limits.DELETE_UNANSWERED,
}


class SqlMaintenance:
    """Implements ports.subscribers.Maintenance in one transaction."""

    def __init__(self, db: sqlite3.Connection, list_id: int) -> None:
        self._db, self._list_id = db, list_id

    def end_pauses(self, now: datetime) -> int:
        """End the pauses that are over, and update who rests; it must run before an audience is frozen."""
        ended = [number for (number,) in self._db.execute(subscribers.END_PAUSES, {"now": to_text(now)}).fetchall()]
        add_resumed(self._db, ended, now)
        self._db.execute(subscribers.MARK_RESTING, {"since": to_ms(now - MONTH)})
        return len(ended)

    def due_reminders(self, now: datetime, limit: int) -> list[Subscriber]:
        """Unconfirmed sign-ups that are three days old or more and have not been reminded."""
        times = {"remind": to_text(now - REMIND_AFTER), "confirm": to_text(now - CONFIRM_WITHIN), "limit": limit}
        return [subscribers.read_subscriber(row) for row in self._db.execute(subscribers.DUE_REMINDERS, times)]

    def skip_reminders(self, since: datetime, now: datetime) -> None:
        """Count the sign-ups since then as reminded."""
        self._db.execute(subscribers.SKIP_REMINDERS, {"now": to_text(now), "since": to_text(since)})

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
        return counts | {"origins": shorten_origins(self._db, now - KEEP_ORIGIN_FOR, BATCH)}

    def emails_waiting(self, until: datetime) -> int:
        """See ports.subscribers."""
        return int(self._db.execute(transactional.WAITING_SINCE, {"until": to_text(until)}).fetchone()[0])

    def drop_emails(self, until: datetime, now: datetime) -> int:
        """See ports.subscribers."""
        return self._db.execute(transactional.DROP, {"until": to_text(until), "now": to_text(now)}).rowcount

    def count_as_sent(self, tip_id: int, day: date) -> None:
        """See ports.subscribers."""
        self._db.execute(tips.COUNT_AS_SENT, {"tip": tip_id, "day": day.isoformat()})
