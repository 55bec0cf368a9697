"""Unsubscribes and their reasons: the SQL of the table `farewell`. After 30 days a row is anonymous."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from newsletter.domain.subscribers.subscriber import UnsubscribeCount
from newsletter.store.times import from_text, to_text

_ADD = "INSERT INTO farewell (list_id, subscriber_id, issue_id, at, reason, words) VALUES (?, ?, ?, ?, '', '')"
# The later answer counts, but an empty one deletes nothing.
_SET_REASON = """UPDATE farewell SET reason = coalesce(nullif(:reason, ''), reason), words = coalesce(nullif(:words, ''), words)
    WHERE id = (SELECT max(id) FROM farewell WHERE subscriber_id = :id AND list_id = :list)"""
ERASE = "UPDATE farewell SET subscriber_id = NULL, words = '' WHERE subscriber_id = :id"
MAKE_ANONYMOUS = "UPDATE farewell SET subscriber_id = NULL WHERE subscriber_id IS NOT NULL AND at <= :farewell"
_BY_REASON = "SELECT reason, count(*) FROM farewell WHERE list_id = ? GROUP BY reason ORDER BY count(*) DESC"
_BY_TIP = """SELECT f.issue_id, t.key, count(*) FROM farewell f JOIN issue i ON i.id = f.issue_id
    LEFT JOIN tip t ON t.id = i.tip_id WHERE f.list_id = ? GROUP BY f.issue_id, t.key ORDER BY count(*) DESC, f.issue_id DESC LIMIT ?"""
_WORDS = "SELECT at, reason, words FROM farewell WHERE list_id = ? AND words <> '' ORDER BY id DESC LIMIT ?"


class SqlUnsubscribes:
    """Implements ports.subscribers.Unsubscribes in one transaction."""

    def __init__(self, db: sqlite3.Connection, list_id: int) -> None:
        self._db, self._list_id = db, list_id

    def add(self, subscriber_id: int, issue: int | None, now: datetime) -> None:
        """Record an unsubscribe, with the issue whose link was used, if any."""
        self._db.execute(_ADD, (self._list_id, subscriber_id, issue, to_text(now)))

    def set_reason(self, subscriber_id: int, reason: str, words: str) -> None:
        """Record why they unsubscribed last."""
        self._db.execute(_SET_REASON, {"list": self._list_id, "id": subscriber_id, "reason": reason, "words": words})

    def by_reason(self) -> list[UnsubscribeCount]:
        """How many for each reason, "" for none; the most frequent first."""
        return [
            UnsubscribeCount(number, reason=reason) for reason, number in self._db.execute(_BY_REASON, (self._list_id,))
        ]

    def by_tip(self, limit: int) -> list[UnsubscribeCount]:
        """The issues that lost the most subscribers."""
        rows = self._db.execute(_BY_TIP, (self._list_id, limit))
        return [UnsubscribeCount(number, issue=issue, tip=tip) for issue, tip, number in rows]

    def words(self, limit: int) -> list[tuple[datetime, str, str]]:
        """The latest comments, newest first."""
        return [
            (from_text(at), reason, words) for at, reason, words in self._db.execute(_WORDS, (self._list_id, limit))
        ]
