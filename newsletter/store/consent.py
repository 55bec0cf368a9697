"""The consent log: the SQL of the table `consent`. Entries are only added; their origins are shortened later."""

# ruff: noqa: S608 - only constants are joined here; values are parameters

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from ipaddress import ip_address, ip_network

from newsletter.domain.subscribers.subscriber import Consent
from newsletter.store.subscriptions import OVER
from newsletter.store.times import from_text, to_text

_INSERT = "INSERT INTO consent (list_id, subscriber_id, at, what, proof, origin)"
_ADD = f"{_INSERT} VALUES (?, ?, ?, ?, ?, ?)"
# Reads `decided`, a staging view of `store.import_subscribers`.
ADD_IMPORTED = f"""{_INSERT}
    SELECT :list, id, :now, CASE WHEN fate IN ('add_left', 'leave') THEN 'leave'
        WHEN fate IN ('add_asked', 'ask') THEN 'signup' ELSE 'import' END,
        CASE WHEN evidence IS NOT NULL AND fate IN ('add_confirmed', 'confirm')
            THEN :proof || coalesce(substr(confirmed_at, 1, 19) || ' UTC, ', '') || :evidence ELSE :source END,
        CASE WHEN fate IN ('add_confirmed', 'confirm') THEN coalesce(evidence, '') ELSE '' END
    FROM decided WHERE fate IN ('add_confirmed', 'add_left', 'add_asked', 'confirm', 'ask', 'leave')"""
RESTORE = f"""{_INSERT}
    SELECT :list, f.id, c.value ->> 0, c.value ->> 1, c.value ->> 2, c.value ->> 3
    FROM decided f, json_each(f.record, '$.consents') c WHERE f.fate IN ('restore', 'restore_out') ORDER BY f.id, c.key"""
_OF_SUBSCRIBER = "SELECT at, what, proof, origin, list_id FROM consent WHERE subscriber_id = ? ORDER BY id"
_WHOLE_ORIGINS = "SELECT id, origin FROM consent WHERE origin <> '' AND origin NOT LIKE '%/%' AND at <= ? LIMIT ?"
_SHORTEN = "UPDATE consent SET origin = ? WHERE id = ?"
DELETE_EXPIRED = f"""DELETE FROM consent WHERE id IN (SELECT c.id FROM subscription s
    JOIN consent c ON c.subscriber_id = s.subscriber_id AND c.list_id = s.list_id WHERE {OVER})"""


def add_consent(db: sqlite3.Connection, subscriber_id: int, entry: Consent, list_id: int) -> None:
    """Append an entry. list_id: of the transaction, for an entry that names no list."""
    db.execute(
        _ADD, (entry.list_id or list_id, subscriber_id, to_text(entry.at), entry.what, entry.proof, entry.origin)
    )


def add_resumed(db: sqlite3.Connection, ended: Sequence[tuple[int, int]], now: datetime) -> None:
    """Append an entry for each pause that has ended: (list id, subscriber id)."""
    at = to_text(now)
    db.executemany(_ADD, [(list_id, number, at, "resume", "the pause is over", "") for list_id, number in ended])


def consents_of(db: sqlite3.Connection, subscriber_id: int) -> list[Consent]:
    """The entries of one subscriber, oldest first."""
    rows = db.execute(_OF_SUBSCRIBER, (subscriber_id,))
    return [Consent(from_text(at), what, proof, origin, list_id) for at, what, proof, origin, list_id in rows]


def shorten_origins(db: sqlite3.Connection, before: datetime, limit: int) -> int:
    """Replace the IP addresses of up to `limit` old entries with their networks; how many."""
    rows = db.execute(_WHOLE_ORIGINS, (to_text(before), limit)).fetchall()
    db.executemany(_SHORTEN, [(network_of(origin), number) for number, origin in rows])
    return len(rows)


def network_of(origin: str) -> str:
    """The network of an IP address: the first 24 of 32 bits, or 48 of 128; "" if `origin` is not an IP address."""
    try:
        address = ip_address(origin.partition("%")[0])
    except ValueError:
        return ""
    return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))
