"""Parse a CSV file of tips: one row for each tip, with columns named like the keys of front matter."""

from __future__ import annotations

import csv
import io

from newsletter.domain.tips.tip import Rejected, TipText
from newsletter.importers.limits import problem
from newsletter.importers.xml_items import day_of, labels

COLUMNS = ("title", "body", "date", "categories", "tags", "takeaway", "teaser")
ALIASES = {
    "content": "body",
    "text": "body",
    "tip": "body",
    "published": "date",
    "category": "categories",
    "tag": "tags",
}
MAX_CELL = 200_000  # characters


def looks_like_csv(text: str) -> bool:
    """Does the header row have a title and a body?"""
    names = _names(next(iter(text.splitlines()), ""))
    return {"title", "body"} <= set(names)


def parse(text: str, source: str) -> list[TipText | Rejected]:
    """Every row. Bodies are Markdown, labels are separated by commas, and dates are written as 2014-08-12."""
    head = next(iter(text.splitlines()), "")
    names = _names(head)
    unknown = [name for name in names if name not in COLUMNS]
    if "title" not in names or "body" not in names or unknown:
        reason = f"unknown columns: {', '.join(unknown)[:80]}" if unknown else "the columns title and body are missing"
        return [Rejected(source, 1, f"{reason}; the header row may have {', '.join(COLUMNS)}")]
    # strict: a quotation mark that is never closed is an error, instead of one cell with the rest of the file.
    csv.field_size_limit(MAX_CELL)
    rows = csv.reader(io.StringIO(text), delimiter=_delimiter(head), strict=True)
    found: list[TipText | Rejected] = []
    try:
        next(rows)
        found += [
            _tip(dict(zip(names, cells, strict=False)), source, rows.line_num)
            for cells in rows
            if any(cell.strip() for cell in cells)
        ]
    except csv.Error as error:
        found.append(Rejected(source, rows.line_num, f"the CSV file cannot be read: {error}"))
    return found


def _tip(cells: dict[str, str], source: str, line: int) -> TipText | Rejected:
    title, body = " ".join(cells["title"].split()), cells.get("body", "").replace("\r\n", "\n").strip()
    written = cells.get("date", "").strip()
    day = day_of(written)
    reason = problem(title, body) or ("" if body else "the body is empty")
    if written and day is None:
        reason = "the date is not valid; write it as 2014-08-12"
    if reason:
        return Rejected(source, line, reason)
    return TipText(
        title=title,
        body=body,
        published_on=day,
        categories=labels(cells.get("categories", "").split(",")),
        tags=labels(cells.get("tags", "").split(",")),
        takeaway=" ".join(cells.get("takeaway", "").split()),
        teaser=" ".join(cells.get("teaser", "").split()),
        source=source,
        line=line,
    )


def _delimiter(head: str) -> str:
    return max(",;\t", key=head.count)  # spreadsheets in many countries write semicolons


def _names(head: str) -> list[str]:
    try:
        names = next(csv.reader([head], delimiter=_delimiter(head)), [])
    except csv.Error:
        return []
    return [ALIASES.get(name.strip().lower(), name.strip().lower()) for name in names]
