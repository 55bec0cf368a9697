"""The port to the public archive; `Tx` and `Store` in `ports.store` provide it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Protocol

from newsletter.domain.archive.entries import ArchiveLinks, Contents, Entry, Found, Hits, PublicTip, Selection


class Archive(Protocol):
    """The public tips: those that have run, newest first. teasers: include tips that are only a teaser.

    No method makes more queries for a larger library.
    """

    def choose(self, selection: Selection, page: int, size: int, *, teasers: bool = False) -> Found:
        """Page `page` (from 1) of a list; raises NotFound for a page or a label that does not exist."""
        ...

    def contents(self, *, teasers: bool = False) -> Contents:
        """The years and labels of the archive, with their numbers of tips."""
        ...

    def get(self, key: str, *, teasers: bool = False) -> PublicTip:
        """One tip for its page; raises NotFound, even if the tip exists but has not run."""
        ...

    def successor(self, former_key: str) -> str | None:
        """The present key of a tip that was renamed, so that its old URL redirects; None if no tip had this key."""
        ...

    def whereabouts(self, key: str) -> tuple[str, int] | None:
        """The present key and the list's id of the tip that has or had this key, public or not; None without one."""
        ...

    def search(self, query: str, page: int, size: int, *, teasers: bool = False) -> Hits:
        """Page `page` (from 1) of the search results; see `domain.archive.entries.search_terms` for the query."""
        ...

    def newest(self, size: int) -> tuple[Entry, ...]:
        """The complete tips that ran last, without their texts."""
        ...

    def latest(self, size: int) -> list[PublicTip]:
        """The complete tips that ran last, with their texts but without previous, next, and related tips."""
        ...

    def addresses(self, *, teasers: bool = False) -> list[tuple[str, datetime]]:
        """(key, time of the last change) of every public tip, for the sitemap; times are aware."""
        ...

    def related(self, tip_id: int, size: int, *, teasers: bool = False) -> tuple[Entry, ...]:
        """The tips that share most with a tip, best first."""
        ...

    def archive_links(self, tip_id: int, day: date) -> ArchiveLinks:
        """The links to the archive in an issue with this tip on that day."""
        ...
