"""An index of the public tips in memory: lists by year and label, neighbors, and related tips."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from heapq import nlargest

from newsletter.domain.archive.entries import Contents, Entry, Found, Label, Mention, Selection
from newsletter.domain.errors import NotFound

CATEGORY, TAG = "category", "tag"
_WEIGHT = {TAG: 4.0, CATEGORY: 1.0}  # how much a label in common relates two tips


class ArchiveIndex:
    """The archive of one version of the library. entries: newest first, without duplicates. Immutable."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = tuple(entries)
        self._places = {entry.id: place for place, entry in enumerate(self.entries)}
        self._by_key = {entry.key: entry for entry in self.entries}
        # By (kind, value of a Selection): the places of the tips in `entries`.
        self._lists: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        self._lists["all", ""] = list(range(len(self.entries)))
        self._labels: dict[tuple[str, str], Label] = {}
        for place, entry in enumerate(self.entries):
            if entry.ran_on:
                self._lists["year", str(entry.ran_on.year)].append(place)
            for kind, label in labels_of(entry).items():
                self._lists[kind].append(place)
                # Two spellings of a label share a slug; the first by name is shown, whatever the order of the tips.
                self._labels[kind] = min(label, self._labels.get(kind, label), key=lambda one: one.name)
        self._lists.default_factory = None  # a lookup must not create a list
        years = sorted(
            ((int(year), len(places)) for (kind, year), places in self._lists.items() if kind == "year"), reverse=True
        )
        self.contents = Contents(tuple(years), self._counted(CATEGORY), self._counted(TAG))

    def by_key(self, key: str) -> Entry:
        """The entry of a public tip; raises NotFound for every other key."""
        if key not in self._by_key:
            raise NotFound(f"there is no tip {key[:80]!r} in the archive")
        return self._by_key[key]

    def __contains__(self, tip_id: int) -> bool:
        """Is this tip public?"""
        return tip_id in self._places

    def __getitem__(self, tip_id: int) -> Entry:
        """The entry of a public tip; raises KeyError for every other id."""
        return self.entries[self._places[tip_id]]

    def choose(self, selection: Selection, page: int, size: int) -> Found:
        """Page `page` (from 1) of a list; raises NotFound for a page or a label that does not exist."""
        places = self._lists.get((selection.kind, selection.value))
        pages = max(1, -(-len(places or ()) // size))
        if places is None or not 1 <= page <= pages:
            raise NotFound(f"the archive has no page {page} for {selection.kind} {selection.value[:80]!r}")
        entries = tuple(self.entries[place] for place in places[(page - 1) * size : page * size])
        return Found(entries, len(places), pages, self._labels.get((selection.kind, selection.value)))

    def neighbors(self, entry: Entry) -> tuple[Mention | None, Mention | None]:
        """The tips that ran before and after a tip of this index."""
        place = self._places[entry.id]
        before, after = self.entries[place + 1 : place + 2], self.entries[max(0, place - 1) : place]
        return next((one.mention for one in before), None), next((one.mention for one in after), None)

    def related(self, labels: Collection[tuple[str, str]], size: int, *, exclude: int) -> tuple[Entry, ...]:
        """The tips that share most of these labels, best first. labels: (kind, slug). exclude: the id of a tip to leave out.

        A rare label counts more than a frequent one, and a tag more than a category; of equals the newest comes first.
        """
        scores: defaultdict[int, float] = defaultdict(float)
        for kind, slug in labels:
            places = self._lists.get((kind, slug), ())
            weight = _WEIGHT[kind] / max(1, len(places))
            for place in places:
                scores[place] += weight
        scores.pop(self._places.get(exclude, -1), None)
        least = min(nlargest(size, scores.values()), default=0.0)  # sort few: most tips share only a category
        best = sorted((-score, place) for place, score in scores.items() if score >= least)
        return tuple(self.entries[place] for _, place in best[:size])

    def _counted(self, kind: str) -> tuple[tuple[Label, int], ...]:
        return tuple((self._labels[name], len(self._lists[name])) for name in sorted(self._labels) if name[0] == kind)


def labels_of(entry: Entry) -> dict[tuple[str, str], Label]:
    """The categories and tags of an entry by (kind, slug), without labels that have no slug."""
    both = ((CATEGORY, entry.categories), (TAG, entry.tags))
    return {(kind, label.slug): label for kind, labels in both for label in labels if label.slug}
