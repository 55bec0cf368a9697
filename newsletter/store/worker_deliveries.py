"""The ledger of a second sending process: a life of its own on a database whose sending lock it has inherited."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import RLock

from newsletter.store.deliveries import SqliteLedger, sql_time
from newsletter.store.sqlite.connection import connect_to_write, transaction, translated

_BEGIN = """INSERT INTO sender_run (role, host, pid, started_at, ended, recovered)
    VALUES ('second process', ?, ?, ?, 0, 0)"""


@contextmanager
def worker_ledger(path: Path, now: datetime, *, hold_in_doubt: bool) -> Iterator[tuple[SqliteLedger, int]]:
    """The ledger, and the sender_run that owns what it claims. Recovers nothing: the first process did, or will."""
    connection = connect_to_write(path)
    with translated(), transaction(connection):
        owner = connection.execute(_BEGIN, (platform.node(), os.getpid(), sql_time(now))).lastrowid or 0
    ledger = SqliteLedger(connection, RLock(), owner, hold_in_doubt=hold_in_doubt)
    try:
        yield ledger, owner
        with translated(), transaction(connection):
            connection.execute("UPDATE sender_run SET ended = 1 WHERE id = ?", (owner,))
    finally:
        ledger.close()
