"""Which list each tip of an import goes to. A tip that is in the library stays in its list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from newsletter.actions.tips.import_report import Staying
from newsletter.actions.tips.match_tips import Group
from newsletter.domain.tips.list_map import ListMap
from newsletter.domain.tips.tip import Rejected, Remark, TipFull
from newsletter.ports.store import Tx


@dataclass(frozen=True, slots=True)
class Destinations:
    """keys: of every list, by its id. open: the ids of those that are not retired, by key. own: the id of the default."""

    map: ListMap
    keys: Mapping[int, str]
    open: Mapping[str, int]
    own: int

    @classmethod
    def read(cls, tx: Tx, map_: ListMap) -> Destinations:
        """The lists of this installation; `tx` sees the one for tips of which nothing is said."""
        keys = {one.id: one.key for one in tx.lists.each(retired=True)}
        return cls(map_, keys, {one.key: one.id for one in tx.lists.each()}, tx.list_id)

    @property
    def is_shown(self) -> bool:
        """Does the owner have to know in which lists the tips are?"""
        return len(self.keys) > 1 or not self.map.is_empty

    def of(self, one: Group) -> tuple[str, ...]:
        """The lists that are wanted for a tip, the one that counts first; () for the default."""
        return self.map.lists_of(one.pieces.values())

    def of_new(self, one: Group) -> int:
        """The id of the list for a new tip."""
        wanted = self.of(one)
        return self.open[wanted[0]] if wanted else self.own

    def refusal(self, one: Group, stored: TipFull | None) -> Rejected | None:
        """Why a new tip cannot be added: its file names a list that does not exist."""
        wanted = self.of(one)
        if stored or not wanted or wanted[0] in self.open:
            return None
        reason = (
            f"there is no list {wanted[0][:60]!r}, which the file names; run newsletter lists add {wanted[0][:40]}"
            " --title TEXT, or pass --list KEY"
        )
        return Rejected(one.text.source, one.text.line, reason)

    def remarks(self, one: Group, stored: TipFull | None) -> list[Remark]:
        """A new tip whose categories belong to several lists."""
        wanted, text = self.of(one), one.text
        if stored or len(wanted) < 2:
            return []
        words = f"{text.title!r}: its categories belong to the lists {' and '.join(wanted)}; it goes to {wanted[0]}"
        return [Remark(text.source, text.line, f"{words}, which is the first in --map")]

    def staying(self, one: Group, stored: TipFull | None) -> list[Staying]:
        """A tip of the library that is in none of the lists that are wanted for it."""
        wanted = self.of(one)
        if not stored or not wanted or self.keys[stored.card.list_id] in wanted:
            return []
        return [Staying(stored.card.key, self.keys[stored.card.list_id], wanted[0])]

    def counts(self, list_ids: Iterable[int]) -> dict[str, int]:
        """How many tips are in each list, in the order of the lists; {} if that need not be known."""
        found = Counter(list_ids)
        return {key: found[list_id] for list_id, key in self.keys.items() if found[list_id]} if self.is_shown else {}
