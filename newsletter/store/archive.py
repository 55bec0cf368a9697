"""The public archive: lists of tips from a cached catalog, single tips with their texts, and search."""

# ruff: noqa: S608 - only constants of this module are joined here; values are parameters

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from threading import Lock
from typing import Any

from newsletter.domain.archive.entries import (
    ANNIVERSARIES,
    NO_ARCHIVE_LINKS,
    ArchiveLinks,
    Contents,
    Entry,
    Found,
    Hit,
    Hits,
    Label,
    Mention,
    PublicTip,
    Selection,
    Votes,
    anniversary,
    search_terms,
    web_address,
    with_ellipsis,
    without_hits_in_braces,
)
from newsletter.domain.archive.index import CATEGORY, TAG, ArchiveIndex, labels_of
from newsletter.domain.lists import FIRST_LIST
from newsletter.domain.tips.season_rule import parse_rule, title_on
from newsletter.store.search import Ask, find, show
from newsletter.store.tips import slug_of

VERSION = "SELECT version FROM library"
_RAN_ON = "coalesce(last_sent_on, published_on)"
_RAN = "(state IN ('sent', 'archive') OR last_sent_on IS NOT NULL OR (ran_before AND state = 'fresh'))"
_ENTRIES = (
    f"SELECT id, key, title, season, {_RAN_ON}, shown_teaser, complete, source, changed_at FROM tip"
    " WHERE list_id = ? AND {public}"
    f" ORDER BY coalesce({_RAN_ON}, '0000-00-00') DESC, id DESC"
)
_LABELS = "SELECT tip_id, kind, name, slug FROM tip_label{one} ORDER BY tip_id, place"
_TEXTS = (
    "SELECT id, body, takeaway, (SELECT count(*) FROM vote WHERE tip_id = id AND useful),"
    " (SELECT count(*) FROM vote WHERE tip_id = id AND NOT useful) FROM tip WHERE id IN ({ids})"
)
_IS_PUBLIC = "SELECT 1 FROM mailing_list WHERE id = ? AND public"
RELATED = 3


def public(*, teasers: bool) -> str:
    """The condition for tips that anyone may read: those that have run, so that the queue stays a surprise."""
    return _RAN if teasers else f"{_RAN} AND complete"


class CatalogCache:
    """The current catalogs of one process: for each list, one with teasers and one without. Safe for threads.

    While a thread builds a new catalog, the others wait for it.
    """

    def __init__(self) -> None:
        self._cached: dict[tuple[int, bool], tuple[int, ArchiveIndex]] = {}
        self._lock = Lock()

    def get(
        self, version: int, make: Callable[[], ArchiveIndex], list_id: int, *, teasers: bool, cache: bool
    ) -> ArchiveIndex:
        """The catalog of this version. cache: False in a write transaction, whose version can be rolled back and reused."""
        with self._lock:
            cached = self._cached.get((list_id, teasers))
            if cached and cached[0] == version:
                return cached[1]
            made = make()
            if cache:
                self._cached[list_id, teasers] = version, made
            return made


class SqlArchive:
    """Implements ports.archive.Archive in one transaction. may_cache: the transaction only reads, so its catalog is committed."""

    def __init__(self, ask: Ask, catalog_cache: CatalogCache, list_id: int, *, may_cache: bool) -> None:
        self._ask, self._catalog_cache, self._list_id, self._may_cache = ask, catalog_cache, list_id, may_cache

    def choose(self, selection: Selection, page: int, size: int, *, teasers: bool = False) -> Found:
        """One page of a list."""
        value = slug_of(selection.value) if selection.kind in (CATEGORY, TAG) else selection.value
        return self._catalog(teasers=teasers).choose(Selection(selection.kind, value), page, size)

    def contents(self, *, teasers: bool = False) -> Contents:
        """The years and the labels with their numbers of tips."""
        return self._catalog(teasers=teasers).contents

    def get(self, key: str, *, teasers: bool = False) -> PublicTip:
        """One tip with its neighbors; the number of queries does not depend on the size of the library."""
        catalog = self._catalog(teasers=teasers)
        entry = catalog.by_key(key)
        before, after = catalog.neighbors(entry)
        related = catalog.related(labels_of(entry), RELATED, exclude=entry.id)
        return replace(self._with_texts([entry])[0], previous=before, next=after, related=related)

    def successor(self, former_key: str) -> str | None:
        """The current key of the tip that had this key before."""
        sql = "SELECT tip.key FROM former_key f JOIN tip ON tip.id = f.tip_id WHERE f.key = ?"
        return next((str(key) for (key,) in self._rows(sql, former_key)), None)

    def whereabouts(self, key: str) -> tuple[str, int] | None:
        """The current key and the list of the tip that has this key or had it before."""
        sql = (
            "SELECT key, list_id FROM tip WHERE key = ? UNION ALL"
            " SELECT tip.key, tip.list_id FROM former_key f JOIN tip ON tip.id = f.tip_id WHERE f.key = ?"
        )
        return next(((str(now), int(list_id)) for now, list_id in self._rows(sql, key, key)), None)

    def search(self, query: str, page: int, size: int, *, teasers: bool = False) -> Hits:
        """Searches for all words of the query, or for any of them if no tip has all."""
        catalog, terms = self._catalog(teasers=teasers), search_terms(query)
        for operator in ("AND", "OR")[: len(terms)]:
            ids = [tip_id for tip_id in find(self._ask, terms, operator) if tip_id in catalog]
            if ids:
                total, ids = len(ids), ids[(page - 1) * size : page * size]
                shown = show(self._ask, terms, operator, ids) if ids else {}
                return Hits(tuple(self._hit(catalog[tip_id], *shown[tip_id]) for tip_id in ids), total)
        return Hits((), 0)

    def _hit(self, entry: Entry, title: str, excerpt: str) -> Hit:
        if "{" in title:  # the search index has the title with its placeholders, not with the year
            season = self._rows("SELECT season FROM tip WHERE id = ?", entry.id)[0][0]
            title = _title(without_hits_in_braces(title), season, entry.ran_on)
        return Hit(entry, title, excerpt)

    def newest(self, size: int) -> tuple[Entry, ...]:
        """The complete tips that ran last."""
        return tuple(entry for entry in self._catalog(teasers=False).entries[:size] if entry.ran_on)

    def latest(self, size: int) -> list[PublicTip]:
        """The same tips with their texts, for feeds."""
        return self._with_texts(self.newest(size))

    def addresses(self, *, teasers: bool = False) -> list[tuple[str, datetime]]:
        """(key, changed at) of every public tip, newest first."""
        return [(entry.key, entry.changed_at) for entry in self._catalog(teasers=teasers).entries]

    def related(self, tip_id: int, size: int, *, teasers: bool = False) -> tuple[Entry, ...]:
        """The tips that share most labels with a tip, which may not have run yet."""
        labels = [(kind, slug) for _, kind, _, slug in self._rows(_LABELS.format(one=" WHERE tip_id = ?"), tip_id)]
        return self._catalog(teasers=teasers).related(labels, size, exclude=tip_id)

    def archive_links(self, tip_id: int, day: date) -> ArchiveLinks:
        """The links in the email of this tip on this day: the most closely related tip, and one from years ago."""
        if not self._is_public():
            return NO_ARCHIVE_LINKS
        for years in ANNIVERSARIES:
            first, last = anniversary(day, years)
            rows = self._rows(
                f"SELECT key, title, season, {_RAN_ON} FROM tip WHERE list_id = ? AND {public(teasers=False)} AND id <> ?"
                " AND published_on BETWEEN ? AND ? ORDER BY published_on, id LIMIT 1",
                self._list_id, tip_id, first.isoformat(), last.isoformat(),
            )  # fmt: skip
            if rows:
                break
        then = Mention(rows[0][0], _title(*rows[0][1:]), _day(rows[0][3])) if rows else None
        related = [entry.mention for entry in self.related(tip_id, 2) if then is None or entry.key != then.key]
        return ArchiveLinks(related[0] if related else None, then, years if then else 0)

    def _with_texts(self, entries: Sequence[Entry]) -> list[PublicTip]:
        rows = self._rows(_TEXTS.format(ids=", ".join("?" * len(entries))), *(entry.id for entry in entries))
        found = {tip_id: (body, takeaway, Votes(*votes)) for tip_id, body, takeaway, *votes in rows}
        return [
            PublicTip(entry, body, takeaway, votes=votes)
            for entry in entries
            for body, takeaway, votes in [found[entry.id]]
        ]

    def _catalog(self, *, teasers: bool) -> ArchiveIndex:
        def make() -> ArchiveIndex:
            return ArchiveIndex(self._entries(teasers=teasers))

        version = self._rows(VERSION)[0][0]
        return self._catalog_cache.get(version, make, self._list_id, teasers=teasers, cache=self._may_cache)

    def _entries(self, *, teasers: bool) -> Iterator[Entry]:
        """Every public tip without its text: two queries. A list that is not public has none."""
        if not self._is_public():
            return
        labels: defaultdict[tuple[int, str], list[Label]] = defaultdict(list)
        for tip_id, kind, name, slug in self._rows(_LABELS.format(one="")):
            labels[tip_id, kind].append(Label(name, slug))
        for tip_id, key, title, season, ran_on, teaser, complete, source, changed_at in self._rows(
            _ENTRIES.format(public=public(teasers=teasers)), self._list_id
        ):
            yield Entry(
                id=tip_id,
                key=key,
                title=_title(title, season, ran_on),
                ran_on=_day(ran_on),
                teaser=with_ellipsis(teaser),
                complete=bool(complete),
                source=web_address(source),
                categories=tuple(labels.get((tip_id, CATEGORY), ())),
                tags=tuple(labels.get((tip_id, TAG), ())),
                changed_at=datetime.fromisoformat(changed_at).replace(tzinfo=UTC),
            )

    def _is_public(self) -> bool:
        return self._list_id == FIRST_LIST or bool(self._rows(_IS_PUBLIC, self._list_id))

    def _rows(self, sql: str, *values: object) -> Sequence[Any]:
        return self._ask(sql, values)


def _day(value: str | None) -> date | None:
    return date.fromisoformat(value) if value else None


def _title(title: str, season: str, ran_on: str | date | None) -> str:
    """The title as it was in the email of that day."""
    if "{" not in title:
        return title
    day = _day(ran_on) if isinstance(ran_on, str) else ran_on
    return title_on(title, parse_rule(season) if season else None, day)
