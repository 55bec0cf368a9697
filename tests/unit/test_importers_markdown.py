"""Tips in Markdown files: what is read, and what is refused with which line and fix."""

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


def refusal(text: str) -> tuple[int, str]:
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


def test_a_title_is_enough_and_such_a_tip_waits_in_the_queue() -> None:
    assert first_state(tip("title: Sweep\ntags:\ndate:"), queue=False) is TipState.FRESH
    assert first_state(tip("title: Sweep\ndate: 2014-08-12"), queue=False) is TipState.ARCHIVE


@pytest.mark.parametrize("day", ["2014-08-12", '"2014-08-12"', "2014-08-12 08:00:00", "2014-08-12T08:00:00Z"])
def test_a_date_is_read_as_a_day(day: str) -> None:
    assert tip(f"title: Sweep\ndate: {day}").published_on == date(2014, 8, 12)


@pytest.mark.parametrize(
    "text", ["\ufeff---\r\ntitle: Sweep\r\n---\r\nNow.\r\n", "\n\n---\ntitle: Sweep\n---\n\nNow.\n"]
)
def test_marks_and_line_ends_of_other_systems_are_taken(text: str) -> None:
    (found,) = parse(text, "tip.md")
    assert isinstance(found, TipText)
    assert (found.title, found.body) == ("Sweep", "Now.")


def test_a_rule_in_the_body_stays_in_the_body() -> None:
    assert tip("title: Sweep", "Above.\n\n---\n\nBelow.").body == "Above.\n\n---\n\nBelow."


@pytest.mark.parametrize(
    ("front", "line", "reason"),
    [
        ("title: Sweep\nauthor: Ada", 3, "unknown key 'author'; the keys are title, date, "),
        ("tags: [a]", 2, "the title is missing; add a line title: …"),
        ("tags: [a]\ntitle:", 3, "the title is missing"),
        ("title: 2014", 2, "title is not a text; put it in quotes"),
        ("title: [Sweep]", 2, "title is not a text"),
        ("title: '?!'", 2, "has no word in it"),
        ("title: |\n  Sweep\n  and rest", 2, "title is more than one line"),
        ('title: "Sweep\\tnow"', 2, "title is more than one line of plain characters"),
        (f"title: {'x' * 201}", 2, "the title has 201 characters; shorten it to 200"),
        (f"title: Sweep\ntakeaway: {'x' * 1001}", 3, "takeaway has 1001 characters; shorten it to 1000"),
        ("title: Sweep\ndate: last week", 3, "date is not a day; write it as 2014-08-12"),
        ("title: Sweep\ndate: 12", 3, "date is not a day"),
        ("title: Sweep\ntags: [1, 2]", 3, "tags is not a list of words"),
        ("title: Sweep\ncategories: {a: b}", 3, "categories is not a list of words"),
        (f"title: Sweep\ntags: {', '.join(map(str, range(51)))}", 3, "tags has more than 50 words"),
        ("title: Sweep\ntags: a: b", 3, "the front matter is not YAML: mapping values are not allowed here"),
        ("title: Sweep\n\ntags: [a", 5, "the front matter is not YAML"),
        ("title: Sweep: now", 2, "the front matter is not YAML"),
        ("title: Sweep\ndate: 2014-02-30", 2, "the front matter cannot be read: day "),
        ("title: \x07", 2, "the front matter cannot be read"),
        ("- a list", 2, "the front matter has no keys"),
        ("", 2, "the front matter has no keys"),
    ],
)
def test_a_fault_is_named_with_its_line_and_the_fix(front: str, line: int, reason: str) -> None:
    found = refusal(f"---\n{front}\n---\n{BODY}")
    assert reason in found[1]
    assert found[0] == line


def test_faults_of_the_whole_file_are_named() -> None:
    assert refusal("# Sweep\n\nNow.") == (
        1,
        "no front matter; begin with a line ---, the keys, and another line ---",
    )
    assert refusal("---\ntitle: Sweep\n\nNow.") == (1, "the front matter has no end; close it with a line ---")
    assert refusal("---\ntitle: Sweep\n---\n\n")[1] == "nothing stands below the front matter; write the tip there"
    assert refusal(f"---\ntitle: Sweep\n---\n{'x' * 100_001}")[1] == (
        "the body has 100001 characters; shorten it to 100000"
    )


def test_front_matter_made_to_hurt_is_refused() -> None:
    assert "cannot be read" in refusal(f"---\ntitle: {'[' * 5_000}\n---\nx")[1]
    assert "shorten it to 20000" in refusal(f"---\ntitle: {'x' * 20_000}\n---\nx")[1]
    bomb = "\n".join(f"l{n}: &l{n} [*l{n - 1},*l{n - 1}]" for n in range(1, 40))
    assert "unknown key 'l0'" in refusal(f"---\nl0: &l0 [x]\n{bomb}\n---\nx")[1]
    assert "not YAML" in refusal("---\ntitle: !!python/object/apply:os.getcwd []\n---\nx")[1]


def test_a_foreign_exception_never_leaves() -> None:
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load("a: b: c")
    assert refusal("---\na: b: c\n---\nx")[0] == 2
