"""Parse a CSV file of tips: one row for each tip, with columns named like the keys of front matter."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence

from newsletter.domain.read_dates import Dates
from newsletter.domain.tips.tip import Piece, Rejected, TipText
from newsletter.importers.cleaner import clean
from newsletter.importers.csv_rows import rows
from newsletter.importers.html.to_markdown import to_markdown
from newsletter.importers.limits import problem
from newsletter.importers.xml.items import labels

COLUMNS = ("title", "body", "date", "categories", "tags", "takeaway", "teaser")
ALIASES = {
    "content": "body",
    "text": "body",
    "tip": "body",
    "published": "date",
    "publish date": "date",
    "date published": "date",
    "published on": "date",
    "plain content": "body",
    "post body": "body",
    "titel": "title",
    "titre": "title",
    "título": "title",
    "titolo": "title",
    "texte": "body",
    "texto": "body",
    "testo": "body",
    "tekst": "body",
    "contenu": "body",
    "contenido": "body",
    "inhalt": "body",
    "datum": "date",
    "fecha": "date",
    "data": "date",
    "kategorie": "categories",
    "catégorie": "categories",
    "categoría": "categories",
    "schlagwörter": "tags",
    "category": "categories",
    "tag": "tags",
    "excerpt": "teaser",
    "summary": "teaser",
    "headline": "title",
    "subject": "title",
}
_HTML = re.compile(r"</?(?:p|br|div|ul|ol|li|h[1-6]|strong|b|em|i|a|span|blockquote)(?:\s[^<>]*)?/?>", re.IGNORECASE)


def looks_like_csv(text: str) -> bool:
    """Does the header row have a title and a body?"""
    at, delimiter = _header(text.splitlines()[:20])
    return {"title", "body"} <= set(_names((text.splitlines() or [""])[at : at + 1], delimiter))


def parse(text: str, source: str, dates: Dates) -> Iterator[Piece]:
    """Every row. Bodies are Markdown or HTML, and labels are separated by commas."""
    lines = [f"{line}\n" for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    head, delimiter = _header(lines[:20])
    names = _names(lines[head : head + 1], delimiter)
    unknown = [name for name in names if name and name not in COLUMNS]
    if "title" not in names or "body" not in names or unknown:
        reason = f"unknown columns: {', '.join(unknown)[:400]}" if unknown else "the columns title and body are missing"
        fix = "delete the rows of drafts and these columns, or rename them" if unknown else "rename the columns"
        yield Rejected(source, head + 1, f"{reason}; {fix}; the header row may have {', '.join(COLUMNS)}")
        return
    day = names.index("date") if "date" in names else None

    def is_row(cells: Sequence[str]) -> bool:
        return day is not None and dates.day_of(cells[day]) is not None

    for row in rows(lines, head + 1, delimiter, len(names), is_row):
        if row.problem:
            yield Rejected(source, row.line, row.problem)
        elif any(cell.strip() for cell in row.cells):
            yield _tip(dict(zip(names, row.cells, strict=False)), source, row.line, dates)


def _tip(cells: dict[str, str], source: str, line: int, dates: Dates) -> TipText | Rejected:
    title, body = " ".join(cells["title"].split()), cells.get("body", "").strip()
    written = cells.get("date", "").strip()
    day = dates.day_of(written)
    reason = problem(title, body) or ("" if body else "the body is empty")
    if written and day is None:
        reason = f"the date {written[:40]!r} is not valid; write it as 2014-08-12"
    if reason:
        return Rejected(source, line, reason)
    pictures: dict[str, bytes] = {}
    tip = TipText(
        title=title,
        body=to_markdown(body, keep_line_breaks=True, pictures=pictures) if _HTML.search(body) else body,
        published_on=day,
        categories=labels(cells.get("categories", "").split(",")),
        tags=labels(cells.get("tags", "").split(",")),
        takeaway=" ".join(cells.get("takeaway", "").split()),
        teaser=" ".join(cells.get("teaser", "").split()),
        source=source,
        line=line,
        inline_pictures=tuple(pictures.items()),
    )
    return clean(tip)


def _header(lines: Sequence[str]) -> tuple[int, str]:
    """(the index of the header row, the delimiter). Empty lines and Excel's `sep=;` may be above it."""
    for at, line in enumerate(lines):
        told = re.match(r"\"?sep=(?P<sign>[,;\t|])\"?\s*\Z", line, re.IGNORECASE)
        if told:
            return at + 1, told["sign"]
        if line.strip():
            return at, max(",;\t|", key=line.count)  # spreadsheets in many countries write semicolons
    return 0, ","


def _names(head: Sequence[str], delimiter: str) -> list[str]:
    try:
        names = next(csv.reader(head, delimiter=delimiter), [])
    except csv.Error:
        return []
    known = [name.strip("\ufeff \t\r\n").lower() for name in names]
    return [ALIASES.get(name, name) for name in known]
