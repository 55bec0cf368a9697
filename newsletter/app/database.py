"""The database as a file: its schema version, its owner, and the hold on a copy."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from newsletter import files
from newsletter.actions.adopt import Adoption
from newsletter.actions.calendar.plan import Rules
from newsletter.app.backups import Backups
from newsletter.keys import fresh_key
from newsletter.mail.tokens import Signer
from newsletter.ports.clock import Clock
from newsletter.ports.store import Store
from newsletter.settings import Settings
from newsletter.store.sqlite.database import HEAD, revision, sqlite_path, upgrade

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
    """The schema, the files, and the hold of the database. store: opened when first needed."""

    settings: Settings
    clock: Clock
    store: Callable[[], Store]

    @property
    def url(self) -> str:
        """The URL of the database."""
        return self.settings.database_url

    def backups(self, environ: Mapping[str, str], env_file: Path) -> Backups:
        """Make, check and restore backups. environ, env_file: where the settings were found."""
        return Backups(self.settings, environ, env_file, self.clock)

    def adoption(self, rules_of: Callable[[], Mapping[int, Rules]], signer: Callable[[], Signer]) -> Adoption:
        """Adopt a database that was restored or copied."""
        return Adoption(self.store(), rules_of, signer, fresh_key, self.clock)

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
