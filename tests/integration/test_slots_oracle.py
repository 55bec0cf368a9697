"""Slots against an independent oracle: `zdump` of the C library reads the zone files, we only read what it prints.

NEWSLETTER_TEST_SLOTS=all asks for every Tuesday, and every slot of RULES, from 1970 to 2100 in every zone, which takes
minutes; else only the days around each change of the clocks are asked for.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zoneinfo
from bisect import bisect_right
from calendar import monthcalendar
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from importlib.resources import files
from itertools import count, pairwise, takewhile
from pathlib import Path

import pytest

from newsletter.domain.calendar.schedule import Schedule
from newsletter.domain.slot_days import Weekdays

HOURS = [time(hour, minute) for hour, minute in ((0, 0), (0, 30), (1, 30), (2, 0), (2, 30), (3, 0), (3, 30), (3, 59))]
EVERY_TUESDAY = os.environ.get("NEWSLETTER_TEST_SLOTS") == "all"
FIRST, LAST = 1970, 2100 if EVERY_TUESDAY else 2030
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  seconds are compared, whatever they are seconds of
_LINE = re.compile(r"(?P<file>\S+) +\w{3} (?P<utc>\w{3} +\d+ [\d:]{8} \d{4}) UTC? = .* gmtoff=(?P<offset>-?\d+)$")

SUNDAY = 6  # the clocks change on Sundays in most zones
MONTHLY = {
    "second sun 02:00": [1],
    "last sun 02:30": [-1],
    "first,third sun 00:30": [0, 2],
}
"""Which Sundays of a month they use."""
EVERY = {
    "every 2 weeks sun 02:30 from 1970-01-04": 2,
    "every 5 weeks sun 00:30 from 1970-01-04": 5,
}
"""Every how many weeks."""

Offsets = list[tuple[float, int]]
"""When an offset from UTC begins, and the offset; in seconds. The first one has no beginning."""


@pytest.fixture(scope="module")
def oracle() -> dict[str, Offsets]:
    """The offsets of each zone; zones with equal files have one name."""
    if not shutil.which("zdump"):
        reason = "zdump is not here: apt-get install libc-bin"
        if os.environ.get("NEWSLETTER_TEST_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    zones = zone_files()
    with ThreadPoolExecutor(2) as pool:
        halves = (list(zones)[place::2] for place in range(2))
        printed = "".join(pool.map(lambda half: zdump(half, FIRST, LAST), halves))
    read = offsets(printed)
    return {name: read[str(path)] for path, name in zones.items() if str(path) in read}


def zone_files() -> dict[Path, str]:
    """The files that `zoneinfo` reads, without duplicates."""
    roots = [*map(Path, zoneinfo.TZPATH), Path(str(files("tzdata").joinpath("zoneinfo")))]
    contents: dict[bytes, tuple[Path, str]] = {}
    for name in sorted(zoneinfo.available_timezones()):
        path = next(root / name for root in roots if (root / name).is_file())
        contents.setdefault(path.read_bytes(), (path, name))
    return dict(contents.values())


def zdump(paths: Iterable[Path], first: int, last: int) -> str:
    command = ["zdump", "-v", "-c", f"{first},{last + 1}", *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stdout  # noqa: S603


def offsets(printed: str) -> dict[str, Offsets]:
    """Each change is two lines: the last second before it, and the first after."""
    changes: dict[str, Offsets] = {}
    for line in printed.splitlines():
        if found := _LINE.match(line):
            moment = datetime.strptime(found["utc"], "%b %d %H:%M:%S %Y")  # noqa: DTZ007
            known = changes.setdefault(found["file"], [])
            offset = int(found["offset"])
            if not known:
                known.append((float("-inf"), offset))
            elif known[-1][1] != offset:
                known.append(((moment - EPOCH).total_seconds(), offset))
    return changes


def first_moment(zone: Offsets, wall: datetime) -> float:
    """The first second at which a clock in this zone shows the local time, or a later one."""
    shown = (wall - EPOCH).total_seconds()
    place = max(bisect_right(zone, (shown - 3 * 86400, 0)) - 1, 0)
    while True:
        begins, offset = zone[place]
        ends = zone[place + 1][0] if place + 1 < len(zone) else float("inf")
        if (moment := max(begins, shown - offset)) < ends:
            return moment
        place += 1


def days_to_ask(zone: Offsets) -> Iterator[date]:
    if EVERY_TUESDAY:
        yield from takewhile(lambda day: day.year <= LAST, (date(FIRST, 1, 6) + timedelta(weeks=n) for n in count()))
        return
    days = set()
    for (_begun, before), (moment, after) in pairwise(zone):
        for offset in (before, after):
            days.add((EPOCH + timedelta(seconds=moment - 1 + offset)).date())
            days.add((EPOCH + timedelta(seconds=moment + offset)).date())
        days.add(max(days) + timedelta(days=1))
    yield from sorted(days)


def monthly(places: Iterable[int]) -> list[date]:
    """These Sundays of each month, by the calendar that `cal` prints."""
    found = set[date]()
    for year in range(FIRST, LAST + 1):
        for month in range(1, 13):
            sundays = [week[SUNDAY] for week in monthcalendar(year, month) if week[SUNDAY]]
            found.update(date(year, month, sundays[place]) for place in places)
    return sorted(found)


def every(weeks: int) -> list[date]:
    """The Sunday of every nth ISO week from 1970-W01 on, in years of 52 and of 53 weeks."""
    numbered = [
        (year, week)
        for year in range(FIRST, LAST + 1)
        for week in range(1, date(year, 12, 28).isocalendar().week + 1)  # December 28 is in the last week of its year
    ]
    return [date.fromisocalendar(year, week, SUNDAY + 1) for year, week in numbered[::weeks]]


SLOTS = {rule: monthly(places) for rule, places in MONTHLY.items()} | {rule: every(n) for rule, n in EVERY.items()}


@pytest.mark.parametrize("rule", SLOTS)
def test_every_slot_of_a_month_and_of_every_nth_week_begins_once_and_leads_to_the_next(
    oracle: dict[str, Offsets], rule: str
) -> None:
    slots, second, asked = SLOTS[rule], timedelta(seconds=1), 0
    following = dict(pairwise(slots))
    for name, zone in oracle.items():
        schedule = Schedule.parse(rule, name)
        near = set(slots if EVERY_TUESDAY else days_to_ask(zone))
        for slot in near & following.keys():
            starts = schedule.starts_at(slot)
            asked += 1
            assert starts.timestamp() == first_moment(zone, datetime.combine(slot, schedule.at)), (name, slot)
            assert schedule.is_slot(slot), (name, slot)
            assert schedule.next_slot(starts - second) == slot, (name, slot)
            assert schedule.last_slot(starts) == slot, (name, slot)
            assert schedule.next_slot(starts) == following[slot], (name, slot)

    assert asked > 500


def test_every_slot_begins_at_the_first_valid_minute_and_once(oracle: dict[str, Offsets]) -> None:
    wrong, asked = [], 0
    for name, zone in oracle.items():
        schedules = [
            [Schedule(Weekdays((weekday,)), at, zoneinfo.ZoneInfo(name)) for weekday in range(7)] for at in HOURS
        ]
        for day in days_to_ask(zone):
            for at, of_weekday in zip(HOURS, schedules, strict=True):
                moment = of_weekday[day.weekday()].starts_at(day).timestamp()
                asked += 1
                if moment != first_moment(zone, datetime.combine(day, at)):
                    wrong.append((name, day.isoformat(), at.isoformat("minutes")))

    assert not wrong, f"{len(wrong)} of {asked}, as {wrong[:20]}"
    assert asked > 100_000


def test_every_slot_around_a_change_is_due_once_and_the_next_is_a_week_later(oracle: dict[str, Offsets]) -> None:
    week, second = timedelta(days=7), timedelta(seconds=1)
    for name, zone in oracle.items():
        changes = [EPOCH + timedelta(seconds=moment + offset) for moment, offset in zone[1:]]
        for day in {change.date() for change in changes[-6:]}:
            for at in HOURS[::2]:
                schedule = Schedule(Weekdays((day.weekday(),)), at, zoneinfo.ZoneInfo(name))
                starts = schedule.starts_at(day)
                assert schedule.next_slot(starts - second) == day, (name, day, at)
                assert schedule.next_slot(starts) == day + week, (name, day, at)
                assert schedule.last_slot(starts) == day, (name, day, at)
                assert schedule.starts_at(day - week) < starts < schedule.starts_at(day + week)


def test_a_zone_that_never_changes_has_a_slot_each_168_hours() -> None:
    for name in ("UTC", "Etc/GMT+12", "Etc/GMT-14"):
        schedule = Schedule(Weekdays((1,)), time(2, 30), zoneinfo.ZoneInfo(name))
        starts = [schedule.starts_at(date(1970, 1, 6) + timedelta(weeks=week)) for week in range(6_835)]

        assert {after - before for before, after in pairwise(starts)} == {timedelta(hours=168)}
        assert starts[0].astimezone(zoneinfo.ZoneInfo(name)).replace(tzinfo=None) == datetime(1970, 1, 6, 2, 30)  # noqa: DTZ001
        assert starts[-1] < datetime(2101, 1, 1, tzinfo=UTC)
