"""Find out which texts of an import belong to one tip, and to which tip of the library.

Sources call one tip by different names: a page has its title with a date, an export its link, a feed its title without
a date. The rules, in this order:

1. The same key, which only files of this library have.
2. The same link, unless several posts of a file have it.
3. The same title and day. In one file, and without a day, two whole texts with different beginnings are two tips.
4. The same title, and a day that is missing on one side or differs by one (a time zone), if the texts begin alike.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property, reduce
from itertools import chain, count

from newsletter.domain.archive.entries import plain
from newsletter.domain.tips.tip import (
    TipFull,
    TipText,
    fingerprint,
    identity,
    is_link,
    merge,
    source_name,
    title_words,
)
from newsletter.ports.store import Tx

ALIKE = 60  # words at the beginning of two texts that are compared
FEWEST = 5  # words that a text must have to be the beginning of another one
MOST = 100  # groups with one title that are compared with each other
_A_DAY = timedelta(days=1)


@dataclass
class Group:
    """The texts of one tip. pieces: by the name of their source."""

    pieces: dict[str, TipText] = field(default_factory=dict)

    def add(self, piece: TipText) -> None:
        """Add one text; two texts of one source are merged."""
        name = source_name(piece.source)
        self.pieces[name] = merge(self.pieces[name], piece) if name in self.pieces else piece
        self.__dict__.pop("text", None)
        self.__dict__.pop("opening", None)

    @cached_property
    def text(self) -> TipText:
        """All texts merged."""
        return reduce(merge, self.pieces.values())

    @cached_property
    def opening(self) -> list[str]:
        """The first words of the text."""
        return _opening(self.text)

    def takes(self, piece: TipText) -> bool:
        """May this text of the same title and day be the same tip?"""
        if piece.complete != self.text.complete or _alike(self.opening, _opening(piece)):
            return True
        in_one_file = any(_file(other) == _file(piece) for other in self.pieces.values())
        return not in_one_file and piece.published_on is not None


def group(pieces: Iterable[TipText]) -> list[Group]:
    """The texts of an import, by tip, in their order."""
    texts = list(pieces)
    ambiguous = _ambiguous_links(texts)
    groups: list[Group] = []
    by_name: dict[str, Group] = {}
    by_title: dict[str, list[Group]] = defaultdict(list)
    for piece in texts:
        name = _own_name(piece, ambiguous)
        title = title_words(piece.title)
        found = by_name.get(name) if name else None
        found = found or (None if piece.key else _of_title(by_title[title][:MOST], piece))
        if found is None:
            found = Group()
            groups.append(found)
            if not piece.key:
                by_title[title].append(found)
        found.add(piece)
        if name:
            by_name[name] = found
    return groups


def _own_name(piece: TipText, ambiguous: set[str]) -> str:
    """The key or the link of a text, which no other tip has; "" if it has neither."""
    if piece.key:
        return f"key {piece.key}"
    name = source_name(piece.source)
    return name if is_link(piece.source) and name not in ambiguous else ""


def _ambiguous_links(pieces: Iterable[TipText]) -> set[str]:
    """The links that one file gives to posts with different titles."""
    titles: dict[tuple[str, str], set[str]] = defaultdict(set)
    for piece in pieces:
        if is_link(piece.source):
            titles[source_name(piece.source), piece.file].add(title_words(piece.title))
    return {name for (name, _), words in titles.items() if len(words) > 1}


def _of_title(groups: list[Group], piece: TipText) -> Group | None:
    same_day = [one for one in groups if one.text.published_on == piece.published_on and one.takes(piece)]
    opening = _opening(piece) if len(same_day) > 1 or (groups and not same_day) else []
    for one in same_day:
        if len(same_day) == 1 or _alike(one.opening, opening):
            return one
    if same_day:
        return same_day[0]
    files = _file(piece)
    for one in groups:
        elsewhere = all(_file(other) != files for other in one.pieces.values())
        if elsewhere and _near(one.text, piece) and _alike(one.opening, opening):
            return one
    return None


# -- the library -----------------------------------------------------------------------------------


class Library:
    """The tips of all lists, and what their sources said when they were last imported. Two queries, and two for each list."""

    def __init__(self, tx: Tx) -> None:
        lists, tips = tx.lists.each(retired=True), tx.tips
        self.tips = {tip.card.id: tip for one in lists for tip in tx.of_list(one.id).tips.all()}
        self.by_key = {tip.card.key: tip for tip in self.tips.values()}
        self.identities = dict(tips.identities())
        self._identity_of = {tip_id: same for same, tip_id in self.identities.items()}
        self.fingerprints: dict[int, dict[str, str]] = defaultdict(dict)
        self._known: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._called: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._links: dict[str, list[int]] = defaultdict(list)
        for tip_id, name, called, print_ in tips.sources():
            self.fingerprints[tip_id][name] = print_
            self._known[name, print_].append(tip_id)
            self._called[name, called].append(tip_id)
            self._links[name].append(tip_id)
        self._titles: dict[str, list[int]] = defaultdict(list)
        for tip_id, tip in self.tips.items():
            self._titles[title_words(tip.text.title)].append(tip_id)
        self._claimed: set[int] = set()

    def lists(self) -> dict[int, int]:
        """The id of the list of each tip by the tip's id."""
        return {tip_id: tip.card.list_id for tip_id, tip in self.tips.items()}

    def match(self, groups: Iterable[Group]) -> list[TipFull | None]:
        """The stored tip of each group; None for a new one. No tip is given to two groups: the surest match comes first."""
        groups = list(groups)
        ambiguous = _ambiguous_links(chain.from_iterable(one.pieces.values() for one in groups))
        found: dict[int, TipFull] = {}
        rules: tuple[Callable[[Group], Iterable[int]], ...] = (
            self._by_key,
            self._unchanged,
            lambda one: self._by_link(one, ambiguous),
            self._by_source,
            self._by_identity,
            self._by_text,
        )
        for rule in rules:
            for place, one in enumerate(groups):
                if place not in found:
                    free = next((tip_id for tip_id in rule(one) if tip_id not in self._claimed), None)
                    if free is not None:
                        self._claimed.add(free)
                        found[place] = self.tips[free]
        return [found.get(place) for place in range(len(groups))]

    def free_identity(self, text: TipText, tip_id: int | None = None) -> str:
        """The identity for this text, with a number if another tip has it. tip_id: that tip may keep the one it has."""
        base = identity(text.title, text.published_on)
        own = self._identity_of.get(tip_id or 0, "")
        if re.fullmatch(rf"{re.escape(base)}(?: #\d+)?", own):
            return own
        free = next(same for same in chain([base], (f"{base} #{n}" for n in count(2))) if same not in self.identities)
        self.identities[free] = tip_id or 0
        return free

    def _by_key(self, one: Group) -> Iterator[int]:
        if one.text.key in self.by_key:
            yield self.by_key[one.text.key].card.id

    def _unchanged(self, one: Group) -> Iterator[int]:
        for name, piece in one.pieces.items():
            yield from self._known.get((name, fingerprint(piece)), ()) if name else ()

    def _by_link(self, one: Group, ambiguous: set[str]) -> Iterator[int]:
        for name, piece in one.pieces.items():
            known = self._links.get(name, ())
            if is_link(piece.source) and name not in ambiguous and len(known) == 1:
                yield from known

    def _by_source(self, one: Group) -> Iterator[int]:
        for name, piece in one.pieces.items():
            yield from self._called.get((name, identity(piece.title, piece.published_on)), ()) if name else ()

    def _by_identity(self, one: Group) -> Iterator[int]:
        same = identity(one.text.title, one.text.published_on)
        named = [self.identities[same]] if self.identities.get(same) else []
        titled = self._titles.get(title_words(one.text.title), ())
        known = [tip_id for tip_id in titled if self.tips[tip_id].text.published_on == one.text.published_on]
        alike = [tip_id for tip_id in known if _alike(_opening(self.tips[tip_id].text), one.opening)]
        for tip_id in dict.fromkeys([*alike, *named, *known]):
            if tip_id in self.tips and (tip_id in alike or self._may_be(one, tip_id)):
                yield tip_id

    def _may_be(self, one: Group, tip_id: int) -> bool:
        """May a group with another text than a stored tip of the same title and day be that tip?"""
        stored, sources = self.tips[tip_id].text, self.fingerprints.get(tip_id, {})
        if one.text.key or not sources or not (stored.complete and one.text.complete):
            return True
        if one.text.published_on is None:
            return False
        hosts = {name.partition("/")[0] for name, piece in one.pieces.items() if is_link(piece.source)}
        return not any(name.partition("/")[0] in hosts for name in sources)

    def _by_text(self, one: Group) -> Iterator[int]:
        for tip_id in self._titles.get(title_words(one.text.title), ()):
            stored = self.tips[tip_id].text
            if not one.text.key and _near(stored, one.text) and _alike(_opening(stored), one.opening):
                yield tip_id


# -- texts -------------------------------------------------------------------------------------------


def _file(piece: TipText) -> str:
    return source_name(piece.file or piece.source)


def _near(one: TipText, other: TipText) -> bool:
    """Is one day missing, or are they next to each other?"""
    if one.published_on is None or other.published_on is None:
        return True
    return abs(one.published_on - other.published_on) <= _A_DAY


def _opening(text: TipText) -> list[str]:
    words = re.findall(r"\w+", plain(text.body[:4_000]) if text.complete else text.teaser)[: ALIKE + 1]
    return [word.casefold() for word in words[:ALIKE]]


def _alike(one: list[str], other: list[str]) -> bool:
    """Is one the beginning of the other? The last word of a teaser may be cut off."""
    shorter, longer = sorted((one, other), key=len)
    if one == other:
        return True
    size = min(len(shorter), ALIKE) - (1 if len(shorter) > FEWEST else 0)
    return size >= FEWEST and shorter[:size] == longer[:size]
