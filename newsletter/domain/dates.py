"""Dates and times in words: American English, unless the catalog of a language says how it writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from newsletter.domain.tips.season_rule import MONTHS, in_words

DATE, TIME, UNKNOWN = "{month} {day}, {year}", "8:00 AM", "some time ago"
"""The keys of a catalog under which a language writes its dates, its times, and a date that is not known."""
_CLOCK = re.compile("08|8|00|AM")


@dataclass(frozen=True, slots=True)
class DateForm:
    """How one language writes dates and times; the default is American English.

    pattern: a date with {day}, {month} and {year}; "" for `in_words`. months: January first. clock: the way 8:00 AM is
    written, from which every other time follows: 08:00, 8.00, 8:00 Uhr.
    """

    pattern: str = ""
    months: tuple[str, ...] = ()
    clock: str = TIME
    unknown: str = UNKNOWN

    @property
    def is_english(self) -> bool:
        """Are the months written in English?"""
        return not self.months or self.months[0] == MONTHS[0]

    def day(self, day: date) -> str:
        """A date, as in December 1, 2026."""
        if not self.pattern:
            return in_words(day)
        values = {"day": str(day.day), "month": self.months[day.month - 1], "year": str(day.year)}
        return re.sub(r"\{(day|month|year)\}", lambda name: values[name[1]], self.pattern)

    def time(self, at: time | datetime) -> str:
        """A time of day, as in 8:00 AM."""
        hour = (at.hour % 12 or 12) if "AM" in self.clock else at.hour
        half = "AM" if at.hour < 12 else "PM"
        values = {"08": f"{hour:02}", "8": str(hour), "00": f"{at.minute:02}", "AM": half}
        return _CLOCK.sub(lambda part: values[part[0]], self.clock)


AMERICAN = DateForm()


def moment_in_words(at: datetime) -> str:
    """A weekday and a time, as in Tuesday at 8:00 AM, in the zone of `at`."""
    return f"{at:%A} at {AMERICAN.time(at)}"


def read_time(text: str) -> time:
    """A time that `DateForm` wrote in American English."""
    clock, _, half = text.partition(" ")
    hour, _, minute = clock.partition(":")
    return time(int(hour) % 12 + (12 if half == "PM" else 0), int(minute))


def days_before(day: date, rest: timedelta | None) -> date | None:
    """The day so long before another one, as far as there are dates; None for a rest without end."""
    if rest is None:
        return None
    return date.min if rest > day - date.min else day - rest


def days_after(day: date, rest: timedelta) -> date:
    """The day so long after another one, as far as there are dates."""
    return date.max if rest > date.max - day else day + rest
