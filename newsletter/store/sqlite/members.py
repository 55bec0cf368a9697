"""The files inside a backup: a table of the database, as sqlar defines it (sqlite.org/sqlar.html).

So a backup is one SQLite file: `sqlite3 FILE -A --list` shows what is in it, and any tool for SQLite can read it.
"""

from __future__ import annotations

import re
import sqlite3
import stat
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from newsletter.domain.errors import InputError
from newsletter.store.sqlite.errors import translated

LARGEST, LARGEST_IN_ALL = 100_000_000, 2_000_000_000  # bytes
_MOST = 20_000  # files
_CREATE = "CREATE TABLE sqlar (name TEXT PRIMARY KEY, mode INT, mtime INT, sz INT, data BLOB)"
_NAME = re.compile(r"(?!.*(?:^|/)\.\.?(?:/|$))[^/\x00-\x1f\x7f\\]+(?:/[^/\x00-\x1f\x7f\\]+)*\Z")
_PLAIN = stat.S_IFREG | 0o600


@dataclass(frozen=True, slots=True)
class Member:
    """One file. name: a relative path with slashes."""

    name: str
    content: bytes


def has_members(db: sqlite3.Connection) -> bool:
    """Is there such a table?"""
    return bool(db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'sqlar'").fetchone())


def add_members(path: Path, members: Iterable[Member], at: int) -> None:
    """Replace the files inside a backup. at: seconds since 1970, their time."""
    with translated(path), closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TABLE IF EXISTS sqlar")
        db.execute(_CREATE)
        for member in members:
            packed = zlib.compress(member.content)
            data = packed if len(packed) < len(member.content) else member.content
            db.execute("INSERT INTO sqlar VALUES (?, ?, ?, ?, ?)", (member.name, _PLAIN, at, len(member.content), data))


def read_members(db: sqlite3.Connection, source: Path) -> Iterator[Member]:
    """The files inside a backup. Raises InputError for a name or a size that no backup of ours has."""
    if not has_members(db):
        return
    in_all = 0
    rows = db.execute("SELECT name, mode, sz, length(data), rowid FROM sqlar ORDER BY name LIMIT ?", (_MOST + 1,))
    for number, (name, mode, size, packed, row) in enumerate(rows.fetchall()):
        if not isinstance(name, str) or len(name) > 1000 or not _NAME.match(name):
            raise _refused(source, f"the file name {name!r:.100}")
        if not isinstance(mode, int) or stat.S_IFMT(mode) != stat.S_IFREG:
            raise _refused(source, f"{name}, which is not a plain file")
        if not isinstance(size, int) or not isinstance(packed, int) or not 0 <= packed <= size <= LARGEST:
            raise _refused(source, f"{name}, which says it has {size} bytes")
        in_all += size
        if number == _MOST or in_all > LARGEST_IN_ALL:
            raise _refused(source, "too many or too large files")
        (data,) = db.execute("SELECT data FROM sqlar WHERE rowid = ?", (row,)).fetchone()
        content = data if packed == size else _unpacked(data, size)
        if content is None:
            raise _refused(source, f"{name}, which is damaged")
        yield Member(name, bytes(content))


def _unpacked(data: bytes, size: int) -> bytes | None:
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(data, size + 1)  # never more than it should be
    except (zlib.error, TypeError):
        return None
    return content if len(content) == size and unpacker.eof else None


def _refused(source: Path, what: str) -> InputError:
    return InputError(
        f"{source} was refused: it contains {what}", fix="Nothing was changed. Restore only backups that you have made"
    )
