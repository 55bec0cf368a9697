"""The slots of schedules, reckoned naively."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

DAY = timedelta(days=1)


def weekly(first: date, weeks: int) -> Iterator[date]:
    """The slots of so many weeks, on the weekday of the first one."""
    return (first + timedelta(weeks=step) for step in range(weeks))


def every_week(first: date, until: date, weekdays: Iterable[int], *, weeks: int = 1) -> tuple[date, ...]:
    """Some weekdays (Monday is 0) of every nth week, counted in whole weeks from the one of the first day."""
    monday = first - first.weekday() * DAY
    wanted = set(weekdays)
    return tuple(
        day for day in days_from(first, until) if day.weekday() in wanted and (day - monday).days // 7 % weeks == 0
    )


def every_month(first: date, until: date, weekday: int, nth: int) -> tuple[date, ...]:
    """The first, second, third, or fourth of a weekday in each month."""
    return tuple(day for day in days_from(first, until) if day.weekday() == weekday and (day.day - 1) // 7 + 1 == nth)


def days_from(first: date, until: date) -> Iterator[date]:
    """Every day from the first one to the one before `until`."""
    return (first + number * DAY for number in range((until - first).days))
