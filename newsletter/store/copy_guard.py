"""The copy guard: tells a copied or restored database from the one that sends. The callers decide what to stop.

The database and a small file next to it (`newsletter.db.identity`) contain the same random key and the same counter,
`beat`. A mark raises the counter in the database first and in the file second, so after a crash the file is behind by
one and never ahead. From this follows what each difference means:
- No file, or a file with another key: the database was copied without the file.
- The file is ahead: an older state of the database was restored, which does not know what was sent since.
- The file has a higher version than the database (PRAGMA user_version, which each checkpoint raises): the same, for a copy
  that was made and put back while emails were being sent.
- The database is ahead by more than one: the file was restored.
- A row in `restored`: a backup, which is held wherever it is put.
- Another machine: both were copied to it. Containers have no machine id of their own, so this is not checked there.
- Another inode: both were copied. A file keeps its inode when it is moved, and when its volume is mounted again, perhaps
  with another device number. If device and path are both new, the whole disk was copied. File systems that assign inodes
  arbitrarily (FUSE, shares of virtual machines) are not checked.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from threading import Lock

from sqlmodel import Field, Session, SQLModel, select

from newsletter import files
from newsletter.store.sqlite.columns import at

FIX = "If no other copy of it sends, run: newsletter db adopt"
_writing = Lock()
_MACHINE_ID = Path("/etc/machine-id")
_MOUNTS = Path("/proc/self/mountinfo")
_UNSTABLE = ("fuse", "9p", "virtiofs", "vboxsf", "prl_fs")
"""File systems whose inodes may differ after the next mount."""


class Installation(SQLModel, table=True):
    """One row: the mark of the installation that this database belongs to.

    beat: the counter. inode, device, path: of the database file, when the counter was last raised.
    """

    __tablename__ = "installation"

    key: str = Field(primary_key=True)
    machine: str = ""
    host: str = ""
    inode: str = Field(default="", sa_column_kwargs={"server_default": ""})
    device: str = Field(default="", sa_column_kwargs={"server_default": ""})
    path: str = Field(default="", sa_column_kwargs={"server_default": ""})
    beat: int = 0
    beat_at: datetime = at()


class Restored(SQLModel, table=True):
    """At most one row: this database is a backup that was made at this time, and it was not adopted since."""

    __tablename__ = "restored"

    id: int = Field(default=1, primary_key=True)
    made_at: datetime = at()


@dataclass(frozen=True, slots=True)
class Mark:
    """The content of the file next to the database. version: the highest one that the database is known to have had."""

    key: str
    beat: int
    version: int = 0


@dataclass(frozen=True, slots=True)
class File:
    """What identifies the file of a database. inode, device: "" if they are not reliable."""

    inode: str
    device: str
    path: str


def path_of(database: Path) -> Path:
    """The path of the file next to a database."""
    return database.with_name(database.name + ".identity")


def hold(session: Session, database: Path) -> str:
    """Why this database may not send, or ""."""
    why, row = _copied(session, database), session.exec(select(Restored)).first()
    if row and why in ("", _no_mark(database)):  # a backup never has that file next to it
        return f"it is a backup of {row.made_at:%b %d, %Y, %H:%M} UTC, and what happened since is not known"
    return why


def known_until(session: Session, database: Path) -> datetime | None:
    """From when on a restored database knows nothing; None for one that is no older than the newsletter."""
    restored, row = session.exec(select(Restored)).first(), session.exec(select(Installation)).first()
    if restored:
        return restored.made_at
    mark = read(database)
    is_older = row and mark and mark.key == row.key and (mark.beat > row.beat or mark.version > _version(session))
    return row.beat_at if row and is_older else None


def _copied(session: Session, database: Path) -> str:
    """Why this file is not the one that sent, or "". One that has never sent is not a copy of one that has."""
    row = session.exec(select(Installation)).first()
    mark, machine = read(database), machine_id()
    if row is None:
        return f"{path_of(database).name} belongs to another database, which was here before" if mark else ""
    if row.machine and machine and row.machine != machine:
        return f"it was used on another machine ({row.host}) and may still be in use there"
    if mark is None or mark.key != row.key:
        return _no_mark(database)
    if mark.beat > row.beat or mark.version > _version(session):
        return f"it is an older state, of {row.beat_at:%b %d, %Y, %H:%M} UTC, that was restored; emails may have been sent since"
    # A difference of one is normal: the process died after the commit and before it wrote the file.
    if row.beat > mark.beat + 1:
        return f"{path_of(database).name} is older than the database; one of the two was restored from a copy"
    return _other_file(File(row.inode, row.device, row.path), file_of(database))


def _no_mark(database: Path) -> str:
    return (
        f"it is a copy: {path_of(database).name}, which belongs next to it, is missing or belongs to another database"
    )


def _other_file(before: File, here: File) -> str:
    """Why this is not the file that sent, or "" if it is, or if that cannot be determined."""
    if not before.inode or not here.inode:
        return ""
    if before.inode != here.inode:
        return f"it is a copy: the database that sent emails was another file, at {before.path}"
    if before.device != here.device and before.path != here.path:
        return f"its disk is a copy, or was moved: the database that sent emails was on another disk, at {before.path}"
    return ""


def advance(session: Session, database: Path, now: datetime) -> Mark:
    """Raise the counter, or start it; returns the mark to write next to the database once this is committed."""
    row = session.exec(select(Installation)).first()
    if row is None:
        return adopt(session, database, now)
    row.beat, row.beat_at = row.beat + 1, now
    _write_file(row, file_of(database))
    return Mark(row.key, row.beat)


def adopt(session: Session, database: Path, now: datetime) -> Mark:
    """Make a new key, by which every earlier copy is known as a copy from now on; returns the mark."""
    for table in (Installation, Restored):
        for old in session.exec(select(table)):
            session.delete(old)
    session.flush()
    row = Installation(key=secrets.token_hex(16), machine=machine_id(), host=platform.node()[:100], beat=1, beat_at=now)
    _write_file(row, file_of(database))
    session.add(row)
    return Mark(row.key, row.beat)


def write(database: Path, mark: Mark) -> None:
    """Write the mark next to the database, completely or not at all; it keeps a higher version of the same key."""
    with _writing:
        before = read(database)
        if before and before.key == mark.key:
            mark = replace(mark, version=max(before.version, mark.version))
        _write(database, mark)


def note_version(database: Path, version: int) -> None:
    """Raise the version in the mark; called only by the process that sends."""
    with _writing:
        before = read(database)
        if before and before.version < version:
            _write(database, replace(before, version=version))


def _write(database: Path, mark: Mark) -> None:
    # Half a file would look like a copy of the database.
    files.write(path_of(database), (json.dumps(asdict(mark)) + "\n").encode(), like=database)


def _version(session: Session) -> int:
    return int(session.connection().exec_driver_sql("PRAGMA user_version").scalar_one())


def _write_file(row: Installation, file: File) -> None:
    row.inode, row.device, row.path = file.inode, file.device, file.path


def file_of(database: Path, mounts: Path = _MOUNTS) -> File:
    """Which file this is. mounts: a file in the format of proc_pid_mountinfo(5)."""
    path = str(database.resolve())
    try:
        found = database.stat()
    except OSError:
        return File("", "", path)
    if not found.st_ino or _kind_of(found.st_dev, mounts).startswith(_UNSTABLE):
        return File("", "", path)
    return File(str(found.st_ino), str(found.st_dev), path)


def _kind_of(device: int, mounts: Path) -> str:
    """The type of the file system with this device number, or "" if it is unknown."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    number = f"{os.major(device)}:{os.minor(device)}"
    kinds = (line.partition(" - ")[2].split(" ")[0] for line in lines if line.split(" ")[2:3] == [number])
    return next(kinds, "")


def machine_id() -> str:
    """The machine id (machine-id(5)), or "" if there is none."""
    try:
        return _MACHINE_ID.read_text(encoding="ascii").strip()[:64]
    except (OSError, ValueError):
        return ""


def read(database: Path) -> Mark | None:
    """The mark next to a database, if there is one that can be read."""
    try:
        found = json.loads(path_of(database).read_text(encoding="utf-8"))
        return Mark(str(found["key"]), int(found["beat"]), int(found.get("version", 0)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
