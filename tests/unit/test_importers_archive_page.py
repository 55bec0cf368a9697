"""Tests of parsing listing pages of the old blog, in the shapes they have and in shapes they might have."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain.tips.tip import Rejected, Remark, TipText
from newsletter.importers.archive_page import looks_like_archive_page, parse

FIXTURES = Path(__file__).parents[1] / "fixtures" / "archive"
POSTED = "Posted on in\u00a0Baking Please leave a comment"


def page(text: str, source: str = "page.txt") -> list[TipText]:
    found = parse(text, source)
    assert [piece for piece in found if isinstance(piece, Rejected)] == []
    return [piece for piece in found if isinstance(piece, TipText)]


def rejections(text: str) -> list[tuple[int, str]]:
    return [(piece.line, piece.reason) for piece in parse(text, "page.txt") if isinstance(piece, Rejected)]


def article(title: str = "A Title – 8/12/14 TOW", body: str = "A text.", posted: str = POSTED) -> str:
    return f"{title}\n\n{posted}\n\n\n{body}\n\n\n"


def body_of(body: str) -> str:
    (tip,) = page(article(body=body))
    return tip.body


def test_a_page_gives_its_teasers_and_its_complete_articles() -> None:
    tips = page((FIXTURES / "baking.txt").read_text(encoding="utf-8"), "baking.txt")
    assert [(tip.line, tip.title, tip.published_on, tip.complete) for tip in tips] == [
        (3, "Weigh It, Do Not Guess", date(2024, 3, 5), False),
        (8, "“Fresh” Is Not a Temperature", date(2024, 2, 27), False),
        (13, "It’s the Oven’s Turn", date(2024, 2, 20), False),
        (18, "Listen to the Crust", date(2014, 8, 12), True),
        (47, "The Baker Next Door", date(2014, 4, 15), True),
        (63, "Salt, Twice", date(2014, 4, 8), True),
    ]
    assert {tip.tags for tip in tips} == {("baking",)}
    assert {tip.source for tip in tips} == {"baking.txt"}
    assert all(tip.already_run for tip in tips)
    assert [tip.categories for tip in tips if tip.complete] == [("Tip of the Kitchen",)] * 3


def test_a_complete_article_keeps_its_lists_subheadings_and_verse() -> None:
    tips = page((FIXTURES / "baking.txt").read_text(encoding="utf-8"))
    assert tips[3].body == (
        "A loaf tells you when it is ready. It sings.\n\n"
        "You have to be quiet to hear it, and most kitchens are not:\n\n"
        "- Think “Silence” – Put the mixer off; the radio too.\n"
        "- Think “Distance” – A hand's breadth is enough.\n"
        "- Think “Time” – Ask yourself “Is it still singing?” Then wait.\n\n"
        "## What to Do With a Quiet Loaf\n\n"
        "Put it back. Nothing is lost.\n\n"
        "Roses are red,\\\nThe crust is brown,\\\nWhoever listens\\\nLets nobody down."
    )
    assert tips[3].takeaway == "To bake well, listen."
    assert tips[5].body == "Salt the water. Salt the dough."


def test_a_teaser_is_its_text_without_read_more_and_without_a_body() -> None:
    teasers = [tip for tip in page((FIXTURES / "baking.txt").read_text(encoding="utf-8")) if not tip.complete]
    assert [tip.body for tip in teasers] == ["", "", ""]
    assert [tip.teaser for tip in teasers] == [
        (
            "A cup of flour is a matter of mood. Press it and you have one loaf, sift it and you have another."
            " The scale is never in a"
        ),
        "We asked twelve people what fresh means, and we got twelve answers … some of them loud. Then the oldest of them",
        "[A cook, to nobody in particular…] Who opened that door?",
    ]


def test_the_other_stream_has_sector_categories_and_dates_in_captions_joined_to_the_text() -> None:
    tips = page((FIXTURES / "trade.txt").read_text(encoding="utf-8"))[1:]
    assert [(tip.title, tip.published_on, tip.complete, tip.categories, tip.body) for tip in tips] == [
        (
            "From Millers to Markets – Grain and Gain",
            date(2014, 9, 11),
            True,
            ("Trade Advice", "Milling"),
            "I have been hearing the word “local” a lot lately.\n\nA local mill is one you can walk to.",
        ),
        (
            "Prices Can Rise Without Yeast",
            date(2014, 9, 4),
            True,
            ("Trade Advice", "Markets"),
            "2 years ago a roll cost what a bite costs now.\n\nSay so before the customer does.",
        ),
        (
            "The “Day-Old” Question",
            date(2014, 8, 27),
            True,
            ("Trade Advice", "Health"),
            "Yesterday's bread is not old. It is experienced.",
        ),
    ]


@pytest.mark.parametrize(
    ("written", "title", "day"),
    [
        ("Bread - 4/9/24", "Bread", date(2024, 4, 9)),
        ("Bread – 8/12/14 TOW", "Bread", date(2014, 8, 12)),
        ("Bread — 12/5/17", "Bread", date(2017, 12, 5)),
        ("Bread -12/5/2017", "Bread", date(2017, 12, 5)),
        ("Bread- 1/2/18", "Bread", date(2018, 1, 2)),
        ("Bread\u00a0–\u00a001/02/18\u00a0TOW\u00a0", "Bread", date(2018, 1, 2)),
        ("Bread – TOW 1/2/18", "Bread", date(2018, 1, 2)),
        ("Bread 1/2/18", "Bread", date(2018, 1, 2)),
        ("9-to-5, or “Nine”-to-Five? - 1/2/18", "9-to-5, or “Nine”-to-Five?", date(2018, 1, 2)),
        ("From You – and For You – 8/8/17", "From You – and For You", date(2017, 8, 8)),
        ("Open 24/7/365", "Open 24/7/365", None),
        ("Open 24/7 – Since 1999", "Open 24/7 – Since 1999", None),
        ("Leap Day 2/30/24", "Leap Day 2/30/24", None),
    ],
)
def test_the_date_is_removed_from_the_title_in_every_format(written: str, title: str, day: date | None) -> None:
    whole, teaser = page(article(written) + f"{written}\n\n\nA text that Read more\n")
    assert (whole.title, whole.published_on, whole.complete) == (title, day, True)
    assert (teaser.title, teaser.published_on, teaser.complete) == (title, day, False)


def test_an_impossible_date_is_rejected_and_the_other_tips_are_imported() -> None:
    found = parse("Bread - 13/45/14\n\n\nA text Read more\n\n" + article(), "page.txt")
    assert found[0] == Rejected("page.txt", 1, "the date in the title, 13/45/14, is not a valid month/day/year; fix it")
    assert isinstance(found[1], TipText)


@pytest.mark.parametrize(
    ("posted", "categories"),
    [
        ("Posted on in\u00a0A, B & C,\u00a0D Please leave a comment", ("A", "B & C", "D")),
        ("Posted on in A 1 Comment", ("A",)),
        ("Posted on in A 12 Comments »", ("A",)),
        ("Posted on in Top 10 No Comments", ("Top 10",)),
        ("Posted on in A Comments Off on Bread", ("A",)),
        ("Posted on in A", ("A",)),
        ("Posted on in Please leave a comment", ()),
        ("Posted on August 12, 2014 in A Leave a Comment", ("A",)),
        ("Posted in A Leave a reply", ("A",)),
    ],
)
def test_categories_come_from_the_posted_line(posted: str, categories: tuple[str, ...]) -> None:
    (tip,) = page(article(posted=posted))
    assert (tip.categories, tip.body) == (categories, "A text.")


@pytest.mark.parametrize("text", ["Posted in the window was a price.", "Posted on the door in red: closed."])
def test_prose_about_posting_is_kept(text: str) -> None:
    assert body_of(f"First.\n\n{text}") == f"First.\n\n{text}"


@pytest.mark.parametrize(
    "noise",
    [
        "Signup for FREE Tips!\u00a0\u00a0\u00a0\u00a0Contact Us\u00a0\u00a0More Resources for You\u00a0\u00a0Visit Our Home Page",
        "Sign up for FREE Tips! | Contact Us",
        "Please leave a comment",
        "2 Comments",
        "Blog 9-11-14",
        "Blog 9/11/2014 (1).jpg",
        "« Older Entries",
        "<<Older",
        "Newer »",
        "Older posts Newer posts",
        "Next »",
        "« First « … 9 10 11 12 … 20 » Last »",
        "Page 11 of 20",
        "\u00a0 ",
        "\u200b",
    ],
)
def test_navigation_comments_and_captions_are_left_out_everywhere(noise: str) -> None:
    assert body_of(f"First.\n\nSecond.\n\n{noise}") == "First.\n\nSecond."
    assert [tip.body for tip in page(article(body=f"First.\n\n{noise}") + article("B - 1/2/18"))] == [
        "First.",
        "A text.",
    ]
    assert rejections(f"x | Site\n\n{noise}\n\n" + article()) == []


def test_a_footer_joined_to_the_last_words_is_removed() -> None:
    joined = "Listen.\u00a0 Signup for FREE Tips!\u00a0\u00a0Contact Us\u00a0\u00a0More Resources for You\u00a0\u00a0Visit Our Home Page"
    assert body_of(joined) == "Listen."


@pytest.mark.parametrize(
    "text",
    ["Write “Contact Us” on the door.", "Next comes the salt.", "1 2 3 go", "No comments were made.", "Blog often."],
)
def test_prose_that_resembles_navigation_is_kept(text: str) -> None:
    assert text in body_of(f"First.\n\n{text}")


def test_related_links_end_with_the_next_title() -> None:
    links = "Did you like this post? Here are other Bread-related posts:\n\n  • Rolls – 1/2/18\n  • Buns\n\n\n"
    first, second = page(article(body=f"A text.\n\n{links}") + article("Salt - 1/2/18"))
    assert (first.body, second.title) == ("A text.", "Salt")


def test_the_tag_is_the_text_before_the_site_name_with_or_without_a_page_number() -> None:
    assert [page(f"{head}\n\n{article()}")[0].tags for head in ("big-data | Site, Inc. - Page 2", "Ad hoc | Site")] == [
        ("big-data",),
        ("Ad hoc",),
    ]
    assert page(article())[0].tags == ()


def test_an_article_without_a_footer_ends_at_the_next_title_of_any_kind() -> None:
    tips = page(
        article(body="One.")
        + "A Teaser - 1/2/18\n\n\nIt begins Read more\n\n"
        + article("No Date Here", body="Two.")
        + "No Date Either\n\n\nIt begins too Read more\n\n"
        + article("Last – 1/9/18", body="Three.")
    )
    assert [(tip.title, tip.body or tip.teaser) for tip in tips] == [
        ("A Title", "One."),
        ("A Teaser", "It begins"),
        ("No Date Here", "Two."),
        ("No Date Either", "It begins too"),
        ("Last", "Three."),
    ]


@pytest.mark.parametrize(
    "end",
    ["Read more", "… Read more", "... Read more »", "[…] Continue reading →", "\u00a0\n\nRead more", "READ MORE »"],
)
def test_every_spelling_of_read_more_ends_a_teaser(end: str) -> None:
    (tip,) = page(f"Bread - 1/2/18\n\n\nIt began when {end}\n")
    assert (tip.complete, tip.body, tip.teaser) == (False, "", "It began when")


def test_an_article_that_breaks_off_is_a_teaser_with_categories() -> None:
    (tip,) = page(article(body="One.\n\nTwo, Read more"))
    assert (tip.complete, tip.body, tip.teaser, tip.categories) == (False, "", "One. Two,", ("Baking",))


def test_text_below_read_more_is_the_article_if_it_begins_like_the_teaser() -> None:
    start = "Every baker I have known was a patient person until"
    (tip,) = page(f"Patience - 1/2/18\n\n\n{start} Read more\n\n{start} noon.\n\nThen not.\n\n")
    assert (tip.complete, tip.body) == (True, f"{start} noon.\n\nThen not.")


def test_other_text_below_read_more_is_rejected_and_the_teaser_is_kept() -> None:
    tip, lost = parse("Bread - 1/2/18\n\n\nIt began Read more\n\nSomething else entirely.\n", "page.txt")
    assert isinstance(tip, TipText)
    assert not tip.complete
    assert lost == Rejected("page.txt", 6, "text below the “Read more” of 'Bread': 'Something else entirely.'")


def test_a_single_paragraph_without_a_posted_line_is_not_a_complete_article() -> None:
    one, several = page("A - 1/2/18\n\n\nIt begins and\n\n\nB - 1/9/18\n\n\nIt begins.\n\nIt ends.\n\n" + article())[:2]
    assert (one.complete, one.teaser) == (False, "It begins and")
    assert (several.complete, several.body) == (True, "It begins.\n\nIt ends.")


def test_a_dated_source_at_the_end_of_an_article_is_not_a_title() -> None:
    for body in ("First.\n\nFrom the bread gazette – 8/12/14", "From the bread gazette – 8/12/14\n\nFirst."):
        assert body_of(body) == body


def test_titles_without_text_and_text_without_a_title_are_rejected() -> None:
    assert rejections(f"A - 1/2/18\n\n{POSTED}\n\n\nB - 1/9/18\n\n{POSTED}\n\nText.\n\n\nC - 1/16/18\n") == [
        (1, "there is no text below the title 'A'"),
        (13, "there is no text below the title 'C'"),
    ]
    assert rejections(f"{POSTED}\n\nText.") == [(1, '"Posted on in …" without a title above it')]
    assert rejections("tag | Site\n\nSome words about a tag.\n\nMore of them.\n\n" + article()) == [
        (3, "text without a title above it: 'Some words about a tag.'")
    ]
    assert rejections("Words Read more") == [(1, "text without a title above it: 'Words Read more'")]


def test_a_title_without_a_word_or_with_too_many_characters_is_rejected() -> None:
    assert rejections(article("??? - 1/2/18")) == [(1, "the title '???' has no word in it; write one")]
    assert rejections(article("a" * 300)) == [(1, "the title has 300 characters; shorten it to 200")]


@pytest.mark.parametrize("text", ["", "A letter.\n\nDear Ada,\n\nhello.", "x | y\n\nz - 1/2/18", "\x00\x01"])
def test_a_text_that_is_not_an_archive_page_is_rejected_as_a_whole(text: str) -> None:
    assert not looks_like_archive_page(text)
    ((line, reason),) = rejections(text)
    assert line == 1
    assert "not an archive page" in reason


def test_line_endings_and_byte_order_marks_make_no_difference() -> None:
    text = (FIXTURES / "baking.txt").read_text(encoding="utf-8")
    assert page("\ufeff" + text.replace("\n", "\r\n")) == page(text) == page(text.replace("\n", "\r"))


LINES = (
    "", "", "\u00a0", "Bread - 1/2/18", "A Title", POSTED, "It is warm.", "It was Read more", "Read more", "  • One", "1. One",
    "« Older", "2 Comments", "Did you like this post? More:", "x | Site", "- 13/13/13", "Blog 9-11-14",
)  # fmt: skip


@given(st.lists(st.sampled_from(LINES), max_size=14))
def test_tips_are_valid_and_in_order_for_any_order_of_lines(lines: list[str]) -> None:
    found = parse("\n".join(lines), "page.txt")
    assert all(tip.complete == bool(tip.body) for tip in found if isinstance(tip, TipText))
    assert all(tip.title and "Read more" not in tip.teaser for tip in found if isinstance(tip, TipText))
    lines_found = [piece.line for piece in found if not isinstance(piece, Remark)]
    assert lines_found == sorted(set(lines_found))
    posted = sum(line in (POSTED, "Read more") for line in lines)  # the article may follow "Read more"
    assert sum(tip.complete for tip in found if isinstance(tip, TipText)) <= posted + sum("/" in line for line in lines)
