"""Read the records of a CSV file as people have it: any separator, empty first lines, and a bad quote somewhere.

A bad quote must not swallow the rows behind it. When a record cannot be read, or has swallowed whole rows, its first
line is skipped and reading starts again at the next line, until a line parses that looks like a row. What was skipped
is reported with its first and last line.

Each line is read twice at most after a bad quote, and a record is never longer than `MAX_LINES` lines or 128 kB in one
cell (the limit of the module csv): the time is linear, and the memory constant.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

MAX_LINES = 1_000
MAX_TITLES = 5  # lines above the header row, such as "Subscribers, November 2026"
SEPARATORS = ",;\t|"
_QUOTED = re.compile(r'"[^"]*"')
_SEP_LINE = re.compile(r'"?sep=([^\w\s"]|\t)"?\s*\Z', re.IGNORECASE)
_FIX_QUOTES = 'Close every quotation mark, and double each one inside a cell: ""'

Record = tuple[int, list[str]]  # the line where it begins, counted from 1; its cells


@dataclass(frozen=True, slots=True)
class SkippedLines:
    """Lines that could not be read. first, last: counted from 1."""

    first: int
    last: int
    reason: str


class CsvRecords:
    """Iterates over the records that are not empty. Bytes that were not UTF-8 are read as Windows-1252; see `decoded`.

    looks_like_row: after a bad quote, reading continues with the first record of which this is true. Replace it when the
    columns are known; until then, every record looks like a row. is_prose: the first line holds several addresses, or one
    with a name, as in the field "To" of an email: every line is one cell then, since its quotes are not those of CSV.
    """

    def __init__(self, lines: Iterable[str], skip: Callable[[SkippedLines], object]) -> None:
        self.looks_like_row: Callable[[Sequence[str]], bool] = any
        self.width = 0  # cells in the header row; 0: unknown
        self._skip, self._source = skip, iter(lines)
        self._again: deque[str] = deque()  # lines to be read a second time
        self._taken: list[str] = []  # the lines of the record that is being read
        self._line = 1  # where that record begins
        self.is_prose = False
        self._delimiter = self._find_delimiter()

    def __iter__(self) -> Iterator[Record]:
        bad: SkippedLines | None = None
        records, taken = self._reader(), self._taken
        while True:
            line = self._line
            try:
                cells = next(records)
            except StopIteration:
                if bad:
                    self._skip(bad)
                return
            except csv.Error as error:
                reason = f"{error}. {_FIX_QUOTES}"
            else:
                reason = self._doubt(cells, after_bad=bad is not None) if len(taken) > 1 or bad else ""
                if not reason:
                    self._line += len(taken)
                    taken.clear()
                    text = "".join(cells)
                    if not text or text.isspace():
                        continue
                    if bad:
                        self._skip(bad)
                        bad = None
                    yield line, cells if text.isascii() else list(map(decoded, cells))
                    continue
            records = self._restart()
            bad = SkippedLines(bad.first, line, bad.reason) if bad else SkippedLines(line, line, reason)

    def _doubt(self, cells: Sequence[str], *, after_bad: bool) -> str:
        """Why a record cannot be meant so; "" if it can. Only asked for long records, and after a bad quote."""
        if after_bad and any(cells) and not self.looks_like_row(cells):
            return "this line is a part of a row that could not be read"
        if len(self._taken) > 1 and self.width > 1 and all(map(self._is_row, self._taken[1:])):
            return f"a quote swallows the lines behind it. {_FIX_QUOTES}"
        return ""

    def _is_row(self, line: str) -> bool:
        """Would this line be a complete row of its own, apart from a quote at its end?"""
        cells = next(csv.reader([line.rstrip("\r\n").removesuffix('"')], delimiter=self._delimiter), [])
        return len(cells) == self.width and self.looks_like_row(cells)

    def _restart(self) -> Iterator[list[str]]:
        """Give up the first line of the record, and read the others again."""
        self._again.extendleft(reversed(self._taken[1:]))
        self._taken.clear()
        self._line += 1
        return self._reader()

    def _reader(self) -> Iterator[list[str]]:
        if self.is_prose:
            return ([line.strip()] for line in self._feed())
        return csv.reader(self._feed(), delimiter=self._delimiter, skipinitialspace=True, strict=True)

    def _feed(self) -> Iterator[str]:
        again, taken = self._again, self._taken
        while again:
            line = again.popleft()
            taken.append(line)
            if len(taken) > MAX_LINES:
                raise csv.Error(f"a cell is longer than {MAX_LINES:,} lines")
            yield line
        for line in self._source:
            taken.append(line)
            if len(taken) > MAX_LINES:
                raise csv.Error(f"a cell is longer than {MAX_LINES:,} lines")
            yield line

    def _find_delimiter(self) -> str:
        """The separator of the first line that is not empty, or of a line `sep=;` as Excel writes it."""
        for line in self._source:
            text = line.removeprefix("\ufeff")
            if found := _SEP_LINE.match(text):
                self._line += 1
                first = next(self._source, "")
                self._again.append(first)
                return found[1]
            if text.strip():
                self._again.append(text)
                self.is_prose = "@" in text and (text.count("@") > 2 or "<" in text)
                return delimiter_of(text) if "@" in text else self._delimiter_below(text)
            self._line += 1
        return ","

    def _delimiter_below(self, text: str) -> str:
        """The separator of the header row, which may stand below a title: of the line above the addresses with the most."""
        above = [text]
        while len(self._again) <= MAX_TITLES and (following := next(self._source, None)) is not None:
            self._again.append(following)
            if "@" in following:
                break
            above.append(following)
        found = {line: delimiter_of(line) for line in above}
        return found[max(above, key=lambda line: line.count(found[line]))]


def decoded(cell: str) -> str:
    """The cell; if its bytes were not UTF-8 (surrogates now), read as Windows-1252, which spreadsheets write."""
    try:
        cell.encode()
    except UnicodeEncodeError:
        return cell.encode("utf-8", "surrogateescape").decode("cp1252", "replace")
    return cell


def delimiter_of(line: str) -> str:
    """The separator that occurs most in a header row, outside quotes; spreadsheets in many countries write semicolons."""
    outside = _QUOTED.sub("", line)
    return max(SEPARATORS, key=outside.count)
