"""The sending lock of a SQLite database: a `flock`, which the kernel releases when its process ends, however it dies."""

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

from newsletter.domain.errors import Busy, NewsletterError
from newsletter.files import current_user, open_shared, owner_of
from newsletter.ports.sending import Holder

_WAIT = 0.2  # seconds: `holder_of` takes the lock for a moment
_WAIT_AFTER_CRASH = 15.0  # seconds: the second process finishes and records the emails in flight
_POLL = 0.02  # seconds


def lock_path(database: Path) -> Path:
    """The lock file next to a database."""
    return database.with_name(database.name + ".sender")


@contextmanager
def sending_lock(database: Path, role: str, now: datetime) -> Iterator[int]:
    """Hold the lock; yields its file descriptor. Raises Busy, which names the process that holds it.

    A second process that inherits the descriptor keeps the lock after this process has died.
    """
    holder = Holder(role=role, pid=os.getpid(), host=platform.node(), since=now.isoformat(timespec="seconds"))
    # Not opened with "w", so that the file of the current holder is not emptied before we hold the lock.
    with _translated(lock_path(database)), os.fdopen(open_shared(lock_path(database), database), "r+") as file:
        if not _locked(file.fileno(), database):
            raise Busy(
                _sentence(_read(lock_path(database))),
                fix="Only one process may send on a database; stop the other one or let it finish",
            )
        file.seek(0)
        file.truncate()
        json.dump({"role": holder.role, "pid": holder.pid, "host": holder.host, "since": holder.since}, file)
        file.flush()
        yield file.fileno()  # closing the file drops the lock


def holder_of(database: Path) -> Holder | None:
    """The process that holds the lock now, if any."""
    path = lock_path(database)
    try:
        with _translated(path), path.open() as file:  # a shared lock needs no write permission
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(path)
    except FileNotFoundError:
        return None
    return None


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """A lock file that belongs to another user, which happens after an older version was run as root."""
    try:
        yield
    except PermissionError as error:
        if error.filename != str(path):
            raise
        owner = owner_of(path) if path.exists() else "another user"
        raise NewsletterError(
            f"{path} belongs to {owner}, and this command runs as {current_user()}",
            fix=f"Run: sudo chown {current_user()} {path}",
        ) from None


def _locked(descriptor: int, database: Path) -> bool:
    began = time.monotonic()
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = time.monotonic() - began
            # If the holder is dead, its second process still has the lock, and is finishing its emails in flight.
            if waited > _WAIT_AFTER_CRASH or (waited > _WAIT and _read(lock_path(database)).is_alive):
                return False
            time.sleep(_POLL)
        else:
            return True


def _is_alive(pid: int, host: str) -> bool:
    """Is the process that took the lock still running? True if this machine cannot tell."""
    if host != platform.node():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it is running, as another user
    return True


def _read(path: Path) -> Holder:
    try:
        found = json.loads(path.read_text())
        role, pid, host, since = str(found["role"]), int(found["pid"]), str(found["host"]), str(found["since"])
        return Holder(role, pid, host, since, is_alive=_is_alive(pid, host))
    except (ValueError, KeyError, TypeError):
        return Holder("another process", 0, "this machine", "an unknown time")


def _sentence(holder: Holder) -> str:
    return f"{holder.role} (process {holder.pid} on {holder.host}, since {holder.since}) is already sending on this database"
