"""Many readers at once: staged and sorted beside the database, then written in slices of whole people.

Plain SQL on a connection of its own. The staging tables are SQLite's TEMP ones, a file of their own that is gone with
the connection: until the last row is read, nothing here holds a lock on the database. A slice is one short transaction,
so that a sign-up never waits for the whole; one that is not written any more is written by the next import of the file,
which finds the others unchanged.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Mapping
from itertools import chain, islice
from threading import RLock

from newsletter.domain.subscribers.csv_columns import ImportCounts, ImportOptions, StagedSubscriber
from newsletter.domain.subscribers.subscription import CONFIRM_EMAIL_EVERY
from newsletter.store.deliveries import sql_time
from newsletter.store.sqlite.connection import transaction, translated
from newsletter.store.subscribers import LAST_ID

SLICE = 40_000  # readers a transaction: a fifth of a second
PAUSE_AFTER_SLICE = 0.02  # seconds without a lock after each, besides those of the checkpoint

PRAGMAS = (
    "temp_store = FILE",
    "temp.journal_mode = OFF",
    "cache_size = -8000",  # 8 MB, which is also what a sort begins with
    "wal_autocheckpoint = 1000",  # after each slice, without the lock
    "foreign_keys = OFF",  # the statements below add who they point to first, and take nobody away
)

_STAGE = """CREATE TEMP TABLE staged (line INTEGER, address TEXT, address_key TEXT, name TEXT, key TEXT, was TEXT,
    signup_at TEXT, confirmed_at TEXT, left_at TEXT, paused_until TEXT, pace TEXT)"""
_ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
# Of an address that comes twice, the row that says they are out counts, then the first. SQLite takes the other columns
# from the row of the minimum.
_ONCE = """CREATE TEMP TABLE once AS SELECT min((was NOT IN ('cleaned', 'unsubscribed')) * 4294967296 + line),
    address_key, address, name, key, was, signup_at, confirmed_at, left_at, paused_until, pace
    FROM staged GROUP BY address_key ORDER BY address_key"""
_FATE = f"""CREATE TEMP TABLE fate AS SELECT o.rowid AS place, coalesce(s.id, o.rowid + :ids) AS id, CASE
    WHEN o.was = 'erased' OR x.address_key IS NOT NULL THEN 'suppressed'
    WHEN s.id IS NULL AND o.was = 'unsubscribed' THEN 'add_left'
    WHEN s.id IS NULL AND o.was = 'cleaned' THEN 'block'
    WHEN s.id IS NULL AND o.was = 'active' AND :proven THEN 'add_confirmed'
    WHEN s.id IS NULL THEN 'add_asked'
    WHEN o.was = 'cleaned' THEN 'block'
    WHEN s.left_at IS NOT NULL AND s.status NOT IN ('confirmed', 'paused') THEN 'left'
    WHEN o.was = 'unsubscribed' AND s.status = 'unsubscribed' THEN 'left'
    WHEN o.was = 'unsubscribed' AND s.confirmed_at > o.left_at THEN 'same'
    WHEN o.was = 'unsubscribed' THEN 'leave'
    WHEN s.status IN ('pending', 'expired') AND o.was = 'active' AND :proven THEN 'confirm'
    WHEN s.status = 'pending' AND coalesce(s.confirmation_mailed_at, '') <= :day_ago THEN 'ask'
    ELSE 'same' END AS fate, o.name <> '' AND s.name = '' AS named
    FROM once o LEFT JOIN subscriber s ON s.address_key = o.address_key
    LEFT JOIN suppression x ON x.address_key = o.address_key WHERE o.rowid > :after AND o.rowid <= :after + {SLICE}"""  # noqa: S608 - a number

_DECIDED = """CREATE TEMP VIEW decided AS SELECT f.id, f.fate, f.named, o.address_key, o.name, o.pace, o.signup_at,
    o.confirmed_at, o.left_at, o.paused_until, o.key, coalesce(o.address, o.address_key) AS address
    FROM fate f JOIN once o ON o.rowid = f.place"""

# Two letters of a key rise with the slices, so that each adds to a few pages of the keys' index and not to all.
_ADD = """INSERT INTO subscriber (id, key, address, address_key, name, status, source, signup_at, confirmed_at, left_at,
        confirmation_mailed_at, paused_until, pace, resting, new_address, new_address_key)
    SELECT id, :letters || substr(key, 3), address, address_key, name,
        CASE fate WHEN 'add_confirmed' THEN iif(paused_until > :now, 'paused', 'confirmed')
            WHEN 'add_asked' THEN 'pending' ELSE 'unsubscribed' END, 'import',
        CASE fate WHEN 'add_asked' THEN :now ELSE coalesce(signup_at, confirmed_at, :now) END,
        CASE fate WHEN 'add_confirmed' THEN coalesce(confirmed_at, signup_at, :now) END,
        CASE fate WHEN 'add_left' THEN coalesce(left_at, :now) END,
        CASE fate WHEN 'add_asked' THEN :now END, iif(fate = 'add_confirmed' AND paused_until > :now, paused_until, NULL),
        coalesce(pace, 'weekly'), 0, '', ''
    FROM decided WHERE fate IN ('add_confirmed', 'add_asked', 'add_left')"""
_NAME = """UPDATE subscriber SET name = f.name FROM decided f
    WHERE f.id = subscriber.id AND f.named AND f.fate IN ('confirm', 'ask', 'same')"""
_CONFIRM = """UPDATE subscriber SET status = 'confirmed', confirmed_at = coalesce(f.confirmed_at, f.signup_at, :now),
    confirmation_mailed_at = NULL FROM decided f WHERE f.id = subscriber.id AND f.fate = 'confirm'"""
_LEAVE = """UPDATE subscriber SET status = 'unsubscribed', left_at = coalesce(f.left_at, :now), paused_until = NULL
    FROM decided f WHERE f.id = subscriber.id AND f.fate = 'leave'"""
_ASK = """UPDATE subscriber SET signup_at = :now, confirmation_mailed_at = :now
    FROM decided f WHERE f.id = subscriber.id AND f.fate = 'ask'"""
_SUPPRESS = """INSERT INTO suppression (address_key, reason, source, at)
    SELECT address_key, CASE fate WHEN 'block' THEN 'hard_bounce' ELSE 'unsubscribed' END, :source,
        coalesce(left_at, :now)
    FROM decided WHERE fate IN ('block', 'add_left', 'leave') ORDER BY address_key"""
_LOG = """INSERT INTO consent (subscriber_id, at, what, proof, origin)
    SELECT id, :now, CASE WHEN fate IN ('add_left', 'leave') THEN 'leave'
        WHEN fate IN ('add_asked', 'ask') THEN 'signup' ELSE 'import' END, :source, ''
    FROM fate WHERE fate IN ('add_confirmed', 'add_left', 'add_asked', 'confirm', 'ask', 'leave')"""
_NOTIFY = """INSERT INTO notice (kind, address, data, state, attempts, created_at, next_attempt_at, reply)
    SELECT 'confirm', s.address, json_object('subscriber_key', s.key, 'signup_at', :seconds), 'pending', 0,
        :now, :now, ''
    FROM fate f JOIN subscriber s ON s.id = f.id WHERE fate IN ('add_asked', 'ask')"""
_WRITE = {
    _ADD: {"add_confirmed", "add_asked", "add_left"},
    _NAME: {"confirm", "ask", "same"},
    _CONFIRM: {"confirm"},
    _LEAVE: {"leave"},
    _ASK: {"ask"},
    _SUPPRESS: {"block", "add_left", "leave"},
    _LOG: {"add_confirmed", "add_left", "add_asked", "confirm", "ask", "leave"},
    _NOTIFY: {"add_asked", "ask"},
}
"""In this order, each where one of its fates is among those of the slice: most slices know one."""


def import_staged(
    connection: sqlite3.Connection, lock: RLock, rows: Iterable[StagedSubscriber], terms: ImportOptions
) -> ImportCounts:
    """Stage, sort, then decide and write slice by slice; a dry run decides only. See ports.Store."""
    with translated():
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").close()
        staged, number = _stage(connection, rows)
        counts = ImportCounts(repeated=staged - number)
        for after in range(0, number, SLICE):
            where = {"after": after, "number": number}
            if terms.dry_run:
                _decide(connection, terms, where, counts)
            else:
                with lock:
                    _write(connection, terms, where, counts)
                terms.on_progress(min(1.0, (after + SLICE) / number))
                time.sleep(PAUSE_AFTER_SLICE)
        return counts


def _stage(connection: sqlite3.Connection, rows: Iterable[StagedSubscriber]) -> tuple[int, int]:
    """How many rows, and how many different addresses."""
    connection.execute(_STAGE)
    connection.execute("BEGIN")
    rest, staged = iter(rows), 0
    while some := list(islice(rest, 100)):  # two thirds of the cost of one at a time
        staged += len(some)
        marks = ", ".join([_ROW] * len(some))
        connection.execute(f"INSERT INTO staged VALUES {marks}", list(chain.from_iterable(some)))  # noqa: S608
    connection.execute(_ONCE)
    connection.execute("DROP TABLE staged")
    connection.execute(_DECIDED)
    connection.execute("COMMIT")
    return staged, connection.execute("SELECT count(*) FROM once").fetchone()[0]


def _write(
    connection: sqlite3.Connection, terms: ImportOptions, where: Mapping[str, int], counts: ImportCounts
) -> None:
    source = "added by the owner from a file" if terms.proof is None else terms.proof.strip()
    letters = f"{where['after'] * 256 // where['number']:02x}"
    values = {"letters": letters, "now": sql_time(terms.now), "seconds": int(terms.now.timestamp()), "source": source}
    with transaction(connection):
        fates = _decide(connection, terms, where, counts)
        for sql in (sql for sql, about in _WRITE.items() if about & fates):
            connection.execute(sql, {name: value for name, value in values.items() if f":{name}" in sql})


def _decide(
    connection: sqlite3.Connection, terms: ImportOptions, where: Mapping[str, int], counts: ImportCounts
) -> set[str]:
    """Say in the table `fate` what becomes of each of a slice; count it, and which fates there are.

    New readers get the ids after the last one.
    """
    connection.execute("DROP TABLE IF EXISTS temp.fate")
    last = connection.execute(LAST_ID).fetchone()[0]
    at = {"proven": terms.proof is not None, "day_ago": sql_time(terms.now - CONFIRM_EMAIL_EVERY)}
    connection.execute(_FATE, {**at, "after": where["after"], "ids": last - where["after"]})
    return _count(connection, counts)


def _count(connection: sqlite3.Connection, counts: ImportCounts) -> set[str]:
    fates = set()
    for fate, named, number in connection.execute("SELECT fate, coalesce(named, 0), count(*) FROM fate GROUP BY 1, 2"):
        fates.add(fate)
        counts.added += number * (fate in {"add_confirmed", "add_asked"})
        counts.asked += number * (fate in {"add_asked", "ask"})
        counts.suppressed += number * (fate in {"suppressed", "block", "add_left", "leave"})
        counts.left += number * (fate == "left")
        updated = fate in {"confirm", "ask"} or (fate == "same" and named)
        counts.updated += number * updated
        counts.unchanged += number * (fate == "left" or (fate == "same" and not named))
    return fates
