"""Imports a file of subscribers: rows are staged and sorted in temporary tables, then written in slices.

It uses plain SQL on a connection of its own. SQLite keeps TEMP tables in a separate file, which is deleted with the
connection: until the last row is read, nothing here locks the database. A slice is one short transaction, so a sign-up
never waits for the whole import. If the import is interrupted, the next import of the same file writes the missing
slices and finds the others unchanged.

The statements that write are in the modules of their tables. They read two staging tables: `fate` says what happens to
each subscriber of a slice, and the view `decided` adds the columns of the file.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from threading import RLock

from newsletter.domain.subscribers.imported import ImportCounts, ImportOptions, StagedSubscriber
from newsletter.domain.subscribers.record import ONLY_SUPPRESSED
from newsletter.domain.subscribers.subscription import CONFIRM_EMAIL_EVERY
from newsletter.store import consent, subscribers, subscriptions, suppressions, transactional
from newsletter.store.sqlite.connection import transaction
from newsletter.store.sqlite.errors import translated
from newsletter.store.times import to_text

SLICE = 40_000  # subscribers in a transaction, which takes 0.2 s
PAUSE_AFTER_SLICE = 0.02  # seconds without a lock after each slice, in addition to the checkpoint

PRAGMAS = (
    "temp_store = FILE",
    "temp.journal_mode = OFF",
    "cache_size = -8000",  # 8 MB, also the first buffer of a sort
    "wal_autocheckpoint = 1000",  # after each slice, when the lock is released
    "foreign_keys = OFF",  # safe: a slice inserts subscribers before the rows that refer to them, and deletes none
)

_STAGE = """CREATE TEMP TABLE staged (line INTEGER, address TEXT, address_key TEXT, name TEXT, key TEXT, was TEXT,
    signup_at TEXT, confirmed_at TEXT, left_at TEXT, paused_until TEXT, pace TEXT, evidence TEXT, record TEXT)"""
_ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
# If an address occurs more than once, the strictest row wins, then the first row. With min(),
# SQLite takes the other columns from the row that has the minimum (sqlite.org/lang_select.html#bareagg).
_ONCE = """CREATE TEMP TABLE once AS SELECT min(CASE was WHEN 'active' THEN 3
    WHEN 'unconfirmed' THEN 2 WHEN 'unsubscribed' THEN 1 ELSE 0 END * 4294967296 + line),
    address_key, address, name, key, was, signup_at, confirmed_at, left_at, paused_until, pace, evidence,
    record FROM staged GROUP BY address_key ORDER BY address_key"""
_FATE = f"""CREATE TEMP TABLE fate AS SELECT o.rowid AS place, coalesce(p.id, o.rowid + :ids) AS id, p.id IS NOT NULL AS known, CASE
    WHEN o.was = 'erased' OR x.address_key IS NOT NULL THEN 'suppressed'
    WHEN o.record IS NOT NULL AND s.status IS NULL AND o.record ->> 'status' = '{ONLY_SUPPRESSED}' THEN 'restore_block'
    WHEN o.record IS NOT NULL AND s.status IS NULL THEN iif(o.was = 'active', 'restore', 'restore_out')
    WHEN o.record ->> 'status' IN ('pending', 'expired') AND (o.was = 'unconfirmed' OR s.status = o.record ->> 'status')
        THEN 'same'
    WHEN s.status IS NULL AND o.was = 'unsubscribed' THEN 'add_left'
    WHEN s.status IS NULL AND o.was <> 'cleaned' AND p.id IN (SELECT subscriber_id FROM left_all) THEN 'left'
    WHEN s.status IS NULL AND o.was = 'cleaned' THEN 'block'
    WHEN s.status IS NULL AND o.was = 'active' AND (:proven OR o.evidence IS NOT NULL) THEN 'add_confirmed'
    WHEN s.status IS NULL THEN 'add_asked'
    WHEN o.was = 'cleaned' THEN 'block'
    WHEN s.left_at IS NOT NULL AND s.status NOT IN ('confirmed', 'paused') THEN 'left'
    WHEN o.was = 'unsubscribed' AND s.status = 'unsubscribed' THEN 'left'
    WHEN o.was = 'unsubscribed' AND s.confirmed_at > o.left_at THEN 'same'
    WHEN o.was = 'unsubscribed' THEN 'leave'
    WHEN s.status IN ('pending', 'expired') AND o.was = 'active' AND (:proven OR o.evidence IS NOT NULL) THEN 'confirm'
    WHEN s.status = 'pending' AND coalesce(s.confirmation_mailed_at, '') <= :day_ago THEN 'ask'
    ELSE 'same' END AS fate, o.name <> '' AND p.name = '' AS named,
    o.evidence IS NOT NULL AS proven
    FROM once o LEFT JOIN subscriber p ON p.address_key = o.address_key
    LEFT JOIN subscription s ON s.list_id = :list AND s.subscriber_id = p.id
    LEFT JOIN suppression x ON x.address_key = o.address_key AND x.address_key NOT IN (SELECT address_key FROM mine)
    WHERE o.rowid > :after AND o.rowid <= :after + {SLICE}"""  # noqa: S608 - a number

# What an import into several lists remembers: the addresses that it has suppressed itself, so that their subscriptions of
# the later lists are written too, and whom it asks to confirm, so that they get one email for all lists.
_MEMORY = (
    "CREATE TEMP TABLE mine (address_key TEXT PRIMARY KEY) WITHOUT ROWID",
    "CREATE TEMP TABLE to_ask (list_id INTEGER, subscriber_id INTEGER)",
)
# Whoever had unsubscribed from everything before the import, so from no list of the same file: another list does not get
# them back. With one list there is nobody to look for.
_LEFT_ALL = (
    "CREATE TEMP TABLE left_all (subscriber_id INTEGER PRIMARY KEY)",
    """INSERT INTO left_all SELECT subscriber_id FROM subscription WHERE (SELECT count(*) FROM mailing_list) > 1
    GROUP BY subscriber_id HAVING max(status = 'unsubscribed') AND NOT max(status IN ('confirmed', 'paused'))""",
)
_REMEMBER = (
    """INSERT OR IGNORE INTO mine SELECT address_key FROM decided
    WHERE fate IN ('block', 'restore', 'restore_out', 'restore_block')""",
    "INSERT INTO to_ask SELECT :list, id FROM fate WHERE fate IN ('add_asked', 'ask')",
)
_UNSTAGE = ("DROP VIEW temp.decided", "DROP TABLE IF EXISTS temp.fate", "DROP TABLE temp.once")

_DECIDED = """CREATE TEMP VIEW decided AS SELECT f.id, f.fate, f.named, f.known, o.address_key, o.name, o.pace, o.signup_at,
    o.confirmed_at, o.left_at, o.paused_until, o.key, o.evidence, o.record, coalesce(o.address, o.address_key) AS address
    FROM fate f JOIN once o ON o.rowid = f.place"""

_WRITE = {
    subscribers.ADD_IMPORTED: {"add_confirmed", "add_asked", "add_left"},
    subscriptions.ADD_IMPORTED: {"add_confirmed", "add_asked", "add_left"},
    subscribers.NAME_IMPORTED: {"named"},
    subscriptions.CONFIRM_IMPORTED: {"confirm"},
    subscriptions.UNSUBSCRIBE_IMPORTED: {"leave"},
    subscriptions.ASK_IMPORTED: {"ask"},
    suppressions.ADD_IMPORTED: {"block", "add_left", "leave"},
    consent.ADD_IMPORTED: {"add_confirmed", "add_left", "add_asked", "confirm", "ask", "leave"},
    transactional.ADD_IMPORTED: {"add_asked", "ask"},
    subscribers.RESTORE: {"restore", "restore_out"},
    subscriptions.RESTORE: {"restore", "restore_out"},
    subscribers.RESTORE_KEYS: {"restore", "restore_out"},
    consent.RESTORE: {"restore", "restore_out"},
    suppressions.RESTORE: {"restore", "restore_out", "restore_block"},
}
"""The statements in their order, each with the fates it is about; most slices have one fate and need few of them."""


def import_staged(
    connection: sqlite3.Connection,
    lock: RLock,
    rows: Iterable[StagedSubscriber],
    options: ImportOptions,
    list_id: int,
) -> ImportCounts:
    """Stage and sort all rows of subscribers of one list, then decide and write slice by slice. See ports.subscribers.

    A dry run only decides. So does an import that would send emails without a proof or the permission to ask.
    """
    with translated():
        _prepare(connection)
        staged, number = _stage(connection, rows)
        counts = ImportCounts(repeated=staged - number)
        parts = [{"list": list_id, "after": after, "number": number} for after in range(0, number, SLICE)]
        if options.dry_run or not (options.proof or options.ask):
            expected = replace(counts)
            for part in parts:
                _decide(connection, options, part, expected)
            expected.undecided = bool(expected.asked) and not (options.proof or options.ask)
            if options.dry_run or expected.undecided:
                return expected
        for part in parts:
            # The lock of this process; between processes, `transaction` polls for that of SQLite.
            with lock:
                _write(connection, options, part, counts)
            options.on_progress(min(1.0, (part["after"] + SLICE) / number))
            time.sleep(PAUSE_AFTER_SLICE)
        return counts


def import_lists(
    connection: sqlite3.Connection,
    lock: RLock,
    lists: Sequence[tuple[int, Iterable[StagedSubscriber]]],
    options: ImportOptions,
) -> ImportCounts:
    """The same for several lists, one after the other; their rows are read twice if nobody said what to do.

    An unsubscribe is one from its list here, so it suppresses nothing.
    """
    with translated():
        _prepare(connection)
        if options.dry_run or not (options.proof or options.ask):
            expected = ImportCounts()
            for list_id, rows in lists:
                for part in _stage_list(connection, list_id, rows, expected):
                    _decide(connection, options, part, expected)
            expected.undecided = bool(expected.asked) and not (options.proof or options.ask)
            if options.dry_run or expected.undecided:
                return expected
        counts = ImportCounts()
        for list_id, rows in lists:
            for part in _stage_list(connection, list_id, rows, counts):
                with lock:
                    _write(connection, options, part, counts, several=True)
                options.on_progress(min(1.0, (part["after"] + SLICE) / part["number"]))
                time.sleep(PAUSE_AFTER_SLICE)
        with lock, transaction(connection):
            now = {"now": to_text(options.now), "seconds": int(options.now.timestamp())}
            connection.execute(transactional.ADD_ASKED, now)
        return counts


def _prepare(connection: sqlite3.Connection) -> None:
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()
    for sql in (*_MEMORY, *_LEFT_ALL):
        connection.execute(sql)


def _stage_list(
    connection: sqlite3.Connection, list_id: int, rows: Iterable[StagedSubscriber], counts: ImportCounts
) -> Iterator[Mapping[str, int]]:
    """Stage the rows of one of several lists, and yield its slices."""
    staged, number = _stage(connection, rows)
    counts.repeated += staged - number
    yield from ({"list": list_id, "after": after, "number": number} for after in range(0, number, SLICE))
    for sql in _UNSTAGE:
        connection.execute(sql)


def _stage(connection: sqlite3.Connection, rows: Iterable[StagedSubscriber]) -> tuple[int, int]:
    """Returns the number of rows, and of different addresses."""
    connection.execute(_STAGE)
    # Only TEMP tables are written here, so this locks nobody out.
    connection.execute("BEGIN")
    rest, staged = iter(rows), 0
    while some := list(islice(rest, 100)):  # costs a third less than one row at a time
        staged += len(some)
        marks = ", ".join([_ROW] * len(some))
        connection.execute(f"INSERT INTO staged VALUES {marks}", list(chain.from_iterable(some)))  # noqa: S608
    connection.execute(_ONCE)
    connection.execute("DROP TABLE staged")
    connection.execute(_DECIDED)
    connection.execute("COMMIT")
    return staged, connection.execute("SELECT count(*) FROM once").fetchone()[0]


def _write(
    connection: sqlite3.Connection,
    options: ImportOptions,
    part: Mapping[str, int],
    counts: ImportCounts,
    *,
    several: bool = False,
) -> None:
    source = "added by the owner from a file" if options.proof is None else options.proof.strip()
    # The first two characters of the keys; see subscribers.ADD_IMPORTED.
    prefix = f"{part['after'] * 256 // part['number']:02x}"
    values = {
        "list": part["list"],
        "several": several,
        "prefix": prefix,
        "now": to_text(options.now),
        "seconds": int(options.now.timestamp()),
        "source": source,
    }
    values |= {"proof": f"{options.proof.strip()}; " if options.proof else "", "evidence": options.evidence()}
    with transaction(connection):
        fates = _decide(connection, options, part, counts)
        for sql in (sql for sql, about in _WRITE.items() if about & fates):
            if not (several and sql is transactional.ADD_IMPORTED):
                connection.execute(sql, values)
        for sql in _REMEMBER if several else ():
            connection.execute(sql, values)


def _decide(
    connection: sqlite3.Connection, options: ImportOptions, part: Mapping[str, int], counts: ImportCounts
) -> set[str]:
    """Fill the table `fate` for one slice, count the fates, and return those that occur.

    New subscribers get the ids after the last one, in the order of the slice.
    """
    connection.execute("DROP TABLE IF EXISTS temp.fate")
    last = connection.execute(subscribers.LAST_ID).fetchone()[0]
    at = {"proven": options.proof is not None, "day_ago": to_text(options.now - CONFIRM_EMAIL_EVERY)}
    connection.execute(_FATE, {**at, "list": part["list"], "after": part["after"], "ids": last - part["after"]})
    return _count(connection, counts)


def _count(connection: sqlite3.Connection, counts: ImportCounts) -> set[str]:
    fates = set()
    groups = connection.execute("SELECT fate, coalesce(named, 0), proven, count(*) FROM fate GROUP BY 1, 2, 3")
    for fate, named, proven, number in groups:
        fates |= {fate, "named"} if named else {fate}
        counts.added += number * (fate in {"add_confirmed", "add_asked", "restore", "restore_out"})
        counts.asked += number * (fate in {"add_asked", "ask"})
        counts.confirmed += number * (fate in {"add_confirmed", "confirm", "restore"})
        counts.proven += number * (proven and fate in {"add_confirmed", "confirm", "restore"})
        counts.suppressed += number * (fate in {"suppressed", "block", "add_left", "leave", "restore_block"})
        counts.left += number * (fate == "left")
        updated = fate in {"confirm", "ask"} or (fate == "same" and named)
        counts.updated += number * updated
        counts.unchanged += number * (fate == "left" or (fate == "same" and not named))
    return fates
