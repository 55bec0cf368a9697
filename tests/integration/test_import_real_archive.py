"""Tests with the pages of the first owner's blog, if they are available: no tip is missed and no word is lost."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from newsletter.actions.tips.match_tips import group
from newsletter.domain.tips.list_map import parse_map
from newsletter.domain.tips.tip import Rejected, Remark, TipText, identity
from newsletter.importers import read

PAGES = sorted((Path(__file__).parents[3] / "shared" / "archive-pages").glob("*.txt"))

pytestmark = pytest.mark.skipif(not PAGES, reason="the owner's archive pages are not beside this checkout")

DATED = re.compile(r"(?P<title>.+?) [-–] (?P<date>\d{1,2}/\d{1,2}/\d{2})(?: TOW)?")
NOISE = re.compile(r".* \| .* - Page \d+|Posted on in\s.*|Signup for FREE Tips!.*|Did you like this post\?.*")
CAPTION = re.compile(r"Blog \d{1,2}-\d{1,2}-14")
TUESDAY, WEDNESDAY, THURSDAY = 1, 2, 3


def tips_of(*paths: Path) -> list[TipText]:
    found = list(read(paths))
    assert [piece for piece in found if isinstance(piece, Rejected | Remark)] == []
    return [piece for piece in found if isinstance(piece, TipText)]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_dated_title_is_found_and_only_posted_articles_are_complete(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    tips = tips_of(path)
    dated = [found["title"] for line in lines if (found := DATED.fullmatch(line))]
    assert [tip.title for tip in tips if "Business Advice" not in tip.categories] == dated
    assert all(tip.published_on for tip in tips)
    assert sum(tip.complete for tip in tips) == sum(line.startswith("Posted on in") for line in lines)
    assert sum(not tip.complete for tip in tips) == sum(line.endswith("Read more") for line in lines)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_only_navigation_and_captions_are_left_out_and_nothing_is_added(path: Path) -> None:
    expected = []
    for line in path.read_text(encoding="utf-8").splitlines():
        dated = DATED.fullmatch(line)
        kept = "" if NOISE.fullmatch(line) else CAPTION.sub("", dated["title"] if dated else line)
        expected += kept.removesuffix("Read more").replace("•", "-").split()
    assert " ".join(f"{tip.title} {tip.body} {tip.takeaway} {tip.teaser}" for tip in tips_of(path)).split() == expected


def test_each_post_has_its_date_and_its_categories() -> None:
    tips = tips_of(*PAGES)
    advice = [(tip.published_on, tip.categories) for tip in tips if "Business Advice" in tip.categories]
    assert advice == [
        (date(2014, 9, 11), ("Business Advice", "Education")),
        (date(2014, 9, 4), ("Business Advice", "Government")),
        (date(2014, 8, 27), ("Business Advice", "Healthcare")),
    ]
    days = {tip.published_on.weekday(): tip.complete for tip in tips if tip.published_on and not tip.categories}
    assert days == {TUESDAY: False}  # of the teasers, which the page of each category and tag lists alike
    assert {day.weekday() for day, _ in advice if day} == {WEDNESDAY, THURSDAY}
    assert {tip.categories for tip in tips if tip.complete} - {labels for _, labels in advice} == {
        ("Customer Service Tip of the Week",)
    }


def test_the_posts_of_the_second_stream_and_nothing_else_go_to_its_list() -> None:
    list_map = parse_map(["business advice = advice"], "", ("tips", "advice"))
    groups = group(tips_of(*PAGES))
    mapped = [one.text.title for one in groups if list_map.lists_of(one.pieces.values()) == ("advice",)]
    assert len(groups) == 30
    assert mapped == [one.text.title for one in groups if "Business Advice" in one.text.categories]
    assert len(mapped) == 3


def test_the_same_tip_on_several_pages_has_a_different_tag_on_each() -> None:
    tips = tips_of(*PAGES)
    found = Counter(identity(tip.title, tip.published_on) for tip in tips)
    assert len(tips) > len(found)
    assert all(
        len({tip.tags for tip in tips if identity(tip.title, tip.published_on) == one}) == n for one, n in found.items()
    )
