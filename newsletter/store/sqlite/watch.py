"""Notice that the file of a database was deleted, replaced, or overwritten while this process has it open.

SQLite does not notice: it would go on writing into a file that nobody can find any more. So the path is compared with
the file that was opened, and what stands in the file, without its log, with what stood there before. This process must
not open the file by itself to read it: closing it would drop the locks of SQLite (sqlite.org/howtocorrupt.html, 2.2).
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from newsletter import files
from newsletter.domain.errors import Unavailable
from newsletter.store.sqlite.errors import NO_ROOM, exists, newest_backup, no_access

EVERY = 0.5  # seconds between two looks at the file
_TRIES = 3  # a checkpoint of another process may be writing what we read
_PAUSE = 0.03  # seconds between them
_SIDES = ("-wal", "-shm")

Place = tuple[int, int]
"""What identifies a file on this machine: its device and its inode."""


@dataclass(frozen=True, slots=True)
class Content:
    """What stands in the database file itself, without its log.

    version: PRAGMA user_version, which each checkpoint raises. key, inode: of the installation. is_restored: is it a
    backup that was not adopted?
    """

    version: int
    key: str = ""
    inode: str = ""
    is_restored: bool = False


class FileWatch:
    """Watches one database file for one process, which has it open. Safe for threads.

    known_key: the key next to the database, which an adoption changes. is_other: another database stands there now, so
    nothing may be written. on_version: called after each look, with the version that was found.
    """

    def __init__(self, path: Path, known_key: Callable[[], str] = lambda: "") -> None:
        self.path = path
        self.on_version: Callable[[int], None] | None = None
        self._known_key = known_key
        self._looking = Lock()
        self._next = 0.0
        self._place: Place | None = None
        self._sides: dict[Path, Place] = {}
        self._content: Content | None = None
        self._trouble: tuple[str, str] | None = None
        self._open = 0  # connections of this process
        self.is_other = False

    def begin(self) -> None:
        """Take the file as it is now for the right one; called before the first connection."""
        self._place, self._content = place_of(self.path), read_content(self.path)

    def note_open(self) -> None:
        """Note that this process has a connection. As long as it has one, nobody deletes the log."""
        self._open += 1

    def note_close(self) -> None:
        """Note that a connection is about to be closed. SQLite deletes the log with the last one of all processes."""
        self._open -= 1
        if not self._open:
            self._sides = {}

    def check(self, *, now: bool = False) -> None:
        """Look at the file, at most every half second unless `now`; raises Unavailable if it is not the one we opened."""
        if (now or time.monotonic() >= self._next) and self._looking.acquire(blocking=now):
            try:
                self._trouble = self._look()
                self._next = time.monotonic() + EVERY
            finally:
                self._looking.release()
            if not self._trouble and self._content and self.on_version:
                self.on_version(self._content.version)
        if self._trouble:
            raise Unavailable(self._trouble[0], fix=self._trouble[1])

    def check_place(self) -> None:
        """As `check` for the path alone, before a commit: 2 microseconds. Raises Unavailable."""
        if self._trouble or (self._place and place_of(self.path) != self._place):
            self.check(now=True)

    def set_log_aside(self) -> None:
        """Before the connections are closed: if another database stands there, keep our log from getting into it.

        SQLite would move the log into the file, or the next process would. The log stays under another name.
        """
        log = log_of(self.path)
        with suppress(Unavailable):
            self.check(now=True)
        ours = self._sides.get(log)
        if not self.is_other or not ours or place_of(log) != ours or not log.stat().st_size:
            return
        with suppress(OSError):
            kept = log.with_name(f"{log.name}.{int(time.time())}")
            with log.open("rb") as source, os.fdopen(files.create(kept), "wb") as target:
                shutil.copyfileobj(source, target)
            os.truncate(log, 0)

    # -- what may be wrong -------------------------------------------------------------------------

    def _look(self) -> tuple[str, str] | None:
        """What is wrong, and what to do about it; None for nothing."""
        if self._place is None or self._content is None:
            return None
        self.is_other = False
        found = place_of(self.path)
        if found is None:
            return self._missing()
        if found != self._place:
            self.is_other = True
            return self._replaced("another file was put in the place of")
        if not os.access(self.path, os.R_OK | os.W_OK) or not os.access(self.path.parent, os.W_OK | os.X_OK):
            return self._denied()
        return self._lost_log() or self._other_content()

    def _missing(self) -> tuple[str, str]:
        if self.path.parent.is_dir() and not os.access(self.path.parent, os.X_OK):
            return self._denied()
        above = next((one for one in reversed(self.path.parents) if not exists(one)), None)
        what = f"the directory {above} is gone, with" if above else "somebody deleted or renamed"
        restore = f"newsletter db restore {newest_backup(self.path) or 'BACKUP'}"
        fix = f"Put it back, and the newsletter continues. If it is lost, stop the newsletter, run `{restore}`, and start it"
        return f"{what} the database {self.path}; nothing is sent or written any more", fix

    def _denied(self) -> tuple[str, str]:
        error = no_access(f"the database {self.path}", self.path)
        return error.message, error.fix

    def _replaced(self, what: str) -> tuple[str, str]:
        restore = f"newsletter db restore {newest_backup(self.path) or 'BACKUP'}"
        fix = f"Stop the newsletter and start it again. If it cannot use that file, restore a backup: {restore}"
        return f"{what} the database {self.path} while it was in use; nothing is sent or written any more", fix

    def _lost_log(self) -> tuple[str, str] | None:
        if not self._open:
            return None
        for side in (self.path.with_name(self.path.name + suffix) for suffix in _SIDES):
            found = place_of(side)
            if found and side not in self._sides:
                self._sides[side] = found
            elif side in self._sides and found != self._sides[side]:
                return (
                    f"somebody deleted or replaced {side}, which belongs to the database and was in use",
                    "Stop the newsletter and start it again, before anything else is done with the database",
                )
        return None

    def _other_content(self) -> tuple[str, str] | None:
        before = self._content or Content(0)
        for _ in range(_TRIES):
            found = read_content(self.path)
            if found and self._is_later(before, found):
                self._content = found
                return None
            time.sleep(_PAUSE)
        self.is_other = True
        return self._replaced("somebody overwrote")

    def _is_later(self, before: Content, found: Content) -> bool:
        """Can the file have come to this by our own work, or by that of other commands?"""
        if found.version < before.version:
            return False
        if found.version == before.version and found.is_restored and not before.is_restored:
            return False
        return before.key in ("", found.key) or found.key == self._known_key()


def log_of(database: Path) -> Path:
    """The write-ahead log of a database."""
    return database.with_name(f"{database.name}-wal")


def place_of(path: Path) -> Place | None:
    """Which file is under this path; None for none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a third faster, and called for each transaction
    except OSError:
        return None
    return found.st_dev, found.st_ino


def read_content(path: Path) -> Content | None:
    """What stands in the file itself; None for a file that is no sound database of ours."""
    uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as db:
            # During a checkpoint, the first page is written before the file has grown. With this, that is no error.
            db.execute("PRAGMA writable_schema = ON").close()
            (version,) = db.execute("PRAGMA user_version").fetchone()
            tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not tables:
                return None
            if not {"installation", "restored"} <= tables:
                return Content(int(version))
            row = db.execute("SELECT key, inode FROM installation").fetchone() or ("", "")
            is_restored = db.execute("SELECT 1 FROM restored").fetchone() is not None
            return Content(int(version), str(row[0]), str(row[1]), is_restored)
    except (sqlite3.Error, OSError):
        return None


def check_room(path: Path) -> None:
    """Raises Unavailable if the disk of the database is nearly full."""
    if shutil.disk_usage(path.parent).free < NO_ROOM:
        raise Unavailable(
            f"the disk of the database {path} is full, so nothing can be sent or written", fix="Free some space"
        )
