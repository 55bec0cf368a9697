"""The weekly schedule: which days are slots, when a slot begins, and which slot is due at a given time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from newsletter.domain.english import plural
from newsletter.domain.errors import SettingsError
from newsletter.domain.tips.season_rule import in_words

WEEK = timedelta(days=7)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_RULE = re.compile(r"(?P<day>[a-z]{3})[a-z]*\s+(?P<hour>\d{1,2}):(?P<minute>\d{2})\Z")


@dataclass(frozen=True, slots=True)
class Schedule:
    """One slot a week: a weekday (Monday is 0) and a local time in a time zone."""

    weekday: int
    at: time
    zone: ZoneInfo

    @classmethod
    def parse(cls, rule: str, zone: str) -> Schedule:
        """Read a rule such as `tue 08:00`, and an IANA zone name. Raises SettingsError."""
        fix = 'Write a weekday and a time, as in "tue 08:00"'
        found = _RULE.match(rule.strip().lower())
        if not found or found["day"] not in WEEKDAYS:
            raise SettingsError(f"NEWSLETTER_SCHEDULE is not a weekday and a time: {rule!r}", fix=fix)
        hour, minute = int(found["hour"]), int(found["minute"])
        if hour > 23 or minute > 59:
            raise SettingsError(f"NEWSLETTER_SCHEDULE names a time that does not exist: {rule!r}", fix=fix)
        try:
            return cls(WEEKDAYS.index(found["day"]), time(hour, minute), ZoneInfo(zone))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise SettingsError(
                f"NEWSLETTER_TIMEZONE is not a known zone: {zone!r}", fix="Write an IANA name, as in America/New_York"
            ) from None

    def day_of(self, now: datetime) -> date:
        """The date in the newsletter's time zone. now: aware."""
        return now.astimezone(self.zone).date()

    def starts_at(self, slot: date) -> datetime:
        """The moment (UTC) a slot begins: the first valid minute at or after its local time.

        A local time that daylight saving time skips begins at the jump; one that occurs twice begins the first time.
        """
        wall = datetime.combine(slot, self.at)
        instant = wall.replace(tzinfo=self.zone, fold=0).astimezone(UTC)
        if instant.astimezone(self.zone).replace(tzinfo=None) == wall:
            return instant
        return _after_gap(instant, self.zone)

    def slot_on_or_before(self, day: date) -> date:
        """The last slot on or before `day`."""
        return day - timedelta(days=(day.weekday() - self.weekday) % 7)

    def next_slot(self, now: datetime) -> date:
        """The first slot that has not begun yet."""
        slot = self.slot_on_or_before(self.day_of(now))
        while self.starts_at(slot) <= now:
            slot += WEEK
        return slot

    def last_slot(self, now: datetime) -> date:
        """The last slot that has begun."""
        return self.next_slot(now) - WEEK


def _after_gap(instant: datetime, zone: ZoneInfo) -> datetime:
    """The moment of the jump that made a local time invalid. instant: at most a day and a half after the jump.

    zoneinfo does not list its transitions, so this bisects for the second in which the UTC offset changes. A day and a half,
    because whole days were skipped too: Samoa had no December 30, 2011.
    """
    low, high = instant - timedelta(hours=36), instant
    new = high.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = (low + (high - low) / 2).replace(microsecond=0)
        if middle in (low, high):
            break
        if middle.astimezone(zone).utcoffset() == new:
            high = middle
        else:
            low = middle
    return high


APART = timedelta(days=4)
"""The shortest time between two slots with an issue: after a change of the weekday, the slot nearest to a week later is next."""


@dataclass(frozen=True, slots=True)
class SlotHistory:
    """What an owner's change of the schedule, and a clock that is set back, must not repeat.

    newest: the newest slot that has an issue. sent: the newest one whose issue was sent. ready_at: when the newsletter was
    set up and had its first subscriber; None when it has had an issue, or when that is not known.
    """

    newest: date | None = None
    sent: date | None = None
    ready_at: datetime | None = None

    def allows(self, slot: date, schedule: Schedule) -> bool:
        """May a day on which no issue was planned yet become a slot?"""
        return not self.why_not(slot, schedule)

    def why_not(self, slot: date, schedule: Schedule) -> str:
        """Why no issue can be planned for this day, as a clause; "" if one can."""
        if self.newest and slot <= self.newest:
            return f"the newest issue is the one for {in_words(self.newest)}"
        if self.sent and slot - self.sent < APART:
            return f"the issue for {in_words(self.sent)} was sent only {plural((slot - self.sent).days, 'day')} earlier"
        if self.ready_at and schedule.starts_at(slot) < self.ready_at:
            return "the newsletter was set up later, and its first issue goes out in the first week after that"
        return ""


@dataclass(frozen=True, slots=True)
class Due:
    """A slot that has begun. late_for: how long ago. missed: is the late window over, so that it can no longer be sent?"""

    slot: date
    due_at: datetime
    late_for: timedelta
    missed: bool


def due_slot(schedule: Schedule, now: datetime, late_window: timedelta) -> Due:
    """The last slot that has begun, whether or not it has an issue already. now: aware."""
    slot = schedule.last_slot(now)
    due_at = schedule.starts_at(slot)
    late_for = now - due_at
    return Due(slot, due_at, late_for, missed=late_for > late_window)
