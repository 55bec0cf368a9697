"""Tests of season rules: from words to slots and back to words."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain.errors import InputError
from newsletter.domain.slot_days import Weekdays
from newsletter.domain.tips.season_rule import (
    HOLIDAYS,
    MONTHS,
    Holiday,
    MonthDay,
    Near,
    NthWeekday,
    Rule,
    easter,
    fill_year,
    parse_rule,
)

TUESDAY, THURSDAY = Weekdays((1,)), Weekdays((3,))

RULES = st.builds(
    Rule,
    anchor=st.one_of(
        st.builds(MonthDay, st.integers(1, 12), st.integers(1, 28)),
        st.builds(NthWeekday, st.sampled_from([1, 2, 3, 4, -1]), st.integers(0, 6), st.integers(1, 12)),
        st.builds(Holiday, st.sampled_from(sorted(HOLIDAYS))),
    ),
    near=st.sampled_from(Near),
    days=st.integers(-366, 366),
    weekday=st.none() | st.integers(0, 6),
    year=st.none() | st.integers(1600, 2500),
).map(lambda rule: rule if rule.near is not Near.DAY else Rule(rule.anchor, days=rule.days, year=rule.year))


@pytest.mark.parametrize(
    ("words", "slots"),
    [
        ("25 December", ["2026-12-22", "2027-12-21", "2028-12-19"]),
        ("December 25th", ["2026-12-22", "2027-12-21", "2028-12-19"]),
        ("the Tuesday on or before 25 December", ["2026-12-22", "2027-12-21", "2028-12-19"]),
        ("the Tuesday on or after 1 March", ["2026-03-03", "2027-03-02", "2028-03-07"]),
        ("the first Tuesday of January", ["2026-01-06", "2027-01-05", "2028-01-04"]),
        ("the fourth Tuesday in May", ["2026-05-26", "2027-05-25", "2028-05-23"]),
        ("the last Tuesday of May", ["2026-05-26", "2027-05-25", "2028-05-30"]),
        ("the week of US Thanksgiving", ["2026-11-24", "2027-11-23", "2028-11-21"]),
        ("the Tuesday of the week of US Thanksgiving", ["2026-11-24", "2027-11-23", "2028-11-21"]),
        ("the Tuesday after Easter", ["2026-04-07", "2027-03-30", "2028-04-18"]),
        ("the week before Easter", ["2026-03-31", "2027-03-23", "2028-04-11"]),
        ("the week after Easter", ["2026-04-07", "2027-03-30", "2028-04-18"]),
        ("10 days before Easter", ["2026-03-24", "2027-03-16", "2028-04-04"]),
        ("two weeks after Easter", ["2026-04-21", "2027-04-13", "2028-05-02"]),
        ("the day after Easter", ["2026-04-07", "2027-03-30", "2028-04-18"]),
        ("New Year’s Day", ["2025-12-30", "2026-12-29", "2027-12-28"]),
    ],
)
def test_a_rule_in_words_names_one_slot_a_year(words: str, slots: list[str]) -> None:
    rule = parse_rule(words)

    assert [str(rule.slot_in(year, TUESDAY)) for year in (2026, 2027, 2028)] == slots
    assert all(rule.matches(date.fromisoformat(slot), TUESDAY) for slot in slots)


@pytest.mark.parametrize(
    "words", ["2027-03-02", "2 March 2027", "March 2, 2027", "the Tuesday on or before 2 March, once in 2027"]
)
def test_a_rule_with_a_year_applies_once(words: str) -> None:
    rule = parse_rule(words)

    assert rule.slot_in(2027, TUESDAY) == date(2027, 3, 2)
    assert not rule.matches(date(2026, 3, 3), TUESDAY)
    assert not any(rule.slot_in(year, TUESDAY) for year in (2026, 2028))
    assert rule.next_slot(date(2027, 3, 3), TUESDAY) is None


def test_a_weekday_beside_before_or_after_means_the_weekday_of_the_newsletter() -> None:
    rule = parse_rule("the Tuesday on or before 25 December")

    assert rule.slot_in(2025, THURSDAY) == date(2025, 12, 25)
    assert rule.slot_in(2024, THURSDAY) == date(2024, 12, 19)


def test_the_nth_of_another_weekday_means_the_slot_of_that_week() -> None:
    assert parse_rule("the first Monday of September").slot_in(2026, TUESDAY) == date(2026, 9, 8)
    assert parse_rule("the first Tuesday of January").slot_in(2027, THURSDAY) == date(2027, 1, 7)


def test_february_29_is_in_leap_years_only() -> None:
    rule = parse_rule("29 February")

    assert [year for year in range(2096, 2106) if rule.slot_in(year, TUESDAY)] == [2096, 2104]


def test_the_slot_for_new_years_day_in_december_belongs_to_the_next_year() -> None:
    rule = parse_rule("New Year's Day")

    assert rule.season_of(date(2026, 12, 29)) == 2027
    assert rule.next_slot(date(2026, 12, 30), TUESDAY) == date(2027, 12, 28)


@pytest.mark.parametrize(
    ("year", "day"),
    [(1818, "1818-03-22"), (1943, "1943-04-25"), (1954, "1954-04-18"), (1981, "1981-04-19"), (2000, "2000-04-23"), (2024, "2024-03-31"), (2038, "2038-04-25"), (2285, "2285-03-22")],
)  # fmt: skip
def test_easter_is_on_the_dates_of_the_almanacs(year: int, day: str) -> None:
    assert str(easter(year)) == day


@given(st.integers(1583, 9000))
def test_easter_is_a_sunday_from_march_22_to_april_25(year: int) -> None:
    assert easter(year).weekday() == 6
    assert date(year, 3, 22) <= easter(year) <= date(year, 4, 25)


@given(st.integers(1583, 3000))
def test_easter_is_the_sunday_after_the_full_moon_of_the_tables(year: int) -> None:
    """Computed independently: the tables of Clavius, by golden number and epact (Explanatory Supplement, 12.3)."""
    golden = year % 19 + 1
    century = year // 100 + 1
    solar, lunar = 3 * century // 4 - 12, (8 * century + 5) // 25 - 5
    epact = (11 * golden + 20 + lunar - solar) % 30
    if epact == 24 or (epact == 25 and golden > 11):
        epact += 1
    moon = 44 - epact + (30 if epact > 23 else 0)
    full = date(year, 3, 1) + timedelta(days=moon - 1)

    assert easter(year) == full + timedelta(days=(6 - full.weekday()) % 7 or 7)


@given(RULES)
def test_the_words_of_a_rule_are_parsed_as_the_same_rule(rule: Rule) -> None:
    assert parse_rule(rule.words()) == rule


@given(RULES, st.integers(1700, 2400), st.integers(0, 6))
def test_a_slot_is_on_the_weekday_of_the_newsletter_and_matches_its_rule(rule: Rule, year: int, weekday: int) -> None:
    days = Weekdays((weekday,))
    slot = rule.slot_in(year, days)

    assert slot is None or (slot.weekday() == weekday and (rule.matches(slot, days) or abs(slot.year - year) > 1))


@pytest.mark.parametrize(
    "words",
    ["", "Tuesday", "every Tuesday", "30 February", "2027-02-29", "2027-13-01", "32 May", "the fifth Tuesday of May",
     "Eastern", "in 2027", "the Tuesday 3 days before Easter", "999 weeks before Easter", "25 December 0000", "x" * 500],
)  # fmt: skip
def test_text_that_is_not_a_season_is_rejected_with_examples(words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_rule(words)

    assert "December 25" in caught.value.fix
    assert len(str(caught.value)) < 600


@given(st.text(max_size=60) | st.lists(st.sampled_from(["the", "week", "of", "before", "Tuesday", "Easter", "3", "days", "2027", *MONTHS]), max_size=7).map(" ".join))  # fmt: skip
def test_any_text_is_a_rule_or_an_input_error(text: str) -> None:
    try:
        rule = parse_rule(text)
    except InputError:
        return
    assert parse_rule(rule.words()) == rule
    rule.next_slot(date(2027, 1, 5), TUESDAY)


def test_every_year_placeholder_in_a_title_is_filled() -> None:
    assert fill_year("{{ year }}: the best of {{year}}", 2027) == "2027: the best of 2027"
    assert fill_year("{{ name }} stays", 2027) == "{{ name }} stays"
