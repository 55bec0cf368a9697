"""The public tips in memory, in their order: lists, neighbours, relations; reads no store and has no tip's text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from heapq import nlargest

from newsletter.domain.archive.entries import Contents, Entry, Found, Label, Mention, Selection
from newsletter.domain.errors import NotFound

CATEGORY, TAG = "category", "tag"
_WEIGHT = {TAG: 4.0, CATEGORY: 1.0}  # of what two tips have in common


class ArchiveIndex:
    """What a library of tips looks like from outside. entries: newest first, each once. Never changes."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = tuple(entries)
        self._places = {entry.id: place for place, entry in enumerate(self.entries)}
        self._by_key = {entry.key: entry for entry in self.entries}
        self._shelves: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        self._shelves["all", ""] = list(range(len(self.entries)))
        self._labels: dict[tuple[str, str], Label] = {}
        for place, entry in enumerate(self.entries):
            if entry.ran_on:
                self._shelves["year", str(entry.ran_on.year)].append(place)
            for kind, label in labels_of(entry).items():
                self._shelves[kind].append(place)
                self._labels[kind] = min(label, self._labels.get(kind, label), key=lambda one: one.name)
        self._shelves.default_factory = None
        years = sorted(
            ((int(year), len(shelf)) for (kind, year), shelf in self._shelves.items() if kind == "year"), reverse=True
        )
        self.contents = Contents(tuple(years), self._counted(CATEGORY), self._counted(TAG))

    def by_key(self, key: str) -> Entry:
        """Raises NotFound for what is not public."""
        if key not in self._by_key:
            raise NotFound(f"the tip {key[:80]!r} has not run yet, or there is none")
        return self._by_key[key]

    def __contains__(self, tip_id: int) -> bool:
        """Is it public?"""
        return tip_id in self._places

    def __getitem__(self, tip_id: int) -> Entry:
        """Raises KeyError for what is not public."""
        return self.entries[self._places[tip_id]]

    def choose(self, selection: Selection, page: int, size: int) -> Found:
        """Page `page` (from 1) of a list, labels by slug; raises NotFound."""
        shelf = self._shelves.get((selection.kind, selection.value))
        pages = max(1, -(-len(shelf or ()) // size))
        if shelf is None or not 1 <= page <= pages:
            raise NotFound(f"the archive has no such page: {selection.kind} {selection.value[:80]!r}, page {page}")
        entries = tuple(self.entries[place] for place in shelf[(page - 1) * size : page * size])
        return Found(entries, len(shelf), pages, self._labels.get((selection.kind, selection.value)))

    def neighbors(self, entry: Entry) -> tuple[Mention | None, Mention | None]:
        """The tips that ran before and after one of the catalogue."""
        place = self._places[entry.id]
        before, after = self.entries[place + 1 : place + 2], self.entries[max(0, place - 1) : place]
        return next((one.mention for one in before), None), next((one.mention for one in after), None)

    def related(self, labels: Collection[tuple[str, str]], size: int, *, exclude: int) -> tuple[Entry, ...]:
        """What shares most of these (kind, slug), except one tip.

        A tag that few tips have weighs more, a category little; of equals the newest.
        """
        scores: defaultdict[int, float] = defaultdict(float)
        for kind, slug in labels:
            shelf = self._shelves.get((kind, slug), ())
            weight = _WEIGHT[kind] / max(1, len(shelf))
            for place in shelf:
                scores[place] += weight
        scores.pop(self._places.get(exclude, -1), None)
        least = min(nlargest(size, scores.values()), default=0.0)  # most share a category, and nothing else
        best = sorted((-score, place) for place, score in scores.items() if score >= least)
        return tuple(self.entries[place] for _, place in best[:size])

    def _counted(self, kind: str) -> tuple[tuple[Label, int], ...]:
        return tuple((self._labels[name], len(self._shelves[name])) for name in sorted(self._labels) if name[0] == kind)


def labels_of(entry: Entry) -> dict[tuple[str, str], Label]:
    """Its categories and tags by (kind, slug), without those that have no slug."""
    both = ((CATEGORY, entry.categories), (TAG, entry.tags))
    return {(kind, label.slug): label for kind, labels in both for label in labels if label.slug}
