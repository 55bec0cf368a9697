"""The days of a schedule against a reckoning of its own: it looks at every day of 130 years, one after another."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.domain.calendar.schedule import Schedule, SlotHistory
from newsletter.domain.slot_days import MAX_EVERY, MonthDays, SlotDays, Weekdays, is_weekly
from newsletter.domain.tips.season_rule import parse_rule

FIRST = date(1970, 1, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(131 * 365)]

WEEKDAYS = st.sets(st.integers(0, 6), min_size=1).map(sorted).map(tuple)
WEEKLY = st.builds(Weekdays, WEEKDAYS, st.integers(1, MAX_EVERY), st.dates(date(1990, 1, 1), date(2050, 1, 1)))
MONTHLY = st.builds(
    MonthDays,
    st.sampled_from([(1,), (2,), (3,), (4,), (-1,), (1, 3), (2, 4), (1, -1), (1, 2), (1, 2, 3, 4)]),
    st.integers(0, 6),
)


def is_slot(days: SlotDays) -> Callable[[date], bool]:
    """Is a day a slot, told from the day alone: by the number of its ISO week, or by its place in the month?"""
    if isinstance(days, Weekdays):
        weekly = days
        return lambda day: day.weekday() in weekly.weekdays and (_week(day) - _week(weekly.week_of)) % weekly.every == 0
    assert isinstance(days, MonthDays)
    month = days
    return lambda day: (
        day.weekday() == month.weekday
        and ((day.day + 6) // 7 in month.nths or (-1 in month.nths and (day + timedelta(days=7)).month != day.month))
    )


def _week(day: date) -> int:
    """The number of a week since year 1, whose first day was a Monday."""
    return (day.toordinal() - 1) // 7


@given(WEEKLY | MONTHLY, st.integers(300, len(DAYS) - 300))
def test_the_slots_around_a_day_are_those_of_a_reckoning_day_by_day(days: SlotDays, place: int) -> None:
    wanted = is_slot(days)
    near = [day for day in DAYS[place - 120 : place + 120] if wanted(day)]
    day = DAYS[place]

    assert days.on_or_before(day) == near[bisect_right(near, day) - 1]
    assert days.on_or_after(day) == near[bisect_left(near, day)]


@settings(max_examples=20)
@given(WEEKLY | MONTHLY)
def test_the_shortest_gap_and_the_number_of_slots_are_those_of_130_years(days: SlotDays) -> None:
    wanted = is_slot(days)
    slots = [day for day in DAYS if wanted(day)]
    gaps = [(after - before).days for before, after in pairwise(slots)]

    assert days.shortest_gap == min(gaps)
    assert len(slots) == pytest.approx(len(DAYS) / 7 * days.slots_per_week, rel=0.1, abs=2)


@pytest.mark.parametrize(
    ("rule", "when", "slots"),
    [
        ("tue 08:00", "every Tuesday", ["12-01", "12-08", "12-15"]),
        ("tue,thu 08:00", "every Tuesday and Thursday", ["12-01", "12-03", "12-08"]),
        ("mon,wed,fri 08:00", "every Monday, Wednesday, and Friday", ["11-30", "12-02", "12-04"]),
        ("mon,tue,wed,thu,fri 08:00", "every weekday", ["11-30", "12-01", "12-02"]),
        ("mon,tue,wed,thu,fri,sat,sun 08:00", "every day", ["11-29", "11-30", "12-01"]),
        ("first tue 08:00", "on the first Tuesday of the month", ["12-01", "01-05", "02-02"]),
        ("first,third tue 08:00", "on the first and third Tuesday of the month", ["12-01", "12-15", "01-05"]),
        ("last fri 08:00", "on the last Friday of the month", ["12-25", "01-29", "02-26"]),
        ("every 2 weeks tue 08:00 from 2026-12-01", "every other Tuesday", ["12-01", "12-15", "12-29"]),
        (
            "every 3 weeks tue,thu 08:00 from 2026-12-01",
            "every third Tuesday and Thursday",
            ["12-01", "12-03", "12-22"],
        ),
    ],
)
def test_a_rule_names_its_days(rule: str, when: str, slots: list[str]) -> None:
    schedule = Schedule.parse(rule, "America/New_York")
    now = datetime(2026, 11, 29, 3, tzinfo=timezone(timedelta(hours=-5)))
    found = []
    for _slot in slots:
        found.append(schedule.next_slot(now))
        now = schedule.starts_at(found[-1])

    assert [f"{slot:%m-%d}" for slot in found] == slots
    assert schedule.days.when() == when
    assert is_weekly(schedule.days) == (rule == "tue 08:00")


def test_a_schedule_has_no_slot_before_its_start() -> None:
    schedule = Schedule.parse("every 2 weeks tue 08:00 from 2026-12-15", "UTC")

    assert schedule.next_slot(datetime.fromisoformat("2026-11-20T00:00+00:00")) == date(2026, 12, 15)
    assert not schedule.is_slot(date(2026, 12, 1))
    assert "begins on December 15" in SlotHistory().why_not(date(2026, 12, 1), schedule)


@pytest.mark.parametrize(
    ("rule", "gap"),
    [("tue 08:00", 4), ("tue,thu 08:00", 2), ("mon,tue 08:00", 1), ("first tue 08:00", 4), ("tue,fri 08:00", 2)],
)
def test_after_a_change_slots_are_apart_but_never_as_much_as_those_of_the_schedule(rule: str, gap: int) -> None:
    assert Schedule.parse(rule, "UTC").apart == timedelta(days=gap)


@pytest.mark.parametrize(
    ("season", "slot"),
    [
        ("December 25", "2026-12-01"),  # never late
        ("the week of US Thanksgiving", "2026-11-03"),  # that week has no slot
        ("the first Tuesday of January", "2026-01-06"),
        ("10 days after Easter", "2026-05-05"),
        ("the Tuesday after Easter", "2026-04-07"),
    ],
)
def test_a_season_of_a_monthly_newsletter_has_the_slot_nearest_to_its_day(season: str, slot: str) -> None:
    assert str(parse_rule(season).slot_in(2026, Schedule.parse("first tue 08:00", "UTC").days)) == slot


def test_a_season_of_two_weekdays_has_one_slot() -> None:
    days = Schedule.parse("tue,thu 08:00", "UTC").days

    assert str(parse_rule("December 25").slot_in(2026, days)) == "2026-12-24"
    assert str(parse_rule("the week of US Thanksgiving").slot_in(2026, days)) == "2026-11-24"
