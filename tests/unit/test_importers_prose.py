"""Tests of converting prose to Markdown: the rendered text is the text of the source."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from newsletter.importers.lines import read_lines
from newsletter.importers.prose import escape, to_markdown

NASTY = st.text(alphabet="ab1 .)(][*_#<>&;:!`~\\-+=|/“’", min_size=1, max_size=25).map(
    lambda text: " ".join(text.split())
)


def markdown_of(text: str) -> str:
    return to_markdown(list(read_lines(text)))


def shown(markdown: str) -> str:
    """The HTML that CommonMark renders."""
    return str(MarkdownIt("commonmark", {"html": False}).render(markdown))


@given(NASTY.filter(bool))
@example("2014. What a year.")
@example("see [this](that) and [x]: y")
@example("_a_ *b* **c** `d` <e@f> &amp; \\* ~~g~~")
@example("- – -")
def test_escaped_prose_renders_as_one_paragraph_of_exactly_its_text(text: str) -> None:
    tokens = MarkdownIt("commonmark", {"html": False}).enable("strikethrough").enable("table").parse(escape(text))
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    children = tokens[1].children or []
    assert {child.type for child in children} <= {"text", "text_special"}
    assert "".join(child.content for child in children) == text


@pytest.mark.parametrize(
    "plain",
    ["5 * 3 is 15", "snake_case stays", "A & B", "K-12 [sic] fine", "a < b", "Who’s #1?", "C:\\tips", "1 - 2 - 3"],
)
def test_prose_that_is_not_markdown_is_left_alone(plain: str) -> None:
    assert escape(plain) == plain


def test_bullets_become_one_list_even_across_empty_lines() -> None:
    assert (
        markdown_of("Do this:\n  • Smile\n  • Listen\n\n  • Wait\n\nDone.")
        == "Do this:\n\n- Smile\n- Listen\n- Wait\n\nDone."
    )


def test_nested_bullets_stay_nested() -> None:
    found = markdown_of("  • One\n    • One, more exactly\n  • Two\n\n  1. First\n    • Detail\n  2. Second")
    html = shown(found)
    assert found.startswith("- One\n  - One, more exactly\n- Two")
    assert "1. First\n   - Detail\n2. Second" in found
    assert (html.count("<ul>"), html.count("<ol>"), html.count("<li>")) == (3, 1, 6)


def test_a_list_item_keeps_its_second_line() -> None:
    assert "<li>Smile<br />\nalso on the phone</li>" in shown(markdown_of("  • Smile\n    also on the phone\n  • Wait"))


def test_a_bullet_alone_on_its_line_is_joined_with_the_text_below_it() -> None:
    assert markdown_of("  •\n\nSmile\n  •\n\nWait") == "- Smile\n- Wait"


def test_consecutive_numbers_are_a_list_and_a_single_number_is_not() -> None:
    assert markdown_of("1. Look.\n2. Speak.") == "1. Look.\n2. Speak."
    assert markdown_of("1. Look.\n\nThen think.\n\n2. Speak.") == "1. Look.\n\nThen think.\n\n2. Speak."
    assert markdown_of("1. That is what we want to be.") == "1\\. That is what we want to be."
    assert markdown_of("2014. What a year.") == "2014\\. What a year."


def test_one_dash_is_before_a_name_and_two_make_a_list() -> None:
    assert markdown_of("“Listen first.”\n\n- A wise baker") == "“Listen first.”\n\n\\- A wise baker"
    assert markdown_of("- Smile\n- Wait") == "- Smile\n- Wait"


def test_verse_keeps_its_line_breaks_and_stanzas() -> None:
    found = markdown_of("Bread is warm,\nButter cold,\nBoth are sold.\n\nEat it now,\nNot when old.")
    assert found == "Bread is warm,\\\nButter cold,\\\nBoth are sold.\n\nEat it now,\\\nNot when old."
    assert shown(found).count("<br />") == 3


@pytest.mark.parametrize(
    "head", ["Why It Works", "Step 2 – Ask Twice", "Patience", "FOLLOW UP", "What to Do With a Quiet Loaf"]
)
def test_a_short_line_in_title_case_above_text_is_a_subheading(head: str) -> None:
    assert markdown_of(f"Some words.\n\n{head}\n\nBecause it does.") == f"Some words.\n\n## {head}\n\nBecause it does."


@pytest.mark.parametrize(
    "line",
    [
        "What drives culture?",
        "And here is why:",
        "Which brings me to bread",
        "“Great Job”",
        "– Ada the Baker",
        "It sings.",
        "A Rather Long Line in Heading Case That Goes On and On and On Forever",
    ],
)
def test_a_line_that_may_be_prose_is_not_a_subheading(line: str) -> None:
    assert "#" not in markdown_of(f"Some words.\n\n{line}\n\nBecause it does.")


def test_short_lines_of_verse_and_a_signature_are_not_subheadings() -> None:
    assert "#" not in markdown_of("Smile More\n\nListen Well\n\nFollow Up\n\nThat is all of it.\n\nAda Baker")


def test_a_row_of_asterisks_is_a_horizontal_rule() -> None:
    assert shown(markdown_of("Above.\n* * *\nBelow.")) == "<p>Above.</p>\n<hr />\n<p>Below.</p>\n"


@given(st.lists(NASTY.filter(lambda text: any(c.isalnum() for c in text)), max_size=6))
def test_no_letter_is_lost_from_any_lines(lines: list[str]) -> None:
    html = shown(markdown_of("\n".join(lines)))
    seen = re.sub(r"<[^>]*>|&\w+;", "", html)
    assert [c for c in seen if c.isalpha()] == [c for line in lines for c in line if c.isalpha()]


def test_brackets_across_two_lines_of_verse_are_not_a_link() -> None:
    assert "<a" not in shown(markdown_of("[one\ntwo](three)\n[x]: y"))
