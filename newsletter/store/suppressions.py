"""Suppressions: the SQL of the table `suppression`, the addresses that must never get an email."""

# ruff: noqa: S608 - only constants are joined here; values are parameters

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from newsletter.domain.delivery.health import DeadMailbox
from newsletter.domain.lists import FIRST_LIST, issue_name, list_of_issue
from newsletter.domain.subscribers.address import older_key
from newsletter.domain.subscribers.subscriber import Suppression
from newsletter.store import subscriber_records
from newsletter.store.subscriptions import IN_NO_OTHER_LIST
from newsletter.store.times import from_text, to_text

_INSERT = "INSERT INTO suppression (address_key, reason, source, at, issue_id)"
# The first reason is kept. ON CONFLICT after a SELECT needs its WHERE, or SQLite reads it as a join condition.
_ADD = f"{_INSERT} VALUES (?, ?, ?, ?, NULL) ON CONFLICT DO NOTHING"
# The row is checked again: between the judgment and this, the delivery may have been requeued.
_ADD_BOUNCED = f"""{_INSERT}
    SELECT s.address_key, 'hard_bounce', :source, :at, :issue FROM subscriber s
    JOIN delivery d ON d.subscriber_id = s.id AND d.issue_id = :issue AND d.state = 'rejected'
    WHERE s.id = :id ON CONFLICT DO NOTHING"""
# Reads `decided`, a staging view of `store.import_subscribers`.
ADD_IMPORTED = f"""{_INSERT}
    SELECT address_key,
        CASE fate WHEN 'block' THEN coalesce(record ->> '$.suppression[0]', 'hard_bounce') ELSE 'unsubscribed' END, :source,
        coalesce(left_at, :now), NULL
    FROM decided WHERE fate = 'block' OR (NOT :several AND fate IN ('add_left', 'leave') AND {IN_NO_OTHER_LIST}) ORDER BY address_key"""
RESTORE = """INSERT OR IGNORE INTO suppression (address_key, reason, source, at, issue_id, folded)
    SELECT address_key, record ->> '$.suppression[0]', record ->> '$.suppression[1]', record ->> '$.suppression[2]', NULL,
        record ->> '$.suppression[3]'
    FROM decided WHERE record ->> '$.suppression' IS NOT NULL AND fate IN ('restore', 'restore_out', 'restore_block')"""
REMOVE = "DELETE FROM suppression WHERE address_key = :key"
# From now on it only counts for the address that has its key.
_UNFOLD = "UPDATE suppression SET folded = 0 WHERE address_key = ? AND folded"
REMOVE_BOUNCED = """DELETE FROM suppression WHERE issue_id = ? AND address_key =
    (SELECT address_key FROM subscriber WHERE id = ?)"""
_OTHER_LIST = "SELECT key FROM mailing_list WHERE id = ? AND id <> ?"
REMOVE_OF_ISSUE = "DELETE FROM suppression WHERE issue_id = :issue"
_SELECT = "SELECT address_key, reason, source, at FROM suppression"


class SqlSuppressions:
    """Implements ports.subscribers.Suppressions in one transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def get(self, address_key: str) -> Suppression | None:
        """The suppression of this address, which may be one that was made when its key was another one."""
        row = self._db.execute(f"{_SELECT} WHERE address_key = ?", (address_key,)).fetchone()
        if row is None and (older := older_key(address_key)) != address_key:
            return self.get_older(older)
        return _read(row) if row else None

    def get_older(self, older: str) -> Suppression | None:
        """See ports.subscribers."""
        row = self._db.execute(f"{_SELECT} WHERE address_key = ? AND folded", (older,)).fetchone()
        return _read(row) if row else None

    def add(self, address_key: str, reason: str, source: str, now: datetime) -> bool:
        """False if the address is suppressed already."""
        return self._db.execute(_ADD, (address_key, reason, source, to_text(now))).rowcount > 0

    def remove(self, address_key: str) -> bool:
        """False if the address was not suppressed."""
        removed = self._db.execute(REMOVE, {"key": address_key}).rowcount > 0
        older = older_key(address_key)
        unfolded = older != address_key and self._db.execute(_UNFOLD, (older,)).rowcount > 0
        return removed or unfolded

    def remove_older(self, older: str) -> None:
        """See ports.subscribers."""
        self._db.execute(_UNFOLD, (older,))

    def add_bounced(self, issue: int, dead: Sequence[DeadMailbox], now: datetime) -> int:
        """Suppress the mailboxes that an issue has found not to exist; how many are new."""
        at, added = to_text(now), 0
        key = self._db.execute(_OTHER_LIST, (list_of_issue(issue), FIRST_LIST)).fetchone()
        name = issue_name(issue, key[0] if key else "")
        for one in dead:
            values = {"source": f"{name}: {one.reply}", "at": at, "issue": issue, "id": one.subscriber_id}
            added += self._db.execute(_ADD_BOUNCED, values).rowcount
        return added

    def of_issue(self, issue: int) -> list[Suppression]:
        """Those that an issue has caused, newest first."""
        return [_read(row) for row in self._db.execute(f"{_SELECT} WHERE issue_id = ? ORDER BY at DESC", (issue,))]

    def remove_of_issue(self, issue: int) -> int:
        """Remove those that an issue has caused; how many."""
        return self._db.execute(REMOVE_OF_ISSUE, {"issue": issue}).rowcount

    def each(self) -> Iterator[Suppression]:
        """Every suppression, newest first; streams."""
        yield from map(_read, self._db.execute(f"{_SELECT} ORDER BY at DESC"))

    def without_subscriber(self) -> Iterator[tuple[str, str]]:
        """See ports.subscribers."""
        return subscriber_records.without_subscriber(self._db)

    def erased(self) -> int:
        """How many addresses were erased."""
        return subscriber_records.erased(self._db)

    def erasure_key(self) -> bytes:
        """The key that the migration has made; it is never changed."""
        return bytes(self._db.execute("SELECT value FROM own_key WHERE name = 'erased'").fetchone()[0])

    def count(self) -> int:
        """How many there are."""
        return int(self._db.execute("SELECT count(*) FROM suppression").fetchone()[0])


def _read(row: Sequence[Any]) -> Suppression:
    address_key, reason, source, at = row
    return Suppression(address_key, reason, source, from_text(at))
