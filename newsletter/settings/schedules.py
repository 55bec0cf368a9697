"""Reads a schedule as people write it: weekdays, weeks, and a time; returns the form that `Schedule.parse` reads."""

from __future__ import annotations

import re
from datetime import date
from difflib import get_close_matches

from newsletter.domain.english import plural
from newsletter.domain.slot_days import MAX_EVERY
from newsletter.settings.zones import is_zone_word

_DAYS = {
    "mon": "monday mondays montag montags mo",
    "tue": "tuesday tuesdays tues tu dienstag dienstags di",
    "wed": "wednesday wednesdays weds we mittwoch mittwochs mi",
    "thu": "thursday thursdays thurs thur th donnerstag donnerstags do",
    "fri": "friday fridays fr freitag freitags",
    "sat": "saturday saturdays sa samstag samstags sonnabend",
    "sun": "sunday sundays su sonntag sonntags so",
}
_DAY_OF = {word: day for day, words in _DAYS.items() for word in (day, *words.split())}
_FILLERS = frozenset(
    {"every", "each", "weekly", "week", "the", "on", "at", "jeden", "um", "am", "uhr", "o'clock", "morning"}
)
_HOURS = {"noon": "12:00", "midday": "12:00", "midnight": "00:00"}
_TIME = re.compile(r"(\d{1,2})(?:[:.h](\d{2})(?::00)?)?\s*([ap])?\.?\s*(?:m\b\.?)?|(\d{2})(\d{2})(?:\s*hrs?)?")

_EXAMPLE = "2026-12-01"
_AS_IN = (
    'Write a weekday and a time, as in "tue 08:00", or "tue,thu 08:00", "first tue 08:00", '
    f'"every 2 weeks tue 08:00 from {_EXAMPLE}"'
)
_ALL = list(_DAYS)
_GROUPS = {
    "mon,tue,wed,thu,fri": "weekdays weekday werktags workdays",
    ",".join(_ALL): "daily täglich taeglich everyday",
}
_GROUP_OF = {word: days for days, words in _GROUPS.items() for word in words.split()}
_NTHS = {
    "first": "1st ersten erster erste 1.",
    "second": "2nd zweiten zweiter zweite 2.",
    "third": "3rd dritten dritter dritte 3.",
    "fourth": "4th vierten vierter vierte 4.",
    "last": "letzten letzter letzte",
}
_NTH_OF = {word: nth for nth, words in _NTHS.items() for word in (nth, *words.split())}
_COUNTS = {
    "two": 2,
    "zwei": 2,
    "second": 2,
    "2nd": 2,
    "other": 2,
    "three": 3,
    "third": 3,
    "drei": 3,
    "four": 4,
    "fourth": 4,
    "vier": 4,
}
_COUNT = rf"[1-9]\d?|{'|'.join(_COUNTS)}"
_WEEKS = re.compile(
    rf"\b(?:(?:every|each|alle) (?P<count>{_COUNT}) (?:weeks?|wochen)|(?:every|each) (?P<other>other)(?: week)?|(?P<two>bi-?weekly|fortnightly|fortnight))\b"
)
_MONTH = re.compile(r"\b(?:(?:of|in) (?:the|each|every|a) month|im monat|(?:each|every) month|monthly|monatlich)\b")
_TWO_MEANINGS = re.compile(r"\b(?:every|each|jeden) (?:second|2nd|zweiten)\b(?! weeks?| wochen)")
_FROM = re.compile(r"\b(?:from|starting|beginning|since|ab)(?: on)? (\S+)")
_BETWEEN = re.compile(r"\b([a-z]+)\s*(?:-|–|to|bis)\s*([a-z]+)\b")


def read_schedule(text: str) -> str:
    """A schedule such as `tue 08:00`, from words such as `Tuesdays at 8 a.m.`; raises ValueError with advice."""
    words = " ".join(text.lower().split())
    if _TWO_MEANINGS.search(words) and not _MONTH.search(words):
        raise ValueError(
            f'Say which you mean: "second tue of the month 08:00", or "every 2 weeks tue 08:00 from {_EXAMPLE}"'
        )
    start, words = _taken(_FROM, words)
    weeks, words = _taken(_WEEKS, words)
    month, words = _taken(_MONTH, words)
    # 08:00-like times have no letters, so only names of days are spread.
    words = _BETWEEN.sub(lambda found: _spread(found[1], found[2]) or found[0], words)
    parts = re.sub(r"\s*(?:,|&|/|\band\b|\bund\b)\s*", " ", words).split()
    days = [day for part in parts for day in _days(part)]
    nths = [_NTH_OF[part] for part in parts if part in _NTH_OF]
    others = [part for part in parts if not _days(part) and part not in _NTH_OF and part.rstrip(".") not in _FILLERS]
    at = _clock(" ".join(_HOURS.get(part, part) for part in others))
    if not days or not at:
        raise ValueError(_advice(parts, days, at))
    return " ".join(filter(None, (_rhythm(weeks, nths, days, start, has_month=bool(month)), at, _start(start))))


def _rhythm(
    weeks: re.Match[str] | None, nths: list[str], days: list[str], start: re.Match[str] | None, *, has_month: bool
) -> str:
    """The weeks or the weekdays of a month, and the weekdays."""
    listed = ",".join(sorted(set(days), key=_ALL.index))
    if nths and weeks:
        raise ValueError(_AS_IN)
    if has_month and not nths:
        raise ValueError(f'Say which one of the month: "first {days[0]} 08:00", or second, third, fourth, last')
    if nths and len(set(days)) > 1:
        raise ValueError(f'With "{nths[0]}", there can be one weekday: "{nths[0]} {days[0]} 08:00"')
    if nths:
        return f"{','.join(dict.fromkeys(nths))} {listed}"
    count = _count(weeks)
    if count == 1:
        return listed
    rhythm = f"every {plural(count, 'week')} {listed}"
    if not start:
        raise ValueError(f'Add the date of the first issue: "{rhythm} 08:00 from {_EXAMPLE}"')
    return rhythm


def _count(weeks: re.Match[str] | None) -> int:
    if weeks is None:
        return 1
    word = weeks["count"] or "other"
    count = _COUNTS.get(word) or int(word)
    if not 1 <= count <= MAX_EVERY:
        raise ValueError(
            f'Weeks can be counted up to {MAX_EVERY}; or write the weekday of the month, as in "first tue 08:00"'
        )
    return count


def _start(start: re.Match[str] | None) -> str:
    if start is None:
        return ""
    try:
        day = date.fromisoformat(start[1].rstrip(",."))
    except ValueError:
        raise ValueError(f'Write the date after "from" as in 2026-12-01, not {start[1][:20]}') from None
    if not 1970 <= day.year <= 2999:
        raise ValueError(f"{day} is not a year for a newsletter")
    return f"from {day}"


def _taken(pattern: re.Pattern[str], words: str) -> tuple[re.Match[str] | None, str]:
    """What a pattern finds, and the words without it."""
    found = pattern.search(words)
    return found, f"{words[: found.start()]} {words[found.end() :]}" if found else words


def _days(part: str) -> list[str]:
    word = part.rstrip(".")
    return [_DAY_OF[word]] if word in _DAY_OF else _GROUP_OF.get(word, "").split(",") if word in _GROUP_OF else []


def _spread(first: str, last: str) -> str:
    """The days from one to another, as in mon-fri; "" if they are no days."""
    if first not in _DAY_OF or last not in _DAY_OF:
        return ""
    begin, end = _ALL.index(_DAY_OF[first]), _ALL.index(_DAY_OF[last])
    return " ".join((_ALL * 2)[begin : (end if end >= begin else end + 7) + 1])


def _clock(text: str) -> str:
    """A time as `08:00`, or "" if this is none."""
    found = _TIME.fullmatch(text.strip())
    if not found:
        return ""
    hour, minute, half = int(found[1] or found[4]), int(found[2] or found[5] or 0), found[3]
    if half and not 1 <= hour <= 12:
        return ""
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    return f"{hour:02}:{minute:02}" if hour < 24 and minute < 60 else ""


def _advice(words: list[str], days: list[str], at: str) -> str:
    if days:
        zoned = any(is_zone_word(word.strip("()")) for word in words)
        return f"{'Write the time zone into NEWSLETTER_TIMEZONE. ' if zoned else ''}{_AS_IN.replace('tue', days[0], 1)}"
    near = [day for word in words if word.isalpha() for day in get_close_matches(word, _DAY_OF, n=1, cutoff=0.7)]
    return f'Did you mean "{_DAY_OF[near[0]]} {at or "08:00"}"?' if near else _AS_IN
