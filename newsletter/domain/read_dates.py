"""Read dates in the forms that exports, feeds, spreadsheets, and people write."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from newsletter.domain.written_dates import YEARS

# The first letters of each month in English, German, French, Spanish, Italian, Dutch, and Portuguese.
_MONTHS = (
    "jan jän ene gen", "feb fév fev", "mar mär mrt maa", "apr avr abr", "may mai mei mag", "jun juin giu", "jul juil lug",
    "aug aoû ago", "sep set", "oct okt out ott", "nov", "dec dez déc dic",
)  # fmt: skip
_MONTH = {start: number for number, starts in enumerate(_MONTHS, start=1) for start in starts.split()}
_ZONES = {"Z": 0, "UT": 0, "UTC": 0, "GMT": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6}
_ZONES |= {"PST": -8, "PDT": -7, "BST": 1, "CET": 1, "CEST": 2}

_ISO = re.compile(r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?!\d)")
_SLASHES = re.compile(r"(?P<first>\d{1,2})[/-](?P<second>\d{1,2})[/-](?P<year>\d{4}|\d\d)(?!\d)")
_DOTS = re.compile(r"(?P<day>\d{1,2})\. ?(?P<month>\d{1,2})\. ?(?P<year>\d{4}|\d\d)(?!\d)")
_DAY_FIRST = re.compile(
    r"(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?[ -](?:of |de )?(?P<name>[^\W\d_]{3,12})\.?,?[ -](?:de )?(?P<year>\d{4}|\d\d)(?!\d)",
    re.IGNORECASE,
)
_NAME_FIRST = re.compile(
    r"(?P<name>[^\W\d_]{3,12})\.? (?P<day>\d{1,2})(?:st|nd|rd|th)?,? (?P<year>\d{4})(?!\d)", re.IGNORECASE
)
_EPOCH = re.compile(r"[1-9]\d{9}(?:\d{3})?")
_WEEKDAY = re.compile(r"[^\W\d_]{2,12}\.?,? (?=\S* ?\d)")
_TIME = re.compile(
    r"[T ,]*(?:at )?(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d))?(?:[.,]\d+)?"
    r" ?(?P<half>[AaPp]\.?[Mm]\.?)? ?(?P<zone>[A-Z]{1,4}|[+-]\d\d:?\d\d)?"
)


@dataclass(frozen=True, slots=True)
class Dates:
    """How dates are read. zone: a moment belongs to its day in this zone. day_first: 4/9/2024 is September 4."""

    zone: tzinfo = UTC
    day_first: bool = False

    def day_of(self, text: str) -> date | None:
        """The day in this text, or None. A time with a zone is converted; one without a zone is the author's own.

        Computers write January 1, 1970 where they do not know the date, so it counts as none, and so do days outside `YEARS`.
        """
        text = " ".join(text.split())[:80]
        found = self._find(text)
        if found is None:
            return None
        (year, month, day), rest = found
        try:
            known = self._in_zone(date(year, month, day), rest)
        except (ValueError, OverflowError):
            return None
        is_unknown = abs(known - date(1970, 1, 1)) <= timedelta(days=1)
        return None if is_unknown or known.year not in YEARS else known

    def utc_of(self, text: str) -> datetime | None:
        """The moment in this text in UTC, without a time zone attached; None if there is none.

        A date alone is its midnight, and a time without a zone is in UTC. Seconds or milliseconds since 1970 are read
        too, if they are later than 2001.
        """
        text = " ".join(text.split())[:80]
        if _EPOCH.fullmatch(text):
            return datetime.fromtimestamp(int(text[:10]), UTC).replace(tzinfo=None)
        found = self._find(text)
        if found is None:
            return None
        (year, month, day), rest = found
        clock = _TIME.match(rest)
        try:
            midnight = datetime(year, month, day)  # noqa: DTZ001 - UTC, as it says above
            return midnight + _since_midnight(clock) if clock else midnight
        except (ValueError, OverflowError):
            return None

    def _find(self, text: str) -> tuple[tuple[int, int, int], str] | None:
        """(year, month, day) and the text after them."""
        start = weekday.end() if (weekday := _WEEKDAY.match(text)) else 0
        for at in {0, start}:
            for pattern in (_ISO, _SLASHES, _DOTS, _DAY_FIRST, _NAME_FIRST):
                if (found := pattern.match(text, at)) and (parts := self._parts(found)):
                    return parts, text[found.end() :]
        return None

    def _parts(self, found: re.Match[str]) -> tuple[int, int, int] | None:
        named = found.groupdict()
        if "first" in named:
            first, second = int(named["first"]), int(named["second"])
            # A number above 12 is the day, whatever the newsletter's language.
            day_first = first > 12 or (self.day_first and second <= 12)
            return _year(named["year"]), second if day_first else first, first if day_first else second
        month = _month(named["name"]) if "name" in named else int(named["month"])
        return (_year(named["year"]), month, int(named["day"])) if month else None

    def _in_zone(self, day: date, rest: str) -> date:
        time = _TIME.match(rest)
        offset = _offset(time["zone"]) if time and time["zone"] else None
        if time is None or offset is None:
            return day
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        return (midnight + _since_midnight(time)).astimezone(self.zone).date()


def is_day_first(language: str) -> bool:
    """Do people who write this language put the day before the month? language: a tag, as in `en` or `en-GB`."""
    return language.lower() not in ("en", "en-us", "en-ph")


def _year(digits: str) -> int:
    """Two digits are a year from 1950 to 2049 (RFC 5322 section 4.3)."""
    year = int(digits)
    return year if len(digits) > 2 else year + (2000 if year < 50 else 1900)


def _since_midnight(time: re.Match[str]) -> timedelta:
    """From midnight in UTC to this time of day in its own zone, which may be on the day before or after."""
    hours = int(time["hour"]) % 12 if time["half"] else int(time["hour"])
    hours += 12 if (time["half"] or "").lower().startswith("p") else 0
    offset = (_offset(time["zone"]) if time["zone"] else None) or timedelta()
    return timedelta(hours=hours, minutes=int(time["minute"]), seconds=int(time["second"] or 0)) - offset


def _month(name: str) -> int:
    name = name.casefold()
    return _MONTH.get(name[:4]) or _MONTH.get(name[:3], 0)


def _offset(zone: str) -> timedelta | None:
    if zone in _ZONES:
        return timedelta(hours=_ZONES[zone])
    if zone[0] not in "+-":
        return None
    digits = zone[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return (-offset if zone[0] == "-" else offset) if offset < timedelta(hours=24) else None
