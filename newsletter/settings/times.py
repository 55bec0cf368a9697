"""Reads a weekday with a time, and a time zone, as people write them; returns what the schedule needs."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

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
_FILLERS = frozenset({"every", "each", "weekly", "on", "at", "jeden", "um", "am", "uhr", "o'clock", "morning"})
_NO_TIME = _FILLERS | _DAY_OF.keys()
_HOURS = {"noon": "12:00", "midday": "12:00", "midnight": "00:00"}
_TIME = re.compile(r"(\d{1,2})(?:[:.h](\d{2})(?::00)?)?\s*([ap])?\.?\s*(?:m\b\.?)?|(\d{2})(\d{2})(?:\s*hrs?)?")
_AS_IN = 'Write a weekday and a time, as in "tue 08:00"'

# `EST` and `MST` are zones of their own in the IANA database, without daylight saving time. Whoever writes them means the
# zone whose clocks change.
_ZONES = {
    "America/New_York": "est edt et eastern eastern-time eastern-standard-time us-eastern new-york-city nyc boston"
    " washington washington-dc miami atlanta philadelphia",
    "America/Chicago": "cst cdt ct central central-time central-standard-time us-central houston dallas austin",
    "America/Denver": "mst mdt mt mountain mountain-time mountain-standard-time us-mountain",
    "America/Los_Angeles": "pst pdt pt pacific pacific-time pacific-standard-time us-pacific la seattle"
    " san-francisco portland",
    "Europe/London": "bst uk england british-time",
    "Europe/Berlin": "cet cest mez mesz germany deutschland hamburg munich frankfurt cologne",
    "UTC": "z zulu",
}
_ZONE_OF = {word: zone for zone, words in _ZONES.items() for word in words.split()}
_OFFSET = re.compile(r"(?:utc|gmt)?\s*[+-]\s*\d{1,2}(?::?\d{2})?", re.IGNORECASE)
_ZONE_AS_IN = "Write an IANA name, as in America/New_York"


def read_schedule(text: str) -> str:
    """A weekday and a time as `tue 08:00`, from words such as `Tuesdays at 8 a.m.`; raises ValueError with advice."""
    words = text.lower().replace(",", " ").split()
    days = [_DAY_OF[word.rstrip(".")] for word in words if word.rstrip(".") in _DAY_OF]
    rest = " ".join(_HOURS.get(word, word) for word in words if word.rstrip(".") not in _NO_TIME)
    at = _clock(rest)
    if len(days) == 1 and at:
        return f"{days[0]} {at}"
    raise ValueError(_schedule_advice(words, days, at))


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


def _schedule_advice(words: list[str], days: list[str], at: str) -> str:
    if len(days) > 1:
        return f"There is one issue a week. {_AS_IN}"
    if days:
        zoned = any(word.strip("()") in _ZONE_OF for word in words)
        return f"{'Write the time zone into NEWSLETTER_TIMEZONE. ' if zoned else ''}{_AS_IN.replace('tue', days[0])}"
    near = [day for word in words if word.isalpha() for day in get_close_matches(word, _DAY_OF, n=1, cutoff=0.7)]
    return f'Did you mean "{_DAY_OF[near[0]]} {at or "08:00"}"?' if near else _AS_IN


def read_zone(text: str) -> str:
    """The IANA name of a time zone, from names such as `new york` or `EST`; raises ValueError with advice."""
    word = re.sub(r"[\s_-]+", "-", text.partition(",")[0].strip().lower())
    if word in _ZONE_OF:
        return _ZONE_OF[word]
    if _is_zone(text):  # asking for all names takes 20 ms
        return text
    names = available_timezones()
    wanted = re.sub(r"\s*/\s*", "/", text.strip()).replace(" ", "_").lower()
    found = [name for name in names if name.lower() == wanted]
    # By the city alone. Some cities have several names (America/Indianapolis, America/Indiana/Indianapolis): the shortest.
    found = found or [name for name in names if _city(name) == word and "/" in name]
    found.sort(key=lambda name: (name.startswith(("Etc/", "posix/", "right/")), len(name), name))
    if found:
        return found[0]
    raise ValueError(_zone_advice(text, word, names))


def machine_zone() -> str:
    """The zone of this machine, "" if it has none of its own: servers mostly run in UTC, and people do not."""
    zone = Path("/etc/localtime").resolve().as_posix().partition("/zoneinfo/")[2]
    return zone if "/" in zone and not zone.startswith("Etc/") and _is_zone(zone) else ""


def _is_zone(text: str) -> bool:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _zone_advice(text: str, word: str, names: set[str]) -> str:
    if _OFFSET.fullmatch(text.strip()):
        return f"An offset knows no daylight saving time. {_ZONE_AS_IN}"
    cities = {_city(name): name for name in sorted(names) if "/" in name and not name.startswith("Etc/")}
    wholes = {name.lower(): name for name in names}
    if near := get_close_matches(text.strip().replace(" ", "_").lower(), wholes, n=1, cutoff=0.75):
        return f"Did you mean {wholes[near[0]]}?"
    if near := get_close_matches(word, cities, n=1, cutoff=0.75):
        return f"Did you mean {cities[near[0]]}?"
    return f"{_ZONE_AS_IN}: a continent and a large city in your zone"


def _city(name: str) -> str:
    return name.rpartition("/")[2].lower().replace("_", "-")
