"""The clone guard: tells a database that was copied or put back from the one that mails; stops nobody itself.

The database and a small file beside it hold the same random key and the same number of beats. Each beat is written to the
database first and to the file second, so that after a crash the file is behind by one and never ahead. Therefore:
- no file, or another key in it: the database was copied without its neighbour;
- the file is ahead: an older state of the database was put back, which does not know what was sent since;
- the database is ahead by more than one: the file was put back;
- another machine: both were copied to it. Containers have no machine id of their own and are not asked for one;
- another file: both were copied, and a copy has another inode. A file that is moved keeps its inode, and so does a volume
  that is mounted again, under another device number perhaps. Where device and path are both new, the whole disk was copied.
  File systems that give out inodes as they like (FUSE, shares of virtual machines) are not asked.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from sqlmodel import Session, select

from newsletter.store.tables import Installation

FIX = "If no other copy of it mails, say: newsletter db adopt"
_MACHINE_ID = Path("/etc/machine-id")
_MOUNTS = Path("/proc/self/mountinfo")
_FLEETING = ("fuse", "9p", "virtiofs", "vboxsf", "prl_fs")
"""File systems whose inodes may be others after the next mount."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What stands beside the database."""

    key: str
    beat: int


@dataclass(frozen=True, slots=True)
class File:
    """Which file a database is. inode, device: "" where they tell nothing."""

    inode: str
    device: str
    path: str


def path_of(database: Path) -> Path:
    """The file beside a database."""
    return database.with_name(database.name + ".identity")


def hold(session: Session, database: Path) -> str:
    """Why this database may not mail, or "". One that never mailed is nobody's copy."""
    row = session.exec(select(Installation)).first()
    mark, machine = _read(path_of(database)), machine_id()
    if row is None:
        return f"another database stood here before, to which {path_of(database).name} belongs" if mark else ""
    if row.machine and machine and row.machine != machine:
        return f"it was used on another machine ({row.host}) and may still be in use there"
    if mark is None or mark.key != row.key:
        return f"it is a copy: {path_of(database).name}, which belongs beside it, is not there or is another's"
    if mark.beat > row.beat:
        return (
            f"it is an older state that was put back, of {row.beat_at:%d %b %Y %H:%M} UTC; letters may have left since"
        )
    if row.beat > mark.beat + 1:
        return f"{path_of(database).name} beside it is older than the database; one of the two was put back"
    return _other_file(File(row.inode, row.device, row.path), file_of(database))


def _other_file(before: File, here: File) -> str:
    """Why this is not the file that mailed, or "" when it is or nobody can know."""
    if not before.inode or not here.inode:
        return ""
    if before.inode != here.inode:
        return f"it is a copy: the file that mails was another one, at {before.path}"
    if before.device != here.device and before.path != here.path:
        return f"its disk is a copy, or was moved: the file that mails was on another one, at {before.path}"
    return ""


def beat(session: Session, database: Path, now: datetime) -> Mark:
    """One more beat, or the first; the mark to be written beside the database once this is committed."""
    row = session.exec(select(Installation)).first()
    if row is None:
        return adopt(session, database, now)
    row.beat, row.beat_at = row.beat + 1, now
    _write_file(row, file_of(database))
    return Mark(row.key, row.beat)


def adopt(session: Session, database: Path, now: datetime) -> Mark:
    """A new key: every copy made before is now known as one."""
    for old in session.exec(select(Installation)):
        session.delete(old)
    session.flush()
    row = Installation(key=secrets.token_hex(16), machine=machine_id(), host=platform.node()[:100], beat=1, beat_at=now)
    _write_file(row, file_of(database))
    session.add(row)
    return Mark(row.key, row.beat)


def write(database: Path, mark: Mark) -> None:
    """Put the mark beside the database, whole or not at all."""
    path = path_of(database)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(asdict(mark)) + "\n", encoding="utf-8")
    draft.replace(path)


def _write_file(row: Installation, file: File) -> None:
    row.inode, row.device, row.path = file.inode, file.device, file.path


def file_of(database: Path, mounts: Path = _MOUNTS) -> File:
    """Which file this is; mounts: as in proc_pid_mountinfo(5)."""
    path = str(database.resolve())
    try:
        found = database.stat()
    except OSError:
        return File("", "", path)
    if not found.st_ino or _kind_of(found.st_dev, mounts).startswith(_FLEETING):
        return File("", "", path)
    return File(str(found.st_ino), str(found.st_dev), path)


def _kind_of(device: int, mounts: Path) -> str:
    """The kind of the file system with this device number, or "" where nothing says so."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    number = f"{os.major(device)}:{os.minor(device)}"
    kinds = (line.partition(" - ")[2].split(" ")[0] for line in lines if line.split(" ")[2:3] == [number])
    return next(kinds, "")


def machine_id() -> str:
    """Which machine this is (machine-id(5)), or "" where nothing says so."""
    try:
        return _MACHINE_ID.read_text(encoding="ascii").strip()[:64]
    except (OSError, ValueError):
        return ""


def _read(path: Path) -> Mark | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Mark(str(found["key"]), int(found["beat"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
