"""Erase a subscriber from the database: their rows, and their address wherever else it stands in a text."""

# ruff: noqa: S608 - only constants are joined here; values are parameters

from __future__ import annotations

import re
import sqlite3

from newsletter.domain.subscribers.address import mailbox_key
from newsletter.store import signup_limits, statements, suppressions, transactional, unsubscribes

ERASED = "(erased)"
_PERSON = "SELECT key, address_key, address, new_address FROM subscriber WHERE id = ?"
_ROWS = (
    statements.ERASE_REPLIES,
    statements.ERASE_ATTEMPTS,
    unsubscribes.ERASE,
    transactional.ERASE,
    suppressions.REMOVE,
    signup_limits.ERASE,
    signup_limits.ERASE_MAILBOX,
)
"""Everything that belongs to a person, apart from their own row.

Every statement takes some of :id, :person, :key (of the address) and :address.
"""
_TEXTS = (("notice", "data"), ("notice", "reply"), ("told", "about"), ("issue", "reason"), ("suppression", "source"))
"""Where a mail server or an alert may have quoted the address: (table, column)."""


def erase(db: sqlite3.Connection, subscriber_id: int, delete: str) -> None:
    """Delete all personal data of a subscriber in the current transaction; the counts of issues do not change.

    delete: the statement for their own row. What is deleted is overwritten in the file. The log (`-wal`) has the old pages
    until it is reused or deleted, and backups keep what they have.
    """
    person, key, *addresses = db.execute(_PERSON, (subscriber_id,)).fetchone()
    db.execute("PRAGMA secure_delete = ON").close()
    try:
        for address in filter(None, addresses):
            _replace_in_texts(db, address)
        values = {"id": subscriber_id, "person": person, "key": key, "mailbox": mailbox_key(key)}
        for sql in (*_ROWS, delete):
            db.execute(sql, {**values, "address": addresses[0]})
    finally:
        db.execute("PRAGMA secure_delete = FAST").close()  # as `sqlite.connection` has it


def erase_replies(db: sqlite3.Connection, subscriber_id: int) -> None:
    """Delete what was recorded about an email that was in flight while its subscriber was erased."""
    for sql in (statements.ERASE_REPLIES, statements.ERASE_ATTEMPTS):
        db.execute(sql, {"id": subscriber_id})


def _replace_in_texts(db: sqlite3.Connection, address: str) -> None:
    wanted = re.compile(re.escape(address), re.IGNORECASE)
    for table, column in _TEXTS:
        rows = db.execute(
            f"SELECT rowid, {column} FROM {table} WHERE instr(lower({column}), lower(?))", (address,)
        ).fetchall()
        for row, text in rows:
            db.execute(f"UPDATE OR REPLACE {table} SET {column} = ? WHERE rowid = ?", (wanted.sub(ERASED, text), row))
