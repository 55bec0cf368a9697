"""Parse and format season rules, and find the slot of a year that a rule names.

How a rule becomes a slot:
- A weekday next to "before", "after", or "week" means the newsletter's own weekday: "the Tuesday on or before
  25 December" is the Thursday on or before it if issues go out on Thursdays. "slot" means the same without a weekday.
- A day alone ("25 December", "3 days before Easter") is that day or the last slot before it, so that the tip is never
  late. "10 days after Easter" is that day or the first slot after it.
- "the first Monday of September" is the slot of that week. Weeks begin on Monday.
- "the week before Easter" is the seven days before Easter, so the last slot before it.
- In a week without a slot, since issues are further apart, the last slot before it is meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

from newsletter.domain.english import plural
from newsletter.domain.errors import InputError
from newsletter.domain.slot_days import DAY, NTH, WEEK, WEEKDAYS, SlotDays, nth_weekday

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
ORDINALS = {word: nth for nth, word in NTH.items()}
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_EXAMPLES = (
    "December 25",
    "the Tuesday on or before December 25",
    "the first Tuesday of January",
    "the week of US Thanksgiving",
    "the Tuesday after Easter",
    "3 days before Easter",
    "2027-03-01",
    "the Tuesday before Easter, once in 2027",
)


def in_words(day: date) -> str:
    """A day as Americans write it: March 2, 2027. Other languages: `domain.dates`."""
    return f"{MONTHS[day.month - 1]} {day.day}, {day.year}"


def easter(year: int) -> date:
    """Easter Sunday of the western churches, from 1583: the Gregorian algorithm of Meeus, Jones, and Butcher."""
    golden = year % 19
    century, rest = divmod(year, 100)
    leap, left = divmod(century, 4)
    drift = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - leap - drift + 15) % 30
    sunday = (32 + 2 * left + 2 * (rest // 4) - epact - rest % 4) % 7
    late = (golden + 11 * epact + 22 * sunday) // 451
    month, day = divmod(epact + sunday - 7 * late + 114, 31)
    return date(year, month, day + 1)


HOLIDAYS: dict[str, Callable[[int], date]] = {
    "New Year's Day": lambda year: date(year, 1, 1),
    "Valentine's Day": lambda year: date(year, 2, 14),
    "Good Friday": lambda year: easter(year) - timedelta(days=2),
    "Easter": easter,
    "Easter Monday": lambda year: easter(year) + timedelta(days=1),
    "Pentecost": lambda year: easter(year) + timedelta(days=49),
    "Halloween": lambda year: date(year, 10, 31),
    "US Thanksgiving": lambda year: nth_weekday(year, 11, 3, 4),
    "Christmas": lambda year: date(year, 12, 25),
}
_HOLIDAY_BY_WORD = {name.casefold(): name for name in HOLIDAYS} | {
    "thanksgiving": "US Thanksgiving",
    "christmas day": "Christmas",
    "christmas eve": "24 December",
    "easter sunday": "Easter",
    "new year": "New Year's Day",
    "new year's": "New Year's Day",
    "new year's eve": "31 December",
}


@dataclass(frozen=True, slots=True)
class MonthDay:
    """A day of the year; February 29 exists in leap years only."""

    month: int
    day: int

    def on(self, year: int) -> date | None:
        """The day in this year."""
        try:
            return date(year, self.month, self.day)
        except ValueError:
            return None

    def words(self) -> str:
        """As in December 25."""
        return f"{MONTHS[self.month - 1]} {self.day}"


@dataclass(frozen=True, slots=True)
class NthWeekday:
    """The nth weekday of a month. nth: 1 to 4, or -1 for the last. weekday: Monday is 0."""

    nth: int
    weekday: int
    month: int

    def on(self, year: int) -> date | None:
        """The day in this year."""
        return nth_weekday(year, self.month, self.weekday, self.nth)

    def words(self) -> str:
        """For example: the first Tuesday of January."""
        return f"the {NTH[self.nth]} {WEEKDAYS[self.weekday]} of {MONTHS[self.month - 1]}"


@dataclass(frozen=True, slots=True)
class Holiday:
    """A holiday. name: one of HOLIDAYS."""

    name: str

    def on(self, year: int) -> date | None:
        """The day in this year."""
        return HOLIDAYS[self.name](year)

    def words(self) -> str:
        """Its name."""
        return self.name


Anchor = MonthDay | NthWeekday | Holiday


_FAR = timedelta(days=38)  # the longest time between two slots of a month, and a few days


class Near(StrEnum):
    """Where the slot is relative to the day that the rule names."""

    DAY = "day"
    WEEK = "week of"
    BEFORE = "before"
    ON_OR_BEFORE = "on or before"
    ON_OR_AFTER = "on or after"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Rule:
    """A season: one slot a year.

    anchor: the day that the rule names. days: how many days after the anchor, negative for before.
    weekday: as its author wrote it (Monday is 0), for `words` only, since the newsletter's weekday counts.
    year: the rule applies in this year only; None for every year.
    """

    anchor: Anchor
    near: Near = Near.DAY
    days: int = 0
    weekday: int | None = None
    year: int | None = None

    def slot_in(self, year: int, days: SlotDays) -> date | None:
        """The slot for this year's day, which may be in the year before or after; None if this year has none."""
        day = self._day_in(year)
        return _slot(day, days, self._near()) if day else None

    def season_of(self, day: date) -> int | None:
        """The year to whose season an issue of this day belongs, or None if the season is more than five weeks away.

        An issue on December 29 may be next year's New Year's Day, and one that appears once a month may be four weeks early.
        """
        for year in (day.year, day.year + 1, day.year - 1):
            named = self._day_in(year)
            if named and abs(named - day) <= _FAR:
                return year
        return None

    def matches(self, slot: date, days: SlotDays) -> bool:
        """Is this a slot that the rule names?"""
        return any(self.slot_in(year, days) == slot for year in (slot.year, slot.year + 1, slot.year - 1))

    def next_slot(self, day: date, days: SlotDays) -> date | None:
        """The first slot of this rule on or after a day; None if the rule was for a year that is over."""
        # Ten years, since two leap years can be eight years apart (2096 and 2104).
        years = range(day.year - 1, day.year + 10) if self.year is None else (self.year,)
        slots = (self.slot_in(year, days) for year in years)
        return min((slot for slot in slots if slot and slot >= day), default=None)

    def _day_in(self, year: int) -> date | None:
        """The day that the rule names in this year."""
        # The Gregorian calendar is in use since 1583, and `date` ends with the year 9999.
        if not 1583 <= year <= 9990 or self.year not in (None, year):
            return None
        day = self.anchor.on(year)
        return day + timedelta(days=self.days) if day else None

    def words(self) -> str:
        """The rule in words that `parse_rule` reads back."""
        text = self._place() + self._distance() + self.anchor.words()
        if self.year is None:
            return text
        if isinstance(self.anchor, MonthDay) and self.near is Near.DAY and not self.days:
            return f"{text}, {self.year}"
        return f"{text}, once in {self.year}"

    def _near(self) -> Near:
        """The relation to use where the rule names a day alone; see the top of this module."""
        if self.near is not Near.DAY:
            return self.near
        if isinstance(self.anchor, NthWeekday) and not self.days:
            return Near.WEEK
        return Near.ON_OR_AFTER if self.days > 0 else Near.ON_OR_BEFORE

    def _place(self) -> str:
        if self.near is Near.DAY:
            return ""
        if self.near is Near.WEEK:
            return ("" if self.weekday is None else f"the {WEEKDAYS[self.weekday]} of ") + "the week of "
        named = "slot" if self.near in (Near.ON_OR_BEFORE, Near.ON_OR_AFTER) else "week"
        return f"the {named if self.weekday is None else WEEKDAYS[self.weekday]} {self.near} "

    def _distance(self) -> str:
        if not self.days:
            return ""
        count = abs(self.days)
        return f"{plural(count, 'day')} {'before' if self.days < 0 else 'after'} "


def _slot(day: date, days: SlotDays, near: Near) -> date:
    if near is Near.WEEK:
        monday = day - timedelta(days=day.weekday())
        slot = days.on_or_after(monday)
        return slot if slot < monday + WEEK else days.on_or_before(monday)
    if near in (Near.BEFORE, Near.ON_OR_BEFORE):
        return days.on_or_before(day - DAY if near is Near.BEFORE else day)
    return days.on_or_after(day + DAY if near is Near.AFTER else day)


# -- parse -------------------------------------------------------------------------------------------

_MONTH = f"(?P<month>{'|'.join(month.casefold() for month in MONTHS)})"
_WEEKDAY = "|".join(day.casefold() for day in WEEKDAYS)
_ONCE = re.compile(r",?\s+(?:(?:once\s+)?in\s+)?(?P<year>\d{4})\Z")
_YEARLY = re.compile(r",?\s+(?:every year|each year|yearly)\Z")
_ISO = re.compile(r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)\Z")
_NEAR = re.compile(
    rf"(?:the )?(?P<noun>slot|week|{_WEEKDAY}) (?P<near>on or before|on or after|before|after) (?P<rest>.+)"
)
_OF_WEEK = re.compile(rf"(?:(?:the )?(?P<noun>slot|{_WEEKDAY}) (?:of|in) )?(?:the )?week of (?P<rest>.+)")
_DISTANCE = re.compile(
    rf"(?P<count>\d{{1,3}}|an?|the(?= day )|{'|'.join(_NUMBERS)}) (?P<unit>day|week)s? (?P<near>before|after) (?P<rest>.+)"
)
_DAY_MONTH = re.compile(rf"(?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? {_MONTH}\Z")
_MONTH_DAY = re.compile(rf"{_MONTH}(?: the)? (?P<day>\d{{1,2}})(?:st|nd|rd|th)?\Z")
_NTH = re.compile(rf"(?:the )?(?P<nth>{'|'.join(ORDINALS)}) (?P<weekday>{_WEEKDAY}) (?:of|in) {_MONTH}\Z")


def parse_rule(text: str) -> Rule:
    """Parse a season in words. Raises InputError, which gives examples."""
    # Cut first: texts come from imported files, and the patterns below need not see a whole book.
    words = " ".join(text[:200].casefold().replace("’", "'").split()).rstrip(".")
    if iso := _ISO.match(words):
        day = MonthDay(int(iso["month"]), int(iso["day"]))
        return Rule(_real(day, text, int(iso["year"])), year=int(iso["year"]))
    year = None
    if once := _ONCE.search(words):
        words, year = words[: once.start()], int(once["year"])
        if not 1583 <= year <= 9990:
            raise _unreadable(text)
    return replace(_rule(_YEARLY.sub("", words), text, year), year=year)


def _rule(words: str, text: str, year: int | None) -> Rule:
    if found := _OF_WEEK.fullmatch(words):
        return replace(_far(found["rest"], text, year), near=Near.WEEK, weekday=_weekday(found["noun"]))
    # "the week before Easter" is a relation, but "a week before Easter" is a distance, which is tried first.
    distance = _DISTANCE.fullmatch(words)
    if not distance and (found := _NEAR.fullmatch(words)):
        return replace(_far(found["rest"], text, year), near=Near(found["near"]), weekday=_weekday(found["noun"]))
    return _far(words, text, year)


def _far(words: str, text: str, year: int | None) -> Rule:
    """Parse an anchor, or a number of days or weeks before or after one."""
    found = _DISTANCE.fullmatch(words)
    if not found:
        return Rule(_anchor(words, text, year))
    count = found["count"]
    number = int(count) if count.isdecimal() else _NUMBERS.index(count) + 1 if count in _NUMBERS else 1
    days = number * (7 if found["unit"] == "week" else 1)
    if days > 366:
        raise _unreadable(text)
    return Rule(_anchor(found["rest"], text, year), days=days if found["near"] == "after" else -days)


def _anchor(words: str, text: str, year: int | None) -> Anchor:
    # Eves are days of the month: "christmas eve" becomes "24 december", which is parsed below.
    words = _HOLIDAY_BY_WORD.get(words, words).casefold()
    if words in _HOLIDAY_BY_WORD:
        return Holiday(_HOLIDAY_BY_WORD[words])
    if found := _DAY_MONTH.match(words) or _MONTH_DAY.match(words):
        return _real(MonthDay(_month(found["month"]), int(found["day"])), text, year)
    if found := _NTH.match(words):
        return NthWeekday(ORDINALS[found["nth"]], _weekday(found["weekday"]) or 0, _month(found["month"]))
    raise _unreadable(text)


def _real(day: MonthDay, text: str, year: int | None) -> MonthDay:
    """The day if it exists. A rule for every year is checked against 2024, since a leap year has every day."""
    if not 1 <= day.month <= 12 or not (year is None or 1583 <= year <= 9990) or day.on(year or 2024) is None:
        raise InputError(
            f"there is no such day: {_short(text)}", fix='Write a day of the calendar, as in "December 25"'
        )
    return day


def _weekday(noun: str | None) -> int | None:
    names = [day.casefold() for day in WEEKDAYS]
    return names.index(noun) if noun in names else None


def _month(name: str) -> int:
    return [month.casefold() for month in MONTHS].index(name) + 1


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:79] + "…")


def _unreadable(text: str) -> InputError:
    return InputError(
        f"{_short(text)} is not a season", fix="Write it like one of these: " + "; ".join(f'"{x}"' for x in _EXAMPLES)
    )


_YEAR = re.compile(r"\{\{\s*year\s*\}\}")


def fill_year(title: str, year: int) -> str:
    """The title with every `{{ year }}` replaced."""
    return _YEAR.sub(str(year), title)


def title_on(title: str, season: Rule | None, day: date | None) -> str:
    """The title in an issue of that day: `{{ year }}` is the year of its season, or of the day; it is removed without a day."""
    if "{" not in title:
        return title
    if day is None:
        return " ".join(_YEAR.sub("", title).split())
    return fill_year(title, (season and season.season_of(day)) or day.year)
