"""Reads a time zone as people write it; returns its IANA name."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

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


def is_zone_word(word: str) -> bool:
    """Is it a common name of a zone, as in EST? word: in lower case."""
    return word in _ZONE_OF


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
