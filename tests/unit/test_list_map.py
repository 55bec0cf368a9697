"""Tests of which list an imported tip goes to."""

from __future__ import annotations

import pytest

from newsletter.domain.errors import UsageError
from newsletter.domain.tips.list_map import ListMap, parse_map
from newsletter.domain.tips.tip import TipText

LISTS = ("tips", "advice", "course")


def text(*categories: str, tags: tuple[str, ...] = (), source: str = "page.txt") -> TipText:
    return TipText("A", "B", categories=categories, tags=tags, source=source)


@pytest.mark.parametrize(
    "written",
    [
        "Business Advice=advice",
        "Business Advice = advice",
        " business  advice =ADVICE ",
        '"Business Advice" = "advice"',
        '"Business Advice=advice"',
        "“Business Advice”=advice",
        "Business Advice->advice",
        "BusinessAdvice => advice",
        "Business\u00a0Advice → advice",
    ],
)
def test_case_spaces_and_quotes_do_not_matter(written: str) -> None:
    map_ = parse_map([written], "", LISTS)
    assert map_.lists_of([text("Business Advice", "Education")]) == ("advice",)
    assert map_.lists_of([text("BUSINESS  ADVICE")]) == ("advice",)
    assert map_.lists_of([text("Education")]) == map_.lists_of([text()]) == ()


def test_the_last_sign_separates_the_list_from_a_category_with_that_sign() -> None:
    assert parse_map(["A=B=advice"], "", LISTS).pairs == (("A=B", "advice"),)


def test_a_tip_in_several_lists_goes_to_the_one_that_was_named_first() -> None:
    map_ = parse_map(["Tips=tips", "Advice=advice", "More=tips"], "", LISTS)
    assert map_.lists_of([text("Advice", "Tips", "More")]) == ("tips", "advice")
    assert map_.lists_of([text("More"), text("Advice")]) == ("advice", "tips")
    assert map_.lists_of([text("More", "Tips")]) == ("tips",)


def test_all_other_tips_go_to_the_one_list() -> None:
    map_ = parse_map(["Advice=advice"], "Course", LISTS)
    assert [map_.lists_of([one]) for one in (text("Advice"), text("X"), text())] == [
        ("advice",),
        ("course",),
        ("course",),
    ]


def test_the_tag_of_an_archive_page_is_no_category_and_the_label_of_a_feed_is_one() -> None:
    map_ = parse_map(["Advice=advice"], "", LISTS)
    assert map_.lists_of([text(tags=("Advice",))]) == ()
    assert map_.lists_of([text(tags=("Advice",), source="https://blog.example/a")]) == ("advice",)
    assert map_.lists_of([text("Tips", tags=("Advice",), source="https://blog.example/a")]) == ()


def test_categories_that_no_tip_has_are_known() -> None:
    map_ = parse_map(["Advice=advice", "Tipps=tips"], "", LISTS)
    assert map_.unused([text("ADVICE"), text(tags=("Tipps",))]) == ("Tipps",)
    assert ListMap().unused([text()]) == ()
    assert (ListMap().is_empty, map_.is_empty) == (True, False)


@pytest.mark.parametrize(
    ("written", "rest", "lists", "message"),
    [
        (
            ["Business Advice=advise"],
            "",
            LISTS,
            (
                "there is no list 'advise'. The lists are tips, advice, course. To add one, run: "
                'newsletter lists add advise --title "Business Advice"'
            ),
        ),
        (
            [],
            "My List",
            ("tips",),
            (
                "there is no list 'My List'. The only list is tips. To add one, run: "
                'newsletter lists add my-list --title "My List"'
            ),
        ),
        (
            ["advice=Business Advice"],
            "",
            LISTS,
            "there is no list 'Business Advice'. Write the category first: --map \"Business Advice=advice\"",
        ),
        (
            ["A=tips", "a = advice"],
            "",
            LISTS,
            "the category 'a' is mapped to two lists, tips and advice. Pass only one of them",
        ),
        (
            ["Business Advice"],
            "",
            LISTS,
            (
                "'Business Advice' does not say which list a category belongs to. Write the category, \"=\", and the key of "
                'the list, as in --map "Business Advice=advice"'
            ),
        ),
        (
            ["=advice"],
            "",
            LISTS,
            (
                "'=advice' does not say which list a category belongs to. Write the category, \"=\", and the key of "
                'the list, as in --map "Business Advice=advice"'
            ),
        ),
    ],
)
def test_what_cannot_be_used_is_an_error_that_says_what_to_do(
    written: list[str], rest: str, lists: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UsageError) as error:
        parse_map(written, rest, lists)
    assert str(error.value) == message
