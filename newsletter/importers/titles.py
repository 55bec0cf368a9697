"""Separate a title from the date that the old blog put at its end: `A Title - 4/9/24`, `A Title – 8/12/14 TOW`."""

from __future__ import annotations

import re
from datetime import date

from newsletter.importers.limits import MAX_TITLE

LONGEST = MAX_TITLE + 40  # a title with its date
DATED = re.compile(
    r"(?P<dash>\s*[-–—‒―−]+\s*)?(?:(?<=\s)|(?<=[-–—‒―−]))\(?(?:TOW )?"
    r"(?P<month>\d{1,2}) ?/ ?(?P<day>\d{1,2}) ?/ ?(?P<year>(?:19|20)\d\d|\d\d)\)?"
    r"(?: ?[-–—]? ?(?:TOW|Tip of the Week))?\Z",
    re.IGNORECASE,
)


def read_title(text: str) -> tuple[str, date | None]:
    """The title without its date, and the date. Years with two digits are in this century.

    Raises ValueError, with the reason, if what is after a dash looks like a date and is not one.
    """
    found = DATED.search(text) if len(text) <= LONGEST else None
    if not found:
        return text, None
    year = int(found["year"])
    try:
        day = date(year if year > 99 else 2000 + year, int(found["month"]), int(found["day"]))
    except ValueError:
        # Without a dash it is a part of the title, as in "Open 24/7/365".
        if not found["dash"]:
            return text, None
        day_as_written = "/".join(found.group("month", "day", "year"))
        raise ValueError(f"the date in the title, {day_as_written}, is not a valid month/day/year; fix it") from None
    return text[: found.start()].strip(), day
