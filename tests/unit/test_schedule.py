"""The weekly schedule: a weekday and a local time, across changes of daylight saving time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from newsletter.domain.calendar.schedule import Schedule, due_slot
from newsletter.domain.errors import SettingsError

DAY = timedelta(hours=24)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_next_slot_is_the_coming_tuesday_until_its_minute_and_then_the_one_after() -> None:
    schedule = Schedule.parse("tue 08:00", "America/New_York")

    assert schedule.next_slot(at("2024-03-05T12:59:59")) == date(2024, 3, 5)
    assert schedule.next_slot(at("2024-03-05T13:00:00")) == date(2024, 3, 12)
    assert schedule.last_slot(at("2024-03-05T13:00:00")) == date(2024, 3, 5)


def test_the_local_time_is_the_same_in_summer_and_winter() -> None:
    schedule = Schedule.parse("tue 08:00", "America/New_York")

    assert schedule.starts_at(date(2024, 3, 5)) == at("2024-03-05T13:00:00")
    assert schedule.starts_at(date(2024, 3, 12)) == at("2024-03-12T12:00:00")


def test_a_local_time_that_is_skipped_begins_at_the_jump() -> None:
    schedule = Schedule.parse("sun 02:30", "America/New_York")

    assert schedule.starts_at(date(2024, 3, 10)) == at("2024-03-10T07:00:00")


def test_a_local_time_that_occurs_twice_begins_the_first_time() -> None:
    schedule = Schedule.parse("sun 01:30", "America/New_York")

    assert schedule.starts_at(date(2024, 11, 3)) == at("2024-11-03T05:30:00")


def test_a_day_that_a_zone_skipped_begins_at_the_first_minute_after_it() -> None:
    schedule = Schedule.parse("fri 08:00", "Pacific/Apia")  # no 30 December 2011 there

    assert schedule.starts_at(date(2011, 12, 30)) == at("2011-12-30T10:00:00")


def test_a_slot_is_due_within_the_late_window_and_missed_beyond_it() -> None:
    schedule = Schedule.parse("tue 08:00", "UTC")
    due = due_slot(schedule, at("2024-03-06T07:00:00"), DAY)
    missed = due_slot(schedule, at("2024-03-06T08:00:01"), DAY)

    assert (due.slot, due.late_for, due.missed) == (date(2024, 3, 5), timedelta(hours=23), False)
    assert (missed.slot, missed.missed) == (date(2024, 3, 5), True)


@pytest.mark.parametrize("rule", ["", "tuesday", "8:00", "xyz 08:00", "tue 24:00", "tue 08:60", "tue 8"])
def test_an_invalid_rule_is_refused_with_a_fix(rule: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Schedule.parse(rule, "UTC")

    assert "tue 08:00" in str(caught.value)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(SettingsError):
        Schedule.parse("tue 08:00", zone)
