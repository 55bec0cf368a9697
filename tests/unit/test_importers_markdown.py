"""Tests of parsing tips in Markdown files, and of the line and fix of every rejection."""

from __future__ import annotations

from datetime import date

import pytest
import yaml

from newsletter.domain.tips.tip import Rejected, TipState, TipText, first_state
from newsletter.importers.markdown import parse

BODY = "Two hands, one broom.\n\n- Sweep\n- Rest\n"


def tip(front: str, body: str = BODY) -> TipText:
    (found,) = parse(f"---\n{front}\n---\n{body}", "tip.md")
    assert isinstance(found, TipText), found
    return found


def rejection(text: str) -> tuple[int, str]:
    (found,) = parse(text, "tip.md")
    assert isinstance(found, Rejected), found
    assert found.source == "tip.md"
    return found.line, found.reason


def test_all_keys_are_read() -> None:
    assert tip(
        "title: 'Sweep first: talk later'\ndate: 2014-08-12\ncategories: [Floors, Stairs]\n"
        "tags: brooms, quiet  hours\ntakeaway: Sweep before you speak.\nteaser: A broom says more."
    ) == TipText(
        title="Sweep first: talk later",
        body="Two hands, one broom.\n\n- Sweep\n- Rest",
        published_on=date(2014, 8, 12),
        categories=("Floors", "Stairs"),
        tags=("brooms", "quiet hours"),
        takeaway="Sweep before you speak.",
        teaser="A broom says more.",
        source="tip.md",
        line=2,
    )


def test_a_title_is_enough_and_a_tip_without_a_date_is_fresh() -> None:
    assert first_state(tip("title: Sweep\ntags:\ndate:"), queue=False) is TipState.FRESH
    assert first_state(tip("title: Sweep\ndate: 2014-08-12"), queue=False) is TipState.ARCHIVE


@pytest.mark.parametrize("day", ["2014-08-12", '"2014-08-12"', "2014-08-12 08:00:00", "2014-08-12T08:00:00Z"])
def test_a_date_with_a_time_is_read_as_a_date(day: str) -> None:
    assert tip(f"title: Sweep\ndate: {day}").published_on == date(2014, 8, 12)


@pytest.mark.parametrize(
    "text", ["\ufeff---\r\ntitle: Sweep\r\n---\r\nNow.\r\n", "\n\n---\ntitle: Sweep\n---\n\nNow.\n"]
)
def test_byte_order_marks_and_line_endings_of_other_systems_are_accepted(text: str) -> None:
    (found,) = parse(text, "tip.md")
    assert isinstance(found, TipText)
    assert (found.title, found.body) == ("Sweep", "Now.")


def test_a_horizontal_rule_in_the_body_is_kept() -> None:
    assert tip("title: Sweep", "Above.\n\n---\n\nBelow.").body == "Above.\n\n---\n\nBelow."


@pytest.mark.parametrize(
    ("front", "line", "reason"),
    [
        ("title: Sweep\nauthor: Ada", 3, "the key 'author' is unknown; the keys are title, date, "),
        ("tags: [a]", 2, "the title is missing; add a line title: …"),
        ("tags: [a]\ntitle:", 3, "the title is missing"),
        ("title: 2014", 2, "title is not text; put it in quotes"),
        ("title: [Sweep]", 2, "title is not text"),
        ("title: '?!'", 2, "has no word in it"),
        ("title: |\n  Sweep\n  and rest", 2, "title must be one line"),
        ('title: "Sweep\\tnow"', 2, "title must be one line without control characters"),
        (f"title: {'x' * 201}", 2, "the title has 201 characters; shorten it to 200"),
        (f"title: Sweep\ntakeaway: {'x' * 1001}", 3, "takeaway has 1001 characters; shorten it to 1000"),
        ("title: Sweep\ndate: last week", 3, "date is not a valid date; write it as 2014-08-12"),
        ("title: Sweep\ndate: 12", 3, "date is not a valid date"),
        ("title: Sweep\ntags: [1, 2]", 3, "tags must be a list of words"),
        ("title: Sweep\ncategories: {a: b}", 3, "categories must be a list of words"),
        (f"title: Sweep\ntags: {', '.join(map(str, range(51)))}", 3, "tags has more than 50 labels"),
        ("title: Sweep\ntags: a: b", 3, "the front matter is not valid YAML: mapping values are not allowed here"),
        ("title: Sweep\n\ntags: [a", 5, "the front matter is not valid YAML"),
        ("title: Sweep: now", 2, "the front matter is not valid YAML"),
        ("title: Sweep\ndate: 2014-02-30", 2, "the front matter cannot be read: day "),
        ("title: \x07", 2, "the front matter cannot be read"),
        ("- a list", 2, "the front matter has no keys"),
        ("", 2, "the front matter has no keys"),
    ],
)
def test_an_error_is_reported_with_its_line_and_the_fix(front: str, line: int, reason: str) -> None:
    found = rejection(f"---\n{front}\n---\n{BODY}")
    assert reason in found[1]
    assert found[0] == line


def test_errors_of_the_whole_file_are_reported() -> None:
    assert rejection("# Sweep\n\nNow.") == (
        1,
        "there is no front matter; begin with a line ---, then the keys, then another line ---",
    )
    assert rejection("---\ntitle: Sweep\n\nNow.") == (1, "the front matter does not end; end it with a line ---")
    assert rejection("---\ntitle: Sweep\n---\n\n")[1] == "there is no text below the front matter; write the tip there"
    assert rejection(f"---\ntitle: Sweep\n---\n{'x' * 100_001}")[1] == (
        "the body has 100001 characters; shorten it to 100000"
    )


def test_malicious_front_matter_is_rejected() -> None:
    assert "cannot be read" in rejection(f"---\ntitle: {'[' * 5_000}\n---\nx")[1]
    assert "shorten it to 20000" in rejection(f"---\ntitle: {'x' * 20_000}\n---\nx")[1]
    bomb = "\n".join(f"l{n}: &l{n} [*l{n - 1},*l{n - 1}]" for n in range(1, 40))
    assert "the key 'l0' is unknown" in rejection(f"---\nl0: &l0 [x]\n{bomb}\n---\nx")[1]
    assert "not valid YAML" in rejection("---\ntitle: !!python/object/apply:os.getcwd []\n---\nx")[1]


def test_exceptions_of_the_yaml_library_never_reach_the_caller() -> None:
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load("a: b: c")
    assert rejection("---\na: b: c\n---\nx")[0] == 2


def test_a_pasted_text_keeps_its_lists_and_bold_words() -> None:
    pasted = (
        '<meta charset="utf-8"><b style="font-weight:normal" id="docs-internal-guid-1"><p><span style="font-weight:700">'
        "Say it.</span></p><ul><li><p>one</p></li><li><p>two</p></li></ul></b>"
    )
    (found,) = parse(f"---\ntitle: Pasted\n---\n{pasted}\n", "a.md")
    assert isinstance(found, TipText)
    assert found.body == "**Say it.**\n\n- one\n- two"
    (found,) = parse("---\ntitle: Written\n---\nA <b>word</b> in *Markdown*.\n", "a.md")
    assert isinstance(found, TipText)
    assert found.body == "A <b>word</b> in *Markdown*."
