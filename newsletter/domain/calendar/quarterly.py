"""One best tip every three months, for those who left and asked for it: when it is due, and which one is the best."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from newsletter.domain.calendar.schedule import Schedule

ASKED_BEFORE = timedelta(days=28)
"""How long before the letter somebody must have asked for it: nobody hears from us in the weeks after leaving."""
LATE = timedelta(days=30)
"""How late the letter of a quarter may go, so that two of them are two months apart at least."""


@dataclass(frozen=True, slots=True)
class Quarter:
    """Three months; number: 1 to 4."""

    year: int
    number: int

    @classmethod
    def of(cls, day: date) -> Quarter:
        """The quarter a day lies in."""
        return cls(day.year, (day.month + 2) // 3)

    def __str__(self) -> str:
        return f"{self.year}-Q{self.number}"

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.year, 3 * self.number - 2, 1)

    @property
    def before(self) -> Quarter:
        """The one before it."""
        return Quarter.of(self.first - timedelta(days=1))

    @property
    def after(self) -> Quarter:
        """The one after it."""
        return Quarter.of(self.first + timedelta(days=93))

    def due_at(self, schedule: Schedule) -> datetime:
        """When its letter goes (UTC): with the first weekly slot of the quarter."""
        return schedule.starts_at(schedule.slot_on_or_before(self.first + timedelta(days=6)))


@dataclass(frozen=True, slots=True)
class QuarterRun:
    """A tip that ran in a quarter: the day it last did, what readers answered, how many left by its letters."""

    tip_id: int
    key: str
    title: str
    last_on: date
    useful: int = 0
    useless: int = 0
    left: int = 0


def best(ran: Iterable[QuarterRun]) -> QuarterRun | None:
    """The one most readers found useful; among equals the one fewest left by, fewest found useless, that ran last."""
    return max(ran, key=lambda one: (one.useful, -one.left, -one.useless, one.last_on, one.tip_id), default=None)
