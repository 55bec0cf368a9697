"""The quarterly issue: the quarter of a date, when its issue is due, and the best tip of it."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain.calendar.quarterly import Quarter, QuarterRun, best
from newsletter.domain.calendar.schedule import Schedule

SCHEDULE = Schedule.parse("tue 08:00", "America/New_York")
DAY = date(2025, 5, 6)


@pytest.mark.parametrize(
    ("day", "name", "first"),
    [
        (date(2025, 1, 1), "2025-Q1", date(2025, 1, 1)),
        (date(2025, 3, 31), "2025-Q1", date(2025, 1, 1)),
        (date(2024, 2, 29), "2024-Q1", date(2024, 1, 1)),
        (date(2025, 6, 30), "2025-Q2", date(2025, 4, 1)),
        (date(2025, 12, 31), "2025-Q4", date(2025, 10, 1)),
    ],
)
def test_a_date_is_in_its_quarter(day: date, name: str, first: date) -> None:
    assert (str(Quarter.of(day)), Quarter.of(day).first) == (name, first)


@given(st.dates(date(1990, 1, 1), date(2200, 1, 1)))
def test_quarters_follow_each_other_and_each_has_one_issue_due_within_it(day: date) -> None:
    quarter = Quarter.of(day)
    due = SCHEDULE.day_of(quarter.due_at(SCHEDULE))

    assert (quarter.after.before, quarter.before.after) == (quarter, quarter)
    assert quarter.first <= day < quarter.after.first
    assert Quarter.of(due) == quarter
    assert (due.weekday(), (due - quarter.first).days < 7) == (1, True)


def test_the_quarterly_issue_is_due_at_the_time_of_the_weekly_one() -> None:
    assert Quarter(2025, 3).due_at(SCHEDULE) == datetime(2025, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (QuarterRun(1, "a", "A", DAY, useful=3, useless=9, left=9), QuarterRun(2, "b", "B", DAY, useful=2)),
        (QuarterRun(1, "a", "A", DAY, useful=3, useless=9, left=1), QuarterRun(2, "b", "B", DAY, useful=3, left=2)),
        (QuarterRun(1, "a", "A", DAY, useful=3, useless=1), QuarterRun(2, "b", "B", DAY, useful=3, useless=2)),
        (QuarterRun(1, "a", "A", date(2025, 5, 13)), QuarterRun(2, "b", "B", DAY)),
        (QuarterRun(2, "b", "B", DAY), QuarterRun(1, "a", "A", DAY)),
    ],
)
def test_the_best_tip_is_the_most_useful_then_the_one_with_fewest_unsubscribes_then_the_newest(
    better: QuarterRun, worse: QuarterRun
) -> None:
    assert best([better, worse]) == best([worse, better]) == better


def test_without_tips_there_is_no_best_one() -> None:
    assert best([]) is None
