"""Slots of weekly schedules."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta


def weekly(first: date, weeks: int) -> Iterator[date]:
    """The slots of so many weeks, on the weekday of the first one."""
    return (first + timedelta(weeks=step) for step in range(weeks))
