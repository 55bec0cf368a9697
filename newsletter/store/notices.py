"""Transactional mails that wait for the sender, in the database; what they say is made when they are sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert
from sqlmodel import Session, SQLModel, col, select

from newsletter.domain.delivery import back_off
from newsletter.domain.ports import Notice as NoticeFacts
from newsletter.store.tables import Notice

WAITING = ("pending", "deferred")
_ADD = insert(SQLModel.metadata.tables["notice"])


class SqlNotices:
    """Implements ports.Notices on one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, kind: str, address: str, values: Mapping[str, Any], now: datetime, *, wanted: bool = True) -> None:
        """Queue a mail for the sender, or write down that none is wanted."""
        state, done_at = ("pending", None) if wanted else ("skipped", now)
        entry = {"kind": kind, "address": address, "data": dict(values), "state": state, "attempts": 0, "reply": ""}
        times = {"created_at": now, "next_attempt_at": now, "done_at": done_at}
        self._session.connection().execute(_ADD, {**entry, **times})

    def due(self, now: datetime, limit: int) -> list[NoticeFacts]:
        """Claim what is due: the next attempt is moved on before anything is sent, so a crash is not a hammer."""
        query = (
            select(Notice)
            .where(col(Notice.state).in_(WAITING), Notice.next_attempt_at <= now)
            .order_by(col(Notice.next_attempt_at))
            .limit(limit)
        )
        claimed = []
        for row in self._session.exec(query):
            unanswered = row.attempts > 0 and row.state == "pending"
            row.attempts += 1
            row.next_attempt_at, row.state = now + back_off(row.attempts), "pending"
            claimed.append(
                NoticeFacts(row.id or 0, row.kind, row.address, row.data, row.attempts, row.created_at, unanswered)
            )
        self._session.flush()
        return claimed

    def done(self, notice_id: int, state: str, reply: str, now: datetime) -> None:
        """Record how an attempt ended; `deferred` waits for the time that `due` set."""
        row = self._session.get_one(Notice, notice_id)
        row.state, row.reply = state, reply
        if state not in WAITING:
            row.done_at = now
        self._session.flush()

    def waiting(self) -> int:
        """How many wait to be sent, now or later."""
        return self._session.exec(select(func.count()).select_from(Notice).where(col(Notice.state).in_(WAITING))).one()
