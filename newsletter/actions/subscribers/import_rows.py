"""Read the rows of a file of subscribers: which are usable, which are not, and which columns nobody understands.

Everything here runs before the first row is written: an error in the last line leaves the database as it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, islice

from newsletter.actions.subscribers.erase import ERASED
from newsletter.actions.subscribers.subscribe import clean_name
from newsletter.domain.csv_records import CsvRecords, Record
from newsletter.domain.errors import InputError, UsageError
from newsletter.domain.subscribers.address import address_parser, parse_address
from newsletter.domain.subscribers.csv_addresses import read_addresses, tidy_address
from newsletter.domain.subscribers.csv_columns import Columns, UnknownCell, columns_without_header, find_columns
from newsletter.domain.subscribers.csv_states import (
    CLEAR_WORDS,
    PLAN_WORDS,
    STATUS_BY_WORD,
    SourceStatus,
    fold,
    is_time,
)
from newsletter.domain.subscribers.imported import (
    Reject,
    RejectedRow,
    Skip,
    StagedSubscriber,
    parse_time,
    unescape_formula,
)
from newsletter.domain.subscribers.subscription import Frequency

_NEVER = "9999"  # later than any time in a file, as text
FREQUENCIES = frozenset(pace.value for pace in Frequency)
_IP_LENGTH = 45  # of the longest IPv6 address as text
_MAX_VALUES = 50  # a column with more different values is no column of states
_MAX_WORDS = 5  # how many unknown words of a column are worth reading on for
_NO_ADDRESS = "there is no address in this row. Add one, or remove the row"


@dataclass(slots=True)
class RowOptions:
    """How to read the rows. ignored: titles of columns not to be used. make_key: a fresh subscriber key at each call."""

    reject: Reject
    skip: Skip
    make_key: Callable[[], str]
    is_erased: Callable[[str], bool]
    now: datetime
    ignored: Collection[str] = ()


@dataclass(slots=True)
class RowReader:
    """Yields the usable rows of a file. columns: known after the first row; unknown: state words nobody understands.

    Raises InputError if there is no address column, or if a column that says who may get email is not understood.
    """

    options: RowOptions
    columns: Columns | None = None
    unknown: dict[str, dict[str, list[int]]] = field(default_factory=dict)

    @property
    def unused(self) -> list[str]:
        """The titles of the columns that were not used."""
        return [title for _, title in self.columns.unused] if self.columns else []

    @property
    def evidence(self) -> str:
        """The title of the column of confirmation times; "" without one."""
        return self.columns.evidence if self.columns else ""

    def read(self, lines: Iterable[str]) -> Iterator[StagedSubscriber]:
        """The usable rows; the others go to `reject` and `skip`."""
        source = CsvRecords(lines, self.options.skip)
        columns, records = self._find_columns(iter(source))
        self.columns = columns
        at = columns.address
        source.width = len(columns.titles)
        source.looks_like_row = lambda cells: len(cells) > at and "@" in cells[at]
        watch = _Watch(columns)
        yield from self._rows(records, columns, watch)
        self._refuse_unknown()
        watch.refuse_states()

    def _find_columns(self, records: Iterator[Record]) -> tuple[Columns, Iterator[Record]]:
        line, header = next(records, (1, []))
        columns: Columns | None
        if any("@" in cell for cell in header):
            columns, records = columns_without_header(header, self.options.ignored), chain([(line, header)], records)
        elif (columns := find_columns(header, self.options.ignored)) is None:
            first = list(islice(records, 20))
            columns, records = self._guess_columns(header, first), chain(first, records)
        if columns is None:
            raise InputError(
                f"there is no address column: {', '.join(header)[:200] or 'the file is empty'}",
                line=line,
                fix="Name the column email in the header row",
            )
        known = {fold(title) for title in columns.titles}
        for title in (title for title in self.options.ignored if fold(title) not in known):
            shown = ", ".join(columns.titles)[:200]
            raise UsageError(f"--ignore-column {title}: there is no such column", fix=f"The columns are: {shown}")
        return columns, records

    def _guess_columns(self, header: Sequence[str], first: Sequence[Record]) -> Columns | None:
        """A header row in an unknown language: the address column is the only one with addresses below it."""
        found = [
            at for at in range(len(header)) if first and all(len(cells) > at and "@" in cells[at] for _, cells in first)
        ]
        if len(found) != 1:
            return None
        (at,) = found
        return find_columns([*header[:at], "email", *header[at + 1 :]], self.options.ignored)

    def _rows(self, records: Iterator[Record], columns: Columns, watch: _Watch) -> Iterator[StagedSubscriber]:
        options, parse, make_key = self.options, address_parser(), self.options.make_key
        at, first, last, is_erased = columns.address, columns.first, columns.last, self.options.is_erased
        signup, confirmed, left, ip = columns.signup, columns.confirmed, columns.left, columns.ip
        paused, pace, width, status_of = columns.paused, columns.pace, len(columns.titles), columns.status_reader()
        latest = options.now.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
        watched = watch.watched
        missing, is_plain = [""] * (width + 1), columns.is_plain
        active, has_status, check = SourceStatus.ACTIVE.value, bool(columns.states), self._check_width
        for line, cells in records:  # this loop runs a million times, so it makes few calls and no objects
            if len(cells) != width and not check(line, cells, columns):
                continue
            several = is_plain and len(cells) > 1
            cells.extend(missing)  # the last cell, which is empty, stands for a column that does not exist
            for other, seen in watched:
                if cells[other] not in seen:
                    watch.note(other, cells[other], line)
            signed_up = parse_time(cells[signup], latest)
            confirmed_at = signed_up if cells[confirmed] == cells[signup] else parse_time(cells[confirmed], latest)
            evidence = _evidence(cells[confirmed], confirmed_at, cells[ip]) if confirmed >= 0 else None
            try:
                status = status_of(cells, evidence is not None) if has_status else active
            except UnknownCell as unknown:
                self._note_unknown(unknown, line)
                continue
            name = f"{cells[first]} {cells[last]}".strip()
            found: Sequence[tuple[str, str, str]]
            try:
                address, key = parse(tidy_address(cells[at]))
                found = ((address, key, name),)
            except InputError:
                found = self._read_cell(line, cells, columns, name)
            else:
                if several:
                    found = self._read_cell(line, cells, columns, name)
            for address, key, own_name in found:
                yield (
                    line,
                    None if address == key else address,
                    key,
                    clean_name(unescape_formula(own_name)),
                    make_key(),
                    ERASED if is_erased(key) else status,
                    signed_up,
                    confirmed_at,
                    parse_time(cells[left], latest) if left >= 0 else None,
                    parse_time(cells[paused], _NEVER) if paused >= 0 else None,
                    cells[pace] if cells[pace] in FREQUENCIES else None,
                    evidence,
                )

    def _check_width(self, line: int, cells: Sequence[str], columns: Columns) -> bool:
        """Is a row usable that has more or fewer cells than the header row? Otherwise it is rejected."""
        width, reason = len(columns.titles), ""
        if len(cells) > width and any(cell.strip() for cell in cells[width:]) and not columns.is_plain:
            reason = (
                f"the row has {len(cells)} cells, and the header row has {width}. Put a cell with a separator in quotes"
            )
        elif absent := [columns.titles[at] for at in columns.required if at >= len(cells)]:
            reason = f"the row ends before the column {absent[0]!r}. Complete the row"
        if reason:
            address = cells[columns.address] if columns.address < len(cells) else ""
            self.options.reject(RejectedRow(line, address[:320], reason))
        return not reason

    def _read_cell(
        self, line: int, cells: Sequence[str], columns: Columns, name: str
    ) -> tuple[tuple[str, str, str], ...]:
        """(address, key, name) of each address of a row whose address cell is not simply an address.

        Two addresses in one cell are one person in a table, so that the row is rejected; a plain list has no persons.
        """
        text = cells[columns.address]
        if columns.is_plain:
            text = ", ".join(cell for cell in cells if "@" in cell) or text
        found, usable = read_addresses(text), []
        if len(found) > 1 and not columns.is_plain:
            reason = "there are two addresses in this cell. Give each a row of its own"
            self.options.reject(RejectedRow(line, text.strip()[:320], reason))
            return ()
        for own_name, address in found:
            try:
                one = parse_address(address)
                usable.append((one.text, one.key, name or own_name))
            except InputError as error:
                shown = text.strip() if len(found) == 1 else address
                self.options.reject(RejectedRow(line, shown[:320], str(error) if address else _NO_ADDRESS))
        return tuple(usable)

    def _note_unknown(self, unknown: UnknownCell, line: int) -> None:
        words = self.unknown.setdefault(unknown.column.title, {})
        lines = words.setdefault(unknown.word, [])
        if len(lines) < _MAX_WORDS:
            lines.append(line)
        if len(words) >= _MAX_WORDS:
            self._refuse_unknown()

    def _refuse_unknown(self) -> None:
        for title, words in self.unknown.items():
            shown = ", ".join(f"{word!r} (line {', '.join(map(str, lines))})" for word, lines in words.items())
            _refuse(title, f"and this is not understood: {shown}")


def _evidence(cell: str, confirmed_at: str | None, ip: str) -> str | None:
    """None without a confirmation time; else the IP address next to it, or ""."""
    if confirmed_at is None and not is_time(cell):
        return None
    return ip if len(ip) <= _IP_LENGTH and not ip.isalpha() else ""


class _Watch:
    """Remembers the values of unused columns that have few of them, to notice a column of states under another name."""

    def __init__(self, columns: Columns) -> None:
        self._titles = dict(columns.unused)
        self._ignored = {at for at, title in columns.unused if fold(title) in columns.ignored}
        self._seen: dict[int, dict[str, int]] = {at: {} for at in self._titles if at not in self._ignored}
        self.watched = list(self._seen.items())  # (index, values) of each column that may still be one of states

    def note(self, at: int, value: str, line: int) -> None:
        """Remember a new value; a column with many is not watched any longer."""
        seen = self._seen[at]
        seen[value] = line
        if len(seen) > _MAX_VALUES:
            self.watched[:] = [(other, values) for other, values in self.watched if other != at]

    def refuse_states(self) -> None:
        """Raises InputError if a column that was not used has state words."""
        for at, seen in self._seen.items():
            values = {value: line for value, line in seen.items() if value.strip()}
            words = {value: [fold(part) for part in re.split(r"[,;|/]", value)] for value in values}
            clear = [value for value, parts in words.items() if not CLEAR_WORDS.isdisjoint(parts)]
            states = [value for value in values if fold(value) in STATUS_BY_WORD and fold(value) not in PLAN_WORDS]
            if clear or (len(seen) <= _MAX_VALUES and states and 2 * len(states) >= len(values)):
                found = clear or states
                shown = ", ".join(f"{value.strip()[:80]!r} (line {values[value]})" for value in found[:_MAX_WORDS])
                _refuse(self._titles[at], f"and its title is not understood: {shown}")


def _refuse(title: str, what: str) -> None:
    raise InputError(
        f"the column {title!r} seems to say who may get email, {what}",
        fix="Change these cells to active, unconfirmed, unsubscribed or cleaned and the title to status; or, if nothing"
        f' in that column means "do not email this person", pass --ignore-column {_quoted(title)}',
    )


def _quoted(title: str) -> str:
    return title if re.fullmatch(r"[\w.-]+", title) else f'"{title}"'
