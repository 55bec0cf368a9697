"""Read the caption of the picture above a post of the old blog, which has the date of the post: `Blog 9-11-14`.

Where the page was copied as text, the caption is joined to the first words: `Blog 9-11-14I have been hearing`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

_SIGN = r" ?[-_./–—‒―−]{1,2} ?"
_KIND = r"(?:blog|tow|image|photo|picture)(?:[ _-]?(?:post|image|photo|pic|picture))?"
_AMERICAN = rf"(?P<month>\d{{1,2}}){_SIGN}(?P<day>\d{{1,2}}){_SIGN}(?P<year>(?:19|20)\d\d|\d\d)"
_ISO = rf"(?P<iso_year>20\d\d){_SIGN}(?P<iso_month>\d{{1,2}}){_SIGN}(?P<iso_day>\d\d?)"
# The text may begin with a number, as in `Blog 9-4-142 years ago`. Joined to a word or at the end, one more digit is a typo.
_DATE = rf"(?:{_ISO}|{_AMERICAN})(?!\d+(?!(?:st|nd|rd|th|s)\b)(?:[^\W\d_]|[\"“‘]|\s*\Z))"
_COPY = r"(?: ?\(\d\)|[-_]\d(?!\d)|-\d{2,4}x\d{2,4}|[a-z](?=\s*\Z))?(?:\.(?:jpe?g|png|gif|webp)\b)?"
_END = r"[\s:]*"
_JOINED = r"(?=[^\W\d_]|[\"“‘])"
_BETWEEN = r"[\s_:–—-]{0,3}"
_CAPTION = re.compile(rf"(?P<words>{_KIND}{_BETWEEN}{_DATE}{_COPY}){_END}", re.IGNORECASE)
# Not `Blog 24/7` or `Blog 2.0` alone, which may be a title.
_BROKEN = re.compile(
    rf"(?P<words>(?:blog|tow){_BETWEEN}\d{{1,8}}(?:(?:{_SIGN}\d{{1,8}})+{_JOINED}|(?:[-_]\d{{1,8}}|(?:{_SIGN}\d{{1,8}}){{2,}})"
    rf"{_COPY}{_END}\Z))",
    re.IGNORECASE,
)
_BARE = re.compile(rf"(?P<words>{_DATE})(?:{_END}\Z|{_JOINED})")


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption at the start of a line. day: None if what it has is no valid date. rest: the line without it."""

    words: str
    day: date | None
    rest: str


def caption_of(line: str) -> Caption | None:
    """The caption that a line begins with; None if it begins with text."""
    return _read(_CAPTION.match(line) or _BROKEN.match(line), line)


def bare_caption_of(line: str) -> Caption | None:
    """The date alone, which is a caption only on the first line of a post: as the whole line, or joined to a word."""
    found = _read(_BARE.match(line), line)
    return found if found and found.day else None


def _read(found: re.Match[str] | None, line: str) -> Caption | None:
    return Caption(found["words"].strip(), _day(found.groupdict()), line[found.end() :].strip()) if found else None


def _day(parts: dict[str, str | None]) -> date | None:
    """The month is first, as in the titles of the blog. Years with two digits are in this century; 50 and more are typos."""
    year, month, day = (int(parts.get(name) or parts.get(f"iso_{name}") or 0) for name in ("year", "month", "day"))
    try:
        return date(2000 + year if year < 50 else year, month, day) if year not in range(50, 100) else None
    except ValueError:
        return None
