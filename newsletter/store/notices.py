"""Transactional mails that wait for the sender, in the database; what they say is made when they are sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update
from sqlmodel import Session, SQLModel, col
from sqlmodel import select as select_rows

from newsletter.domain.delivery import back_off
from newsletter.domain.ports import Notice as NoticeFacts
from newsletter.store.tables import Notice

WAITING = ("pending", "deferred")
# Past the ORM: a sign-up passes here, and one mail for each.
_NOTICE = SQLModel.metadata.tables["notice"]
_ADD = insert(_NOTICE)
_DUE = (
    select(_NOTICE)
    .where(_NOTICE.c.state.in_(WAITING), _NOTICE.c.next_attempt_at <= bindparam("now"))
    .order_by(_NOTICE.c.next_attempt_at)
    .limit(bindparam("limit"))
)
_CLAIM = update(_NOTICE).where(_NOTICE.c.id == bindparam("number"))


class SqlNotices:
    """Implements ports.Notices on one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, kind: str, address: str, values: Mapping[str, Any], now: datetime, *, wanted: bool = True) -> None:
        """Queue a mail for the sender, or write down that none is wanted."""
        state, done_at = ("pending", None) if wanted else ("skipped", now)
        entry = {"kind": kind, "address": address, "data": dict(values), "state": state, "attempts": 0, "reply": ""}
        times = {"created_at": now, "next_attempt_at": now, "done_at": done_at}
        self._connection.execute(_ADD, {**entry, **times})

    def due(self, now: datetime, limit: int) -> list[NoticeFacts]:
        """Claim what is due: the next attempt is moved on before anything is sent, so a crash is not a hammer."""
        claimed = []
        for row in self._connection.execute(_DUE, {"now": now, "limit": limit}).all():
            unanswered, attempts = row.attempts > 0 and row.state == "pending", row.attempts + 1
            values = {"attempts": attempts, "next_attempt_at": now + back_off(attempts), "state": "pending"}
            self._connection.execute(_CLAIM, {"number": row.id, **values})
            claimed.append(NoticeFacts(row.id, row.kind, row.address, row.data, attempts, row.created_at, unanswered))
        return claimed

    def done(self, notice_id: int, state: str, reply: str, now: datetime) -> None:
        """Record how an attempt ended; `deferred` waits for the time that `due` set."""
        done_at = {} if state in WAITING else {"done_at": now}
        self._connection.execute(
            update(_NOTICE).where(_NOTICE.c.id == notice_id).values(state=state, reply=reply, **done_at)
        )

    def waiting(self) -> int:
        """How many wait to be sent, now or later."""
        return self._session.exec(
            select_rows(func.count()).select_from(Notice).where(col(Notice.state).in_(WAITING))
        ).one()

    @property
    def _connection(self) -> Connection:
        return self._session.connection()
