"""The schedule: which days are slots, when a slot begins, and which slot is due at a given time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from math import ceil
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from newsletter.domain.english import plural
from newsletter.domain.errors import SettingsError
from newsletter.domain.slot_days import DAY, WEEK, MonthDays, SlotDays, Weekdays, slots_from
from newsletter.domain.tips.season_rule import ORDINALS, in_words

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAYS = rf"(?:{'|'.join(WEEKDAYS)})(?:,(?:{'|'.join(WEEKDAYS)}))*"
_NTHS = rf"(?:{'|'.join(ORDINALS)})(?:,(?:{'|'.join(ORDINALS)}))*"
_RULE = re.compile(
    rf"(?:every (?P<every>[1-8]) weeks |(?P<nths>{_NTHS}) )?(?P<days>{_DAYS}) (?P<hour>\d{{2}}):(?P<minute>\d{{2}})"
    r"(?: from (?P<start>\d{4}-\d\d-\d\d))?"
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Slots on certain days, at a local time in a time zone. start: the schedule has no slot before this day."""

    days: SlotDays
    at: time
    zone: ZoneInfo
    start: date = date.min

    @classmethod
    def parse(cls, rule: str, zone: str) -> Schedule:
        """Read a rule as `settings.schedules.read_schedule` writes it, and an IANA zone name. Raises SettingsError.

        `tue 08:00` · `tue,thu 08:00` · `first tue 08:00` · `first,third tue 08:00` · `every 2 weeks tue 08:00 from 2026-12-01`
        """
        found = _RULE.fullmatch(rule)
        if not found:
            raise SettingsError(f"NEWSLETTER_SCHEDULE is not a schedule: {rule!r}", fix='Write it as in "tue 08:00"')
        try:
            at, start = time(int(found["hour"]), int(found["minute"])), found["start"]
            begins = date.fromisoformat(start) if start else date.min
        except ValueError:
            fix = 'Write it as in "tue 08:00"'
            raise SettingsError(f"NEWSLETTER_SCHEDULE names a time that does not exist: {rule!r}", fix=fix) from None
        try:
            return cls(_days(found, begins), at, ZoneInfo(zone), begins)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise SettingsError(
                f"NEWSLETTER_TIMEZONE is not a known zone: {zone!r}", fix="Write an IANA name, as in America/New_York"
            ) from None

    def is_slot(self, day: date) -> bool:
        """Is this a day of the schedule?"""
        return day >= self.start and self.days.on_or_before(day) == day

    def after(self, slot: date) -> date:
        """The slot after this day."""
        return self.days.on_or_after(slot + DAY)

    def around(self, day: date) -> tuple[date, date]:
        """The last slot on or before a day, and the one after it."""
        slot = self.days.on_or_before(day)
        return slot, self.after(slot)

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

    def next_slot(self, now: datetime) -> date:
        """The first slot that has not begun yet."""
        ahead = slots_from(self.days.on_or_before(self.day_of(now)), self.days)
        return next(slot for slot in ahead if slot >= self.start and self.starts_at(slot) > now)

    def last_slot(self, now: datetime) -> date:
        """The last slot that has begun; one before `start` if there is no other."""
        slot = self.days.on_or_before(self.day_of(now))
        return slot if self.starts_at(slot) <= now else self.days.on_or_before(slot - DAY)

    def slots_between(self, first: date, last: date) -> int:
        """How many slots there are after `first`, until `last`."""
        return sum(1 for _slot in takewhile(lambda slot: slot <= last, slots_from(self.after(first), self.days)))

    def slots_in(self, weeks: int) -> int:
        """About how many slots there are in so many weeks; 1 or more."""
        return ceil(weeks * self.days.slots_per_week)

    @property
    def gap(self) -> timedelta:
        """The shortest time between two slots, but not more than a week."""
        return timedelta(days=min(self.days.shortest_gap, WEEK.days))

    @property
    def apart(self) -> timedelta:
        """The shortest time between two slots with an issue: after a change of the days, the slot nearest to a week later is next.

        For slots less than a week apart it is the same share of the time between them.
        """
        return timedelta(days=-(-4 * self.gap.days // WEEK.days))


def _days(found: re.Match[str], start: date) -> SlotDays:
    weekdays = tuple(sorted({WEEKDAYS.index(day) for day in found["days"].split(",")}))
    if found["nths"]:
        nths = {ORDINALS[nth] for nth in found["nths"].split(",")}
        return MonthDays(tuple(sorted(nths, key=lambda nth: nth % 6)), weekdays[0])
    if found["every"]:
        return Weekdays(weekdays, int(found["every"]), start)
    return Weekdays(weekdays)


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
        if slot < schedule.start:
            return f"the schedule begins on {in_words(schedule.start)}"
        if self.sent and slot - self.sent < schedule.apart:
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
