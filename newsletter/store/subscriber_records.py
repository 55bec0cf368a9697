"""Subscribers with everything that an export carries along, and the SQL that restores them in another database.

A record is JSON, as `domain.subscribers.record` describes it. The statements named RESTORE read `decided`, a staging view of
`store.import_subscribers`.
"""

# ruff: noqa: S608 - only constants are joined here; values are parameters

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from newsletter.domain.subscribers.record import ONLY_SUPPRESSED

_SUPPRESSION = "json_array(x.reason, x.source, x.at, x.folded)"
_RECORD = f"""SELECT json_object('status', s.status, 'key', s.key, 'source', s.source, 'resting', s.resting,
    'quarterly_at', s.quarterly_at, 'confirmation_mailed_at', s.confirmation_mailed_at, 'reminded_at', s.reminded_at,
    'link_mailed_at', s.link_mailed_at,
    'suppression', (SELECT {_SUPPRESSION} FROM suppression x WHERE x.address_key = s.address_key),
    'consents', (SELECT json_group_array(json_array(c.at, c.what, c.proof, c.origin))
        FROM (SELECT * FROM consent WHERE subscriber_id = s.id ORDER BY id) c))
    FROM subscriber s WHERE s.id = ?"""
_WITHOUT_SUBSCRIBER = f"""SELECT x.address_key, json_object('status', '{ONLY_SUPPRESSED}', 'suppression', {_SUPPRESSION})
    FROM suppression x WHERE x.reason <> 'erased'
    AND NOT EXISTS (SELECT 1 FROM subscriber s WHERE s.address_key = x.address_key) ORDER BY x.address_key"""
_ERASED = "SELECT count(*) FROM suppression WHERE reason = 'erased'"

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
RESTORE_CONSENTS = """INSERT INTO consent (subscriber_id, at, what, proof, origin)
    SELECT f.id, c.value ->> 0, c.value ->> 1, c.value ->> 2, c.value ->> 3
    FROM decided f, json_each(f.record, '$.consents') c WHERE f.fate IN ('restore', 'restore_out') ORDER BY f.id, c.key"""
RESTORE_SUPPRESSIONS = """INSERT OR IGNORE INTO suppression (address_key, reason, source, at, issue_id, folded)
    SELECT address_key, record ->> '$.suppression[0]', record ->> '$.suppression[1]', record ->> '$.suppression[2]', NULL,
        record ->> '$.suppression[3]'
    FROM decided WHERE record ->> '$.suppression' IS NOT NULL AND fate IN ('restore', 'restore_out', 'restore_block')"""


def record_of(db: sqlite3.Connection, subscriber_id: int) -> str:
    """The record of one subscriber."""
    return str(db.execute(_RECORD, (subscriber_id,)).fetchone()[0])


def without_subscriber(db: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """(address key, record) of every suppressed address that belongs to no subscriber, except for erased ones."""
    yield from db.execute(_WITHOUT_SUBSCRIBER)


def erased(db: sqlite3.Connection) -> int:
    """How many addresses were erased. Only hashes of them are known, with a key that stays in this database."""
    return int(db.execute(_ERASED).fetchone()[0])
