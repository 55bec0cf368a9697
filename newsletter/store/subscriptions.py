"""Subscriptions, what a person has with one list: the table `subscription`, its SQL, and who is in an audience.

In the SQL of this package, `s` is a subscription, and `p` is the person (a row of `subscriber`).
"""

# ruff: noqa: S608 - only constants are joined here; values are parameters

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from newsletter.domain.delivery.one_a_day import ONE_A_DAY
from newsletter.domain.lists import FIRST_LIST, ISSUES_PER_LIST
from newsletter.domain.subscribers.subscriber import NewSubscriber, Subscription
from newsletter.domain.subscribers.subscription import Frequency, Status
from newsletter.store.sqlite.columns import at
from newsletter.store.times import from_text, from_text_or_none, to_text, to_text_or_none


class SubscriptionRow(SQLModel, table=True):
    """What a person has with one list. Without a row, the person never signed up for it.

    resting: a monthly subscriber who had this month's email of this list. last_tip_id: in a course, the last tip they had.
    """

    __tablename__ = "subscription"

    list_id: int = Field(primary_key=True)
    subscriber_id: int = Field(foreign_key="subscriber.id", primary_key=True, ondelete="CASCADE")
    status: str
    pace: str = Field(default="weekly", sa_column_kwargs={"server_default": "weekly"})
    resting: bool = Field(default=False, sa_column_kwargs={"server_default": text("0")})
    paused_until: datetime | None = at(null=True)
    signup_at: datetime = at()
    confirmed_at: datetime | None = at(null=True)
    left_at: datetime | None = at(null=True)
    confirmation_mailed_at: datetime | None = at(null=True)
    reminded_at: datetime | None = at(null=True)
    quarterly_at: datetime | None = at(null=True)
    source: str = Field(default="", sa_column_kwargs={"server_default": ""})
    last_tip_id: int | None = None

    # Each index ends with the primary key, so the subscribers of a list and status are in the order of their ids.
    __table_args__ = (
        Index("subscription_status", "status"),
        Index("subscription_of_person", "subscriber_id"),
        Index("subscription_quarterly", "quarterly_at", sqlite_where=text("quarterly_at IS NOT NULL"),
              postgresql_where=text("quarterly_at IS NOT NULL")),
        {"sqlite_with_rowid": False},
    )  # fmt: skip


# -- who is in an audience ---------------------------------------------------------------------------

_MAY_GET_EMAIL = "NOT EXISTS (SELECT 1 FROM suppression x WHERE x.address_key = p.address_key)"
# `+` before a column keeps SQLite from its index: by the status, each row of a list would be looked up by its key.
DELIVERABLE = f"s.list_id = :list AND +s.status = 'confirmed' AND NOT s.resting AND {_MAY_GET_EMAIL}"
"""Who is in the audience of a weekly issue of the list.

The claim reads status and suppression again. `SqlMaintenance.prepare_freeze` updates `resting` (a monthly subscriber who had
an email this month) and the pauses; it runs before every freeze.
"""
QUARTERLY = (
    "+s.list_id = :list AND s.quarterly_at <= :asked_before AND +s.status NOT IN ('confirmed', 'paused')"
    f" AND {_MAY_GET_EMAIL}"
    " AND NOT EXISTS (SELECT 1 FROM delivery h JOIN issue j ON j.id = h.issue_id"
    " WHERE h.subscriber_id = s.subscriber_id AND h.state = 'sent' AND j.tip_id = :tip)"
)
"""Who is in the audience of a quarterly issue: unsubscribed, asked for it in time, and has not received its tip."""
AUDIENCE = "subscription s CROSS JOIN subscriber p ON p.id = s.subscriber_id"
"""The tables of both conditions, read in this order (sqlite.org/optoverview.html, section 7.2)."""

MAILABLE = f"SELECT count(*) FROM {AUDIENCE} WHERE {DELIVERABLE}"
COUNT_QUARTERLY = f"SELECT count(*) FROM {AUDIENCE} WHERE {QUARTERLY}"
_OF_PERSON = """SELECT list_id, status, pace, source, signup_at, confirmed_at, left_at, paused_until, confirmation_mailed_at,
    quarterly_at, (SELECT key FROM tip WHERE tip.id = last_tip_id) FROM subscription WHERE subscriber_id = ? ORDER BY list_id"""

# -- writing -----------------------------------------------------------------------------------------

_ADD = """INSERT INTO subscription (list_id, subscriber_id, status, source, signup_at, confirmed_at, left_at)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""
# What a status brings with it, for one subscriber and for an import alike.
_CONFIRMED = """status = 'confirmed', paused_until = {paused_until},
    confirmed_at = coalesce(subscription.confirmed_at, {now}), left_at = NULL, quarterly_at = NULL"""
_UNSUBSCRIBED = "status = 'unsubscribed', left_at = {now}, paused_until = NULL"
_CHANGES = {
    Status.CONFIRMED: _CONFIRMED.format(paused_until=":paused_until", now=":now"),
    Status.UNSUBSCRIBED: _UNSUBSCRIBED.format(now=":now"),
}
# Nobody has a subscription who is not in the table of persons: they may have been erased meanwhile.
_SET_STATUS = """INSERT INTO subscription (list_id, subscriber_id, status, source, signup_at, confirmed_at, left_at, paused_until)
    SELECT :list, id, :status, :source, :now, iif(:status = 'confirmed', :now, NULL),
        iif(:status = 'unsubscribed', :now, NULL), :paused_until FROM subscriber WHERE id = :id
    ON CONFLICT (list_id, subscriber_id) DO UPDATE SET {changes}"""
_SIGN_UP_AGAIN = _SET_STATUS.format(
    changes="status = 'pending', signup_at = :now, confirmed_at = NULL, paused_until = NULL, pace = 'weekly'"
)
_WITHDRAW = """DELETE FROM subscription WHERE list_id = ? AND subscriber_id = ?
    AND status NOT IN ('confirmed', 'paused', 'unsubscribed')"""
CHANGEABLE = frozenset({"pace", "quarterly_at", "confirmation_mailed_at", "reminded_at"})

# -- writing, by time alone: see store.maintenance -----------------------------------------------------

END_PAUSES = """UPDATE subscription SET status = 'confirmed', paused_until = NULL
    WHERE status = 'paused' AND paused_until <= :now RETURNING list_id, subscriber_id"""
# An email that is still to be sent counts as the one of this month: a week late is better than two in a week. Only the
# emails of the same list count; the range of their issues is that of domain.lists.issue_id. One that waited for a day counts
# from the day of its issue, so that it does not keep the next one waiting for another week.
_DAY = 24 * 60 * 60 * 1000
_HAD_EMAIL = f"""EXISTS (SELECT 1 FROM delivery d WHERE d.subscriber_id = subscription.subscriber_id
    AND d.issue_id BETWEEN (subscription.list_id - {FIRST_LIST}) * {ISSUES_PER_LIST} + 1
        AND (subscription.list_id - {FIRST_LIST} + 1) * {ISSUES_PER_LIST}
    AND (d.state IN ('pending', 'sending', 'deferred') OR (d.state = 'sent' AND d.last_at - iif(d.reason IS '{ONE_A_DAY}', {_DAY}, 0) > :since)))"""
MARK_RESTING = f"""UPDATE subscription SET resting = (pace = 'monthly' AND {_HAD_EMAIL})
    WHERE {{lists}} AND (pace = 'monthly' OR resting) AND resting <> (pace = 'monthly' AND {_HAD_EMAIL})"""
SKIP_REMINDERS = "UPDATE subscription SET reminded_at = :now WHERE status = 'pending' AND signup_at >= :since"
# A former subscriber whose new sign-up was not confirmed is unsubscribed again, and an import must not add them.
REVERT_SIGNUPS = """UPDATE subscription SET status = 'unsubscribed'
    WHERE status = 'pending' AND left_at IS NOT NULL AND signup_at <= :confirm"""
EXPIRE = "UPDATE subscription SET status = 'expired' WHERE status = 'pending' AND signup_at <= :confirm"
OVER = "s.status = 'expired' AND s.signup_at <= :forget"
"""Which subscriptions are to be deleted."""
DELETE_EXPIRED = "DELETE FROM subscription AS s WHERE " + OVER
ONLY_EXPIRED = """SELECT s.subscriber_id FROM subscription s WHERE s.status = 'expired' AND s.signup_at <= :confirm
    AND NOT EXISTS (SELECT 1 FROM subscription o WHERE o.subscriber_id = s.subscriber_id AND o.status <> 'expired')"""
"""The persons whose sign-ups have all expired."""

# -- writing, by an import: `decided` is a staging view of store.import_subscribers ----------------------

ADD_IMPORTED = """INSERT INTO subscription (list_id, subscriber_id, status, source, signup_at, confirmed_at, left_at,
    confirmation_mailed_at, paused_until, pace)
    SELECT :list, id, CASE fate WHEN 'add_confirmed' THEN iif(paused_until > :now, 'paused', 'confirmed')
            WHEN 'add_asked' THEN 'pending' ELSE 'unsubscribed' END, 'import',
        CASE fate WHEN 'add_asked' THEN :now ELSE coalesce(signup_at, confirmed_at, :now) END,
        CASE fate WHEN 'add_confirmed' THEN coalesce(confirmed_at, signup_at, :now) END,
        CASE fate WHEN 'add_left' THEN coalesce(left_at, :now) END,
        CASE fate WHEN 'add_asked' THEN :now END, iif(fate = 'add_confirmed' AND paused_until > :now, paused_until, NULL),
        coalesce(pace, 'weekly')
    FROM decided WHERE fate IN ('add_confirmed', 'add_asked', 'add_left')"""
_IS_DECIDED = "FROM decided f WHERE subscription.list_id = :list AND subscription.subscriber_id = f.id AND f.fate ="
CONFIRM_IMPORTED = f"""UPDATE subscription SET
    {_CONFIRMED.format(paused_until="NULL", now="f.confirmed_at, f.signup_at, :now")}, confirmation_mailed_at = NULL
    {_IS_DECIDED} 'confirm'"""
UNSUBSCRIBE_IMPORTED = f"""UPDATE subscription SET {_UNSUBSCRIBED.format(now="coalesce(f.left_at, :now)")}
    {_IS_DECIDED} 'leave'"""
ASK_IMPORTED = f"UPDATE subscription SET signup_at = :now, confirmation_mailed_at = :now {_IS_DECIDED} 'ask'"
# Whoever unsubscribed from one list elsewhere may still want another one here.
IN_NO_OTHER_LIST = """NOT EXISTS (SELECT 1 FROM subscription s WHERE s.subscriber_id = decided.id AND s.list_id <> :list
    AND s.status IN ('confirmed', 'paused'))"""
# A subscriber that another installation has exported, with the record of `store.subscriber_records`.
RESTORE = """INSERT INTO subscription (list_id, subscriber_id, status, source, signup_at, confirmed_at, left_at, paused_until,
    pace, resting, quarterly_at, confirmation_mailed_at, reminded_at, last_tip_id)
    SELECT :list, id, record ->> 'status', record ->> 'source', coalesce(signup_at, confirmed_at, :now), confirmed_at,
        left_at, paused_until, coalesce(pace, 'weekly'), record ->> 'resting', record ->> 'quarterly_at',
        record ->> 'confirmation_mailed_at', record ->> 'reminded_at',
        (SELECT t.id FROM tip t WHERE t.key = record ->> 'last_tip' AND t.list_id = :list)
    FROM decided WHERE fate IN ('restore', 'restore_out')"""


class SqlSubscriptions:
    """The subscriptions of one list in one transaction, for `store.subscribers`."""

    def __init__(self, db: sqlite3.Connection, list_id: int) -> None:
        self._db, self._list_id = db, list_id

    def add(self, subscriber_id: int, new: NewSubscriber, confirmed_at: datetime | None) -> None:
        """Insert the subscription of a new person."""
        times = (to_text(new.signup_at), to_text_or_none(confirmed_at), to_text_or_none(new.left_at))
        self._db.execute(_ADD, (self._list_id, subscriber_id, new.status.value, new.source, *times))

    def set_status(
        self, subscriber_id: int, status: Status, now: datetime, paused_until: datetime | None, source: str
    ) -> None:
        """See ports.subscribers."""
        changes = _CHANGES.get(status, "status = :status, paused_until = :paused_until")
        self._enter(_SET_STATUS.format(changes=changes), subscriber_id, status, now, source, paused_until)

    def withdraw(self, subscriber_id: int) -> None:
        """See ports.subscribers."""
        self._db.execute(_WITHDRAW, (self._list_id, subscriber_id))

    def sign_up_again(self, subscriber_id: int, now: datetime, source: str) -> None:
        """See ports.subscribers."""
        self._enter(_SIGN_UP_AGAIN, subscriber_id, Status.PENDING, now, source)

    def change(self, subscriber_id: int, values: Mapping[str, Any]) -> None:
        """Set columns by name; the names come from this package, never from a visitor."""
        names = ", ".join(f"{name} = ?" for name in values)
        sql = f"UPDATE subscription SET {names} WHERE list_id = ? AND subscriber_id = ?"
        self._db.execute(sql, (*values.values(), self._list_id, subscriber_id))

    def of_person(self, subscriber_id: int) -> list[Subscription]:
        """What a person has with every list."""
        return [_read(row) for row in self._db.execute(_OF_PERSON, (subscriber_id,))]

    def _enter(
        self,
        sql: str,
        subscriber_id: int,
        status: Status,
        now: datetime,
        source: str,
        paused_until: datetime | None = None,
    ) -> None:
        values = {"list": self._list_id, "id": subscriber_id, "status": status.value, "source": source}
        self._db.execute(sql, values | {"now": to_text(now), "paused_until": to_text_or_none(paused_until)})


def _read(row: Sequence[Any]) -> Subscription:
    list_id, status, pace, source, signup_at, *times, last_tip = row
    confirmed_at, left_at, paused_until, mailed_at, quarterly_at = map(from_text_or_none, times)
    return Subscription(
        list_id, Status(status), Frequency(pace), source, from_text(signup_at), confirmed_at, left_at, paused_until,
        mailed_at, quarterly_at, last_tip or "",
    )  # fmt: skip
