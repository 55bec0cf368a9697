"""Dates as people write them in commands."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from newsletter.domain.errors import UsageError
from newsletter.domain.written_dates import WrittenDates

NEW_YORK = ZoneInfo("America/New_York")
# Monday, November 30, 2026, 21:00 in New York: already December 1 in UTC.
NOW = datetime(2026, 12, 1, 2, 0, tzinfo=UTC)
AMERICAN, GERMAN = WrittenDates(NOW, NEW_YORK), WrittenDates(NOW, NEW_YORK, day_first=True)
CHRISTMAS_WEEK = date(2026, 12, 29)


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-29", "20261229", "2026/12/29", "December 29, 2026", "december 29 2026", "Dec 29", "Dec. 29th, 2026",
        "29 December", "29th of December", "29 Dec 2026", "29-Dec-2026", "12/29/2026", "12/29/26", "12/29", "12-29-2026",
        "29/12/2026", "29.12.2026", "29.12.", "29. 12. 2026", "29. Dezember", "29. Dez. 2026", "Tuesday, December 29",
        "Di, 29.12.2026", "  the 29th of december ", "on Dec 29",
    ],
)  # fmt: skip
def test_a_date_is_read_as_people_write_it(text: str) -> None:
    assert AMERICAN.day(text) == CHRISTMAS_WEEK
    assert GERMAN.day(text) == CHRISTMAS_WEEK


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("today", date(2026, 11, 30)),
        ("heute", date(2026, 11, 30)),
        ("tomorrow", date(2026, 12, 1)),
        ("morgen", date(2026, 12, 1)),
        ("the day after tomorrow", date(2026, 12, 2)),
        ("übermorgen", date(2026, 12, 2)),
        ("monday", date(2026, 11, 30)),
        ("next Monday", date(2026, 12, 7)),
        ("next Tuesday", date(2026, 12, 1)),
        ("Tues.", date(2026, 12, 1)),
        ("this thu", date(2026, 12, 3)),
        ("nächsten Dienstag", date(2026, 12, 1)),
        ("am Donnerstag", date(2026, 12, 3)),
        ("in 2 weeks", date(2026, 12, 14)),
        ("in einer Woche", date(2026, 12, 7)),
        ("in 3 days", date(2026, 12, 3)),
        ("November 30", date(2026, 11, 30)),
        ("November 29", date(2027, 11, 29)),
        ("Feb 29", date(2028, 2, 29)),
        ("May 4", date(2027, 5, 4)),
        ("4. Mai", date(2027, 5, 4)),
        ("März 3", date(2027, 3, 3)),
    ],
)
def test_a_date_without_a_year_is_the_next_one(text: str, day: date) -> None:
    assert AMERICAN.day(text) == day


def test_the_language_decides_which_number_is_the_month() -> None:
    assert AMERICAN.day("4/9/2027") == date(2027, 4, 9)
    assert GERMAN.day("4/9/2027") == date(2027, 9, 4)
    assert AMERICAN.day("4.9.2027") == GERMAN.day("4.9.2027") == date(2027, 9, 4)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("thu 10:00", (date(2026, 12, 3), time(10))),
        ("Thursday at 10 a.m.", (date(2026, 12, 3), time(10))),
        ("Do um 10 Uhr", (date(2026, 12, 3), time(10))),
        ("monday 20:59", (date(2026, 12, 7), time(20, 59))),
        ("monday 21:01", (date(2026, 11, 30), time(21, 1))),
        ("2026-12-03T10:00", (date(2026, 12, 3), time(10))),
        ("2026-12-03 10:00", (date(2026, 12, 3), time(10))),
        ("2026-12-03T15:00Z", (date(2026, 12, 3), time(10))),
        ("2026-12-04T02:30:00+01:00", (date(2026, 12, 3), time(20, 30))),
        ("December 3, 12:15pm", (date(2026, 12, 3), time(12, 15))),
        ("12/3 12 am", (date(2026, 12, 3), time(0))),
        ("tomorrow noon", (date(2026, 12, 1), time(12))),
        ("3.12. 18.30 Uhr", (date(2026, 12, 3), time(18, 30))),
        ("12/29/2026", (CHRISTMAS_WEEK, None)),
        ("Dec 29", (CHRISTMAS_WEEK, None)),
    ],
)
def test_a_time_is_read_with_its_date(text: str, moment: tuple[date, time | None]) -> None:
    assert AMERICAN.moment(text) == moment


@pytest.mark.parametrize(
    "text",
    ["", "soon", "tip-3", "2026-13-01", "February 30", "29/29/2026", "Decembre 29", "12", "2026", "thu 25:00", "Dec 29 13 pm",
     "mar", "29 Dec 2026 extra", "marvel 3", "in 2 moons", "next", "10:00"],
)  # fmt: skip
def test_what_is_no_date_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match="is not a date"):
        AMERICAN.moment(text)


def test_a_weekday_that_does_not_fit_the_date_is_refused() -> None:
    with pytest.raises(UsageError, match="December 29, 2026 is a Tuesday, not a Monday"):
        AMERICAN.day("Monday, December 29")
