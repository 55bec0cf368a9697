"""Sender runs: the SQL of the table `sender_run`. The id of a run marks the deliveries that its process has claimed."""

from __future__ import annotations

import os
import platform
import sqlite3
from datetime import datetime

from newsletter.store.times import to_text

_START = "INSERT INTO sender_run (role, host, pid, started_at, ended, recovered) VALUES (?, ?, ?, ?, 0, 0)"
_RECORD = "UPDATE sender_run SET recovered = ? WHERE id = ?"
_END = "UPDATE sender_run SET ended = 1 WHERE id = ?"


def start_run(db: sqlite3.Connection, role: str, now: datetime) -> int:
    """Record that this process begins to send; the id of its run."""
    return db.execute(_START, (role, platform.node(), os.getpid(), to_text(now))).lastrowid or 0


def record_recovered(db: sqlite3.Connection, run: int, number: int) -> None:
    """Record how many deliveries of dead processes this run has recovered."""
    db.execute(_RECORD, (number, run))


def end_run(db: sqlite3.Connection, run: int) -> None:
    """Record that the run has ended. A killed process never does; the sending lock tells that it is dead."""
    db.execute(_END, (run,))
