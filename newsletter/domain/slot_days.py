"""Which days have a slot: weekdays, in every week or in every nth one, or certain weekdays of each month."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Protocol

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
NTH = {1: "first", 2: "second", 3: "third", 4: "fourth", -1: "last"}
_EVERY = (
    "{days}",
    "other {days}",
    "third {days}",
    "fourth {days}",
    "fifth {days}",
    "sixth {days}",
    "seventh {days}",
    "eighth {days}",
)
MAX_EVERY = len(_EVERY)
TEXTS = (
    *_EVERY,
    *NTH.values(),
    "day",
    "weekday",
    "{nth} {weekday} of the month",
    "{one} and {other}",
    "{names}, and {last}",
    "every {days}",
    "on the {days}",
)
"""Everything that `words` and `when` say, apart from the names of the weekdays."""
WEEK = timedelta(days=7)
DAY = timedelta(days=1)


Say = Callable[..., str]
"""Translates a text and fills in its placeholders: `say("other {days}", days="Tuesday")`."""
_MONDAY_TO_FRIDAY, _ALL_DAYS = (0, 1, 2, 3, 4), (0, 1, 2, 3, 4, 5, 6)


class SlotDays(Protocol):
    """The days of a schedule, without a beginning or an end."""

    @property
    def weekdays(self) -> tuple[int, ...]:
        """The weekdays it uses, in ascending order; Monday is 0."""
        ...

    @property
    def shortest_gap(self) -> int:
        """The fewest days between two slots."""
        ...

    @property
    def slots_per_week(self) -> float:
        """How many slots an average week has."""
        ...

    def on_or_before(self, day: date) -> date:
        """The last slot on or before a day."""
        ...

    def on_or_after(self, day: date) -> date:
        """The first slot on or after a day."""
        ...

    def words(self, say: Say = str.format) -> str:
        """The days alone: Tuesday; Tuesday and Thursday; other Tuesday; first Tuesday of the month."""
        ...

    def when(self, say: Say = str.format) -> str:
        """The end of a sentence: every Tuesday; every other Tuesday; on the first Tuesday of the month."""
        ...


@dataclass(frozen=True, slots=True)
class Weekdays:
    """Weekdays of each week, or of every nth week. every: n; at most MAX_EVERY; week_of: a day in one of the weeks that count.

    Whole weeks are counted, which begin on Monday (ISO 8601), so several weekdays stay together in one week.
    """

    weekdays: tuple[int, ...]
    every: int = 1
    week_of: date = date(1970, 1, 5)

    @property
    def shortest_gap(self) -> int:
        """As in SlotDays."""
        around = (*self.weekdays, self.weekdays[0] + 7 * self.every)
        return min(after - before for before, after in pairwise(around))

    @property
    def slots_per_week(self) -> float:
        """As in SlotDays."""
        return len(self.weekdays) / self.every

    def on_or_before(self, day: date) -> date:
        """As in SlotDays."""
        weeks, found = self._week_of(day)
        if not weeks and found[0] <= day:
            return max(slot for slot in found if slot <= day)
        return found[-1] - (weeks or self.every) * WEEK

    def on_or_after(self, day: date) -> date:
        """As in SlotDays."""
        weeks, found = self._week_of(day)
        if not weeks and found[-1] >= day:
            return min(slot for slot in found if slot >= day)
        return found[0] + (self.every - weeks) * WEEK

    def words(self, say: Say = str.format) -> str:
        """As in SlotDays."""
        if self.weekdays in (_ALL_DAYS, _MONDAY_TO_FRIDAY):
            days = say("day" if self.weekdays == _ALL_DAYS else "weekday")
        else:
            days = listed([say(WEEKDAYS[weekday]) for weekday in self.weekdays], say)
        return say(_EVERY[self.every - 1], days=days)

    def when(self, say: Say = str.format) -> str:
        """As in SlotDays."""
        return say("every {days}", days=self.words(say))

    def _week_of(self, day: date) -> tuple[int, list[date]]:
        """How many weeks ago the last week that counts was, and the days of this week that would be slots."""
        monday = _monday(day)
        weeks = (monday - _monday(self.week_of)).days // 7 % self.every
        return weeks, [monday + timedelta(days=weekday) for weekday in self.weekdays]


TUESDAYS = Weekdays((1,))


@dataclass(frozen=True, slots=True)
class MonthDays:
    """The nth weekday of each month. nths: 1 to 4, or -1 for the last, in this order; weekday: Monday is 0."""

    nths: tuple[int, ...]
    weekday: int

    @property
    def weekdays(self) -> tuple[int, ...]:
        """As in SlotDays."""
        return (self.weekday,)

    @property
    def shortest_gap(self) -> int:
        """As in SlotDays. The last one of a month may be the fourth one, and the next first one a week later."""
        if len(self.nths) == 1:
            return 28
        weeks = [4 if nth < 0 else nth for nth in self.nths]
        around = (*weeks, weeks[0] + 4)
        return 7 * min(after - before for before, after in pairwise(around) if after > before)

    @property
    def slots_per_week(self) -> float:
        """As in SlotDays."""
        return 12 * len(self.nths) * 7 / 365.2425

    def on_or_before(self, day: date) -> date:
        """As in SlotDays."""
        slots = self._of_month(day.year, day.month)
        if slots[0] > day:
            before = day.replace(day=1) - DAY
            slots = self._of_month(before.year, before.month)
        return max(slot for slot in slots if slot <= day)

    def on_or_after(self, day: date) -> date:
        """As in SlotDays."""
        slots = self._of_month(day.year, day.month)
        if slots[-1] < day:
            after = day.replace(day=28) + timedelta(days=4)
            slots = self._of_month(after.year, after.month)
        return min(slot for slot in slots if slot >= day)

    def words(self, say: Say = str.format) -> str:
        """As in SlotDays."""
        nths = listed([say(NTH[nth]) for nth in self.nths], say)
        return say("{nth} {weekday} of the month", nth=nths, weekday=say(WEEKDAYS[self.weekday]))

    def when(self, say: Say = str.format) -> str:
        """As in SlotDays."""
        return say("on the {days}", days=self.words(say))

    def _of_month(self, year: int, month: int) -> list[date]:
        return sorted({nth_weekday(year, month, self.weekday, nth) for nth in self.nths})


def is_weekly(days: SlotDays) -> bool:
    """Is there one slot in each week?"""
    return len(days.weekdays) == 1 and days.shortest_gap == WEEK.days


def slots_from(day: date, days: SlotDays) -> Iterator[date]:
    """A day, which need not be a slot, and the slots after it, without end."""
    while True:
        yield day
        day = days.on_or_after(day + DAY)


def nth_weekday(year: int, month: int, weekday: int, nth: int) -> date:
    """The nth weekday of a month. weekday: Monday is 0. nth: 1 to 4, or -1 for the last."""
    if nth < 0:
        end = date(year + month // 12, month % 12 + 1, 1) - DAY
        return end - timedelta(days=(end.weekday() - weekday) % 7)
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))


def listed(names: Sequence[str], say: Say) -> str:
    """Names in a row: one; one and other; one, other, and last."""
    if len(names) == 1:
        return names[0]
    if len(names) == 2:
        return say("{one} and {other}", one=names[0], other=names[1])
    return say("{names}, and {last}", names=", ".join(names[:-1]), last=names[-1])


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
