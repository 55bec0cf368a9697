"""The queue of transactional emails: the SQL of the table `notice`. An email is rendered only when it is sent."""

# ruff: noqa: S608 - only constants are joined here; values are parameters

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from newsletter.domain.delivery.delivery import back_off
from newsletter.domain.lists import FIRST_LIST
from newsletter.ports.transactional import TransactionalEmail, UnsentEmails
from newsletter.store import subscriptions
from newsletter.store.times import from_text, to_text

WAITING = ("pending", "deferred")
_IS_WAITING = "state IN ('pending', 'deferred')"
_INSERT = "INSERT INTO notice (kind, address, data, state, attempts, created_at, next_attempt_at, done_at, reply)"
_ADD = f"{_INSERT} VALUES (?, ?, ?, ?, 0, ?, ?, ?, '')"
# Reads `fate`, a staging table of `store.import_subscribers`. `data` as `actions.subscribers.subscribe` writes it.
ADD_IMPORTED = f"""{_INSERT}
    SELECT 'confirm', s.address, json_patch(json_object('subscriber_key', s.key, 'signup_at', :seconds),
            iif(:list = {FIRST_LIST}, '{{}}', json_object('list', :list, 'lists', json_array(:list)))),
        'pending', 0, :now, :now, NULL, ''
    FROM fate f JOIN subscriber s ON s.id = f.id WHERE fate IN ('add_asked', 'ask')"""
# One email for all lists that an import asks about; `to_ask` is one of its tables, too.
ADD_ASKED = f"""{_INSERT}
    SELECT 'confirm', p.address, json_patch(json_object('subscriber_key', p.key, 'signup_at', :seconds),
            iif(max(a.list_id) = {FIRST_LIST}, '{{}}',
                json_object('list', min(a.list_id), 'lists', json_group_array(a.list_id)))),
        'pending', 0, :now, :now, NULL, ''
    FROM to_ask a JOIN subscriber p ON p.id = a.subscriber_id GROUP BY p.id ORDER BY p.id"""
_DUE = f"""SELECT id, kind, address, data, state, attempts, created_at FROM notice
    WHERE {_IS_WAITING} AND next_attempt_at <= ? ORDER BY next_attempt_at LIMIT ?"""
_CLAIM = "UPDATE notice SET attempts = ?, next_attempt_at = ?, state = 'pending' WHERE id = ?"
_DONE = "UPDATE notice SET state = ?, reply = ?, done_at = coalesce(?, done_at) WHERE id = ?"
_WAITING = f"SELECT count(*) FROM notice WHERE {_IS_WAITING}"
_UNSENT = f"""SELECT g.kind, g.waits, g.number, g.newest, n.reply, g.oldest FROM (
        SELECT kind, {_IS_WAITING} AS waits, count(*) AS number, max(id) AS newest, min(created_at) AS oldest FROM notice
        WHERE ({_IS_WAITING} AND reply <> '') OR (state IN ('failed', 'rejected') AND done_at > ?)
        GROUP BY kind, {_IS_WAITING}, state = 'rejected') g
    JOIN notice n ON n.id = g.newest ORDER BY g.newest"""
_REJECTIONS = """SELECT r.reply FROM notice r WHERE r.address = ? AND r.state = 'rejected' AND r.done_at <= ?
    AND EXISTS (SELECT 1 FROM notice s WHERE s.state = 'sent' AND s.done_at >= r.done_at)"""
_OLD_ALERTS = f"""SELECT id, kind, address, data, attempts, created_at FROM notice
    WHERE {_IS_WAITING} AND kind = 'alert' AND created_at <= ? ORDER BY id"""
_REPLACE = "UPDATE notice SET data = ? WHERE id = ?"
_POSTPONE = f"UPDATE notice SET next_attempt_at = :until WHERE {_IS_WAITING} AND next_attempt_at < :until"
_REOPEN = "UPDATE notice SET state = 'deferred', done_at = NULL WHERE id = ?"
WAITING_SINCE = f"{_WAITING} AND created_at <= :until"
DROP = f"""UPDATE notice SET state = 'skipped', reply = 'the backup is older than its answer', done_at = :now
    WHERE {_IS_WAITING} AND created_at <= :until"""
ERASE = """DELETE FROM notice WHERE address = :address
    OR (data LIKE '%subscriber_key%' AND json_extract(data, '$.subscriber_key') = :person)"""
DELETE_UNCONFIRMED = f"""DELETE FROM notice WHERE address IN
    (SELECT address FROM subscriber WHERE id IN ({subscriptions.ONLY_EXPIRED}))"""
# All but the owner's emails hold a subscriber's address, so a new kind is deleted too unless it is named here.
DELETE_DONE = "DELETE FROM notice WHERE done_at <= :confirm AND kind NOT IN ('alert', 'preview', 'report')"


class SqlTransactionalEmails:
    """Implements ports.transactional.TransactionalEmails in one transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, kind: str, address: str, values: Mapping[str, Any], now: datetime, *, wanted: bool = True) -> None:
        """Queue an email, or record that it was skipped: the same work, so that the time tells a visitor nothing."""
        at = to_text(now)
        state, done_at = ("pending", None) if wanted else ("skipped", at)
        self._db.execute(_ADD, (kind, address, json.dumps(dict(values)), state, at, at, done_at))

    def due(self, now: datetime, limit: int) -> list[TransactionalEmail]:
        """Claim what is due. The next attempt is scheduled before anything is sent: a crash must not repeat it at once."""
        claimed = []
        rows = self._db.execute(_DUE, (to_text(now), limit)).fetchall()
        for number, kind, address, data, state, before, created_at in rows:
            attempts, unanswered = before + 1, before > 0 and state == "pending"
            self._db.execute(_CLAIM, (attempts, to_text(now + back_off(attempts)), number))
            values, since = json.loads(data), from_text(created_at)
            claimed.append(TransactionalEmail(number, kind, address, values, attempts, since, unanswered))
        return claimed

    def done(self, email_id: int, state: str, reply: str, now: datetime) -> None:
        """Record the outcome of an attempt; a deferred email waits for the time that `due` has set."""
        self._db.execute(_DONE, (state, reply, None if state in WAITING else to_text(now), email_id))

    def waiting(self) -> int:
        """How many emails are still to be sent."""
        return int(self._db.execute(_WAITING).fetchone()[0])

    def unsent(self, since: datetime) -> list[UnsentEmails]:
        """What waits after a failed attempt, and what failed or was rejected since then, by kind."""
        rows = self._db.execute(_UNSENT, (to_text(since),)).fetchall()
        return [
            UnsentEmails(kind, bool(is_waiting), number, newest, reply, from_text(oldest))
            for kind, is_waiting, number, newest, reply, oldest in rows
        ]

    def postpone(self, until: datetime) -> None:
        """Let everything that waits wait at least until then."""
        self._db.execute(_POSTPONE, {"until": to_text(until)})

    def rejections(self, address: str, until: datetime) -> list[str]:
        """The replies that rejected an email to this address until then, if another email was accepted since."""
        return [reply for (reply,) in self._db.execute(_REJECTIONS, (address, to_text(until)))]

    def old_alerts(self, until: datetime) -> list[TransactionalEmail]:
        """The alerts that were queued until then and wait, oldest first."""
        return [
            TransactionalEmail(number, kind, address, json.loads(data), attempts, from_text(created_at))
            for number, kind, address, data, attempts, created_at in self._db.execute(_OLD_ALERTS, (to_text(until),))
        ]

    def replace(self, email_id: int, values: Mapping[str, Any]) -> None:
        """Change what an email that waits says."""
        self._db.execute(_REPLACE, (json.dumps(dict(values)), email_id))

    def reopen(self, email_id: int) -> None:
        """Undo a rejection: the email waits again."""
        self._db.execute(_REOPEN, (email_id,))
