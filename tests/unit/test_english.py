"""Counts and the ends of sentences, in every message that the program puts together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from newsletter.domain.english import ended, people, plural

PACKAGE = Path(__file__).parents[2] / "newsletter"
# A count in braces and a noun that is always plural, as in f"{weeks} weeks".
ALWAYS_PLURAL = re.compile(
    r"\{(?:len\()?[\w.]*(?:weeks|count|number|waiting|added|total|days|years|quarterly|asked)\)?(?::,)?\} (?:[a-z]+ )?"
    r"(?:weeks|days|tips|emails|subscribers|issues|people|years|rows|passages|addresses)\b"
)


@pytest.mark.parametrize(
    ("count", "noun", "words"),
    [
        (0, "week", "0 weeks"),
        (1, "week", "1 week"),
        (2, "week", "2 weeks"),
        (1, "entry", "1 entry"),
        (2, "entry", "2 entries"),
        (2, "day", "2 days"),
        (60_000, "subscriber", "60,000 subscribers"),
    ],
)
def test_a_count_and_its_noun_agree(count: int, noun: str, words: str) -> None:
    assert plural(count, noun) == words


def test_a_person_is_not_people() -> None:
    assert [people(count) for count in (0, 1, 2)] == ["0 people", "1 person", "2 people"]


@pytest.mark.parametrize(
    ("text", "words"),
    [("Is it right?", "Is it right?"), ("It is", "It is."), ("Stop.", "Stop."), ("and so on…", "and so on…")],
)
def test_a_sentence_has_one_mark_at_its_end(text: str, words: str) -> None:
    assert ended(text) == words


def test_no_message_has_a_noun_that_is_always_plural() -> None:
    found = {
        f"{path.relative_to(PACKAGE)}: {match[0]}"
        for path in PACKAGE.rglob("*.py")
        for match in ALWAYS_PLURAL.finditer(path.read_text(encoding="utf-8"))
        if "demo" not in path.parts
    }
    assert found == set()
