"""Subscribers: the SQL of the table `subscriber`, which has the persons. What each has with a list is in `subscriptions`."""

# ruff: noqa: S608 - only constants and our own column names are joined here; values are parameters

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from newsletter.domain.subscribers.address import Address
from newsletter.domain.subscribers.subscriber import (
    UNSUBSCRIBED_ELSEWHERE,
    Consent,
    DeliveryFacts,
    NewSubscriber,
    Subscriber,
    Subscription,
)
from newsletter.domain.subscribers.subscription import Frequency, Status
from newsletter.store import erasure, statements, subscriber_records, subscriptions, suppressions
from newsletter.store.consent import add_consent, consents_of
from newsletter.store.issue_facts import read_delivery
from newsletter.store.times import from_text, from_text_or_none, to_text

# -- reading -------------------------------------------------------------------------------------------

_SUPPRESSED = f"suppression x ON x.address_key = p.address_key AND x.reason <> '{UNSUBSCRIBED_ELSEWHERE}'"
_COLUMNS = """p.id, p.key, p.address, p.address_key, p.name, s.status, s.source,
    coalesce(s.signup_at, (SELECT min(o.signup_at) FROM subscription o WHERE o.subscriber_id = p.id)), s.confirmed_at,
    s.left_at, s.paused_until, s.confirmation_mailed_at, p.link_mailed_at, s.pace, s.quarterly_at, p.new_address,
    p.new_address_key, p.new_address_at, x.address_key IS NOT NULL, p.one_a_day"""
"""The columns that `read_subscriber` needs; `x` is a suppression that counts as a status."""
_PERSON = f"""SELECT {_COLUMNS} FROM subscriber p
    LEFT JOIN subscription s ON s.list_id = :list AND s.subscriber_id = p.id LEFT JOIN {_SUPPRESSED}"""
_BY_ADDRESS = f"{_PERSON} WHERE p.address_key = :value"
_BY_KEY = f"{_PERSON} WHERE p.key = :value"
_FROM = f"FROM subscription s JOIN subscriber p ON p.id = s.subscriber_id LEFT JOIN {_SUPPRESSED}"
_EACH = f"SELECT {_COLUMNS} {_FROM} WHERE s.list_id = :list"
_IN_ORDER = f"{_EACH} ORDER BY s.subscriber_id"
_WITH_STATUS = f"{_EACH} AND s.status = :status AND x.address_key IS NULL ORDER BY s.subscriber_id"
_ALL_SUPPRESSED = f"{_EACH} AND x.address_key IS NOT NULL ORDER BY s.subscriber_id"
_COUNT = f"SELECT iif(x.address_key IS NULL, s.status, 'suppressed'), count(*) {_FROM} WHERE s.list_id = ? GROUP BY 1"
_MOVE_REQUESTED = "SELECT 1 FROM subscriber WHERE new_address_key = ? AND new_address_key <> '' AND new_address_at > ?"
LAST_ID = (
    "SELECT max(coalesce((SELECT max(id) FROM subscriber), 0), coalesce((SELECT max(subscriber_id) FROM delivery), 0))"
)
"""The highest id that a subscriber has or had. The deliveries of an erased one keep it, so nobody else may get it."""
DUE_REMINDERS = f"""{_EACH} AND s.status = 'pending'
    AND NOT EXISTS (SELECT 1 FROM suppression WHERE address_key = p.address_key)
    AND s.signup_at <= :remind AND s.signup_at > :confirm AND (s.reminded_at IS NULL OR s.reminded_at < s.signup_at)
    LIMIT :limit"""

# -- writing -------------------------------------------------------------------------------------------

_INSERT = "INSERT INTO subscriber (id, key, address, address_key, name, new_address, new_address_key)"
_ADD = f"{_INSERT} VALUES (1 + ({LAST_ID}), ?, ?, ?, ?, '', '') RETURNING id"
# Anybody may sign up an address, so the name of somebody who gets emails stays as it is.
_RENAME = """UPDATE subscriber SET name = ? WHERE id = ? AND NOT EXISTS (SELECT 1 FROM subscription o
    WHERE o.subscriber_id = subscriber.id AND o.status IN ('confirmed', 'paused'))"""

# -- writing, by time alone: see store.maintenance ---------------------------------------------------------

FORGET_NAMES = f"UPDATE subscriber SET name = '' WHERE name <> '' AND id IN ({subscriptions.ONLY_EXPIRED})"
# With a person, the subscriptions and the consent log are deleted by their foreign keys.
DELETE_EXPIRED = f"""DELETE FROM subscriber WHERE id IN (SELECT s.subscriber_id FROM subscription s WHERE {subscriptions.OVER})
    AND NOT EXISTS (SELECT 1 FROM subscription s WHERE s.subscriber_id = subscriber.id AND NOT ({subscriptions.OVER}))"""
DROP_MOVES = """UPDATE subscriber SET new_address = '', new_address_key = ''
    WHERE new_address_key <> '' AND new_address_at <= :confirm"""

# -- writing, by an import: `decided` is a staging view of store.import_subscribers -------------------------

# The first two characters of a key grow from slice to slice, so that a slice adds to a few pages of the index and not to all.
ADD_IMPORTED = f"""{_INSERT}
    SELECT id, :prefix || substr(key, 3), address, address_key, name, '', ''
    FROM decided WHERE fate IN ('add_confirmed', 'add_asked', 'add_left') AND NOT known"""
NAME_IMPORTED = """UPDATE subscriber SET name = f.name FROM decided f
    WHERE f.id = subscriber.id AND f.named AND f.fate IN ('confirm', 'ask', 'same', 'add_confirmed', 'add_asked')"""
# A subscriber that another installation has exported, with the record of `store.subscriber_records`.
RESTORE = """INSERT INTO subscriber (id, key, address, address_key, name, link_mailed_at, new_address, new_address_key,
        one_a_day)
    SELECT id, :prefix || substr(key, 3), address, address_key, name, record ->> 'link_mailed_at', '', '',
        coalesce(record ->> 'one_a_day', 0)
    FROM decided WHERE fate IN ('restore', 'restore_out') AND NOT known"""
# The links in the emails that they have got contain this key. OR IGNORE: one that is taken is not theirs.
RESTORE_KEYS = """UPDATE OR IGNORE subscriber SET key = f.record ->> 'key' FROM decided f
    WHERE f.id = subscriber.id AND f.fate IN ('restore', 'restore_out') AND f.record ->> 'key' <> '' AND NOT f.known"""

ERASE = "DELETE FROM subscriber WHERE id = :id"  # with the subscriptions and the consent log, by their foreign keys

_CHANGEABLE = frozenset({"name", "link_mailed_at", "new_address", "new_address_at", "one_a_day"})


class SqlSubscribers:
    """Implements ports.subscribers.Subscribers in one transaction.

    In plain SQL: sign-ups pass here, perhaps while an issue is sent, and the ORM takes ten times as long.
    """

    def __init__(self, db: sqlite3.Connection, list_id: int) -> None:
        self._db, self._list_id = db, list_id
        self._subscriptions = subscriptions.SqlSubscriptions(db, list_id)

    def by_address(self, address_key: str) -> Subscriber | None:
        """The subscriber with this address key."""
        return self._one(_BY_ADDRESS, address_key)

    def by_key(self, subscriber_key: str) -> Subscriber | None:
        """The subscriber whose links carry this key."""
        return self._one(_BY_KEY, subscriber_key)

    def add(self, new: NewSubscriber, now: datetime) -> Subscriber:
        """Insert a person with a subscription; nobody else may have the address key."""
        confirmed_at = new.confirmed_at or (now if new.status is Status.CONFIRMED else None)
        ((number,),) = self._db.execute(_ADD, (new.key, new.address.text, new.address.key, new.name)).fetchall()
        self._subscriptions.add(number, new, confirmed_at)
        suppression = suppressions.SqlSuppressions(self._db).get(new.address.key)
        return Subscriber(
            id=number,
            key=new.key,
            address=new.address.text,
            address_key=new.address.key,
            name=new.name,
            status=new.status,
            source=new.source,
            signup_at=new.signup_at,
            confirmed_at=confirmed_at,
            left_at=new.left_at,
            paused_until=None,
            confirmation_mailed_at=None,
            suppressed=suppression is not None and suppression.reason != UNSUBSCRIBED_ELSEWHERE,
        )

    def set_status(
        self,
        subscriber_id: int,
        status: Status,
        now: datetime,
        *,
        paused_until: datetime | None = None,
        source: str = "",
    ) -> None:
        """Set the status and the time that belongs to it."""
        self._subscriptions.set_status(subscriber_id, status, now, paused_until, source)

    def withdraw(self, subscriber_id: int) -> None:
        """Delete a subscription that is not confirmed."""
        self._subscriptions.withdraw(subscriber_id)

    def sign_up_again(self, subscriber_id: int, name: str, now: datetime, *, source: str = "") -> None:
        """Back to pending with a new sign-up time."""
        if name:
            self._db.execute(_RENAME, (name, subscriber_id))
        self._subscriptions.sign_up_again(subscriber_id, now, source)

    def change(self, subscriber_id: int, **values: Any) -> None:
        """Set fields of one subscriber by name; raises ValueError for those that need a method of their own."""
        if unknown := values.keys() - _CHANGEABLE - subscriptions.CHANGEABLE:
            raise ValueError(f"not to be changed like this: {sorted(unknown)}")
        given: dict[str, Any] = {
            name: to_text(one) if isinstance(one, datetime) else one for name, one in values.items()
        }
        if of_list := {name: given.pop(name) for name in values if name in subscriptions.CHANGEABLE}:
            self._subscriptions.change(subscriber_id, of_list)
        if "new_address" in given:
            wanted: Address | None = given["new_address"]
            given["new_address"], given["new_address_key"] = (wanted.text, wanted.key) if wanted else ("", "")
        if given:
            self._write(subscriber_id, **given)

    def subscriptions(self, subscriber_id: int) -> list[Subscription]:
        """What a person has with every list."""
        return self._subscriptions.of_person(subscriber_id)

    def move(self, subscriber_id: int, address: Address) -> None:
        """Change the address of a subscriber."""
        new = {"address": address.text, "address_key": address.key}
        self._write(subscriber_id, **new, new_address="", new_address_key="")

    def is_move_requested(self, address_key: str, since: datetime) -> bool:
        """Did any subscriber ask to move to this address since then?"""
        return self._db.execute(_MOVE_REQUESTED, (address_key, to_text(since))).fetchone() is not None

    def erase(self, subscriber_id: int) -> None:
        """Delete all personal data; the counts of issues do not change."""
        erasure.erase(self._db, subscriber_id, ERASE)

    def erase_replies(self, subscriber_id: int) -> None:
        """See ports.subscribers."""
        erasure.erase_replies(self._db, subscriber_id)

    def log_consent(self, subscriber_id: int, consent: Consent) -> None:
        """Append to the consent log."""
        add_consent(self._db, subscriber_id, consent, self._list_id)

    def consents(self, subscriber_id: int) -> list[Consent]:
        """The consent log for all lists, oldest entry first."""
        return consents_of(self._db, subscriber_id)

    def record(self, subscriber_id: int) -> str:
        """What an export says about a subscriber beside the other columns."""
        return subscriber_records.record_of(self._db, subscriber_id, self._list_id)

    def record_welcome_tip(self, subscriber_id: int, tip_id: int) -> None:
        """Record that the welcome email has brought this tip, so that the subscriber counts as having received it."""
        self._db.execute(
            "INSERT OR IGNORE INTO welcome_tip (tip_id, subscriber_id) VALUES (?, ?)", (tip_id, subscriber_id)
        )

    def deliveries(self, subscriber_id: int) -> list[DeliveryFacts]:
        """Every delivery to this subscriber, newest first."""
        return [read_delivery(row) for row in self._db.execute(statements.OF_SUBSCRIBER, {"id": subscriber_id})]

    def each(self, status: str | None = None) -> Iterator[Subscriber]:
        """Subscribers by id, or those with one displayed status; streams."""
        sql = {None: _IN_ORDER, "suppressed": _ALL_SUPPRESSED}.get(status, _WITH_STATUS)
        yield from map(read_subscriber, self._db.execute(sql, {"list": self._list_id, "status": status}))

    def count(self) -> Mapping[str, int]:
        """How many subscribers have each displayed status."""
        return dict(self._db.execute(_COUNT, (self._list_id,)).fetchall())

    def mailable(self) -> int:
        """The size of the audience if an issue were frozen now."""
        return int(self._db.execute(subscriptions.MAILABLE, {"list": self._list_id}).fetchone()[0])

    def quarterly(self, asked_before: datetime, tip_id: int | None = None) -> int:
        """The size of the audience if a quarterly issue were frozen now."""
        values = {"list": self._list_id, "asked_before": to_text(asked_before), "tip": tip_id}
        return int(self._db.execute(subscriptions.COUNT_QUARTERLY, values).fetchone()[0])

    def _one(self, query: str, value: str) -> Subscriber | None:
        row = self._db.execute(query, {"list": self._list_id, "value": value}).fetchone()
        return read_subscriber(row) if row else None

    def _write(self, subscriber_id: int, **values: Any) -> None:
        """Set columns by name; the names come from this module, never from a visitor."""
        names = ", ".join(f"{name} = ?" for name in values)
        self._db.execute(f"UPDATE subscriber SET {names} WHERE id = ?", (*values.values(), subscriber_id))


def read_subscriber(row: Sequence[Any]) -> Subscriber:
    """A person with the subscription of one list, or without, as the use cases see it."""
    number, key, address, address_key, name, status, source, signup_at = row[:8]
    confirmed_at, left_at, paused_until, confirmation_mailed_at, link_mailed_at = map(from_text_or_none, row[8:13])
    pace, quarterly_at, new_address, new_address_key, new_address_at, suppressed, one_a_day = row[13:]
    return Subscriber(
        id=number,
        key=key,
        address=address,
        address_key=address_key,
        name=name,
        status=Status(status or Status.NONE),
        source=source or "",
        signup_at=from_text(signup_at),
        confirmed_at=confirmed_at,
        left_at=left_at,
        paused_until=paused_until,
        confirmation_mailed_at=confirmation_mailed_at,
        link_mailed_at=link_mailed_at,
        pace=Frequency(pace or Frequency.WEEKLY),
        quarterly_at=from_text_or_none(quarterly_at),
        new_address=Address(new_address, new_address_key) if new_address else None,
        new_address_at=from_text_or_none(new_address_at),
        suppressed=bool(suppressed),
        one_a_day=bool(one_a_day),
    )
