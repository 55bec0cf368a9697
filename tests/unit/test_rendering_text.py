"""The text part: 72 columns wide, and without Markdown that would distract a subscriber."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.rendering.text import to_text, underlined, wrap


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("one\ntwo", "one two"),
        ("one\n\ntwo", "one\n\ntwo"),
        ("## Say it\n\nnow", "Say it\n------\n\nnow"),
        ("# A\n\n## B", "A\n-\n\nB\n-"),
        ("- a\n- b", "- a\n- b"),
        ("3. a\n4. b", "3. a\n4. b"),
        ("- a\n  - b", "- a\n\n  - b"),
        ("> said\n> she", "    said she"),
        ("Roses are red,\\\nviolets blue,  \nand so on", "Roses are red,\nviolets blue,\nand so on"),
        ("[words](https://a.example/b?c=d&e=f)", "words (https://a.example/b?c=d&e=f)"),
        ("<https://a.example/b>", "https://a.example/b"),
        ("[me](mailto:a@b.example), <mailto:c@d.example>", "me (a@b.example), c@d.example"),
        ("[words](javascript:alert(1)) and [more](/path)", "words and more"),
        ("![a picture of a desk](https://a.example/b.png)", "a picture of a desk"),
        ("*so* and **so**", "_so_ and *so*"),
        (r"5 \* 3 and a\_b and 1\. and \[x\]", "5 * 3 and a_b and 1. and [x]"),
        ("&amp; &copy; <b>bold</b>", "& © <b>bold</b>"),
        ("`code` \n\n    block *x*", "code\n\n    block *x*"),
        ("", ""),
    ],
)
def test_markdown_becomes_plain_text(source: str, expected: str) -> None:
    assert to_text(source) == expected


def test_a_horizontal_rule_is_centered() -> None:
    assert to_text("a\n\n---\n\nb").split("\n\n")[1].strip() == "* * *"


def test_long_bullets_hang_and_are_separated_by_empty_lines() -> None:
    item = "words and " * 10 + "end"
    assert to_text(f"- {item}\n- {item}") == (
        "- words and words and words and words and words and words and words and\n"
        "  words and words and words and end\n"
        "\n"
        "- words and words and words and words and words and words and words and\n"
        "  words and words and words and end"
    )


def test_numbers_of_one_and_two_digits_are_aligned() -> None:
    assert to_text("9. a\n10. b") == " 9. a\n10. b"


@given(st.lists(st.text("abcdefghij", min_size=1, max_size=30), min_size=1, max_size=60).map(" ".join))
def test_no_line_is_wider_than_72_and_no_word_is_lost(source: str) -> None:
    for text in (to_text(source), to_text(f"- {source}"), to_text(f"> {source}")):
        assert all(len(line) <= 72 for line in text.split("\n"))
        assert text.removeprefix("- ").split() == source.split()


@given(st.text("ab*_[]()#>-+1.\\`!&<\n ~=", max_size=80))
def test_any_text_can_be_rendered(source: str) -> None:
    assert "\n\n\n" not in to_text(source).replace("    ", "")


def test_a_url_is_never_broken() -> None:
    url = "https://a.example/" + "long-path-" * 12
    assert f"({url})" in to_text(f"some words in front of [it]({url}) and behind").split("\n")


def test_wrapping_keeps_the_owners_line_breaks() -> None:
    assert wrap("12 Harbor Street\n\nSpringfield") == "12 Harbor Street\n\nSpringfield"
    assert wrap("a b", 4, "  ", "  ") == "  a\n  b"
    assert underlined("ab cd", width=3) == "ab\ncd\n=="
