"""Tests of the dates that the old blog has in the captions of its pictures."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from newsletter.domain.tips.tip import Remark, TipText
from newsletter.importers import read
from newsletter.importers.captions import bare_caption_of, caption_of

DAY = date(2014, 9, 11)
POSTED = "Posted on in Trade Advice, Milling Please leave a comment"


@pytest.mark.parametrize(
    ("line", "rest"),
    [
        ("Blog 9-11-14", ""),
        ("Blog 9-11-14I have been", "I have been"),
        ("Blog 09-11-2014 I have been", "I have been"),
        ("blog 9/11/2014", ""),
        ("BLOG: 9.11.14", ""),
        ("Blog – 9 - 11 - 14", ""),
        ("Blog 9–11–14“Local” is", "“Local” is"),
        ("Blog 9--11-14I have", "I have"),
        ("Blog9-11-14I have", "I have"),
        ("Blog Post 9-11-14", ""),
        ("Blog 2014-09-11", ""),
        ("blog_9_11_14-300x200.jpg", ""),
        ("Blog 9-11-14 (2).png", ""),
        ("Blog 9-11-14b", ""),
        ("TOW 9-11-14", ""),
        ("Blog 9-11-142 years ago", "2 years ago"),
        ("Blog 9-11-142nd graders", "2nd graders"),
        ("Blog 9-11-142014 was", "2014 was"),
    ],
)
def test_every_spelling_of_a_caption_gives_its_date_and_is_no_part_of_the_text(line: str, rest: str) -> None:
    found = caption_of(line)
    assert found
    assert (found.day, found.rest) == (DAY, rest)


@pytest.mark.parametrize(
    ("line", "words", "rest"),
    [
        ("Blog 9-31-14I have", "Blog 9-31-14", "I have"),
        ("Blog 13-45-14", "Blog 13-45-14", ""),
        ("Blog 9-11-114I have", "Blog 9-11-114", "I have"),
        ("Blog 9-11-201I have", "Blog 9-11-201", "I have"),
        ("Blog 9-11-1I have", "Blog 9-11-1", "I have"),
        ("Blog 9-1114", "Blog 9-1114", ""),
        ("Blog 9-11I have", "Blog 9-11", "I have"),
        ("Blog 9-11-84I have", "Blog 9-11-84", "I have"),
    ],
)
def test_a_date_with_a_typo_is_no_date(line: str, words: str, rest: str) -> None:
    found = caption_of(line)
    assert found
    assert (found.words, found.day, found.rest) == (words, None, rest)


@pytest.mark.parametrize(
    "line", ["Blog often.", "Blog 24/7", "Blog 24/7 and win", "Blog 2.0", "Blogs 9-11-14", "My blog 9-11-14", "9-11-14"]
)
def test_prose_is_no_caption(line: str) -> None:
    assert caption_of(line) is None


def test_a_date_alone_is_a_caption_if_nothing_but_the_text_follows_it_directly() -> None:
    alone, joined = bare_caption_of("9/11/2014"), bare_caption_of("9-11-14I have")
    assert alone
    assert joined
    assert (alone.day, joined.day, joined.rest) == (DAY, DAY, "I have")
    assert [bare_caption_of(line) for line in ("9/11/2014 was a day", "1-2-3 go", "9-31-14", "9-11-14 I")] == [None] * 4


def read_page(text: str, tmp_path: Path) -> tuple[list[TipText], list[str]]:
    path = tmp_path / "page.txt"
    path.write_text(text, encoding="utf-8")
    found = list(read([path]))
    remarks = [f"{piece.line}: {piece.text}" for piece in found if isinstance(piece, Remark)]
    return [piece for piece in found if isinstance(piece, TipText)], remarks


@pytest.mark.parametrize(
    ("title", "posted", "body", "day", "remarks"),
    [
        ("Grain", POSTED, "Blog 9-11-14\n\nText.", DAY, []),
        ("Grain", POSTED, "9-11-14Text.", DAY, []),
        ("Grain", POSTED, "Blog 9-31-14Text.\n\nBlog 9-11-14", DAY, []),
        ("Grain – 9/9/14", POSTED, "Text.", date(2014, 9, 9), []),
        ("Grain", POSTED.replace("on in", "on September 11, 2014 in"), "Text.", DAY, []),
        (
            "Grain – 9/9/14",
            POSTED,
            "TOW 9-11-14Text.",
            date(2014, 9, 9),
            ["5: 'Grain': 'TOW 9-11-14' is another date than the one in the title, which counts"],
        ),
        (
            "Grain",
            POSTED,
            "Blog 9-31-14Text.",
            None,
            [
                (
                    "5: 'Grain': 'Blog 9-31-14' is not a valid month-day-year, so it has no date;"
                    " write one at the end of the title, as in “- 9/11/14”, to give it one"
                )
            ],
        ),
        (
            "Grain",
            POSTED,
            "Text.",
            None,
            ["1: 'Grain': it has no date; write one at the end of the title, as in “- 9/11/14”, to give it one"],
        ),
    ],
)
def test_a_post_has_the_date_of_its_title_or_of_its_caption_and_one_without_is_named(
    title: str, posted: str, body: str, day: date | None, remarks: list[str], tmp_path: Path
) -> None:
    (tip,), named = read_page(f"{title}\n\n{posted}\n\n{body}\n", tmp_path)
    assert (tip.title, tip.published_on, tip.body, tip.categories) == (
        "Grain",
        day,
        "Text.",
        ("Trade Advice", "Milling"),
    )
    assert named == remarks


def test_a_teaser_with_a_caption_has_its_date(tmp_path: Path) -> None:
    (tip,), named = read_page("Grain\n\n\nBlog 9-11-14It began when Read more\n", tmp_path)
    assert (tip.published_on, tip.teaser, tip.complete, named) == (DAY, "It began when", False, [])


def test_a_caption_dates_a_post_of_a_table_and_one_with_a_typo_stays_in_its_text(tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    path.write_text('title,body\nA,"Blog 9-11-14\n\nText."\nB,"Blog 9-31-14\n\nText."\n', encoding="utf-8")
    dated, other = (piece for piece in read([path]) if isinstance(piece, TipText))
    assert (dated.published_on, dated.body) == (DAY, "Text.")
    assert (other.published_on, other.body) == (None, "Blog 9-31-14\n\nText.")
