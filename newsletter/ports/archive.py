"""What the archive asks of the store; `ports.Tx` holds it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Protocol

from newsletter.domain.archive.entries import ArchiveLinks, Contents, Entry, Found, Hits, PublicTip, Selection


class Archive(Protocol):
    """What anybody may read: tips that ran, newest first. teasers: also those that are only a teaser.

    No method makes more queries for a larger library.
    """

    def choose(self, selection: Selection, page: int, size: int, *, teasers: bool = False) -> Found:
        """Page `page` (from 1) of a list; raises NotFound for a page or a label that does not exist."""
        ...

    def contents(self, *, teasers: bool = False) -> Contents:
        """Years and labels with their numbers."""
        ...

    def get(self, key: str, *, teasers: bool = False) -> PublicTip:
        """Raises NotFound, also for what has not run."""
        ...

    def successor(self, former_key: str) -> str | None:
        """The key that a former key leads to."""
        ...

    def search(self, query: str, page: int, size: int, *, teasers: bool = False) -> Hits:
        """Page `page` (from 1) of what was found. Whatever is typed is looked for as words, never an instruction."""
        ...

    def newest(self, size: int) -> tuple[Entry, ...]:
        """The complete tips that ran last."""
        ...

    def latest(self, size: int) -> list[PublicTip]:
        """The same with their texts, without what stands around them."""
        ...

    def addresses(self, *, teasers: bool = False) -> list[tuple[str, datetime]]:
        """(key, changed at) of every public tip."""
        ...

    def related(self, tip_id: int, size: int, *, teasers: bool = False) -> tuple[Entry, ...]:
        """What shares most with a tip, the nearest first."""
        ...

    def archive_links(self, tip_id: int, day: date) -> ArchiveLinks:
        """What a letter of this tip on that day shows of the archive."""
        ...
