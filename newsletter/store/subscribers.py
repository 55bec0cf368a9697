"""Subscribers: the SQL of the table `subscriber`, and the conditions that define an audience."""

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
)
from newsletter.domain.subscribers.subscription import Frequency, Status
from newsletter.store import erasure, statements, subscriber_records, suppressions
from newsletter.store.consent import add_consent, consents_of
from newsletter.store.issue_facts import read_delivery
from newsletter.store.times import from_text, from_text_or_none, to_text, to_text_or_none

# -- who is in an audience ---------------------------------------------------------------------------

DELIVERABLE = (
    "s.status = 'confirmed' AND NOT s.resting"
    " AND NOT EXISTS (SELECT 1 FROM suppression x WHERE x.address_key = s.address_key)"
)
"""Who is in the audience of a weekly issue; `s` is the subscriber.

The claim reads status and suppression again. `SqlMaintenance.end_pauses` updates `resting` (a monthly subscriber who had
an email this month) and the pauses; it runs before every freeze.
"""
QUARTERLY = (
    "s.quarterly_at <= :asked_before AND s.status NOT IN ('confirmed', 'paused')"
    " AND NOT EXISTS (SELECT 1 FROM suppression x WHERE x.address_key = s.address_key)"
    " AND NOT EXISTS (SELECT 1 FROM delivery h JOIN issue j ON j.id = h.issue_id"
    " WHERE h.subscriber_id = s.id AND h.state = 'sent' AND j.tip_id = :tip)"
)
"""Who is in the audience of a quarterly issue: unsubscribed, asked for it in time, and has not received its tip."""

# -- reading -------------------------------------------------------------------------------------------

_FROM = f"""FROM subscriber s
    LEFT JOIN suppression x ON x.address_key = s.address_key AND x.reason <> '{UNSUBSCRIBED_ELSEWHERE}'"""
SUBSCRIBERS = f"""SELECT s.id, s.key, s.address, s.address_key, s.name, s.status, s.source, s.signup_at, s.confirmed_at, s.left_at,
    s.paused_until, s.confirmation_mailed_at, s.link_mailed_at, s.pace, s.quarterly_at, s.new_address, s.new_address_key,
    s.new_address_at, x.address_key IS NOT NULL {_FROM}"""
"""The columns that `read_subscriber` needs; `x` is a suppression that counts as a status."""
_BY_ADDRESS = f"{SUBSCRIBERS} WHERE s.address_key = ?"
_BY_KEY = f"{SUBSCRIBERS} WHERE s.key = ?"
_WITH_STATUS = f"{SUBSCRIBERS} WHERE s.status = ? AND x.address_key IS NULL ORDER BY s.id"
_COUNT = f"SELECT iif(x.address_key IS NULL, s.status, 'suppressed'), count(*) {_FROM} GROUP BY 1"
_MAILABLE = f"SELECT count(*) FROM subscriber s WHERE {DELIVERABLE}"
_QUARTERLY = f"SELECT count(*) FROM subscriber s WHERE {QUARTERLY}"
_MOVE_REQUESTED = "SELECT 1 FROM subscriber WHERE new_address_key = ? AND new_address_key <> '' AND new_address_at > ?"
LAST_ID = (
    "SELECT max(coalesce((SELECT max(id) FROM subscriber), 0), coalesce((SELECT max(subscriber_id) FROM delivery), 0))"
)
"""The highest id that a subscriber has or had. The deliveries of an erased one keep it, so nobody else may get it."""
DUE_REMINDERS = f"""{SUBSCRIBERS} WHERE s.status = 'pending'
    AND NOT EXISTS (SELECT 1 FROM suppression WHERE address_key = s.address_key)
    AND s.signup_at <= :remind AND s.signup_at > :confirm AND (s.reminded_at IS NULL OR s.reminded_at < s.signup_at)
    LIMIT :limit"""

# -- writing -------------------------------------------------------------------------------------------

_INSERT = """INSERT INTO subscriber (id, key, address, address_key, name, status, source, signup_at, confirmed_at,
    left_at, confirmation_mailed_at, paused_until, pace, resting, new_address, new_address_key)"""
_ADD = f"{_INSERT} VALUES (1 + ({LAST_ID}), ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, 'weekly', 0, '', '') RETURNING id"
# What a status brings with it, for one subscriber and for an import alike.
_CONFIRMED = """status = 'confirmed', paused_until = {paused_until},
    confirmed_at = coalesce(subscriber.confirmed_at, {now}), left_at = NULL, quarterly_at = NULL"""
_UNSUBSCRIBED = "status = 'unsubscribed', left_at = {now}, paused_until = NULL"
_CONFIRM = f"UPDATE subscriber SET {_CONFIRMED.format(paused_until=':paused_until', now=':now')} WHERE id = :id"
_UNSUBSCRIBE = f"UPDATE subscriber SET {_UNSUBSCRIBED.format(now=':now')} WHERE id = :id"
# -- writing, by time alone: see store.maintenance ---------------------------------------------------------

END_PAUSES = """UPDATE subscriber SET status = 'confirmed', paused_until = NULL
    WHERE status = 'paused' AND paused_until <= :now RETURNING id"""
# An email that is still to be sent counts as the one of this month: a week late is better than two in a week.
_HAD_EMAIL = """EXISTS (SELECT 1 FROM delivery d WHERE d.subscriber_id = subscriber.id
    AND (d.state IN ('pending', 'sending', 'deferred') OR (d.state = 'sent' AND d.last_at > :since)))"""
MARK_RESTING = f"""UPDATE subscriber SET resting = (pace = 'monthly' AND {_HAD_EMAIL})
    WHERE (pace = 'monthly' OR resting) AND resting <> (pace = 'monthly' AND {_HAD_EMAIL})"""
SKIP_REMINDERS = "UPDATE subscriber SET reminded_at = :now WHERE status = 'pending' AND signup_at >= :since"
# A former subscriber whose new sign-up was not confirmed is unsubscribed again, and an import must not add them.
REVERT_SIGNUPS = """UPDATE subscriber SET status = 'unsubscribed'
    WHERE status = 'pending' AND left_at IS NOT NULL AND signup_at <= :confirm"""
EXPIRE = "UPDATE subscriber SET status = 'expired', name = '' WHERE status = 'pending' AND signup_at <= :confirm"
DELETE_EXPIRED = "DELETE FROM subscriber WHERE status = 'expired' AND signup_at <= :forget"
DROP_MOVES = """UPDATE subscriber SET new_address = '', new_address_key = ''
    WHERE new_address_key <> '' AND new_address_at <= :confirm"""

# -- writing, by an import: `decided` is a staging view of store.import_subscribers -------------------------

# The first two characters of a key grow from slice to slice, so that a slice adds to a few pages of the index and not to all.
ADD_IMPORTED = f"""{_INSERT}
    SELECT id, :prefix || substr(key, 3), address, address_key, name,
        CASE fate WHEN 'add_confirmed' THEN iif(paused_until > :now, 'paused', 'confirmed')
            WHEN 'add_asked' THEN 'pending' ELSE 'unsubscribed' END, 'import',
        CASE fate WHEN 'add_asked' THEN :now ELSE coalesce(signup_at, confirmed_at, :now) END,
        CASE fate WHEN 'add_confirmed' THEN coalesce(confirmed_at, signup_at, :now) END,
        CASE fate WHEN 'add_left' THEN coalesce(left_at, :now) END,
        CASE fate WHEN 'add_asked' THEN :now END, iif(fate = 'add_confirmed' AND paused_until > :now, paused_until, NULL),
        coalesce(pace, 'weekly'), 0, '', ''
    FROM decided WHERE fate IN ('add_confirmed', 'add_asked', 'add_left')"""
NAME_IMPORTED = """UPDATE subscriber SET name = f.name FROM decided f
    WHERE f.id = subscriber.id AND f.named AND f.fate IN ('confirm', 'ask', 'same')"""
CONFIRM_IMPORTED = f"""UPDATE subscriber SET
    {_CONFIRMED.format(paused_until="NULL", now="f.confirmed_at, f.signup_at, :now")}, confirmation_mailed_at = NULL
    FROM decided f WHERE f.id = subscriber.id AND f.fate = 'confirm'"""
UNSUBSCRIBE_IMPORTED = f"""UPDATE subscriber SET {_UNSUBSCRIBED.format(now="coalesce(f.left_at, :now)")}
    FROM decided f WHERE f.id = subscriber.id AND f.fate = 'leave'"""
ASK_IMPORTED = """UPDATE subscriber SET signup_at = :now, confirmation_mailed_at = :now
    FROM decided f WHERE f.id = subscriber.id AND f.fate = 'ask'"""

# A subscriber that another installation has exported, with the record of `store.subscriber_records`.
RESTORE = """INSERT INTO subscriber (id, key, address, address_key, name, status, source, signup_at, confirmed_at, left_at,
    paused_until, pace, resting, quarterly_at, confirmation_mailed_at, reminded_at, link_mailed_at, new_address,
    new_address_key)
    SELECT id, :prefix || substr(key, 3), address, address_key, name, record ->> 'status', record ->> 'source',
        coalesce(signup_at, confirmed_at, :now), confirmed_at, left_at, paused_until, coalesce(pace, 'weekly'),
        record ->> 'resting', record ->> 'quarterly_at', record ->> 'confirmation_mailed_at', record ->> 'reminded_at',
        record ->> 'link_mailed_at', '', '' FROM decided WHERE fate IN ('restore', 'restore_out')"""
# The links in the emails that they have got contain this key. OR IGNORE: one that is taken is not theirs.
RESTORE_KEYS = """UPDATE OR IGNORE subscriber SET key = f.record ->> 'key' FROM decided f
    WHERE f.id = subscriber.id AND f.fate IN ('restore', 'restore_out') AND f.record ->> 'key' <> ''"""

ERASE = "DELETE FROM subscriber WHERE id = :id"  # the consent log is deleted by its foreign key

CHANGEABLE = frozenset(
    {
        "name",
        "pace",
        "quarterly_at",
        "confirmation_mailed_at",
        "link_mailed_at",
        "reminded_at",
        "new_address",
        "new_address_at",
    }
)


class SqlSubscribers:
    """Implements ports.subscribers.Subscribers in one transaction.

    In plain SQL: sign-ups pass here, perhaps while an issue is sent, and the ORM takes ten times as long.
    """

    def __init__(self, db: sqlite3.Connection, list_id: int) -> None:
        self._db, self._list_id = db, list_id

    def by_address(self, address_key: str) -> Subscriber | None:
        """The subscriber with this address key."""
        return self._one(_BY_ADDRESS, address_key)

    def by_key(self, subscriber_key: str) -> Subscriber | None:
        """The subscriber whose links carry this key."""
        return self._one(_BY_KEY, subscriber_key)

    def add(self, new: NewSubscriber, now: datetime) -> Subscriber:
        """Insert a subscriber; nobody else may have the address key."""
        confirmed_at = new.confirmed_at or (now if new.status is Status.CONFIRMED else None)
        values = (new.key, new.address.text, new.address.key, new.name, new.status.value, new.source)
        times = (to_text(new.signup_at), to_text_or_none(confirmed_at), to_text_or_none(new.left_at))
        ((number,),) = self._db.execute(_ADD, (*values, *times)).fetchall()
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
        self, subscriber_id: int, status: Status, now: datetime, *, paused_until: datetime | None = None
    ) -> None:
        """Set the status and the time that belongs to it."""
        until = to_text_or_none(paused_until)
        match status:
            case Status.CONFIRMED:
                self._db.execute(_CONFIRM, {"id": subscriber_id, "now": to_text(now), "paused_until": until})
            case Status.UNSUBSCRIBED:
                self._db.execute(_UNSUBSCRIBE, {"id": subscriber_id, "now": to_text(now)})
            case _:
                self._write(subscriber_id, status=status.value, paused_until=until)

    def sign_up_again(self, subscriber_id: int, name: str, now: datetime) -> None:
        """Back to pending with a new sign-up time."""
        values = {"status": Status.PENDING.value, "signup_at": now, "confirmed_at": None, "paused_until": None}
        self._write(subscriber_id, **values, pace=Frequency.WEEKLY.value, **({"name": name} if name else {}))

    def change(self, subscriber_id: int, **values: Any) -> None:
        """Set fields of one subscriber by name; raises ValueError for those that need a method of their own."""
        if not values.keys() <= CHANGEABLE:
            raise ValueError(f"not to be changed like this: {sorted(values.keys() - CHANGEABLE)}")
        if "new_address" in values:
            wanted: Address | None = values.pop("new_address")
            values["new_address"], values["new_address_key"] = (wanted.text, wanted.key) if wanted else ("", "")
        self._write(subscriber_id, **values)

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
        add_consent(self._db, subscriber_id, consent)

    def consents(self, subscriber_id: int) -> list[Consent]:
        """The consent log, oldest entry first."""
        return consents_of(self._db, subscriber_id)

    def record(self, subscriber_id: int) -> str:
        """What an export says about a subscriber beside the other columns."""
        return subscriber_records.record_of(self._db, subscriber_id)

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
        if status is None:
            rows = self._db.execute(f"{SUBSCRIBERS} ORDER BY s.id")
        elif status == "suppressed":
            rows = self._db.execute(f"{SUBSCRIBERS} WHERE x.address_key IS NOT NULL ORDER BY s.id")
        else:
            rows = self._db.execute(_WITH_STATUS, (status,))
        yield from map(read_subscriber, rows)

    def count(self) -> Mapping[str, int]:
        """How many subscribers have each displayed status."""
        return dict(self._db.execute(_COUNT).fetchall())

    def mailable(self) -> int:
        """The size of the audience if an issue were frozen now."""
        return int(self._db.execute(_MAILABLE).fetchone()[0])

    def quarterly(self, asked_before: datetime, tip_id: int | None = None) -> int:
        """The size of the audience if a quarterly issue were frozen now."""
        values = {"asked_before": to_text(asked_before), "tip": tip_id}
        return int(self._db.execute(_QUARTERLY, values).fetchone()[0])

    def _one(self, query: str, value: str) -> Subscriber | None:
        row = self._db.execute(query, (value,)).fetchone()
        return read_subscriber(row) if row else None

    def _write(self, subscriber_id: int, **values: Any) -> None:
        """Set columns by name; the names come from this module, never from a visitor."""
        given = [to_text(value) if isinstance(value, datetime) else value for value in values.values()]
        names = ", ".join(f"{name} = ?" for name in values)
        self._db.execute(f"UPDATE subscriber SET {names} WHERE id = ?", (*given, subscriber_id))


def read_subscriber(row: Sequence[Any]) -> Subscriber:
    """A row of `SUBSCRIBERS` as the use cases see it."""
    number, key, address, address_key, name, status, source, signup_at = row[:8]
    confirmed_at, left_at, paused_until, confirmation_mailed_at, link_mailed_at = map(from_text_or_none, row[8:13])
    pace, quarterly_at, new_address, new_address_key, new_address_at, suppressed = row[13:]
    return Subscriber(
        id=number,
        key=key,
        address=address,
        address_key=address_key,
        name=name,
        status=Status(status),
        source=source,
        signup_at=from_text(signup_at),
        confirmed_at=confirmed_at,
        left_at=left_at,
        paused_until=paused_until,
        confirmation_mailed_at=confirmation_mailed_at,
        link_mailed_at=link_mailed_at,
        pace=Frequency(pace),
        quarterly_at=from_text_or_none(quarterly_at),
        new_address=Address(new_address, new_address_key) if new_address else None,
        new_address_at=from_text_or_none(new_address_at),
        suppressed=bool(suppressed),
    )
