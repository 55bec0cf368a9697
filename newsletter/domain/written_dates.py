"""Read dates and times as people write them in commands: December 29, 12/29, next Tuesday, thu 10:00; English and German."""

from __future__ import annotations

import re
from calendar import isleap
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from newsletter.domain.errors import UsageError
from newsletter.domain.slot_days import WEEKDAYS
from newsletter.domain.tips.season_rule import in_words

_AS_IN = "Write it as December 29, 12/29/2026, or 2026-12-29"
_AS_IN_DAY_FIRST = "Write it as 29 December, 29.12.2026, or 2026-12-29"

_DAYS = {"today": 0, "tonight": 0, "heute": 0, "tomorrow": 1, "morgen": 1, "day after tomorrow": 2, "übermorgen": 2}
_DAYS |= {"yesterday": -1, "gestern": -1}
_WEEKDAY = {
    word: number
    for number, words in enumerate(
        (
            "mon monday mo montag", "tue tues tuesday di dienstag", "wed weds wednesday mi mittwoch",
            "thu thur thurs thursday do donnerstag", "fri friday fr freitag", "sat saturday sa samstag sonnabend",
            "sun sunday so sonntag",
        )
    )
    for word in words.split()
}  # fmt: skip
_MONTHS = ("jan", "feb", "mar mär mrz", "apr", "may mai", "jun", "jul", "aug", "sep", "oct okt", "nov", "dec dez")
_MONTH = {start: number for number, starts in enumerate(_MONTHS, start=1) for start in starts.split()}
_LONG_MONTH = re.compile(
    "januar|january|februar|february|march|märz|april|june|juni|july|juli|august|september|october|oktober|november|december|dezember"
)

_LEADING = re.compile(r"(?:on|at|the|this|coming|next|am|den|der|dem|(?:nächste|kommende|diese)[rnms]?)\s+")
_NEXT = re.compile(r"(?:next|nächste[rnms]?)\s+")
_CLOCK = r"(?P<hour>\d{1,2})(?:[:.h](?P<minute>\d\d)(?::(?P<second>\d\d))?)?"
_AT_THE_END = re.compile(
    rf"(?:\s+(?:at|um|@)\s+|\s*t(?=\d\d:)|\s+|\A)(?:{_CLOCK}\s*(?P<half>[ap])\.?m\b\.?|{_CLOCK.replace('<', '<b_')}\s*(?:uhr|o'clock)"
    r"|(?P<c_hour>\d{1,2}):(?P<c_minute>\d\d)(?::(?P<c_second>\d\d))?|(?P<named>noon|midday|midnight|mittag|mitternacht))\Z"
)
YEARS = range(1970, 3000)
_ISO = re.compile(r"(?P<year>\d{4})[-/.]?(?P<month>\d{1,2})[-/.]?(?P<day>\d{1,2})")
_SLASHES = re.compile(r"(?P<first>\d{1,2})[/-](?P<second>\d{1,2})(?:[/-](?P<year>\d{4}|\d\d))?")
_DOTS = re.compile(r"(?P<day>\d{1,2})\.\s*(?P<month>\d{1,2})\.?(?:\s*(?P<year>\d{4}|\d\d))?")
_DAY_NAMED = re.compile(
    r"(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?[\s-]*(?:of\s+)?(?P<name>[a-zä]{3,9})\.?[\s-]*(?P<year>\d{4})?"
)
_NAME_FIRST = re.compile(r"(?P<name>[a-zä]{3,9})\.?\s*(?P<day>\d{1,2})(?:st|nd|rd|th)?(?:\s+(?P<year>\d{4}))?")
_AHEAD = re.compile(r"in\s+(?P<count>\d{1,3}|a|one|einem|einer)\s+(?P<unit>day|week|tag|woche)(?:s|en|n|e)?")


@dataclass(frozen=True, slots=True)
class WrittenDates:
    """Reads dates relative to `now` (aware) in the newsletter's zone. day_first: 4/9 is September 4.

    A date without a year is the next one, counting today, and so is a weekday; "next Tuesday" is after today.
    """

    now: datetime
    zone: ZoneInfo
    day_first: bool = False

    @property
    def today(self) -> date:
        """The date in the newsletter's zone."""
        return self.now.astimezone(self.zone).date()

    def day(self, text: str) -> date:
        """A date without a time. Raises UsageError."""
        day, at = self.moment(text)
        if at is not None:
            raise self._unreadable(text)
        return day

    def moment(self, text: str) -> tuple[date, time | None]:
        """A date, and the time in the newsletter's zone if there is one. Raises UsageError."""
        try:
            day, at = self._iso(text) or self._written(text)
        except (ValueError, OverflowError):
            raise self._unreadable(text) from None
        require_year(day.year, text)
        return day, at

    def aware(self, day: date, at: time) -> datetime:
        """The moment (aware) of a local time; in the hour that daylight saving time skips, the one after it."""
        return datetime.combine(day, at, self.zone)

    def _iso(self, text: str) -> tuple[date, time | None] | None:
        """ISO 8601, the form of programs; an offset is converted."""
        try:
            found = datetime.fromisoformat(text.strip())
        except ValueError:
            return None
        if found.tzinfo:
            found = found.astimezone(self.zone).replace(tzinfo=None)
        elif not re.search(r"\d[T ]\d", text):
            return found.date(), None
        return found.date(), found.time()

    def _written(self, text: str) -> tuple[date, time | None]:
        words = " ".join(text.lower().replace(",", " ").split())
        at, rest = None, words
        if found := _AT_THE_END.search(words):
            at, rest = _time(found), words[: found.start()]
        day = self._day(rest)
        if day is None:
            raise ValueError(text)
        if at and rest in _WEEKDAY and self.aware(day, at) <= self.now:
            day += timedelta(weeks=1)
        return day, at

    def _day(self, words: str) -> date | None:
        is_next = bool(_NEXT.match(words))
        while found := _LEADING.match(words):
            words = words[found.end() :]
        if words in _DAYS:
            return self.today + timedelta(days=_DAYS[words])
        if found := _AHEAD.fullmatch(words):
            count = int(found["count"]) if found["count"].isdecimal() else 1
            return self.today + timedelta(days=count * (7 if found["unit"][0] == "w" else 1))
        first, _, rest = words.partition(" ")
        weekday = _WEEKDAY.get(first.rstrip("."))
        if weekday is not None and not rest:
            ahead = (weekday - self.today.weekday()) % 7
            return self.today + timedelta(days=ahead or 7 * is_next)
        day = self._date(rest if weekday is not None else words)
        if day and weekday is not None and day.weekday() != weekday:
            raise UsageError(
                f"{in_words(day)} is a {WEEKDAYS[day.weekday()]}, not a {WEEKDAYS[weekday]}",
                fix="Correct one of the two",
            )
        return day

    def _date(self, words: str) -> date | None:
        for pattern in (_ISO, _SLASHES, _DOTS, _DAY_NAMED, _NAME_FIRST):
            if found := pattern.fullmatch(words):
                return self._dated(found.groupdict())
        return None

    def _dated(self, found: dict[str, str | None]) -> date:
        day, month = int(found.get("day") or 0), int(found.get("month") or 0)
        if "name" in found:
            month = _month(found["name"] or "")
        if "first" in found:
            first, second = int(found["first"] or 0), int(found["second"] or 0)
            # A number above 12 is the day, whatever the language.
            day_first = first > 12 or (self.day_first and second <= 12)
            day, month = (first, second) if day_first else (second, first)
        if year := found["year"]:
            return date(int(year) + (2000 if len(year) == 2 else 0), month, day)
        today = self.today
        years = range(today.year, today.year + 9)  # February 29 is up to eight years away
        coming = (date(year, month, day) for year in years if (month, day) != (2, 29) or isleap(year))
        return next(one for one in coming if one >= today)

    def _unreadable(self, text: str) -> UsageError:
        return UsageError(f"{text[:40]!r} is not a date", fix=_AS_IN_DAY_FIRST if self.day_first else _AS_IN)


def require_year(year: int, text: str) -> None:
    """Raises UsageError for a year outside `YEARS`, which nobody means, and in which calculations with dates overflow."""
    if year not in YEARS:
        raise UsageError(
            f"{text[:40]!r} is in the year {year}", fix=f"Use a year from {YEARS.start} to {YEARS.stop - 1}"
        )


def _month(name: str) -> int:
    if len(name) > 4 and not _LONG_MONTH.fullmatch(name):
        raise ValueError(name)
    return _MONTH.get(name[:3], 0)


def _time(found: re.Match[str]) -> time:
    if named := found["named"]:
        return time(0) if named.startswith(("midn", "mittern")) else time(12)
    parts = found.groupdict()
    hour, minute, second = (
        int(parts[name] or parts[f"b_{name}"] or parts[f"c_{name}"] or 0) for name in ("hour", "minute", "second")
    )
    if half := parts["half"]:
        if not 1 <= hour <= 12:
            raise ValueError(found[0])
        hour = hour % 12 + (12 if half == "p" else 0)
    return time(hour, minute, second)
