"""Tests of linting: what an editor would mark in a tip and what not, and how fast similar tips are found."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import frontmatter
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain.tips.lint import Finding, Level, lint
from newsletter.domain.tips.season_rule import parse_rule
from newsletter.domain.tips.similarity import SimilarityIndex
from newsletter.domain.tips.tip import TipText

TODAY = date(2026, 11, 22)
PICTURE = "/media/0123456789abcdef01234567-800x600.jpg"
SEEDS = Path(__file__).resolve().parents[2] / "seeds"
PLAIN = "The phone rang, and Mira let it ring once more before she took it, because a smile needs a moment. " * 4
GOOD = TipText("Let it ring once more", PLAIN, takeaway="Take one breath before you answer.")


def marks(body: str) -> list[tuple[str, str]]:
    """The rule and level of every finding in a good tip to which this text was added."""
    return [(found.rule, found.level.value) for found in lint(replace(GOOD, body=f"{PLAIN}\n\n{body}"), today=TODAY)]


def test_a_good_tip_has_no_findings() -> None:
    assert lint(GOOD, today=TODAY) == []


@pytest.mark.parametrize(
    ("sentence", "rule"),
    [
        ("A survey last year asked nine hundred nurses.", "relative-time"),
        ("I spoke at a fair this past month.", "relative-time"),
        ("Over the past few years, waiting has become shorter.", "relative-time"),
        ("A few weeks ago, a man came in.", "relative-time"),
        ("This year, try something else.", "this-year"),
        ("I recently bought a lamp.", "recency"),
        ("These days nobody waits.", "recency"),
        ("Nowadays nobody waits.", "recency"),
        ("Before the upcoming move, tell them.", "recency"),
        ("A recent study of hotels says the same.", "recency"),
        ("We currently answer in a day.", "currently"),
        ("In 2023, the office moved.", "year"),
        ("He watched the Olympics in the waiting room.", "event"),
        ("Before the presidential election, the lines were long.", "event"),
        ("The repair cost $20,000.", "price"),
        ("The repair cost 300 euros.", "price"),
        ("Merry Christmas to all of you.", "season"),
        ("She sent a fax.", "technology"),
        ("Dear {{ first_name }}, thank you.", "placeholder"),
        ("TODO: find an ending.", "placeholder"),
        ("Write to [insert name] today.", "placeholder"),
        ("“Write to [insert name] today,” she said.", "placeholder"),
        ("Dear *|FNAME|*, thank you.", "placeholder"),
        ("Dear \\*|FNAME|\\*, thank you.", "placeholder"),
        ("Dear [First Name], thank you.", "placeholder"),
        ("Dear \\[First Name\\], thank you.", "placeholder"),
        ("Dear %%name%%, thank you.", "placeholder"),
        ("Dear <<name>>, thank you.", "placeholder"),
        ("Dear {name}, thank you.", "placeholder"),
        ("Dear ${first_name}, thank you.", "placeholder"),
        ("Dear %recipient.name%, thank you.", "placeholder"),
        ("An ending, TK, goes here.", "placeholder"),
        ("Lorem ipsum dolor sit amet.", "placeholder"),
        ("XXX was the number.", "placeholder"),
        ("Read it [here](https://example.org).", "link-text"),
        ("[Click here](https://example.org) to read it.", "link-text"),
        ("Open [this link](https://example.org) to read it.", "link-text"),
        ("[**Read more…**](https://example.org)", "link-text"),
        ("Read [the whole list](https://bit.ly/3abc).", "shortened-url"),
        ("Read <https://t.co/abc>.", "shortened-url"),
        ("See the attached checklist.", "attachment"),
        ("The checklist is attached.", "attachment"),
        ("Open the attachment.", "attachment"),
        ("Next month we move.", "relative-time"),
        ("![a queue](https://elsewhere.example/queue.png)", "picture-elsewhere"),
        ("![a queue](queue.png)", "picture-missing"),
        ("![a queue][1]", "picture-missing"),
        ("NEVER EVER DO THIS to a guest.", "shouting"),
        (f"![]({PICTURE})", "image-alt"),
        ('Look: <img src="queue.png" alt="A queue"> there.', "html"),
        ("One line.<br>Another line.", "html"),
        ("<!-- write the end --> The guest left.", "html"),
        ("Watch <video src='queue.mp4'> today.", "html"),
        ("Look: ![[queue.jpg]] there.", "html"),
        ("[A queue](https://blog.example/queue.jpg?w=300)", "picture-link"),
        ("Read https://example.org/a/long/way today.", "bare-url"),
    ],
)
def test_text_that_ages_or_is_bad_for_delivery_has_one_finding(sentence: str, rule: str) -> None:
    assert [found for found, _level in marks(sentence)] == [rule]


@pytest.mark.parametrize(
    "sentence",
    [
        "“I was here last year,” he said, “and recently my bill was $40.”",
        "At last the year was over, and the last of the month came.",
        "Better than last year is good enough.",
        "In 1921 a waiter wrote it down.",
        "Three thousand guests came.",
        "It's the most used door in the house, e.g. 10/2026 of them.",
        "The current was strong, and the event was small.",
        "Ask the NASA engineer for an FAQ.",
        "The IT team and the HR desk share an ID.",
        f"![a queue of three people]({PICTURE})",
        "Write `<br>` or \\<br> for a new line, and a < b for less than, <Name>, and C++ <vector>.",
        "Write to <info@example.org> or <https://example.org/>.",
        "Read [the whole story](https://example.org/2024/story).",
        "<https://example.org/2024>",
        "Write [your form](https://example.org) in plain words.",
        "This week, call one customer before they call you. Do it today.",
        "He is lent a pen, and the new years of the shop began.",
    ],
)  # fmt: skip
def test_text_that_ages_well_has_no_finding(sentence: str) -> None:
    assert marks(sentence) == []


def test_a_placeholder_in_brackets_may_be_an_example_in_a_quotation() -> None:
    assert marks("Say: “Hello, [customer name].”") == [("placeholder", "warning")]
    assert marks("Dear [customer name],") == [("placeholder", "fault")]


def test_a_finding_gives_place_reason_and_suggestion() -> None:
    body = f"{PLAIN}\n\nA survey last year asked nine hundred nurses how long they wait, and it was long."

    assert lint(replace(GOOD, body=body), today=TODAY) == [
        Finding(
            "body",
            3,
            "A survey last year asked nine hundred nurses…",
            "relative-time",
            "it is relative to the day it was written, but subscribers read it on another day",
            "Write “once” or “one winter,” or leave it out",
            Level.WARNING,
        )
    ]


def test_a_year_in_a_quotation_is_only_a_note() -> None:
    assert marks("The poster said “Best of 2023” in gold.") == [("year", "note")]


def test_a_holiday_is_fine_only_in_a_tip_for_that_season() -> None:
    tip = replace(GOOD, title="A note before Christmas")
    found = {
        words: {mark.rule for mark in lint(tip, today=TODAY, season=parse_rule(words))}
        for words in (
            "the Tuesday on or before 25 December",
            "the first Tuesday of January",
            "the Tuesday after Easter",
            "2 March 2031",
        )
    }

    assert found == {
        "the Tuesday on or before 25 December": set(),
        "the first Tuesday of January": set(),
        "the Tuesday after Easter": {"season"},
        "2 March 2031": {"season"},
    }


def test_a_mention_of_a_holiday_is_a_note_and_a_greeting_is_a_warning() -> None:
    assert marks("It was as quiet as on Christmas morning.") == [("season", "note")]
    assert marks("Happy Easter to you.") == [("season", "warning")]
    assert [mark.level for mark in lint(replace(GOOD, title="Easter at the desk"), today=TODAY)] == [Level.WARNING]


def test_year_in_a_title_is_allowed_and_other_placeholders_are_errors() -> None:
    assert lint(replace(GOOD, title="What we stop in {{ year }}"), today=TODAY) == []
    assert [mark.level for mark in lint(replace(GOOD, title="Hello {{ name }}"), today=TODAY)] == [Level.ERROR]


@pytest.mark.parametrize(
    ("tip", "rule"),
    [
        (replace(GOOD, title="A title that goes on and on until no phone will ever show its end"), "subject-length"),
        (replace(GOOD, title="READ THIS AT ONCE"), "shouting"),
        (replace(GOOD, title="Read this now!!"), "shouting"),
        (replace(GOOD, takeaway=" "), "takeaway"),
        (replace(GOOD, body="word " * 901), "length"),
        (replace(GOOD, body="Too short."), "length"),
        (replace(GOOD, body=""), "length"),
    ],
)
def test_the_length_title_and_takeaway_of_a_tip_are_checked(tip: TipText, rule: str) -> None:
    assert [mark.rule for mark in lint(tip, today=TODAY)] == [rule]


# -- similar tips ------------------------------------------------------------------------------------


def tip(words: str, title: str = "A title of its own") -> TipText:
    return TipText(title, words, takeaway="Do it.")


STORY = " ".join(f"On day {number} the {noun} asked for tea and got it {number} minutes later." for number, noun in enumerate(["guest", "nurse", "clerk", "driver", "pilot", "baker", "tailor", "judge"], start=1))  # fmt: skip


@pytest.mark.parametrize(
    ("other", "shared"),
    [
        (tip(STORY.replace("tea", "water", 2)), "% of the text"),
        (tip(STORY + " " + " ".join(f"Another thing, number {n}, is quite different from what went before." for n in range(60))), "a long passage"),
        (tip("Nothing alike. " * 30, "Whose turn is it at the window?"), "the words of its title"),
    ],
)  # fmt: skip
def test_a_tip_that_is_nearly_the_same_is_found(other: TipText, shared: str) -> None:
    mine = tip(STORY, "At the window: whose turn is it?")
    found = lint(mine, today=TODAY, library=SimilarityIndex({"mine": mine, "other": other}), key="mine")

    assert [mark.rule for mark in found] == ["near-duplicate"]
    assert shared in found[0].reason
    assert "(other)" in found[0].reason


def test_tips_on_one_subject_are_not_duplicates() -> None:
    others = {path.stem: read(path)[0] for path in sorted(SEEDS.glob("*.md"))}
    library = SimilarityIndex(others)

    assert [key for key, text in others.items() if library.similar_to(text, key)] == []


@pytest.mark.slow
def test_a_thousand_tips_are_compared_in_seconds() -> None:
    tips = {
        f"t{n}": tip(" ".join(f"w{n * 7 + word * 13 % 4001}" for word in range(400)), f"title {n}") for n in range(1000)
    }
    started = time.process_time()
    library = SimilarityIndex(tips)

    assert sum(bool(library.similar_to(text, key)) for key, text in tips.items()) < 1000
    assert time.process_time() - started < 10


# -- the starter tips --------------------------------------------------------------------------------


def read(path: Path) -> tuple[TipText, str]:
    post = frontmatter.loads(path.read_text(encoding="utf-8"))
    return TipText(str(post["title"]), post.content, takeaway=str(post.get("takeaway", ""))), str(
        post.get("season", "")
    )


@pytest.mark.parametrize("path", sorted(SEEDS.glob("*.md")), ids=lambda path: path.stem)
def test_a_starter_tip_has_no_findings(path: Path) -> None:
    text, season = read(path)

    assert lint(text, today=TODAY, season=parse_rule(season) if season else None) == []


# -- robustness --------------------------------------------------------------------------------------


@given(st.text(max_size=400), st.text(max_size=80))
def test_any_text_can_be_linted(body: str, title: str) -> None:
    text = TipText(title, body)

    for found in lint(text, today=TODAY, library=SimilarityIndex({"a": text}), key="a"):
        assert 1 <= found.line <= body.count("\n") + title.count("\n") + 1
        assert "\n" not in found.excerpt
        assert found.reason
        assert found.suggestion


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece", ["{{", "<img ", '"', "“", "A", "AA ", "![](", "[your ", "lately ", "a recent x ", "https://", "\n> "]
)
def test_no_text_takes_long(piece: str) -> None:
    started = time.process_time()
    lint(TipText("T", piece * (100_000 // len(piece))), today=TODAY)

    assert time.process_time() - started < 5


def test_code_in_a_title_is_a_warning_because_its_author_may_have_meant_it() -> None:
    found = [finding for finding in lint(replace(GOOD, title="What <b> means"), today=TODAY) if finding.rule == "html"]
    assert [finding.level for finding in found] == [Level.WARNING]
