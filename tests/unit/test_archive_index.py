"""Tests of the index of public tips: its lists, neighbors, and related tips."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from newsletter.domain.archive.entries import Entry, Label, Selection
from newsletter.domain.archive.index import ArchiveIndex, labels_of
from newsletter.domain.errors import NotFound

DAY = date(2025, 4, 29)
AT = datetime(2025, 5, 1, tzinfo=UTC)


def tip(number: int, *tags: str, categories: tuple[str, ...] = (), ran_on: date | None = DAY) -> Entry:
    """The tip that ran `number` weeks before DAY."""
    return Entry(
        id=1000 - number,
        key=f"tip-{number}",
        title=f"Tip {number}",
        ran_on=ran_on and ran_on - timedelta(weeks=number),
        teaser="",
        changed_at=AT,
        categories=tuple(Label(name, name.lower()) for name in categories),
        tags=tuple(Label(name, name.lower()) for name in tags),
    )


def keys(entries: tuple[Entry, ...]) -> list[str]:
    return [entry.key for entry in entries]


def related(index: ArchiveIndex, entry: Entry, size: int = 3) -> list[str]:
    return keys(index.related(labels_of(entry), size, exclude=entry.id))


def test_a_list_is_split_into_pages_in_its_order() -> None:
    index = ArchiveIndex(tip(number) for number in range(45))
    pages = [index.choose(Selection(), page, 20) for page in (1, 2, 3)]
    assert [key for page in pages for key in keys(page.entries)] == [f"tip-{number}" for number in range(45)]
    assert {(page.total, page.pages, page.label) for page in pages} == {(45, 3, None)}


def test_an_empty_archive_has_one_empty_page_and_no_label() -> None:
    index = ArchiveIndex([])
    assert index.choose(Selection(), 1, 20).entries == ()
    for selection in (Selection("year", "2025"), Selection("tag", "x"), Selection("tag", "")):
        with pytest.raises(NotFound):
            index.choose(selection, 1, 20)


def test_two_spellings_of_a_label_are_one_list_and_a_label_without_letters_has_none() -> None:
    first, second = tip(0, "phone", "Phone"), tip(1, "Phone")
    symbols = Entry(7, "symbols", "Symbols", DAY, "", AT, tags=(Label("!?", ""),))
    index = ArchiveIndex([first, second, symbols])
    found = index.choose(Selection("tag", "phone"), 1, 20)
    assert (keys(found.entries), found.label) == (["tip-0", "tip-1"], Label("Phone", "phone"))
    assert index.contents.tags == ((Label("Phone", "phone"), 2),)


def test_years_are_newest_first_with_counts_and_a_tip_without_a_date_is_in_none() -> None:
    index = ArchiveIndex([tip(0), tip(1), tip(60), tip(2, ran_on=None)])
    assert index.contents.years == ((2025, 2), (2024, 1))


def test_neighbors_are_the_tips_that_ran_before_and_after() -> None:
    entries = [tip(number) for number in range(3)]
    index = ArchiveIndex(entries)
    assert [index.neighbors(entry) for entry in entries] == [
        (entries[1].mention, None),
        (entries[2].mention, entries[0].mention),
        (None, entries[1].mention),
    ]


def test_a_rare_common_tag_counts_more_than_a_frequent_one_and_a_tag_more_than_a_category() -> None:
    here = tip(0, "rare", "frequent", categories=("Calls",))
    others = [tip(number, "frequent") for number in range(4, 10)]
    index = ArchiveIndex([here, tip(1, categories=("Calls",)), tip(2, "rare"), tip(3), *others])
    assert related(index, here, 4) == ["tip-2", "tip-4", "tip-5", "tip-6"]
    assert related(index, tip(0, categories=("Calls",))) == ["tip-1"]
    assert related(index, tip(3)) == []


def test_of_equally_related_tips_the_newest_come_first_without_the_tip_itself() -> None:
    entries = [tip(number, "same") for number in range(6)]
    index = ArchiveIndex(entries)
    assert related(index, entries[2]) == ["tip-0", "tip-1", "tip-3"]
    assert keys(index.related(labels_of(entries[0]), 2, exclude=0)) == ["tip-0", "tip-1"]


def test_a_tip_that_is_not_public_is_not_in_the_index() -> None:
    index = ArchiveIndex([tip(0)])
    assert (1000 in index, 1 in index) == (True, False)
    with pytest.raises(NotFound):
        index.by_key("tip-1")
