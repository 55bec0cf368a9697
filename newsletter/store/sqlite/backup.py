"""Backs up a live SQLite database, and restores one from a backup."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from newsletter.domain.errors import NewsletterError
from newsletter.store.sqlite.database import HEAD, no_database, revision, upgrade, wrong_schema
from newsletter.store.sqlite.errors import translated


def backup(path: Path, target: Path) -> None:
    """Copy the database into one consistent file, with SQLite's backup API.

    Others may write meanwhile. Raises NewsletterError if the target exists, SchemaError if there is no database.
    """
    if target.exists():
        raise NewsletterError(f"{target} already exists", fix="Choose a file that does not exist")
    if revision(path) is None:
        raise no_database(path)
    _copy(path, target)


def restore(path: Path, source: Path, kept: Path) -> None:
    """Replace the database with a backup, in one transaction; a copy of the old database is saved as `kept`.

    Raises NewsletterError if the source is not a newsletter database, SchemaError if a newer program made it.
    """
    found = revision(source)
    if found is None:
        raise NewsletterError(
            f"{source} is not a newsletter database", fix="Choose a file that `newsletter db backup` made"
        )
    if found > HEAD:
        raise wrong_schema(found)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        # Before anything is replaced: a crash from here on loses neither database.
        _copy(path, kept)
    _copy(source, path)
    # The backup may be of an older program.
    upgrade(path)


def _copy(path: Path, target: Path) -> None:
    with translated(), closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
