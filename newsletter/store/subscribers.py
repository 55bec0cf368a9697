"""Subscribers, their consent log, and suppressions in the database; who may be mailed is one SQL phrase here."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlmodel import col, func, select

from newsletter.domain.subscribers.address import Address
from newsletter.domain.subscribers.subscriber import UNSUBSCRIBED_ELSEWHERE, DeliveryFacts, NewSubscriber, Subscriber
from newsletter.domain.subscribers.subscriber import Consent as ConsentEntry
from newsletter.domain.subscribers.subscriber import Suppression as SuppressionEntry
from newsletter.domain.subscribers.subscription import Frequency, Status
from newsletter.store.deliveries import sql_time
from newsletter.store.sqlite.columns import from_text
from newsletter.store.sqlite.connection import from_ms
from newsletter.store.sqlite.database import Access
from newsletter.store.tables import Delivery, Issue, SubscriberRow, Tip

DELIVERABLE = (
    "s.status = 'confirmed' AND NOT s.resting"
    " AND NOT EXISTS (SELECT 1 FROM suppression x WHERE x.address_key = s.address_key)"
)
"""Who is in an audience; `s` is the subscriber. The claim in `ledger.py` reads status and suppression again; `resting`
(has had this month's letter) and the end of a pause are made true by `upkeep.wake`, which goes before every freeze."""
QUARTERLY = (
    "s.quarterly_at <= :asked_before AND s.status NOT IN ('confirmed', 'paused')"
    " AND NOT EXISTS (SELECT 1 FROM suppression x WHERE x.address_key = s.address_key)"
    " AND NOT EXISTS (SELECT 1 FROM delivery h JOIN issue j ON j.id = h.issue_id"
    " WHERE h.subscriber_id = s.id AND h.state = 'sent' AND j.tip_id = :tip)"
)
"""Who gets the letter of a quarter: left, asked for it in time, and has not had its tip."""
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


# Plain SQL wherever a sign-up passes, perhaps while an issue is sent: by the ORM a statement takes ten times as long.
_FROM = f"""FROM subscriber s
    LEFT JOIN suppression x ON x.address_key = s.address_key AND x.reason <> '{UNSUBSCRIBED_ELSEWHERE}'"""
SUBSCRIBERS = f"""SELECT s.id, s.key, s.address, s.address_key, s.name, s.status, s.source, s.signup_at, s.confirmed_at, s.left_at,
    s.paused_until, s.confirmation_mailed_at, s.link_mailed_at, s.pace, s.quarterly_at, s.new_address, s.new_address_key,
    s.new_address_at, x.address_key IS NOT NULL {_FROM}"""
"""What `read_subscriber` reads; `x` is a suppression that counts."""
_BY_ADDRESS = f"{SUBSCRIBERS} WHERE s.address_key = ?"
_BY_KEY = f"{SUBSCRIBERS} WHERE s.key = ?"
_WITH_STATUS = f"{SUBSCRIBERS} WHERE s.status = ? AND x.address_key IS NULL ORDER BY s.id"
_COUNT = f"SELECT iif(x.address_key IS NULL, s.status, 'suppressed'), count(*) {_FROM} GROUP BY 1"
LAST_ID = (
    "SELECT max(coalesce((SELECT max(id) FROM subscriber), 0), coalesce((SELECT max(subscriber_id) FROM delivery), 0))"
)
"""The highest number a reader has or had: that of an erased one stays with their deliveries, and is nobody else's."""
_ADD = f"""INSERT INTO subscriber (id, key, address, address_key, name, status, source, signup_at, left_at, confirmed_at,
    pace, resting, new_address, new_address_key)
    VALUES (1 + ({LAST_ID}), ?, ?, ?, ?, ?, ?, ?, ?, ?, 'weekly', 0, '', '') RETURNING id"""  # noqa: S608 - a constant
_CONFIRM = """UPDATE subscriber SET status = 'confirmed', paused_until = ?2, confirmed_at = coalesce(confirmed_at, ?3),
    left_at = NULL, quarterly_at = NULL WHERE id = ?1"""
_LOG = "INSERT INTO consent (subscriber_id, at, what, proof, origin) VALUES (?, ?, ?, ?, ?)"
_SUPPRESSED = "SELECT address_key, reason, source, at FROM suppression"
_ERASE = (
    "UPDATE delivery SET reply = NULL WHERE subscriber_id = :id",
    "DELETE FROM attempt WHERE subscriber_id = :id",
    "UPDATE farewell SET subscriber_id = NULL, words = '' WHERE subscriber_id = :id",
    "DELETE FROM notice WHERE address = :address",
    "DELETE FROM suppression WHERE address_key = :key",
    "DELETE FROM asked WHERE address_key = :key",
    "DELETE FROM subscriber WHERE id = :id",  # its consent goes with it
)


class SqlSubscribers:
    """Implements ports.Subscribers in one transaction."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._db = access.db

    def by_address(self, address_key: str) -> Subscriber | None:
        """The reader with this address key."""
        return self._one(_BY_ADDRESS, address_key)

    def by_key(self, subscriber_key: str) -> Subscriber | None:
        """The reader whose links carry this key."""
        return self._one(_BY_KEY, subscriber_key)

    def add(self, reader: NewSubscriber, now: datetime) -> Subscriber:
        """Store a new reader; the address key must be free."""
        confirmed_at = reader.confirmed_at or (now if reader.status is Status.CONFIRMED else None)
        who = (reader.key, reader.address.text, reader.address.key, reader.name, reader.status.value, reader.source)
        times = (sql_time(reader.signup_at), _text(reader.left_at), _text(confirmed_at))
        ((number,),) = self._db.execute(_ADD, (*who, *times)).fetchall()
        suppression = SqlSuppressions(self._db).get(reader.address.key)
        return Subscriber(
            id=number,
            key=reader.key,
            address=reader.address.text,
            address_key=reader.address.key,
            name=reader.name,
            status=reader.status,
            source=reader.source,
            signup_at=reader.signup_at,
            confirmed_at=confirmed_at,
            left_at=reader.left_at,
            paused_until=None,
            confirmation_mailed_at=None,
            suppressed=suppression is not None and suppression.reason != UNSUBSCRIBED_ELSEWHERE,
        )

    def set_status(
        self, subscriber_id: int, status: Status, now: datetime, *, paused_until: datetime | None = None
    ) -> None:
        """Write a status with its time."""
        if status is Status.CONFIRMED:
            self._db.execute(_CONFIRM, (subscriber_id, _text(paused_until), _text(now)))
            return
        left = {"left_at": now} if status is Status.UNSUBSCRIBED else {}
        self._write(subscriber_id, status=status.value, paused_until=paused_until, **left)

    def sign_up_again(self, subscriber_id: int, name: str, now: datetime) -> None:
        """Back to pending with a new sign-up time."""
        values = {"status": Status.PENDING.value, "signup_at": now, "confirmed_at": None, "paused_until": None}
        self._write(subscriber_id, **values, pace=Frequency.WEEKLY.value, **({"name": name} if name else {}))

    def change(self, subscriber_id: int, **values: Any) -> None:
        """Write fields of one row by name."""
        if not values.keys() <= CHANGEABLE:
            raise ValueError(f"not to be changed like this: {sorted(values.keys() - CHANGEABLE)}")
        if "new_address" in values:
            wanted: Address | None = values.pop("new_address")
            values["new_address"], values["new_address_key"] = (wanted.text, wanted.key) if wanted else ("", "")
        self._write(subscriber_id, **values)

    def move(self, subscriber_id: int, address: Address) -> None:
        """Another address for the same person."""
        new = {"address": address.text, "address_key": address.key}
        self._write(subscriber_id, **new, new_address="", new_address_key="")

    def is_move_requested(self, address_key: str, since: datetime) -> bool:
        """Did anybody ask for this address since then?"""
        query = "SELECT 1 FROM subscriber WHERE new_address_key = ? AND new_address_key <> '' AND new_address_at > ?"
        return self._db.execute(query, (address_key, _text(since))).fetchone() is not None

    def erase(self, subscriber_id: int) -> None:
        """Remove the person everywhere; counts of issues stay as they were."""
        who = self._db.execute("SELECT address_key, address FROM subscriber WHERE id = ?", (subscriber_id,))
        key, address = who.fetchone()
        for sql in _ERASE:
            self._db.execute(sql, {"id": subscriber_id, "key": key, "address": address})

    def log_consent(self, subscriber_id: int, consent: ConsentEntry) -> None:
        """Add to the consent log."""
        entry = (subscriber_id, _text(consent.at), consent.what, consent.proof, consent.origin)
        self._db.execute(_LOG, entry)

    def consents(self, subscriber_id: int) -> list[ConsentEntry]:
        """The consent log, oldest first."""
        query = "SELECT at, what, proof, origin FROM consent WHERE subscriber_id = ? ORDER BY id"
        rows = self._db.execute(query, (subscriber_id,))
        return [ConsentEntry(from_text(at), what, proof, origin) for at, what, proof, origin in rows]

    def deliveries(self, subscriber_id: int) -> list[DeliveryFacts]:
        """What was sent to this reader, newest first."""
        query = (
            select(Delivery, col(Issue.slot), SubscriberRow.address, Tip.key)
            .join(Issue, col(Issue.id) == Delivery.issue_id)
            .join(Tip, col(Tip.id) == func.coalesce(Delivery.tip_id, Issue.tip_id), isouter=True)
            .join(SubscriberRow, col(SubscriberRow.id) == Delivery.subscriber_id)
            .where(Delivery.subscriber_id == subscriber_id)
            .order_by(col(Delivery.issue_id).desc())
        )
        return [delivery_facts(row, slot, address, tip) for row, slot, address, tip in self._access.session.exec(query)]

    def each(self, status: str | None = None) -> Iterator[Subscriber]:
        """All readers in the order they came, or those with one shown status; streams."""
        if status is None:
            rows = self._db.execute(f"{SUBSCRIBERS} ORDER BY s.id")
        elif status == "suppressed":
            rows = self._db.execute(f"{SUBSCRIBERS} WHERE x.address_key IS NOT NULL ORDER BY s.id")
        else:
            rows = self._db.execute(_WITH_STATUS, (status,))
        yield from map(read_subscriber, rows)

    def count(self) -> Mapping[str, int]:
        """How many by shown status."""
        return dict(self._db.execute(_COUNT).fetchall())

    def mailable(self) -> int:
        """The audience if an issue froze now."""
        query = f"SELECT count(*) FROM subscriber s WHERE {DELIVERABLE}"  # noqa: S608  (a constant)
        return int(self._db.execute(query).fetchone()[0])

    def quarterly(self, asked_before: datetime, tip_id: int | None = None) -> int:
        """The audience of a quarter's letter if it froze now."""
        query = f"SELECT count(*) FROM subscriber s WHERE {QUARTERLY}"  # noqa: S608  (a constant)
        return int(self._db.execute(query, {"asked_before": _text(asked_before), "tip": tip_id}).fetchone()[0])

    def _one(self, query: str, value: str) -> Subscriber | None:
        row = self._db.execute(query, (value,)).fetchone()
        return read_subscriber(row) if row else None

    def _write(self, subscriber_id: int, **values: Any) -> None:
        """The names are ours, never a visitor's."""
        given = [_text(value) if isinstance(value, datetime) else value for value in values.values()]
        names = ", ".join(f"{name} = ?" for name in values)
        self._db.execute(f"UPDATE subscriber SET {names} WHERE id = ?", (*given, subscriber_id))  # noqa: S608


class SqlSuppressions:
    """Implements ports.Suppressions in one transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def get(self, address_key: str) -> SuppressionEntry | None:
        """The suppression of this address."""
        row = self._db.execute(f"{_SUPPRESSED} WHERE address_key = ?", (address_key,)).fetchone()
        return _suppression(row) if row else None

    def add(self, address_key: str, reason: str, source: str, now: datetime) -> bool:
        """False when it was there already."""
        add = "INSERT OR IGNORE INTO suppression (address_key, reason, source, at) VALUES (?, ?, ?, ?)"
        return self._db.execute(add, (address_key, reason, source, _text(now))).rowcount > 0

    def remove(self, address_key: str) -> bool:
        """False when it was not there."""
        return self._db.execute("DELETE FROM suppression WHERE address_key = ?", (address_key,)).rowcount > 0

    def each(self) -> Iterator[SuppressionEntry]:
        """All, newest first; streams."""
        yield from map(_suppression, self._db.execute(f"{_SUPPRESSED} ORDER BY at DESC"))

    def erasure_key(self) -> bytes:
        """Made with the table, once."""
        return bytes(self._db.execute("SELECT value FROM own_key WHERE name = 'erased'").fetchone()[0])

    def count(self) -> int:
        """How many."""
        return int(self._db.execute("SELECT count(*) FROM suppression").fetchone()[0])


def delivery_facts(row: Delivery, slot: Any, address: str | None, tip: str | None) -> DeliveryFacts:
    """A delivery row for people to read."""
    return DeliveryFacts(
        issue=row.issue_id,
        slot=slot,
        address=address or "(erased)",
        state=row.state,
        reason=row.reason or "",
        attempts=row.attempts,
        reply=row.reply or "",
        next_attempt_at=None if row.next_attempt_at is None else from_ms(row.next_attempt_at),
        tip=tip or "",
    )


def read_subscriber(row: Sequence[Any]) -> Subscriber:
    """A row of `SUBSCRIBERS` as the verbs see it."""
    number, key, address, address_key, name, status, source, signup_at = row[:8]
    confirmed_at, left_at, paused_until, confirmation_mailed_at, link_mailed_at = map(_time, row[8:13])
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
        quarterly_at=_time(quarterly_at),
        new_address=Address(new_address, new_address_key) if new_address else None,
        new_address_at=_time(new_address_at),
        suppressed=bool(suppressed),
    )


def _suppression(row: Sequence[Any]) -> SuppressionEntry:
    address_key, reason, source, at = row
    return SuppressionEntry(address_key, reason, source, from_text(at))


def _time(text: str | None) -> datetime | None:
    return None if text is None else from_text(text)


def _text(at: datetime | None) -> str | None:
    return None if at is None else sql_time(at)
