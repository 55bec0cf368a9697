"""Which list the tips of an import go to: by their categories, or one list for all of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from newsletter.domain.errors import UsageError
from newsletter.domain.tips.tip import TipText, is_link

_PAIR = re.compile(r"(?P<category>.+)(?:=>|->|→|=)(?P<key>.+)", re.DOTALL)
_QUOTES = "\"'“”„‘’«» \t\n"


@dataclass(frozen=True, slots=True)
class ListMap:
    """pairs: (category as it was written, key of a list), the most important first. rest: the list of all other tips.

    A tip whose categories belong to several lists goes to the list that was named first.
    """

    pairs: tuple[tuple[str, str], ...] = ()
    rest: str = ""

    @property
    def is_empty(self) -> bool:
        """Does it say nothing about any tip?"""
        return not self.pairs and not self.rest

    def lists_of(self, pieces: Iterable[TipText]) -> tuple[str, ...]:
        """The lists for the texts of one tip, the one that counts first; none if they are in no list of this map."""
        texts = list(pieces)
        named = next((text.list_key for text in texts if text.list_key), "")
        if named and not self.rest:  # an exported file; `--list` is for all tips
            return (named,)
        names = set(map(plain_name, categories_of(texts)))
        found = dict.fromkeys(key for category, key in self.pairs if plain_name(category) in names)
        return tuple(found) or ((self.rest,) if self.rest else ())

    def unused(self, pieces: Iterable[TipText]) -> tuple[str, ...]:
        """The categories of this map that no text has."""
        names = set(map(plain_name, categories_of(pieces)))
        return tuple(category for category, _ in self.pairs if plain_name(category) not in names)


EVERYTHING = ListMap()
"""Says nothing about any tip."""


def categories_of(pieces: Iterable[TipText]) -> tuple[str, ...]:
    """The categories of these texts, sorted. A feed calls tags so, too; the tag of an archive page is of none of its posts."""
    found = {name for one in pieces for name in one.categories or (one.tags if is_link(one.source) else ())}
    return tuple(sorted(found, key=str.casefold))


def plain_name(name: str) -> str:
    """A category for comparisons: case and spaces make no difference."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def parse_map(written: Sequence[str], rest: str, lists: Collection[str]) -> ListMap:
    """The map for `--map "Business Advice=advice"` (several) and `--list KEY` ("" without it). lists: the keys there are.

    Spaces and quotes around both sides are ignored. Raises UsageError.
    """
    pairs: dict[str, tuple[str, str]] = {}
    for each in written:
        category, key = _pair(each, lists)
        known = pairs.setdefault(plain_name(category), (category, key))
        if known[1] != key:
            raise UsageError(
                f"the category {category!r} is mapped to two lists, {known[1]} and {key}", fix="Pass only one of them"
            )
    return ListMap(tuple(pairs.values()), known_list(rest, lists) if rest else "")


def known_list(written: str, lists: Collection[str], title: str = "") -> str:
    """The key of a list as it is stored. title: what a new list may be called. Raises UsageError."""
    key = written.strip(_QUOTES)
    found = next((one for one in lists if one == key.lower()), None)
    if found:
        return found
    there_are = f"The lists are {', '.join(lists)}" if len(lists) > 1 else f"The only list is {', '.join(lists)}"
    slug = re.sub(r"[\W_]+", "-", key.lower(), flags=re.ASCII).strip("-")[:40] or "advice"
    raise UsageError(
        f"there is no list {key!r}",
        fix=f'{there_are}. To add one, run: newsletter lists add {slug} --title "{title or key.title()}"',
    )


def _pair(written: str, lists: Collection[str]) -> tuple[str, str]:
    found = _PAIR.fullmatch(written.strip(_QUOTES))
    category, key = (part.strip(_QUOTES) for part in found.group("category", "key")) if found else ("", "")
    if not category or not key:
        raise UsageError(
            f"{written!r:.80} does not say which list a category belongs to",
            fix='Write the category, "=", and the key of the list, as in --map "Business Advice=advice"',
        )
    if key.lower() not in lists and category.lower() in lists:
        raise UsageError(f"there is no list {key!r}", fix=f'Write the category first: --map "{key}={category.lower()}"')
    return " ".join(category.split()), known_list(key, lists, category)
