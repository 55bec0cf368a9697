"""Read the address cell of a row as people write it: with a name, `mailto:`, quotes, or a mark of the spreadsheet.

Removed around an address: white space, invisible characters, quotes, `mailto:`, one leading apostrophe (spreadsheets
write it to mark text; our own export doubles a real one), and `.`, `,` or `;` at the end.
"""

from __future__ import annotations

import re

from newsletter.domain.subscribers.address import without_invisible
from newsletter.domain.subscribers.imported import unescape_formula

_MAILTO = re.compile(r"mailto:([^?]*).*", re.IGNORECASE | re.DOTALL)
_SEVERAL = re.compile(
    r'(?P<name>"[^"]*"\s*|[^<>,;|@"]*)<(?P<inside>[^<>]+)>|(?P<bare>[^\s,;|<>"]+@[^\s,;|<>"]+)|(?P<bad>[^\s,;|<>]*@[^\s,;|<>]*)'
)
_BETWEEN = re.compile(r"[\s,;|]+")
_ONE = re.compile(r"(?P<name>[^<>]*)<(?P<inside>[^<>]+)>[\s,;.]*\Z")


def read_addresses(cell: str) -> list[tuple[str, str]]:
    """(name, address) of each address in the cell, not checked yet. A cell without any yields itself, tidied."""
    text = without_invisible(cell)
    if text.count("@") <= 1:
        if found := _ONE.match(text):
            return [(_name(found["name"]), _tidy(found["inside"]))]
        return [("", _tidy(text))]
    if "<" in text or '"' in text:
        return [
            (_name(found["name"] or ""), _tidy(found["inside"] or found["bare"] or found["bad"]))
            for found in _SEVERAL.finditer(text)
        ]
    parts = [part for part in _BETWEEN.split(text) if part]
    if all("@" in part.strip("@") for part in parts):
        return [("", _tidy(part)) for part in parts]
    return [("", _tidy(text))]


def tidy_address(cell: str) -> str:
    """The usual cell, kept fast: one address without decoration, apart from an apostrophe."""
    text = cell.strip()
    return text.removeprefix("'")


def _tidy(text: str) -> str:
    text = text.strip()
    if found := _MAILTO.match(text):
        text = found[1]
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    return text.removeprefix("'").strip(' \t\r\n"<>\u201c\u201d\u201e\u00ab\u00bb').rstrip(".,;: ")


def _name(text: str) -> str:
    name = text.strip(" \t\r\n\"'\u201c\u201d\u201e,;|")
    return "" if "@" in name else unescape_formula(name)
