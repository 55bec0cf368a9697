"""The database as a file: its schema version, backups, and the hold on a copy."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from newsletter import files
from newsletter.ports.clock import Clock
from newsletter.ports.store import Store
from newsletter.store.sqlite.backup import backup
from newsletter.store.sqlite.database import HEAD, revision, sqlite_path, upgrade
from newsletter.store.transactions import open_store

_MOST_FILES = 5  # that a sentence names


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """The schema version of the database ("" if there is none) and the one this program needs."""

    current: str
    head: str

    @property
    def ok(self) -> bool:
        """Can this program work on it?"""
        return self.current == self.head


@dataclass(frozen=True)
class Database:
    """Upgrades, backs up, restores and adopts the database. store: opened when first needed."""

    url: str
    clock: Clock
    store: Callable[[], Store]

    def schema_status(self) -> SchemaStatus:
        """The schema version, even of a database that this program would refuse."""
        return SchemaStatus(revision(sqlite_path(self.url)) or "", HEAD)

    def upgrade(self) -> SchemaStatus:
        """Create the database, or migrate its schema to the current version."""
        upgrade(sqlite_path(self.url), self.clock())
        return self.schema_status()

    def wrong_files(self) -> list[tuple[str, str]]:
        """(sentence, fix) for files next to the database that belong to another user, or that everyone can read."""
        path = sqlite_path(self.url)
        if not path.parent.is_dir():
            return []
        found = []
        if wrong := files.foreign(path.parent, path):
            names = shlex.join(map(str, wrong.paths[:_MOST_FILES]))
            rest = len(wrong.paths) - _MOST_FILES
            what = f"{names}{f' and {rest} more' if rest > 0 else ''} belong to another user than the rest"
            found.append((what, f"Run: sudo chown -R {wrong.owner} {shlex.quote(str(path.parent))}"))
        if wide := files.open_to_everyone(path.parent):
            names = shlex.join(map(str, wide[:_MOST_FILES]))
            fix = f"Run: chmod -R go-rwx {shlex.quote(str(path.parent))}"
            found.append((f"every user of this machine can read {names}", fix))
        return found

    def hold_reason(self) -> str:
        """Why nothing may be sent from this database (it is a copy, or was restored), or ""."""
        return self.store().hold_reason()

    def adopt(self) -> None:
        """Send from this database from now on."""
        self.store().adopt(self.clock())

    def backup(self, path: Path) -> None:
        """Write a consistent copy of the live database to a new file."""
        backup(sqlite_path(self.url), path)

    def restore(self, path: Path) -> Path:
        """Replace the database with a backup and return where the old one is kept. Nothing is sent until `adopt`."""
        return open_store(self.url).restore(path, self.clock())
