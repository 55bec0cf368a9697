"""What time alone changes in the database: pauses end, sign-ups are forgotten, traces of people fade; mails nobody."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_address, ip_network

from sqlalchemy import CursorResult, text
from sqlmodel import Session, col, select

from newsletter.domain.subscribers.subscriber import Subscriber
from newsletter.domain.subscribers.subscription import (
    CONFIRM_EMAIL_EVERY,
    CONFIRM_WITHIN,
    DELETE_AFTER,
    KEEP_NAME_ON_UNSUBSCRIBE_FOR,
    KEEP_ORIGIN_FOR,
    MONTH,
    REMIND_AFTER,
)
from newsletter.store.deliveries import sql_time
from newsletter.store.sqlite.connection import to_ms
from newsletter.store.subscribers import SUBSCRIBERS, read_subscriber
from newsletter.store.tables import Consent

BATCH = 5_000  # origins shortened in one call

_OVER = "FROM subscriber WHERE status = 'paused' AND paused_until <= :now"
_LOG_END = f"""INSERT INTO consent (subscriber_id, at, what, proof, origin)
    SELECT id, :now, 'resume', 'the pause is over', '' {_OVER}"""
_END_PAUSES = """UPDATE subscriber SET status = 'confirmed', paused_until = NULL
    WHERE status = 'paused' AND paused_until <= :now"""
# A letter that still waits counts as this month's: better one week late than two in a week.
_HAS_HAD = """EXISTS (SELECT 1 FROM delivery d WHERE d.subscriber_id = subscriber.id
    AND (d.state IN ('pending', 'sending', 'deferred') OR (d.state = 'sent' AND d.last_at > :since)))"""
_REST = f"""UPDATE subscriber SET resting = (pace = 'monthly' AND {_HAS_HAD})
    WHERE (pace = 'monthly' OR resting) AND resting <> (pace = 'monthly' AND {_HAS_HAD})"""  # noqa: S608
_UNANSWERED = f"""{SUBSCRIBERS} WHERE s.status = 'pending'
    AND NOT EXISTS (SELECT 1 FROM suppression WHERE address_key = s.address_key)
    AND s.signup_at <= :remind AND s.signup_at > :confirm AND (s.reminded_at IS NULL OR s.reminded_at < s.signup_at)
    LIMIT :limit"""  # noqa: S608 - constants
_FORGET = {
    # Who had left before a sign-up nobody confirmed is as before: out, and not to be imported again.
    "back_out": """UPDATE subscriber SET status = 'unsubscribed'
        WHERE status = 'pending' AND left_at IS NOT NULL AND signup_at <= :confirm""",
    "expired": "UPDATE subscriber SET status = 'expired', name = '' WHERE status = 'pending' AND signup_at <= :confirm",
    "unsaid": """DELETE FROM notice WHERE address IN
        (SELECT address FROM subscriber WHERE status = 'expired' AND signup_at <= :confirm)""",
    "forgotten": "DELETE FROM subscriber WHERE status = 'expired' AND signup_at <= :forget",
    "farewells": "UPDATE farewell SET subscriber_id = NULL WHERE subscriber_id IS NOT NULL AND at <= :farewell",
    "moves": """UPDATE subscriber SET new_address = '', new_address_key = ''
        WHERE new_address_key <> '' AND new_address_at <= :confirm""",
    "mails": """DELETE FROM notice WHERE done_at <= :confirm
        AND kind IN ('confirm', 'remind', 'welcome', 'link', 'move', 'farewell')""",
    "tallies": "DELETE FROM tally WHERE ends_at <= :now_ms",
    "asked": "DELETE FROM asked WHERE at <= :day_ago_ms",
}


class SqlMaintenance:
    """Implements ports.Upkeep on one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def end_pauses(self, now: datetime) -> int:
        """End pauses, and see who rests; to be called before an audience is frozen."""
        self._run(_LOG_END, now=sql_time(now))
        ended = self._run(_END_PAUSES, now=sql_time(now))
        self._run(_REST, since=to_ms(now - MONTH))
        return ended

    def due_reminders(self, now: datetime, limit: int) -> list[Subscriber]:
        """Sign-ups of three days ago or more, not reminded of."""
        times = {"remind": sql_time(now - REMIND_AFTER), "confirm": sql_time(now - CONFIRM_WITHIN), "limit": limit}
        rows = self._session.connection().execute(text(_UNANSWERED), times)
        return [read_subscriber(row) for row in rows]

    def skip_reminders(self, since: datetime, now: datetime) -> None:
        """Count recent sign-ups as reminded of."""
        self._run(
            "UPDATE subscriber SET reminded_at = :now WHERE status = 'pending' AND signup_at >= :since",
            now=sql_time(now),
            since=sql_time(since),
        )

    def delete_expired(self, now: datetime) -> Mapping[str, int]:
        """Everything that may not be kept any longer."""
        before = {
            "confirm": sql_time(now - CONFIRM_WITHIN),
            "forget": sql_time(now - DELETE_AFTER),
            "farewell": sql_time(now - KEEP_NAME_ON_UNSUBSCRIBE_FOR),
            "now_ms": to_ms(now),
            "day_ago_ms": to_ms(now - CONFIRM_EMAIL_EVERY),
        }
        counts = {what: self._run_named(sql, before) for what, sql in _FORGET.items()}
        return counts | {"origins": self._shorten_origins(now - KEEP_ORIGIN_FOR)}

    def _shorten_origins(self, before: datetime) -> int:
        query = (
            select(Consent)
            .where(Consent.origin != "", ~col(Consent.origin).contains("/"), Consent.at <= before)
            .limit(BATCH)
        )
        rows = self._session.exec(query).all()
        for row in rows:
            row.origin = network_of(row.origin)
        self._session.flush()
        return len(rows)

    def _run_named(self, sql: str, values: Mapping[str, object]) -> int:
        return self._run(sql, **{name: value for name, value in values.items() if f":{name}" in sql})

    def _run(self, sql: str, **values: object) -> int:
        result = self._session.connection().execute(text(sql), values)
        return result.rowcount if isinstance(result, CursorResult) else 0


def network_of(origin: str) -> str:
    """The network an address of origin belongs to: 24 of 32 bits, or 48 of 128; "" for what is no address."""
    try:
        address = ip_address(origin.partition("%")[0])
    except ValueError:
        return ""
    return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))
