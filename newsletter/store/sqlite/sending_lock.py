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
from newsletter.ports.sending import Holder

_PATIENCE = 0.2  # seconds: somebody who only asks who holds the lock has it for a moment
_PATIENCE_AFTER_CRASH = 15.0  # its second process ends its letters in flight, and records them
_PAUSE = 0.02


def lock_path(database: Path) -> Path:
    """The lock file beside a database."""
    return database.with_name(database.name + ".sender")


@contextmanager
def sending_lock(database: Path, role: str, now: datetime) -> Iterator[int]:
    """Hold the lock, of which the descriptor is given; raises Busy with the holder's name, role and what to do."""
    holder = Holder(role=role, pid=os.getpid(), host=platform.node(), since=now.isoformat(timespec="seconds"))
    with lock_path(database).open("a+") as file:
        if not _locked(file.fileno(), database):
            raise Busy(
                _words(_read(lock_path(database))), fix="One sender per database is enough; stop it or let it work"
            )
        file.seek(0)
        file.truncate()
        json.dump({"role": holder.role, "pid": holder.pid, "host": holder.host, "since": holder.since}, file)
        file.flush()
        yield file.fileno()  # closing the file drops the lock


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


def _locked(descriptor: int, database: Path) -> bool:
    began = time.monotonic()
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = time.monotonic() - began
            if waited > _PATIENCE_AFTER_CRASH or (waited > _PATIENCE and _read(lock_path(database)).is_alive):
                return False
            time.sleep(_PAUSE)
        else:
            return True


def _is_alive(pid: int, host: str) -> bool:
    """Does the process that took the lock still run, as far as this machine can tell?"""
    if host != platform.node():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it runs, and is somebody else's
    return True


def _read(path: Path) -> Holder:
    try:
        found = json.loads(path.read_text())
        role, pid, host, since = str(found["role"]), int(found["pid"]), str(found["host"]), str(found["since"])
        return Holder(role, pid, host, since, is_alive=_is_alive(pid, host))
    except (ValueError, KeyError, TypeError):
        return Holder("another process", 0, "this machine", "just now")


def _words(holder: Holder) -> str:
    return f"{holder.role} (process {holder.pid} on {holder.host}, since {holder.since}) already sends on this database"
