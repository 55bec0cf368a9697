"""Tests of plain text, sentences, teasers, anniversaries, and search terms."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from newsletter.domain.archive.entries import (
    HIT,
    HIT_END,
    MAX_TERMS,
    anniversary,
    plain,
    preview_text,
    search_terms,
    sentences,
    teaser,
    web_address,
)
from newsletter.domain.tips.tip import TipText

MARKED = (
    '# A head\n\nSay *it* **once**, [here](https://x.example/a_b "t") and <https://y.example>.\\\nAgain\n\n'
    "- one `two`\n- three\n\n1. four\n\n> five\n\n---\n\n![a clock](https://x.example/c.png) snake_case \\*star\\* &amp;"
)


def test_plain_text_has_no_markdown_left() -> None:
    assert plain(MARKED) == (
        "A head Say it once, here and https://y.example. Again one two three four five a clock snake_case *star* &"
    )


def test_plain_text_never_has_the_characters_around_a_hit() -> None:
    assert {HIT, HIT_END}.isdisjoint(plain(f"a {HIT}b{HIT_END} c &#xE000;"))


@given(st.text(max_size=300))
@example("#\n0")  # a heading without words
def test_plain_text_is_on_one_line_for_any_text(text: str) -> None:
    words = plain(text)
    assert words == " ".join(words.split())


def test_abbreviations_initials_and_lowercase_words_do_not_end_a_sentence() -> None:
    text = "Mr. Low met Mrs. Gray. “Go!” she said. Why? J. R. came at 5 p.m. sharp… and left. Done"
    assert sentences(text) == [
        "Mr. Low met Mrs. Gray.", "“Go!” she said.", "Why?", "J. R. came at 5 p.m. sharp… and left.", "Done",
    ]  # fmt: skip


def teaser_of(body: str, own: str = "") -> str:
    return teaser(TipText("A tip", body, teaser=own))


def test_the_owners_teaser_wins() -> None:
    assert teaser_of("Some text.", "Mine.") == "Mine."


def test_a_teaser_ends_at_the_sentence_nearest_to_fifty_words() -> None:
    found = teaser_of("\n\n".join(f"Number {n} has exactly eight words in it." for n in range(20)))
    assert len(found.split()) == 48
    assert found.endswith("in it.")


def test_a_teaser_has_no_heading_and_no_markdown() -> None:
    assert teaser_of("## Not me\n\nOnly *this*.\n\n- And this.") == "Only this. And this."


def test_a_very_long_sentence_is_cut_at_fifty_words_with_an_ellipsis() -> None:
    found = teaser_of("word, " * 200)
    assert found == " ".join(["word,"] * 50).rstrip(",") + " …"


def test_a_short_text_is_its_own_teaser() -> None:
    assert teaser_of("No full stop here") == "No full stop here"
    assert teaser_of("") == ""


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.sampled_from([5, 10, 15, 20]))
def test_an_anniversary_is_a_week_so_it_has_every_weekday_once(day: date, years: int) -> None:
    first, last = anniversary(day, years)
    assert last - first == timedelta(days=6)
    assert first.year in (day.year - years - 1, day.year - years)


@pytest.mark.parametrize(
    ("typed", "terms"),
    [
        ('wait OR "say it" NEAR(x)', ["wait", "OR", "say it", "NEAR", "x"]),
        ('" * ^ : ( - )', []),
        ("“hand over” now", ["hand over", "now"]),
        ("snake_case don't", ["snake", "case", "don", "t"]),
    ],
)
def test_only_quotation_marks_have_a_meaning_in_a_search_query(typed: str, terms: list[str]) -> None:
    assert search_terms(typed) == terms


@given(st.text(max_size=400))
def test_search_terms_are_limited_in_number_and_are_words(typed: str) -> None:
    terms = search_terms(typed)
    assert len(terms) <= MAX_TERMS
    assert all('"' not in term and term.strip() for term in terms)


@pytest.mark.parametrize("source", ["javascript:alert(1)", "seeds/01.md", 'https://x.example/"><', "https://a b", ""])
def test_only_a_web_url_becomes_a_link_to_a_source(source: str) -> None:
    assert web_address(source) == ""
    assert web_address("https://x.example/a?b=1") == "https://x.example/a?b=1"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("![A queue](/media/a.jpg)\n\nLook up first. Then speak.", "Look up first."),
        ("[![A queue](/media/a.jpg)](https://blog.example/) Look up first.", "Look up first."),
        ("![A queue of guests](/media/a.jpg)", "A queue of guests"),
    ],
)
def test_the_description_of_a_picture_does_not_run_into_the_first_sentence(body: str, words: str) -> None:
    text = TipText("Look", body)
    assert preview_text(text) == words
    assert teaser(text).startswith(words)
