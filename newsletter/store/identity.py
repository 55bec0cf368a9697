"""The clone guard: tells a database that was copied or put back from the one that mails; stops nobody itself.

The database and a small file beside it hold the same random key and the same number of beats. Each beat is written to the
database first and to the file second, so that after a crash the file is behind by one and never ahead. Therefore:
- no file, or another key in it: the database was copied without its neighbour;
- the file is ahead: an older state of the database was put back, which does not know what was sent since;
- the database is ahead by more than one: the file was put back;
- another machine: both were copied to it. Containers have no machine id of their own and are not asked for one.
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


@dataclass(frozen=True, slots=True)
class Mark:
    """What stands beside the database."""

    key: str
    beat: int


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
    return ""


def beat(session: Session, now: datetime) -> Mark:
    """One more beat, or the first; the mark to be written beside the database once this is committed."""
    row = session.exec(select(Installation)).first()
    if row is None:
        return adopt(session, now)
    row.beat, row.beat_at = row.beat + 1, now
    return Mark(row.key, row.beat)


def adopt(session: Session, now: datetime) -> Mark:
    """A new key: every copy made before is now known as one."""
    for old in session.exec(select(Installation)):
        session.delete(old)
    session.flush()
    row = Installation(key=secrets.token_hex(16), machine=machine_id(), host=platform.node()[:100], beat=1, beat_at=now)
    session.add(row)
    return Mark(row.key, row.beat)


def write(database: Path, mark: Mark) -> None:
    """Put the mark beside the database, whole or not at all."""
    path = path_of(database)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(asdict(mark)) + "\n", encoding="utf-8")
    draft.replace(path)


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
