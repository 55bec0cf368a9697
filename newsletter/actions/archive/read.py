"""Read the public archive: lists of tips, single tips, search results, and the data of feeds and the sitemap."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from newsletter.domain.archive.entries import Contents, Entry, Found, Hits, PublicTip, Selection
from newsletter.ports.store import Store


@dataclass(frozen=True)
class PublicArchive:
    """Every tip that was sent. show_teasers: tips of which only a teaser is known are part of the archive too.

    Each method reads in one transaction. Raises Busy and SchemaError.
    """

    store: Store
    show_teasers: bool

    def version(self) -> int:
        """A number that grows with every change of a tip. Cheap enough to ask on every request."""
        return self.store.library_version()

    def choose(self, selection: Selection, page: int, size: int) -> tuple[Found, Contents]:
        """Page `page` (from 1) of a list, and the table of contents. Raises NotFound for an unknown page or label."""
        with self.store.archive() as archive:
            found = archive.choose(selection, page, size, teasers=self.show_teasers)
            return found, archive.contents(teasers=self.show_teasers)

    def tip(self, key: str) -> PublicTip:
        """One tip with its text. Raises NotFound, even if the tip exists but was not sent yet."""
        with self.store.archive() as archive:
            return archive.get(key, teasers=self.show_teasers)

    def whereabouts(self, key: str) -> tuple[str, int] | None:
        """The current key and the list's id of the tip that has or had this key; None without one. Of any list."""
        with self.store.archive() as archive:
            return archive.whereabouts(key)

    def search(self, query: str, page: int, size: int) -> Hits:
        """Page `page` (from 1) of the search results, best match first."""
        with self.store.archive() as archive:
            return archive.search(query, page, size, teasers=self.show_teasers)

    def newest(self, size: int) -> tuple[Entry, ...]:
        """The complete tips that were sent last, without their texts."""
        with self.store.archive() as archive:
            return archive.newest(size)

    def latest(self, size: int) -> list[PublicTip]:
        """The complete tips that were sent last, with their texts."""
        with self.store.archive() as archive:
            return archive.latest(size)

    def sitemap(self) -> tuple[list[tuple[str, datetime]], Contents]:
        """(key, last change) of every public tip, and the table of contents."""
        with self.store.archive() as archive:
            return archive.addresses(teasers=self.show_teasers), archive.contents(teasers=self.show_teasers)
