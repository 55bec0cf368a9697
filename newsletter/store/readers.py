"""Subscribers, their consent log, and suppressions in the database; who may be mailed is one SQL phrase here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, func, insert, literal, select, text, update
from sqlmodel import Session, SQLModel, col, delete
from sqlmodel import select as select_rows

from newsletter.domain.address import Address
from newsletter.domain.people import LEFT_ELSEWHERE, DeliveryFacts, NewReader, Reader
from newsletter.domain.people import Consent as ConsentEntry
from newsletter.domain.people import Suppression as SuppressionEntry
from newsletter.domain.subscription import Pace, Status
from newsletter.store.columns import UtcDateTime
from newsletter.store.sqlite import from_ms
from newsletter.store.tables import Consent, Delivery, Issue, OwnKey, Subscriber, Suppression, Tip

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
# A sign-up passes here, perhaps while an issue is sent: these go past the ORM, which takes ten times as long.
_SUBSCRIBER, _SUPPRESSION = SQLModel.metadata.tables["subscriber"], SQLModel.metadata.tables["suppression"]
_READERS = select(_SUBSCRIBER, _SUPPRESSION.c.address_key.is_not(None).label("is_suppressed")).join_from(
    _SUBSCRIBER, _SUPPRESSION, _IS_SUPPRESSED, isouter=True
)
_BY_ADDRESS = _READERS.where(_SUBSCRIBER.c.address_key == bindparam("value"))
_BY_KEY = _READERS.where(_SUBSCRIBER.c.key == bindparam("value"))
_ADD = insert(_SUBSCRIBER).values(pace=Pace.WEEKLY.value, resting=False, new_address="", new_address_key="")
_LOG = insert(SQLModel.metadata.tables["consent"])
_SUPPRESSED = select(_SUPPRESSION).where(_SUPPRESSION.c.address_key == bindparam("value"))
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
        return self._one(_BY_ADDRESS, address_key)

    def by_key(self, subscriber_key: str) -> Reader | None:
        """The reader whose links carry this key."""
        return self._one(_BY_KEY, subscriber_key)

    def add(self, reader: NewReader, now: datetime) -> Reader:
        """Store a new reader; the address key must be free."""
        self._connection.execute(
            _ADD,
            {
                "key": reader.key,
                "address": reader.address.text,
                "address_key": reader.address.key,
                "name": reader.name,
                "status": reader.status.value,
                "source": reader.source,
                "signup_at": reader.signup_at,
                "left_at": reader.left_at,
                "confirmed_at": reader.confirmed_at or (now if reader.status is Status.CONFIRMED else None),
            },
        )
        added = self.by_key(reader.key)
        assert added is not None  # noqa: S101 - just written
        return added

    def set_status(
        self, subscriber_id: int, status: Status, now: datetime, *, paused_until: datetime | None = None
    ) -> None:
        """Write a status with its time."""
        values: dict[str, Any] = {"status": status.value, "paused_until": paused_until}
        if status is Status.CONFIRMED:
            first = func.coalesce(_SUBSCRIBER.c.confirmed_at, literal(now, _SUBSCRIBER.c.confirmed_at.type))
            values |= {"confirmed_at": first, "left_at": None, "quarterly_at": None}
        if status is Status.UNSUBSCRIBED:
            values["left_at"] = now
        self._write(subscriber_id, values)

    def sign_up_again(self, subscriber_id: int, name: str, now: datetime) -> None:
        """Back to pending with a new sign-up time."""
        values = {"status": Status.PENDING.value, "signup_at": now, "confirmed_at": None, "paused_until": None}
        self._write(subscriber_id, {**values, "pace": Pace.WEEKLY.value} | ({"name": name} if name else {}))

    def change(self, subscriber_id: int, **values: Any) -> None:
        """Write fields of one row by name."""
        if not values.keys() <= CHANGEABLE:
            raise ValueError(f"not to be changed like this: {sorted(values.keys() - CHANGEABLE)}")
        if "new_address" in values:
            wanted: Address | None = values.pop("new_address")
            values["new_address"], values["new_address_key"] = (wanted.text, wanted.key) if wanted else ("", "")
        self._write(subscriber_id, values)

    def move(self, subscriber_id: int, address: Address) -> None:
        """Another address for the same person."""
        new = {"address": address.text, "address_key": address.key}
        self._write(subscriber_id, {**new, "new_address": "", "new_address_key": ""})

    def is_asked_to_move(self, address_key: str, since: datetime) -> bool:
        """Did anybody ask for this address since then?"""
        query = select_rows(Subscriber.id).where(
            Subscriber.new_address_key == address_key, col(Subscriber.new_address_at) > since
        )
        return self._session.exec(query).first() is not None

    def erase(self, subscriber_id: int) -> None:
        """Remove the person everywhere; counts of issues stay as they were."""
        who = select(_SUBSCRIBER.c.address_key, _SUBSCRIBER.c.address).where(_SUBSCRIBER.c.id == subscriber_id)
        key, address = self._connection.execute(who).one()
        known = {"id": subscriber_id, "key": key, "address": address}
        for sql in _ERASE:
            phrase = text(sql)
            self._connection.execute(phrase, {name: known[name] for name in phrase.compile().params})
        self._session.expire_all()

    def log_consent(self, subscriber_id: int, consent: ConsentEntry) -> None:
        """Add to the consent log."""
        entry = {"at": consent.at, "what": consent.what, "proof": consent.proof, "origin": consent.origin}
        self._connection.execute(_LOG, {"subscriber_id": subscriber_id, **entry})

    def consents(self, subscriber_id: int) -> list[ConsentEntry]:
        """The consent log, oldest first."""
        rows = self._session.exec(
            select_rows(Consent).where(Consent.subscriber_id == subscriber_id).order_by(col(Consent.id))
        )
        return [ConsentEntry(row.at, row.what, row.proof, row.origin) for row in rows]

    def deliveries(self, subscriber_id: int) -> list[DeliveryFacts]:
        """What was sent to this reader, newest first."""
        query = (
            select_rows(Delivery, col(Issue.slot), Subscriber.address, Tip.key)
            .join(Issue, col(Issue.id) == Delivery.issue_id)
            .join(Tip, col(Tip.id) == func.coalesce(Delivery.tip_id, Issue.tip_id), isouter=True)
            .join(Subscriber, col(Subscriber.id) == Delivery.subscriber_id)
            .where(Delivery.subscriber_id == subscriber_id)
            .order_by(col(Delivery.issue_id).desc())
        )
        return [delivery_facts(row, slot, address, tip) for row, slot, address, tip in self._session.exec(query)]

    def each(self, status: str | None = None) -> Iterator[Reader]:
        """All readers in the order they came, or those with one shown status; streams."""
        query = (
            select_rows(Subscriber, Suppression.address_key)
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
            select_rows(Subscriber.status, is_suppressed, func.count())
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

    @property
    def _connection(self) -> Connection:
        return self._session.connection()

    def _one(self, query: Select[Any], value: str) -> Reader | None:
        row = self._connection.execute(query, {"value": value}).first()
        return read_reader(row, suppressed=bool(row.is_suppressed)) if row else None

    def _write(self, subscriber_id: int, values: Mapping[str, Any]) -> None:
        self._connection.execute(update(_SUBSCRIBER).where(_SUBSCRIBER.c.id == subscriber_id).values(**values))


class SqlSuppressions:
    """Implements ports.Suppressions on one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, address_key: str) -> SuppressionEntry | None:
        """The suppression of this address."""
        row = self._session.connection().execute(_SUPPRESSED, {"value": address_key}).first()
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
        query = select_rows(Suppression).order_by(col(Suppression.at).desc()).execution_options(yield_per=1000)
        for row in self._session.exec(query):
            yield _suppression(row)

    def own_key(self) -> bytes:
        """Made with the table, once."""
        return self._session.get_one(OwnKey, "erased").value

    def count(self) -> int:
        """How many."""
        return self._session.exec(select_rows(func.count()).select_from(Suppression)).one()


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


def read_reader(row: Any, *, suppressed: bool) -> Reader:
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


def _suppression(row: Any) -> SuppressionEntry:
    return SuppressionEntry(row.address_key, row.reason, row.source, row.at)
