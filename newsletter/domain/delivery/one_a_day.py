"""At most one email a day: the later issue of a day waits until the next day for subscribers who asked for that.

The delivery is deferred when its audience is frozen, with this reason and without an attempt. If that day has an email of
another list as well, it waits one more day.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

ONE_A_DAY = "one_a_day"
"""The reason of such a delivery, which it keeps."""
LONGEST = 14
"""Days that a delivery waits at most. It takes as many lists with an issue every day to reach that."""


class Day(NamedTuple):
    """One day in the zone of a list: when it begins and ends, and when a delivery that waited is sent on it; aware."""

    begins: datetime
    ends: datetime
    at: datetime


class Waits(NamedTuple):
    """The deliveries of an issue that wait until another day, and when the last of them is due; aware."""

    number: int
    until: datetime


def days_of(due_at: datetime, now: datetime, zone: ZoneInfo) -> Iterator[Day]:
    """The day on which an audience is frozen, and the days on which its deliveries may be sent instead.

    due_at: of the issue, whose time of day they keep; of an issue that is sent early, the time is that of `now`.
    """
    today, at = now.astimezone(zone).date(), min(due_at, now).astimezone(zone).time()
    for number in range(LONGEST + 1):
        day = today + timedelta(days=number)
        begins, ends = (datetime.combine(day + timedelta(days=more), time(), zone) for more in (0, 1))
        yield Day(*(one.astimezone(UTC) for one in (begins, ends, datetime.combine(day, at, zone))))
