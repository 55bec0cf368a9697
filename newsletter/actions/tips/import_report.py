"""What an import of tips did, for people and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date

from newsletter.domain.tips.tip import LeftOut, Rejected, Remark


@dataclass(frozen=True, slots=True)
class ImportedTip:
    """A tip as it is in the library after the import. date: the day on which it was published, if known.

    list: the key of the list that it is in.
    """

    key: str
    title: str
    date: date | None
    complete: bool
    categories: tuple[str, ...]
    tags: tuple[str, ...]
    list: str


@dataclass(frozen=True, slots=True)
class TipProblem:
    """A tip that is passed over. problem: why no email can be made of it, as a clause."""

    key: str
    title: str
    problem: str


@dataclass(frozen=True, slots=True)
class Staying:
    """A tip that is in a list already, and stays there, although the import maps it to another one."""

    key: str
    list: str
    mapped_to: str


@dataclass(frozen=True, slots=True)
class Report:
    """What an import did, or would do in a dry run.

    teasers: how many of `tips` still lack their article. not_published, other_category: how many of `left_out` are no
    published posts, and how many have none of the wanted categories. remarks: what was dropped or repaired.
    pictures, pictures_left_out: how many pictures were taken in, and how many were not. problems: tips of which no email can
    be made, as far as they were checked. lists: how many of `tips` are in each list, {} while there is only one. unused_maps:
    categories of `--map` that no post has; categories: those that the posts have, if that is so. staying: tips that are in another list than `--map` says.
    """

    added: int
    updated: int
    unchanged: int
    teasers: int
    not_published: int
    other_category: int
    rejected: tuple[Rejected, ...]
    left_out: tuple[LeftOut, ...]
    remarks: tuple[Remark, ...]
    tips: tuple[ImportedTip, ...]
    pictures: int = 0
    pictures_left_out: int = 0
    problems: tuple[TipProblem, ...] = ()
    lists: Mapping[str, int] = field(default_factory=dict)
    unused_maps: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    staying: tuple[Staying, ...] = ()

    def as_json(self) -> dict[str, object]:
        """The document of `tips import --json`; dates as ISO strings. What is about lists is left out while there is one."""
        document = {**asdict(self), "lists": dict(self.lists)}
        for tip in document["tips"]:
            tip["date"] = tip["date"].isoformat() if tip["date"] else None
        return (
            document
            if self.lists
            else {k: v for k, v in document.items() if k not in ("lists", "unused_maps", "categories", "staying")}
        )
