"""The database: its schema, backups and the copy guard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.app.wiring import SchemaStatus

if TYPE_CHECKING:
    from newsletter.app.wiring import App


class Database:
    """Upgrade, back up, restore and adopt the database."""

    def __init__(self, app: App) -> None:
        self._app = app

    def schema_status(self) -> SchemaStatus:
        """Where the schema stands; works on a database this program would refuse."""
        from newsletter.store.sqlite.database import HEAD, revision, sqlite_path

        return SchemaStatus(revision(sqlite_path(self._app.settings.database_url)) or "", HEAD)

    def upgrade(self) -> SchemaStatus:
        """Make the database or bring it up to date."""
        from newsletter.store.sqlite.database import sqlite_path, upgrade

        upgrade(sqlite_path(self._app.settings.database_url))
        return self.schema_status()

    def hold_reason(self) -> str:
        """Why nothing is mailed from this database, or ""."""
        return self._app.store.hold_reason()

    def adopt(self) -> None:
        """Mail from this database from now on."""
        self._app.store.adopt(self._app.clock())

    def backup(self, path: Path) -> None:
        """A consistent copy of the live database in a new file."""
        from newsletter.store.sqlite.backup import backup
        from newsletter.store.sqlite.database import sqlite_path

        backup(sqlite_path(self._app.settings.database_url), path)

    def restore(self, path: Path) -> Path:
        """Put a backup in the place of the database; where the old one is kept. It mails nobody until it is adopted."""
        from newsletter.store.transactions import open_store

        return open_store(self._app.settings.database_url).restore(path, self._app.clock())
