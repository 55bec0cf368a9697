"""The deliveries of the second sending process, which has inherited the sending lock of the first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import RLock

from newsletter.store.deliveries import SqliteLedger
from newsletter.store.sender_runs import end_run, start_run
from newsletter.store.sqlite.connection import connect_to_write, transaction
from newsletter.store.sqlite.errors import translated
from newsletter.store.sqlite.watch import FileWatch


@contextmanager
def worker_ledger(path: Path, now: datetime, *, hold_in_doubt: bool) -> Iterator[tuple[SqliteLedger, int]]:
    """The ledger, and the id of the run that owns what it claims.

    It recovers nothing: rows in `sending` may belong to the first process, which is alive.
    """
    watch = FileWatch(path)
    watch.begin()
    connection = connect_to_write(path)
    watch.note_open()
    with translated(), transaction(connection):
        run = start_run(connection, "second process", now)
    ledger = SqliteLedger(connection, RLock(), run, hold_in_doubt=hold_in_doubt, watch=watch)
    try:
        yield ledger, run
        with translated(), transaction(connection):
            end_run(connection, run)
    finally:
        ledger.close()
