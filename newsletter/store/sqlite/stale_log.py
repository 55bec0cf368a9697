"""A write-ahead log that belongs to another database than the file it lies next to.

It stays behind when a database is replaced or deleted while a process has it open, or after a crash. SQLite cannot tell:
the next connection would write the pages of the old database into the new one.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from newsletter import files
from newsletter.domain.errors import Unavailable
from newsletter.store import copy_guard
from newsletter.store.sqlite.watch import Content, log_of, read_content

_HEAD, _FRAME = 32, 24  # bytes


def check_log(database: Path) -> None:
    """Raises Unavailable if the log next to a database is certainly that of another one; before the first connection.

    Takes a fraction of a millisecond, unless the database may have been replaced: then a copy is checked with the log.
    """
    log = log_of(database)
    if not log.is_file() or not log.stat().st_size or not database.is_file():
        return
    content = read_content(database)
    if content is None or not _may_be_replaced(database, content) or _fits(database, log, content):
        return
    raise Unavailable(
        f"{database} was replaced while {log.name} still had changes of the database before it; nothing was changed",
        fix=f"Stop all processes of the newsletter, and rename {log}. Then start it again, or restore a backup",
    )


def keep_stale(database: Path, kept: Path) -> None:
    """Rename the log of a database that is gone, so that it does not get into the next one. kept: of the database."""
    for suffix in ("-wal", "-shm"):
        part = database.with_name(database.name + suffix)
        if part.is_file():
            part.replace(kept.with_name(kept.name + suffix))


def _may_be_replaced(database: Path, content: Content) -> bool:
    mark = copy_guard.read(database)
    inode = copy_guard.file_of(database).inode
    is_other = bool(content.inode and inode and content.inode != inode)
    return is_other or (mark is not None and (content.key not in ("", mark.key) or content.version < mark.version))


def _fits(database: Path, log: Path, content: Content) -> bool:
    """Is a copy of the database sound once the log is in it, and as long as the log says?"""
    pages = pages_after(log)
    with _copies(database, log) as copy:
        try:
            with closing(sqlite3.connect(copy)) as db:
                (version,) = db.execute("PRAGMA user_version").fetchone()
                (key,) = db.execute("SELECT max(key) FROM installation").fetchone()
                (length,) = db.execute("PRAGMA page_count").fetchone()
                (found,) = db.execute("PRAGMA integrity_check(1)").fetchone()
        except sqlite3.Error:
            return False
    return found == "ok" and length == pages and version >= content.version and content.key in ("", key)


def pages_after(log: Path) -> int:
    """How many pages the database has after the last commit in a log (sqlite.org/fileformat2.html, section 4.1)."""
    pages = 0
    with log.open("rb") as file:
        head = file.read(_HEAD)
        size, salts = int.from_bytes(head[8:12], "big"), head[16:24]
        while len(frame := file.read(_FRAME)) == _FRAME and frame[8:16] == salts:
            pages = int.from_bytes(frame[4:8], "big") or pages
            file.seek(size, os.SEEK_CUR)
    return pages


@contextmanager
def _copies(database: Path, log: Path) -> Iterator[Path]:
    with TemporaryDirectory(prefix=".check-", dir=database.parent) as directory:
        copy = Path(directory) / "database"
        for source, target in ((database, copy), (log, log_of(copy))):
            with source.open("rb") as content, os.fdopen(files.create(target), "wb") as written:
                shutil.copyfileobj(content, written)
        yield copy
