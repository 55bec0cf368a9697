"""What the sign-up limits remember of the last hours: the tables `tally`, `lane` and `asked`, and their SQL.

`actions.subscribers.signup_limits` decides which sign-ups are accepted.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from newsletter.domain.subscribers.signup_limits import HOUR, SignupLimit
from newsletter.store.times import from_ms, to_ms

MOST = 100_000
"""How many counts are kept. Requests from more networks in an hour push out the oldest of those, and no other counts."""

_HIT = """INSERT INTO tally (name, count, ends_at) VALUES (:name, :by, :ends)
    ON CONFLICT (name) DO UPDATE SET count = iif(ends_at <= :now, 0, count) + :by,
    ends_at = iif(ends_at <= :now, :ends, ends_at) WHERE ends_at <= :now OR count + :by <= :limit"""
_TRIM = f"""DELETE FROM tally WHERE rowid <= (SELECT max(rowid) FROM tally) - {MOST}
    AND (name GLOB 'link/*' OR name GLOB 'signup/*')"""  # noqa: S608 - a number
_IS_USED_UP = "SELECT 1 FROM tally WHERE name = ? AND ends_at > ? AND count >= ?"
_REFUND = "UPDATE tally SET count = count - 1 WHERE name = ? AND ends_at > ? AND count > 0"
DELETE_OVER = "DELETE FROM tally WHERE ends_at <= :now_ms"
_GET = "SELECT budget, unanswered, seen_at, closed_until, closures, turned_away FROM lane WHERE name = ?"
_SAVE = """INSERT INTO lane (name, budget, unanswered, seen_at, closed_until, closures, turned_away)
    VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET budget = excluded.budget,
    unanswered = excluded.unanswered, seen_at = excluded.seen_at, closed_until = excluded.closed_until,
    closures = excluded.closures, turned_away = excluded.turned_away"""
_REMEMBER = "INSERT OR REPLACE INTO asked (address_key, lane, network, at) VALUES (?, ?, ?, ?)"
ERASE = "DELETE FROM asked WHERE address_key = :key"
ERASE_MAILBOX = "DELETE FROM tally WHERE name = 'mailbox/' || :mailbox"
_TAKE = f"{ERASE} RETURNING lane, network"
_FORGET = "DELETE FROM tally WHERE name = ?"
_BY_NETWORK = "SELECT network, count(*) FROM asked WHERE at > ? AND network <> '' GROUP BY network ORDER BY network"
_COUNT = "SELECT count FROM tally WHERE name = ? AND ends_at > ?"
_UNANSWERED = "SELECT count(*) FROM asked WHERE at > ?"
DELETE_UNANSWERED = "DELETE FROM asked WHERE at <= :day_ago_ms"


class SignupCount(SQLModel, table=True):
    """How often something happened in an hour that began with its first time; ends_at: milliseconds since 1970."""

    __tablename__ = "tally"

    name: str = Field(primary_key=True)
    count: int
    ends_at: int = Field(sa_type=BigInteger)


class SignupThrottleRow(SQLModel, table=True):
    """A `domain.subscribers.signup_limits.SignupLimit` between two sign-ups; times in milliseconds since 1970."""

    __tablename__ = "lane"

    name: str = Field(primary_key=True)
    budget: float
    unanswered: float
    seen_at: int | None = Field(default=None, sa_type=BigInteger)
    closed_until: int | None = Field(default=None, sa_type=BigInteger)
    closures: int = 0
    turned_away: int = 0


class AskedToConfirm(SQLModel, table=True):
    """A confirmation email that is unanswered, for a day at most. lane: its limit; at: milliseconds since 1970."""

    __tablename__ = "asked"

    address_key: str = Field(primary_key=True)
    lane: str
    network: str = ""
    at: int = Field(sa_type=BigInteger)


class SqlSignupLimits:
    """Implements ports.subscribers.SignupLimits in one transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def hit(self, name: str, limit: int, now: datetime, *, by: int = 1, window: timedelta = HOUR) -> bool:
        """Count, unless that exceeds the limit; a window that is over starts again."""
        values = {"name": name, "by": by, "limit": limit, "now": to_ms(now), "ends": to_ms(now + window)}
        counted = self._db.execute(_HIT, values).rowcount > 0
        self._db.execute(_TRIM)
        return counted

    def is_used_up(self, name: str, limit: int, now: datetime) -> bool:
        """Has the current window no room left?"""
        return self._db.execute(_IS_USED_UP, (name, to_ms(now), limit)).fetchone() is not None

    def refund(self, name: str, now: datetime) -> None:
        """Take one hit of the current hour back."""
        self._db.execute(_REFUND, (name, to_ms(now)))

    def get(self, name: str, limit: int) -> SignupLimit:
        """The saved limit of this name, or a new one."""
        row = self._db.execute(_GET, (name,)).fetchone()
        if row is None:
            return SignupLimit(limit)
        budget, unanswered, seen, closed, closures, turned_away = row
        seen_at, closed_until = (None if ms is None else from_ms(ms) for ms in (seen, closed))
        return SignupLimit(limit, budget, unanswered, seen_at, closed_until, closures, turned_away)

    def save(self, name: str, limit: SignupLimit) -> None:
        """Insert the limit, or replace it."""
        times = (at and to_ms(at) for at in (limit.seen_at, limit.closed_until))
        self._db.execute(_SAVE, (name, limit.budget, limit.unanswered, *times, limit.closures, limit.turned_away))

    def forget(self, name: str) -> None:
        """Forget all hits."""
        self._db.execute(_FORGET, (name,))

    def remember(self, address_key: str, limit: str, network: str, now: datetime) -> None:
        """See ports.subscribers."""
        self._db.execute(_REMEMBER, (address_key, limit, network, to_ms(now)))

    def take(self, address_key: str) -> tuple[str, str]:
        """Forget the unanswered email to this address; the name of its limit and its network, or twice ""."""
        rows = self._db.execute(_TAKE, {"key": address_key}).fetchall()
        return (str(rows[0][0]), str(rows[0][1])) if rows else ("", "")

    def unanswered_by_network(self, since: datetime) -> list[tuple[str, int]]:
        """The networks with unanswered emails, and how many."""
        return [(str(name), int(count)) for name, count in self._db.execute(_BY_NETWORK, (to_ms(since),))]

    def count(self, name: str, now: datetime) -> int:
        """How many hits the current window has."""
        return int((self._db.execute(_COUNT, (name, to_ms(now))).fetchone() or (0,))[0])

    def unanswered(self, since: datetime) -> int:
        """How many confirmation emails since then are unanswered."""
        return int(self._db.execute(_UNANSWERED, (to_ms(since),)).fetchone()[0])
