"""Who sends on a SQLite database: a `flock` that the kernel drops with its process, however that dies."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from newsletter.domain.errors import Busy
from newsletter.domain.ports import Holder

_TRIES = 10
_PAUSE = 0.02  # seconds: somebody who only asks who holds the lock has it for a moment


def lock_path(database: Path) -> Path:
    """The lock file beside a database."""
    return database.with_name(database.name + ".sender")


@contextmanager
def sending_lock(database: Path, role: str, now: datetime) -> Iterator[Holder]:
    """Hold the lock; raises Busy with the holder's name, role and what to do."""
    holder = Holder(role=role, pid=os.getpid(), host=platform.node(), since=now.isoformat(timespec="seconds"))
    with lock_path(database).open("a+") as file:
        if not _locked(file.fileno()):
            raise Busy(
                _words(_read(lock_path(database))), fix="One sender per database is enough; stop it or let it work"
            )
        file.seek(0)
        file.truncate()
        json.dump({"role": holder.role, "pid": holder.pid, "host": holder.host, "since": holder.since}, file)
        file.flush()
        yield holder  # closing the file drops the lock


def holder_of(database: Path) -> Holder | None:
    """Who holds the lock now, if anybody."""
    path = lock_path(database)
    try:
        with path.open() as file:  # to look needs no right to write
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(path)
    except FileNotFoundError:
        return None
    return None


def _locked(descriptor: int) -> bool:
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE)
        else:
            return True
    return False


def _read(path: Path) -> Holder:
    try:
        found = json.loads(path.read_text())
        return Holder(str(found["role"]), int(found["pid"]), str(found["host"]), str(found["since"]))
    except (ValueError, KeyError, TypeError):
        return Holder("another process", 0, "this machine", "just now")


def _words(holder: Holder) -> str:
    return f"{holder.role} (process {holder.pid} on {holder.host}, since {holder.since}) already sends on this database"
