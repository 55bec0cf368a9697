"""Copies a live SQLite database into a backup, checks a backup, and puts it in the place of the database."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from newsletter import files
from newsletter.domain.errors import Busy, InputError, NewsletterError, SchemaError, Unavailable
from newsletter.store import copy_guard
from newsletter.store.invariants import broken_invariants
from newsletter.store.sqlite.contents import schema_problem, value_problem
from newsletter.store.sqlite.database import HEAD, no_database, open_backup, open_to_read, revision, upgrade
from newsletter.store.sqlite.errors import DamagedDatabase, NotDatabase, translated
from newsletter.store.sqlite.members import Member, has_members, read_members
from newsletter.store.sqlite.stale_log import check_log, keep_stale
from newsletter.store.sqlite.watch import read_content
from newsletter.store.times import from_text, to_text

_COUNTED = ("subscriber", "suppression", "tip", "issue")
_NEWEST = """SELECT max(at) FROM (SELECT max(at) AS at FROM consent UNION ALL SELECT max(started_at) FROM issue
    UNION ALL SELECT max(beat_at) FROM installation)"""
_OTHER = "Nothing was changed. Choose another backup; see: newsletter db backups"


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a backup. made_at: None for the bare database that older versions wrote. counts: rows by table."""

    schema: str
    made_at: datetime | None
    counts: Mapping[str, int]
    members: tuple[Member, ...]


def backup(path: Path, target: Path, now: datetime) -> None:
    """Copy the database into one consistent private file, with SQLite's backup API.

    Others may write meanwhile. The copy sends nothing, wherever it is put, until it is adopted. Raises NewsletterError if
    the target exists, SchemaError if there is no database.
    """
    if target.exists():
        raise NewsletterError(f"{target} already exists", fix="Choose a file that does not exist")
    if revision(path) is None:
        raise no_database(path)
    _copy(path, target)
    with translated(target), closing(sqlite3.connect(target)) as db, db:
        db.execute("PRAGMA journal_mode = DELETE").close()  # one file, which can be read from any medium
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'restored'").fetchone():  # else an older schema
            # A database that was not adopted yet knows no more than the backup that it came from.
            held = db.execute("SELECT made_at FROM restored").fetchone()
            mark(db, from_text(held[0]) if held else now)


def mark(db: sqlite3.Connection, made_at: datetime) -> None:
    """Hold the database as restored: it knows nothing that happened after `made_at`."""
    db.execute("DELETE FROM restored")
    db.execute("INSERT INTO restored (id, made_at) VALUES (1, ?)", (to_text(made_at),))


def stage(source: Path, staged: Path) -> Contents:
    """Copy the database in a backup to a new file, check all of it, and upgrade the copy.

    Raises InputError for a file that is damaged, forged, or no backup, and SchemaError for one of a newer program.
    """
    schema = _schema(source)
    with closing(open_backup(source)) as db:
        _check(db, source)
        members = tuple(read_members(db, source))
    _copy(source, staged, open_backup)
    with translated(staged), closing(sqlite3.connect(staged)) as db, db:
        if has_members(db):
            db.execute("PRAGMA secure_delete = ON").close()  # no keys in the database that sends
            db.execute("DROP TABLE sqlar")
    _upgrade(staged, source)
    with translated(staged), closing(sqlite3.connect(staged)) as db, db:
        if problem := value_problem(db):
            raise InputError(f"{source} is damaged: {problem}", fix=_OTHER)
        row = db.execute("SELECT made_at FROM restored").fetchone()
        newest = db.execute(_NEWEST).fetchone()[0]
        if row is None:
            mark(db, from_text(newest or "1970-01-01 00:00:00.000000"))
        if broken := broken_invariants(db):
            raise InputError(f"the records in {source} contradict each other: {broken[0]}", fix=_OTHER)
        counts = {name: int(db.execute(f"SELECT count(*) FROM {name}").fetchone()[0]) for name in _COUNTED}  # noqa: S608
    return Contents(schema, from_text(row[0]) if row else None, counts, members)


def _upgrade(staged: Path, source: Path) -> None:
    """Upgrade the copy of a backup. Raises InputError if it does not have the tables of a newsletter then."""
    from alembic.util import CommandError  # noqa: PLC0415 - slow, and only a restore needs it

    try:
        upgrade(staged)
        with translated(staged), closing(sqlite3.connect(staged)) as db:
            problem = schema_problem(db)
    except (SchemaError, Busy, Unavailable):
        raise
    except (NewsletterError, CommandError):
        problem = "its tables are not those of the version that it says"
    if problem:
        raise InputError(f"{source} is not a backup of this newsletter: {problem}", fix=_OTHER)


def replace(path: Path, staged: Path, kept: Path) -> bool:
    """Put a staged backup in the place of the database, which is kept as `kept`; False if there was none.

    A sound database is overwritten in one transaction, since other processes may have it open: they must not go on with
    the old one. A damaged one is renamed. A crash loses neither.
    """
    files.make_directory(path.parent)
    _raise_version(path, staged)
    if not path.exists():
        keep_stale(path, kept)  # of a database that was deleted while it was in use
        staged.replace(path)
        files.give_to_owner_of(path.parent, path)
        return False
    if _is_sound(path):
        _copy(path, kept)
        _copy(staged, path)
    else:
        keep_stale(path, kept)
        path.replace(kept)
        staged.replace(path)
        files.give_to_owner_of(kept, path)
    return True


def _raise_version(path: Path, staged: Path) -> None:
    """Let a process that has the database open see a newer state of it, and not an older one that was put there."""
    before, mark = read_content(path), copy_guard.read(path)
    with closing(sqlite3.connect(staged)) as db, db:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        newest = max(int(version), before.version if before else 0, mark.version if mark else 0)
        db.execute(f"PRAGMA user_version = {newest + 1000:d}").close()  # more than the log may have
        db.execute("UPDATE installation SET inode = '', device = ''").close()  # it is a new file, and held


def _is_sound(path: Path) -> bool:
    try:
        check_log(path)
        if revision(path) is None:
            return False
        with translated(path), closing(open_to_read(path)) as db:
            return bool(db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
    except Busy:
        raise
    except NewsletterError:
        return False


def _schema(source: Path) -> str:
    try:
        found = revision(source)
    except DamagedDatabase as error:
        raise InputError(f"{source} is damaged: {error.why}", fix=_OTHER) from None
    except NotDatabase as error:
        raise InputError(f"{source} is not a backup of a newsletter: {error.kind}", fix=_OTHER) from None
    if found is None:
        raise InputError(f"{source} is not a backup of a newsletter", fix=_OTHER)
    if found > HEAD:
        raise SchemaError(
            f"a newer program made {source} (schema {found}; this one reads up to {HEAD})",
            fix="Upgrade the program first",
        )
    return found


def _check(db: sqlite3.Connection, source: Path) -> None:
    try:
        (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise InputError(f"{source} is damaged: {found.strip().splitlines()[-1]}", fix=_OTHER)


def _copy(path: Path, target: Path, opened: Callable[[Path], sqlite3.Connection] = sqlite3.connect) -> None:
    """Copy a database into a new private file, or over another one in one transaction."""
    is_new = not target.exists()
    if is_new:
        os.close(files.create(target))
    try:
        with translated(target), closing(opened(path)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
    except BaseException:
        if is_new:
            target.unlink(missing_ok=True)
        raise
