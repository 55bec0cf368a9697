"""Tests of rules for re-runs and of months: from words to values and back to words."""

from __future__ import annotations

from datetime import timedelta

import pytest

from newsletter.domain.errors import InputError
from newsletter.domain.tips.rerun_rule import Rerun, months_in_words, parse_months, parse_rerun


@pytest.mark.parametrize(
    "words",
    [
        "",
        "never",
        "after 18 months",
        "after 2 years, at most 3 runs",
        "at most 1 run",
        "after 45 days",
        "unseen",
        "at most 2 runs, everybody",
    ],
)
def test_the_words_of_a_rule_are_parsed_as_the_same_rule(words: str) -> None:
    assert parse_rerun(words).words() == words


def test_eighteen_months_have_as_many_days_as_in_the_settings() -> None:
    assert parse_rerun("18 months") == parse_rerun("after 548 days") == Rerun(after=timedelta(days=548))


@pytest.mark.parametrize(
    "words",
    ["sometimes", "after 0 days", "after 3 fortnights", "at most 0 runs", "never, after 2 years", "after 9999 years"],
)
def test_text_that_is_not_a_rule_is_rejected(words: str) -> None:
    with pytest.raises(InputError):
        parse_rerun(words)


def test_the_audience_of_a_rerun_has_several_spellings() -> None:
    assert parse_rerun("after 2 years, only to unseen readers") == Rerun(after=timedelta(days=730), unseen=True)
    assert parse_rerun("only to unseen subscribers") == Rerun(unseen=True)
    assert parse_rerun("unseen, at most 3 runs") == Rerun(at_most=3, unseen=True)
    assert parse_rerun("to everybody").unseen is False
    with pytest.raises(InputError):
        parse_rerun("unseen, everybody")


def test_months_are_parsed_as_a_list_or_as_a_range() -> None:
    assert parse_months("") == frozenset()
    assert parse_months("June, July and Aug.") == {6, 7, 8}
    assert parse_months("November to February") == {11, 12, 1, 2}
    assert months_in_words({8, 6, 7}) == "June, July and August"
    with pytest.raises(InputError):
        parse_months("summer")
