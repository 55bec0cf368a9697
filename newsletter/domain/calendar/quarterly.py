"""The quarterly issue, for unsubscribed people who asked for the best tip every three months: when it is due, and which tip."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from newsletter.domain.calendar.schedule import Schedule

ASKED_BEFORE = timedelta(days=28)
"""How long before the issue someone must have asked for it, so that nobody gets an email right after unsubscribing."""
LATE = timedelta(days=30)
"""How late a quarterly issue may be sent, so that two of them are at least two months apart."""


@dataclass(frozen=True, slots=True)
class Quarter:
    """Three months; number: 1 to 4."""

    year: int
    number: int

    @classmethod
    def of(cls, day: date) -> Quarter:
        """The quarter of a date."""
        return cls(day.year, (day.month + 2) // 3)

    def __str__(self) -> str:
        return f"{self.year}-Q{self.number}"

    @property
    def first(self) -> date:
        """The first day of the quarter."""
        return date(self.year, 3 * self.number - 2, 1)

    @property
    def before(self) -> Quarter:
        """The quarter before this one."""
        return Quarter.of(self.first - timedelta(days=1))

    @property
    def after(self) -> Quarter:
        """The quarter after this one."""
        return Quarter.of(self.first + timedelta(days=93))

    def due_at(self, schedule: Schedule) -> datetime:
        """When its issue is due (UTC): with the first weekly slot of the quarter."""
        return schedule.starts_at(schedule.days.on_or_before(self.first + timedelta(days=6)))


@dataclass(frozen=True, slots=True)
class QuarterRun:
    """A tip that ran in a quarter.

    last_on: the last date it ran. useful, useless: answers to "Was this useful?". left: how many subscribers unsubscribed
    through its emails.
    """

    tip_id: int
    key: str
    title: str
    last_on: date
    useful: int = 0
    useless: int = 0
    left: int = 0


def best(ran: Iterable[QuarterRun]) -> QuarterRun | None:
    """The tip that most subscribers found useful; None when no tip ran.

    Ties go to the tip with fewer unsubscribes, then to the one fewer found useless, then to the one that ran last.
    """
    return max(ran, key=lambda one: (one.useful, -one.left, -one.useless, one.last_on, one.tip_id), default=None)
