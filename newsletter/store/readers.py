"""Subscribers, their consent log, and suppressions in the database; who may be mailed is one SQL phrase here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import and_, bindparam, func, text
from sqlmodel import Session, col, delete, select

from newsletter.domain.address import Address
from newsletter.domain.people import LEFT_ELSEWHERE, DeliveryFacts, NewReader, Reader
from newsletter.domain.people import Consent as ConsentEntry
from newsletter.domain.people import Suppression as SuppressionEntry
from newsletter.domain.subscription import Pace, Status
from newsletter.store.tables import Consent, Delivery, Issue, OwnKey, Subscriber, Suppression, UtcDateTime

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


_IS_SUPPRESSED = and_(
    col(Suppression.address_key) == col(Subscriber.address_key), col(Suppression.reason) != LEFT_ELSEWHERE
)
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
    """Implements ports.Subscribers on one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def by_address(self, address_key: str) -> Reader | None:
        """The reader with this address key."""
        return self._one(Subscriber.address_key == address_key)

    def by_key(self, subscriber_key: str) -> Reader | None:
        """The reader whose links carry this key."""
        return self._one(Subscriber.key == subscriber_key)

    def add(self, reader: NewReader, now: datetime) -> Reader:
        """Store a new reader; the address key must be free."""
        row = Subscriber(
            key=reader.key,
            address=reader.address.text,
            address_key=reader.address.key,
            name=reader.name,
            status=reader.status.value,
            source=reader.source,
            signup_at=reader.signup_at,
            left_at=reader.left_at,
            confirmed_at=reader.confirmed_at or (now if reader.status is Status.CONFIRMED else None),
        )
        self._session.add(row)
        self._session.flush()
        return read_reader(row, suppressed=self._suppressed(row.address_key))

    def set_status(
        self, subscriber_id: int, status: Status, now: datetime, *, paused_until: datetime | None = None
    ) -> None:
        """Write a status with its time."""
        row = self._session.get_one(Subscriber, subscriber_id)
        row.status = status.value
        row.paused_until = paused_until
        if status is Status.CONFIRMED:
            row.confirmed_at, row.left_at, row.quarterly_at = row.confirmed_at or now, None, None
        if status is Status.UNSUBSCRIBED:
            row.left_at = now
        self._session.flush()

    def sign_up_again(self, subscriber_id: int, name: str, now: datetime) -> None:
        """Back to pending with a new sign-up time."""
        row = self._session.get_one(Subscriber, subscriber_id)
        row.status, row.signup_at, row.confirmed_at, row.paused_until = Status.PENDING.value, now, None, None
        row.name, row.pace = name or row.name, Pace.WEEKLY.value
        self._session.flush()

    def change(self, subscriber_id: int, **values: Any) -> None:
        """Write fields of one row by name."""
        row = self._session.get_one(Subscriber, subscriber_id)
        if not values.keys() <= CHANGEABLE:
            raise ValueError(f"not to be changed like this: {sorted(values.keys() - CHANGEABLE)}")
        if "new_address" in values:
            wanted: Address | None = values.pop("new_address")
            row.new_address, row.new_address_key = (wanted.text, wanted.key) if wanted else ("", "")
        for name, value in values.items():
            setattr(row, name, value)
        self._session.flush()

    def move(self, subscriber_id: int, address: Address) -> None:
        """Another address for the same person."""
        row = self._session.get_one(Subscriber, subscriber_id)
        row.address, row.address_key = address.text, address.key
        row.new_address, row.new_address_key = "", ""
        self._session.flush()

    def is_asked_to_move(self, address_key: str, since: datetime) -> bool:
        """Did anybody ask for this address since then?"""
        query = select(Subscriber.id).where(
            Subscriber.new_address_key == address_key, col(Subscriber.new_address_at) > since
        )
        return self._session.exec(query).first() is not None

    def erase(self, subscriber_id: int) -> None:
        """Remove the person everywhere; counts of issues stay as they were."""
        row = self._session.get_one(Subscriber, subscriber_id)
        known = {"id": subscriber_id, "key": row.address_key, "address": row.address}
        for sql in _ERASE:
            phrase = text(sql)
            self._session.connection().execute(phrase, {name: known[name] for name in phrase.compile().params})
        self._session.expire_all()

    def log_consent(self, subscriber_id: int, consent: ConsentEntry) -> None:
        """Add to the consent log."""
        self._session.add(
            Consent(
                subscriber_id=subscriber_id,
                at=consent.at,
                what=consent.what,
                proof=consent.proof,
                origin=consent.origin,
            )
        )
        self._session.flush()

    def consents(self, subscriber_id: int) -> list[ConsentEntry]:
        """The consent log, oldest first."""
        rows = self._session.exec(
            select(Consent).where(Consent.subscriber_id == subscriber_id).order_by(col(Consent.id))
        )
        return [ConsentEntry(row.at, row.what, row.proof, row.origin) for row in rows]

    def deliveries(self, subscriber_id: int) -> list[DeliveryFacts]:
        """What was sent to this reader, newest first."""
        query = (
            select(Delivery, col(Issue.slot), Subscriber.address)
            .join(Issue, col(Issue.id) == Delivery.issue_id)
            .join(Subscriber, col(Subscriber.id) == Delivery.subscriber_id)
            .where(Delivery.subscriber_id == subscriber_id)
            .order_by(col(Delivery.issue_id).desc())
        )
        return [delivery_facts(row, slot, address) for row, slot, address in self._session.exec(query)]

    def each(self, status: str | None = None) -> Iterator[Reader]:
        """All readers in the order they came, or those with one shown status; streams."""
        query = (
            select(Subscriber, Suppression.address_key)
            .join(Suppression, _IS_SUPPRESSED, isouter=True)
            .order_by(col(Subscriber.id))
            .execution_options(yield_per=1000)
        )
        if status == "suppressed":
            query = query.where(col(Suppression.address_key).is_not(None))
        elif status is not None:
            query = query.where(Subscriber.status == status, col(Suppression.address_key).is_(None))
        for row, suppressed in self._session.exec(query):
            yield read_reader(row, suppressed=suppressed is not None)

    def count(self) -> Mapping[str, int]:
        """How many by shown status."""
        is_suppressed = col(Suppression.address_key).is_not(None)
        query = (
            select(Subscriber.status, is_suppressed, func.count())
            .join(Suppression, _IS_SUPPRESSED, isouter=True)
            .group_by(Subscriber.status, is_suppressed)
        )
        counts: dict[str, int] = {}
        for status, suppressed, number in self._session.exec(query):
            shown = "suppressed" if suppressed else status
            counts[shown] = counts.get(shown, 0) + number
        return counts

    def mailable(self) -> int:
        """The audience if an issue froze now."""
        query = text(f"SELECT count(*) FROM subscriber s WHERE {DELIVERABLE}")  # noqa: S608  (a constant)
        return int(self._session.connection().execute(query).scalar_one())

    def quarterly(self, asked_before: datetime, tip_id: int | None = None) -> int:
        """The audience of a quarter's letter if it froze now."""
        query = text(f"SELECT count(*) FROM subscriber s WHERE {QUARTERLY}")  # noqa: S608  (a constant)
        query = query.bindparams(bindparam("asked_before", type_=UtcDateTime()))
        values = {"asked_before": asked_before, "tip": tip_id}
        return int(self._session.connection().execute(query, values).scalar_one())

    def _one(self, condition: Any) -> Reader | None:
        row = self._session.exec(select(Subscriber).where(condition)).first()
        return read_reader(row, suppressed=self._suppressed(row.address_key)) if row else None

    def _suppressed(self, address_key: str) -> bool:
        found = self._session.get(Suppression, address_key)
        return found is not None and found.reason != LEFT_ELSEWHERE


class SqlSuppressions:
    """Implements ports.Suppressions on one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, address_key: str) -> SuppressionEntry | None:
        """The suppression of this address."""
        row = self._session.get(Suppression, address_key)
        return _suppression(row) if row else None

    def add(self, address_key: str, reason: str, source: str, now: datetime) -> bool:
        """False when it was there already."""
        if self._session.get(Suppression, address_key):
            return False
        self._session.add(Suppression(address_key=address_key, reason=reason, source=source, at=now))
        self._session.flush()
        return True

    def remove(self, address_key: str) -> bool:
        """False when it was not there."""
        found = self._session.get(Suppression, address_key)
        self._session.exec(delete(Suppression).where(col(Suppression.address_key) == address_key))
        return found is not None

    def each(self) -> Iterator[SuppressionEntry]:
        """All, newest first; streams."""
        query = select(Suppression).order_by(col(Suppression.at).desc()).execution_options(yield_per=1000)
        for row in self._session.exec(query):
            yield _suppression(row)

    def own_key(self) -> bytes:
        """Made with the table, once."""
        return self._session.get_one(OwnKey, "erased").value


def delivery_facts(row: Delivery, slot: Any, address: str | None) -> DeliveryFacts:
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
    )


def from_ms(milliseconds: int) -> datetime:
    """Milliseconds since 1970 to an aware time."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def to_ms(at: datetime) -> int:
    """An aware time to milliseconds since 1970."""
    return int(at.timestamp() * 1000)


def read_reader(row: Subscriber, *, suppressed: bool) -> Reader:
    """A row as the verbs see it."""
    return Reader(
        id=row.id or 0,
        key=row.key,
        address=row.address,
        address_key=row.address_key,
        name=row.name,
        status=Status(row.status),
        source=row.source,
        signup_at=row.signup_at,
        confirmed_at=row.confirmed_at,
        left_at=row.left_at,
        paused_until=row.paused_until,
        confirmation_mailed_at=row.confirmation_mailed_at,
        link_mailed_at=row.link_mailed_at,
        pace=Pace(row.pace),
        quarterly_at=row.quarterly_at,
        new_address=Address(row.new_address, row.new_address_key) if row.new_address else None,
        new_address_at=row.new_address_at,
        suppressed=suppressed,
    )


def _suppression(row: Suppression) -> SuppressionEntry:
    return SuppressionEntry(row.address_key, row.reason, row.source, row.at)
