"""Transactional mails that wait for the sender, in the database; what they say is made when they are sent."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from newsletter.domain.delivery.delivery import back_off
from newsletter.ports.store import TransactionalEmail
from newsletter.store.deliveries import sql_time
from newsletter.store.sqlite.columns import from_text

WAITING = ("pending", "deferred")
_ARE_WAITING = "state IN ('pending', 'deferred')"
_ADD = """INSERT INTO notice (kind, address, data, state, attempts, created_at, next_attempt_at, done_at, reply)
    VALUES (?, ?, ?, ?, 0, ?, ?, ?, '')"""
_DUE = f"""SELECT id, kind, address, data, state, attempts, created_at FROM notice
    WHERE {_ARE_WAITING} AND next_attempt_at <= ? ORDER BY next_attempt_at LIMIT ?"""  # noqa: S608 - a constant
_CLAIM = "UPDATE notice SET attempts = ?, next_attempt_at = ?, state = 'pending' WHERE id = ?"
_DONE = "UPDATE notice SET state = ?, reply = ?, done_at = coalesce(?, done_at) WHERE id = ?"


class SqlTransactionalEmails:
    """Implements ports.Notices in one transaction, by plain SQL: a sign-up passes here, and one mail for each."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, kind: str, address: str, values: Mapping[str, Any], now: datetime, *, wanted: bool = True) -> None:
        """Queue a mail for the sender, or write down that none is wanted."""
        at = sql_time(now)
        state, done_at = ("pending", None) if wanted else ("skipped", at)
        self._db.execute(_ADD, (kind, address, json.dumps(dict(values)), state, at, at, done_at))

    def due(self, now: datetime, limit: int) -> list[TransactionalEmail]:
        """Claim what is due: the next attempt is moved on before anything is sent, so a crash is not a hammer."""
        claimed = []
        rows = self._db.execute(_DUE, (sql_time(now), limit)).fetchall()
        for number, kind, address, data, state, before, created_at in rows:
            attempts, unanswered = before + 1, before > 0 and state == "pending"
            self._db.execute(_CLAIM, (attempts, sql_time(now + back_off(attempts)), number))
            values, since = json.loads(data), from_text(created_at)
            claimed.append(TransactionalEmail(number, kind, address, values, attempts, since, unanswered))
        return claimed

    def done(self, notice_id: int, state: str, reply: str, now: datetime) -> None:
        """Record how an attempt ended; `deferred` waits for the time that `due` set."""
        self._db.execute(_DONE, (state, reply, None if state in WAITING else sql_time(now), notice_id))

    def waiting(self) -> int:
        """How many wait to be sent, now or later."""
        return int(self._db.execute(f"SELECT count(*) FROM notice WHERE {_ARE_WAITING}").fetchone()[0])  # noqa: S608
