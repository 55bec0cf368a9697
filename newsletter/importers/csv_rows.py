"""Split a CSV file into rows, and go on at the next row when a quotation mark is not closed."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

MAX_CELL = 200_000  # characters
LOOK_AHEAD = 120_000  # characters of one row at most
RESCAN = 20  # how many times the length of the file may be looked at in vain, so that reading it takes linear time


@dataclass(frozen=True, slots=True)
class Row:
    """A row that begins on a line, from 1. problem: why it cannot be read; "" if it can."""

    line: int
    cells: tuple[str, ...] = ()
    problem: str = ""


def rows(
    lines: Sequence[str], first: int, delimiter: str, width: int, is_row: Callable[[Sequence[str]], bool]
) -> Iterator[Row]:
    """The rows from a line on. lines: with their line endings. first: an index. width: the columns of the header row.

    is_row: does this look like a whole row? If so inside of a cell, the quotation mark before it was never closed.
    """
    budget = RESCAN * sum(map(len, lines)) + LOOK_AHEAD
    at = first
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        end, cells = _record(lines, at, delimiter, LOOK_AHEAD if budget > 0 else len(lines[at]))
        if (
            cells is not None
            and end - at > 1
            and any(_is_row(line, delimiter, width, is_row) for line in lines[at + 1 : end])
        ):
            cells = None
        if cells is None:
            budget -= sum(map(len, lines[at:end]))
            yield Row(at + 1, problem="a quotation mark is opened or closed in the wrong place; fix this line")
            at += 1
        else:
            extra = [cell for cell in cells[width:] if cell.strip()]
            wrong = f"the row has {len(cells)} cells, and the header row {width}; put text with the separator in quotes"
            yield Row(at + 1, tuple(cells), wrong if extra else "")
            at = end


def _record(lines: Sequence[str], at: int, delimiter: str, most: int) -> tuple[int, list[str] | None]:
    """(the index after the record that begins here, its cells); None if it is not valid."""
    end, length, quotes = at, 0, 0
    while end < len(lines):
        length += len(lines[end])
        quotes += lines[end].count('"')
        end += 1
        if quotes % 2 == 0:
            return end, _parsed("".join(lines[at:end]), delimiter)
        if length >= most:
            break
    return end, None


def _parsed(text: str, delimiter: str) -> list[str] | None:
    if '"' not in text:
        return text.rstrip("\r\n").split(delimiter)
    before = csv.field_size_limit(MAX_CELL)  # of the whole process: the import of subscribers has the default
    # strict: a quotation mark in the wrong place is an error, instead of a part of the text.
    try:
        found = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    finally:
        csv.field_size_limit(before)
    return found[0] if len(found) == 1 else None


def _is_row(line: str, delimiter: str, width: int, is_row: Callable[[Sequence[str]], bool]) -> bool:
    cells = _parsed(line, delimiter)
    return cells is not None and len(cells) == width and not any('"' in cell for cell in cells) and is_row(cells)
