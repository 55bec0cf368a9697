"""Parse and format the rule that says when a tip may run again, and the months in which it may."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from newsletter.domain.english import plural
from newsletter.domain.errors import InputError
from newsletter.domain.tips.season_rule import MONTHS

_UNITS = {"year": 365.25, "month": 365.25 / 12, "week": 7.0, "day": 1.0}
"""Days in each unit, as durations in the settings count them: 18 months are 548 days."""
_LONGEST = 36_525  # days
_NEVER = re.compile(r"never|no|false")
_AFTER = re.compile(r"(?:after )?(?P<count>\d{1,4}) (?P<unit>year|month|week|day)s?")
_AT_MOST = re.compile(r"(?:at most )?(?P<count>\d{1,3}) (?:run|time)s?(?: in all)?|(?P<once>once|twice)")
_TO = re.compile(r"(?:only )?(?:to )?(?:(?P<unseen>unseen)(?: readers| subscribers)?|everybody)")
_RANGE = re.compile(r"(?P<first>[a-z]+) (?:to|through|[-–]) (?P<last>[a-z]+)")


@dataclass(frozen=True, slots=True)
class Rerun:
    """A tip's own rule for re-runs; None in a field leaves it to the newsletter's settings.

    never: one run only. after: the least time between two runs. at_most: runs in all.
    unseen: True sends re-runs only to subscribers who have not received the tip, False to everybody.
    """

    never: bool = False
    after: timedelta | None = None
    at_most: int | None = None
    unseen: bool | None = None

    def words(self) -> str:
        """The rule in words that `parse_rerun` reads back; "" if the tip has no rule of its own."""
        if self.never:
            return "never"
        parts = [f"after {span(self.after)}"] if self.after is not None else []
        if self.at_most is not None:
            parts.append(f"at most {plural(self.at_most, 'run')}")
        if self.unseen is not None:
            parts.append("unseen" if self.unseen else "everybody")
        return ", ".join(parts)


def parse_rerun(text: str) -> Rerun:
    """Parse `never`, or any of `after 18 months`, `at most 3 runs`, and `unseen`, separated by commas; raises InputError."""
    words = " ".join(text[:200].casefold().split())
    if not words:
        return Rerun()
    if _NEVER.fullmatch(words):
        return Rerun(never=True)
    after: timedelta | None = None
    at_most: int | None = None
    unseen: bool | None = None
    # Each part may be given once, in any order.
    for part in re.split(r"\s*,\s*(?:and )?|\s+and\s+", words):
        if (found := _AFTER.fullmatch(part)) and after is None and 0 < (days := _days(found)) <= _LONGEST:
            after = timedelta(days=days)
        elif (found := _AT_MOST.fullmatch(part)) and at_most is None and found["count"] != "0":
            at_most = int(found["count"]) if found["count"] else {"once": 1, "twice": 2}[found["once"]]
        elif (found := _TO.fullmatch(part)) and unseen is None:
            unseen = bool(found["unseen"])
        else:
            raise InputError(
                f"{text[:80]!r} is not a rule for reruns",
                fix='Write "never", "after 18 months", "at most 3 runs", "unseen", or "after 2 years, at most 3 runs"',
            )
    return Rerun(after=after, at_most=at_most, unseen=unseen)


def _days(found: re.Match[str]) -> int:
    return round(int(found["count"]) * _UNITS[found["unit"]])


def parse_months(text: str) -> frozenset[int]:
    """Parse `June, July and August` or `June to August`; raises InputError. 1 is January; an empty set is any month."""
    months: set[int] = set()
    for part in re.split(r"\s*,\s*(?:and )?|\s+and\s+", " ".join(text[:200].casefold().split())):
        found = _RANGE.fullmatch(part)
        first, last = (_month(name, text) for name in ((found["first"], found["last"]) if found else (part, part)))
        if first and last:
            # A range may go over the end of the year: November to February.
            months.update((first - 1 + step) % 12 + 1 for step in range((last - first) % 12 + 1))
    return frozenset(months)


def _month(name: str, text: str) -> int:
    if not name:
        return 0
    for number, month in enumerate(MONTHS, start=1):
        if len(name) >= 3 and month.casefold().startswith(name.rstrip(".")):
            return number
    raise InputError(f"{text[:80]!r} is not a list of months", fix='Write "June, July, August" or "June to August"')


def months_in_words(months: Iterable[int]) -> str:
    """The names in the order of the year: June, July and August."""
    names = [MONTHS[month - 1] for month in sorted(months)]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def span(length: timedelta) -> str:
    """A duration in the largest unit of which it is a whole number: 18 months, 2 years, 45 days."""
    for unit, days in _UNITS.items():
        count = round(length.days / days)
        if count and round(count * days) == length.days:
            return plural(count, unit)
    return plural(length.days, "day")
