"""Subscribers with everything that an export carries along: JSON, as `domain.subscribers.record` describes it."""

# ruff: noqa: S608 - only constants are joined here; values are parameters

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from newsletter.domain.subscribers.record import ONLY_SUPPRESSED

_SUPPRESSION = "json_array(x.reason, x.source, x.at, x.folded)"
# What most do not have is left out.
_RARE = """json_patch(iif(p.one_a_day, '{"one_a_day":1}', '{}'), iif(s.last_tip_id IS NULL, '{}',
    json_object('last_tip', (SELECT key FROM tip WHERE id = s.last_tip_id))))"""
_RECORD = f"""SELECT json_patch(json_object('status', s.status, 'key', p.key, 'source', s.source, 'resting', s.resting,
    'quarterly_at', s.quarterly_at, 'confirmation_mailed_at', s.confirmation_mailed_at, 'reminded_at', s.reminded_at,
    'link_mailed_at', p.link_mailed_at,
    'suppression', (SELECT {_SUPPRESSION} FROM suppression x WHERE x.address_key = p.address_key),
    'consents', (SELECT json_group_array(json_array(c.at, c.what, c.proof, c.origin))
        FROM (SELECT * FROM consent WHERE subscriber_id = p.id AND list_id = s.list_id ORDER BY id) c)), {_RARE})
    FROM subscription s JOIN subscriber p ON p.id = s.subscriber_id WHERE s.list_id = ? AND s.subscriber_id = ?"""
_WITHOUT_SUBSCRIBER = f"""SELECT x.address_key, json_object('status', '{ONLY_SUPPRESSED}', 'suppression', {_SUPPRESSION})
    FROM suppression x WHERE x.reason <> 'erased'
    AND NOT EXISTS (SELECT 1 FROM subscriber s WHERE s.address_key = x.address_key) ORDER BY x.address_key"""
_ERASED = "SELECT count(*) FROM suppression WHERE reason = 'erased'"


def record_of(db: sqlite3.Connection, subscriber_id: int, list_id: int) -> str:
    """The record of one subscriber of a list."""
    return str(db.execute(_RECORD, (list_id, subscriber_id)).fetchone()[0])


def without_subscriber(db: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """(address key, record) of every suppressed address that belongs to no subscriber, except for erased ones."""
    yield from db.execute(_WITHOUT_SUBSCRIBER)


def erased(db: sqlite3.Connection) -> int:
    """How many addresses were erased. Only hashes of them are known, with a key that stays in this database."""
    return int(db.execute(_ERASED).fetchone()[0])
