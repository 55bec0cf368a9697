"""What is wrong with a database file, in words: the error of SQLite, and what the file turns out to be.

The result codes are those of sqlite.org/rescode.html.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

from newsletter.domain.errors import Busy, NewsletterError, Unavailable
from newsletter.files import current_user, owner_of

HEADER = b"SQLite format 3\0"  # sqlite.org/fileformat2.html, section 1.3
BACKUPS = "backups"
_UNCHANGED = "Nothing was changed"
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
NO_ROOM = 1_000_000  # bytes: SQLite reports some writes to a full disk as "disk I/O error"
_READ_ONLY_FLAG = os.ST_RDONLY if hasattr(os, "ST_RDONLY") else 1
_URL = "Check NEWSLETTER_DATABASE_URL and NEWSLETTER_DATA_DIR"


class DamagedDatabase(Unavailable):
    """A database that cannot be read any more. why: what SQLite says."""

    def __init__(self, name: str, why: str, newest: Path | None) -> None:
        super().__init__(
            f"{name} is damaged ({why}); nothing was changed",
            fix=f"Stop the newsletter, then restore the newest backup: newsletter db restore {newest or 'FILE'}",
        )
        self.why = why


class NotDatabase(Unavailable):
    """A file that was never a database. kind: what it is instead."""

    def __init__(self, path: Path, kind: str) -> None:
        restore = f"newsletter db restore {newest_backup(path) or 'FILE'}"
        super().__init__(
            f"{path} is not a database: {kind}",
            fix=f"{_UNCHANGED}. {_URL}. If the database was overwritten, restore a backup: {restore}",
        )
        self.kind = kind


class translated:  # noqa: N801 - used as a function
    """Translates errors of SQLite into errors for people: Busy for a lock that was not released in time.

    Errors that are bugs of ours, such as a violated constraint, are left as they are.
    """

    __slots__ = ("_path",)

    def __init__(self, path: Path | None = None) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: object) -> None:
        if is_about_the_file(error):
            raise translate(error, self._path) from error


def is_about_the_file(error: BaseException | None) -> bool:
    """Is this an error of the file, the disk, or a lock?"""
    return isinstance(error, sqlite3.OperationalError) or (
        isinstance(error, sqlite3.DatabaseError) and _code(error) in _DAMAGED
    )


def translate(error: BaseException | None, path: Path | None = None) -> NewsletterError:
    """The error of ours for an error of SQLite. path: of the database, if it is known."""
    code, name = _code(error), f"the database {path}" if path else "the database"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) or "locked" in str(error):
        return Busy("another process is writing to the database", fix="Try again in a moment")
    if code in _DAMAGED:
        return _not_ours(path) or damaged(name, str(error), path)
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path)):
        return Unavailable(f"the disk is full, so {name} cannot be written", fix=f"{_UNCHANGED}. Free some space")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return no_access(name, path)
    if code == sqlite3.SQLITE_IOERR:
        return Unavailable(
            f"the disk failed while {name} was used: {error}",
            fix="Check the disk. If the database is damaged, restore a backup: newsletter db restore FILE",
        )
    return NewsletterError(
        f"{name} refused: {error}", fix="Check the disk space and the permissions of the data directory"
    )


def damaged(name: str, why: str, path: Path | None) -> DamagedDatabase:
    """The error for a damaged database; it names the newest backup in the data directory, if there is one."""
    return DamagedDatabase(name, why.partition("\n")[0], newest_backup(path) if path else None)


def newest_backup(database: Path) -> Path | None:
    """The newest file in the directory of backups."""
    found = [path for path in (database.parent / BACKUPS).glob("*") if path.is_file() and path.suffix != ".part"]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def unusable(path: Path) -> NewsletterError | None:
    """Why this cannot be opened as a database, as far as that is known without SQLite; None for nothing wrong."""
    if path.is_dir():
        return Unavailable(
            f"{path} is a directory, not a database", fix="Add the name of the file, as in data/newsletter.db"
        )
    return _not_ours(path) if os.access(path, os.R_OK) else no_access(f"the database {path}", path)


def _not_ours(path: Path | None) -> NewsletterError | None:
    """The error for a file that was never a database; None for a damaged one, and for an empty file."""
    if path is None or not path.is_file() or not os.access(path, os.R_OK):
        return None
    with path.open("rb") as file:
        head = file.read(4096)
    if not head or head.startswith(HEADER):
        return None
    kind = "it has only zeros" if not head.strip(b"\0") else "it is a text file" if _is_text(head) else "it is not one"
    if not head.strip(b"\0"):
        return damaged(f"the database {path}", kind, path)
    return NotDatabase(path, kind)


def _is_text(head: bytes) -> bool:
    try:
        return head.decode("utf-8").isprintable() or b"\0" not in head
    except UnicodeDecodeError:
        return False


def no_access(name: str, path: Path | None) -> NewsletterError:
    """The error for a database that may not be read or written, and who may."""
    if path is None:
        return Unavailable(f"{name} cannot be opened", fix="Check the permissions of the data directory")
    missing = next((one for one in reversed((path, *path.parents)) if not exists(one)), None)
    if missing and missing != path:
        return Unavailable(f"{name} cannot be opened: there is no directory {missing}", fix=_URL)
    where = path if exists(path) else path.parent
    if os.statvfs(where).f_flag & _READ_ONLY_FLAG:
        return Unavailable(
            f"{name} is on a disk that is mounted read-only", fix="Mount it for writing, or move the data directory"
        )
    for one in (path, path.parent):
        if exists(one) and not os.access(one, os.R_OK | os.W_OK | (os.X_OK if one.is_dir() else 0)):
            owner = owner_of(one)
            return Unavailable(
                f"{name} cannot be opened: {one} belongs to {owner}, and this command runs as {current_user()}",
                fix=f"Run it as {owner}: sudo -u {owner} newsletter …; or give the files to {current_user()}: "
                f"sudo chown -R {current_user()} {path.parent}",
            )
    return Unavailable(
        f"{name} cannot be opened", fix=f"Check who owns {path.parent} and the files in it: newsletter doctor"
    )


def exists(path: Path) -> bool:
    """As Path.exists, but False for what is in a directory that this user may not enter."""
    try:
        path.stat()
    except OSError:
        return False
    return True


def _is_full(path: Path | None) -> bool:
    return path is not None and shutil.disk_usage(path.parent).free < NO_ROOM


def _code(error: BaseException | None) -> int:
    """The primary result code; 0 if there is none."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
