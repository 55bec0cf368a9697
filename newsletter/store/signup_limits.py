"""What the front door remembers of the last hours: three tables, and plain SQL on them; who is let in is decided in `app.signup_limits`."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from newsletter.domain.subscribers.signup_limits import HOUR, SignupLimit
from newsletter.store.sqlite.connection import from_ms, to_ms

MOST = 100_000
"""Tallies that are kept: whoever knocks from more networks in an hour pushes out the oldest, and still has one lane."""

_HIT = """INSERT INTO tally (name, count, ends_at) VALUES (:name, :by, :ends)
    ON CONFLICT (name) DO UPDATE SET count = iif(ends_at <= :now, 0, count) + :by,
    ends_at = iif(ends_at <= :now, :ends, ends_at) WHERE ends_at <= :now OR count + :by <= :limit"""
_TRIM = f"DELETE FROM tally WHERE rowid <= (SELECT max(rowid) FROM tally) - {MOST}"  # noqa: S608 - a number
_IS_SPENT = "SELECT 1 FROM tally WHERE name = ? AND ends_at > ? AND count >= ?"
_GIVE_BACK = "UPDATE tally SET count = count - 1 WHERE name = ? AND ends_at > ? AND count > 0"
_LANE = "SELECT budget, unanswered, seen_at, closed_until, closures, turned_away FROM lane WHERE name = ?"
_KEEP = """INSERT INTO lane (name, budget, unanswered, seen_at, closed_until, closures, turned_away)
    VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET budget = excluded.budget,
    unanswered = excluded.unanswered, seen_at = excluded.seen_at, closed_until = excluded.closed_until,
    closures = excluded.closures, turned_away = excluded.turned_away"""
_REMEMBER = "INSERT OR REPLACE INTO asked (address_key, lane, at) SELECT ?, ?, ? WHERE ?"


class SignupCount(SQLModel, table=True):
    """How often something was done at the front door in an hour that began with the first time; ends_at: in ms."""

    __tablename__ = "tally"

    name: str = Field(primary_key=True)
    count: int
    ends_at: int = Field(sa_type=BigInteger)


class SignupThrottleRow(SQLModel, table=True):
    """A `domain.subscribers.signup_limits.SignupLimit` between two sign-ups; times in ms."""

    __tablename__ = "lane"

    name: str = Field(primary_key=True)
    budget: float
    unanswered: float
    seen_at: int | None = Field(default=None, sa_type=BigInteger)
    closed_until: int | None = Field(default=None, sa_type=BigInteger)
    closures: int = 0
    turned_away: int = 0


class AskedToConfirm(SQLModel, table=True):
    """Whose confirmation mail left by which lane, until it is answered or a day has passed; at: in ms."""

    __tablename__ = "asked"

    address_key: str = Field(primary_key=True)
    lane: str
    at: int = Field(sa_type=BigInteger)


class SqlSignupLimits:
    """Implements people_ports.Door in one transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def hit(self, name: str, limit: int, now: datetime, by: int = 1) -> bool:
        """Count, unless that is too many; a window that is over begins anew."""
        values = {"name": name, "by": by, "limit": limit, "now": to_ms(now), "ends": to_ms(now + HOUR)}
        counted = self._db.execute(_HIT, values).rowcount > 0
        self._db.execute(_TRIM)
        return counted

    def is_used_up(self, name: str, limit: int, now: datetime) -> bool:
        """Has the window no room?"""
        return self._db.execute(_IS_SPENT, (name, to_ms(now), limit)).fetchone() is not None

    def refund(self, name: str, now: datetime) -> None:
        """One less in the open window."""
        self._db.execute(_GIVE_BACK, (name, to_ms(now)))

    def get(self, name: str, limit: int) -> SignupLimit:
        """As it was left, or new."""
        row = self._db.execute(_LANE, (name,)).fetchone()
        if row is None:
            return SignupLimit(limit)
        budget, unanswered, seen, closed, closures, turned_away = row
        seen_at, closed_until = (None if ms is None else from_ms(ms) for ms in (seen, closed))
        return SignupLimit(limit, budget, unanswered, seen_at, closed_until, closures, turned_away)

    def save(self, name: str, lane: SignupLimit) -> None:
        """Write it down."""
        times = (at and to_ms(at) for at in (lane.seen_at, lane.closed_until))
        self._db.execute(_KEEP, (name, lane.budget, lane.unanswered, *times, lane.closures, lane.turned_away))

    def remember(self, address_key: str, lane: str, now: datetime, *, mailed: bool) -> None:
        """One statement whether or not there is anything to keep: the time says as little as the answer."""
        self._db.execute(_REMEMBER, (address_key, lane, to_ms(now), mailed))

    def take(self, address_key: str) -> str:
        """The lane, once."""
        rows = self._db.execute("DELETE FROM asked WHERE address_key = ? RETURNING lane", (address_key,)).fetchall()
        return str(rows[0][0]) if rows else ""
