"""Read the rows of a file of subscribers: which are usable, which are not, and which columns nobody understands.

Everything here runs before the first row is written: an error in the last line leaves the database as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain, islice

from newsletter.actions.subscribers.erase import ERASED
from newsletter.actions.subscribers.import_lists import Chooser, Chosen, ListNames
from newsletter.actions.subscribers.import_refusals import (
    MAX_WORDS,
    Watch,
    refuse,
    refuse_by_name,
    refuse_garbled,
)
from newsletter.actions.subscribers.subscribe import clean_name
from newsletter.domain.csv_records import MAX_TITLES, CsvRecords, Record, SkippedLines
from newsletter.domain.errors import InputError, UsageError
from newsletter.domain.read_dates import Dates
from newsletter.domain.subscribers.address import address_parser, parse_address
from newsletter.domain.subscribers.csv_addresses import read_addresses, tidy_address
from newsletter.domain.subscribers.csv_columns import (
    Columns,
    UnknownCell,
    columns_without_header,
    find_columns,
)
from newsletter.domain.subscribers.csv_states import (
    STATUS_BY_WORD,
    STRICTNESS,
    SourceStatus,
    fold,
    is_nothing,
    is_time,
    yes_or_no,
)
from newsletter.domain.subscribers.imported import (
    Reject,
    RejectedRow,
    Skip,
    StagedSubscriber,
    UnreadTimes,
    parse_time,
    unescape_formula,
)
from newsletter.domain.subscribers.record import BadRecord, read_record
from newsletter.domain.subscribers.subscription import Frequency, Status

_LATEST_END = "2999-12-31 00:00:00.000000"  # of a pause: a later one cannot be shown in every time zone
FREQUENCIES = frozenset(pace.value for pace in Frequency)
_IP_LENGTH = 45  # of the longest IPv6 address as text
Times = tuple[str | None, str | None, str | None, str | None]
"""Signed up, confirmed, unsubscribed, and the evidence of the confirmation; see `StagedSubscriber`."""
_FIRST_ROWS = 200  # are searched for the names of lists, before the first of them is used
_MARKS = ("#", "-", "/", "*", "~", "!", ";")
_CROSSED_OUT = "the line begins with a mark, as if it were crossed out. Remove the mark, or the line"
_BAD_RECORD = "the cell tip_record is not what an export wrote. Empty it, or export again"
_NO_END = "the row says that this subscriber is paused, and not until when. Write a date into the column paused_until"
_NO_ADDRESS = "there is no address in this row. Add one, or remove the row"


class _NoEnd(Exception):
    """A row that is paused, and does not say until when."""


@dataclass(slots=True)
class RowOptions:
    """How to read the rows. ignored: titles of columns not to be used. make_key: a fresh subscriber key at each call.

    file_name: it may say that nobody in the file must be emailed. dates: in which order day and month are written.
    """

    reject: Reject
    skip: Skip
    make_key: Callable[[], str]
    is_erased: Callable[[str], bool]
    now: datetime
    ignored: Collection[str] = ()
    file_name: str = ""
    dates: Dates = field(default_factory=Dates)
    names: ListNames | None = None


@dataclass(slots=True)
class RowReader:
    """Yields the usable rows of a file. columns: known after the first row; unknown: state words nobody understands.

    chooser, chosen: in a file about several lists, those of the row that was yielded last.
    Raises InputError if there is no address column, or if a column that says who may get email is not understood.
    """

    options: RowOptions
    columns: Columns | None = None
    unknown: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    unread: dict[int, UnreadTimes] = field(default_factory=dict)
    chooser: Chooser | None = None
    chosen: Chosen = ()

    @property
    def unused(self) -> list[str]:
        """The titles of the columns that were not used."""
        used = self.chooser.used if self.chooser else ()
        return [title for at, title in self.columns.unused if at not in used] if self.columns else []

    @property
    def evidence(self) -> str:
        """The title of the column of confirmation times; "" without one."""
        return self.columns.evidence if self.columns else ""

    def read(self, lines: Iterable[str]) -> Iterator[StagedSubscriber]:
        """The usable rows; the others go to `reject` and `skip`."""
        source = CsvRecords(lines, self.options.skip)
        columns, records = self._find_columns(iter(source))
        at = columns.address
        source.width = len(columns.titles)
        source.looks_like_row = lambda cells: len(cells) > at and "@" in cells[at]
        if self.options.names and self.options.names.pairs:
            first = list(islice(records, _FIRST_ROWS))
            named = self.options.names.columns_of(columns, (cells for _, cells in first))
            columns = (find_columns(columns.titles, [*self._skipped, *named]) if named else None) or columns
            records = chain(first, records)
        self.columns = columns
        self.chooser = self.options.names.chooser(columns, self.options.reject) if self.options.names else None
        refuse_by_name(self.options.file_name, columns)
        watch = Watch(columns)
        yield from self._rows(records, columns, watch)
        self._refuse_unknown()
        watch.refuse_states()

    def _find_columns(self, records: Iterator[Record]) -> tuple[Columns, Iterator[Record]]:
        line, header = next(records, (1, []))
        columns: Columns | None
        if any("@" in cell for cell in header):
            columns, records = columns_without_header(header, self._skipped), chain([(line, header)], records)
        elif (columns := find_columns(header, self._skipped)) is None:
            first = list(islice(records, 20))
            columns = self._guess_columns(header, first)
            if columns is None:
                columns = self._skip_titles(line, first)
            records = chain(first, records)
        if columns is None:
            raise InputError(
                f"there is no address column: {', '.join(header)[:200] or 'the file is empty'}",
                line=line,
                fix="Name the column email in the header row",
            )
        refuse_garbled(columns.titles, line)
        known = {fold(title) for title in columns.titles}
        for title in (title for title in self.options.ignored if fold(title) not in known):
            shown = ", ".join(columns.titles)[:200]
            raise UsageError(f"--ignore-column {title}: there is no such column", fix=f"The columns are: {shown}")
        return columns, records

    @property
    def _skipped(self) -> list[str]:
        """The titles of columns that say nothing about a status."""
        return [*self.options.ignored, *(self.options.names.titles if self.options.names else ())]

    def _skip_titles(self, line: int, first: list[Record]) -> Columns | None:
        """A header row below a title of the table; the rows above it are taken out of `first` and reported."""
        for at, (below, cells) in enumerate(first[:MAX_TITLES]):
            if columns := find_columns(cells, self._skipped):
                self.options.skip(SkippedLines(line, below - 1, "this is above the header row"))
                del first[: at + 1]
                return columns
        return None

    def _guess_columns(self, header: Sequence[str], first: Sequence[Record]) -> Columns | None:
        """A header row in an unknown language: the address column is the only one with addresses below it."""
        found = [
            at for at in range(len(header)) if first and all(len(cells) > at and "@" in cells[at] for _, cells in first)
        ]
        if len(found) != 1:
            return None
        (at,) = found
        return find_columns([*header[:at], "email", *header[at + 1 :]], self._skipped)

    def _rows(self, records: Iterator[Record], columns: Columns, watch: Watch) -> Iterator[StagedSubscriber]:
        parse, make_key = address_parser(), self.options.make_key
        at, first, last, is_erased = columns.address, columns.first, columns.last, self.options.is_erased
        pace, width, state_of = columns.pace, len(columns.titles), self._state_reader(columns)
        watched, times_of = watch.watched, self._times_reader(columns)
        missing, is_plain = [""] * (width + 1), columns.is_plain
        check = self._check_row
        for line, cells in records:  # this loop runs a million times, so it makes few calls and no objects
            cell = cells[at] if len(cells) == width else ""
            if ("@" not in cell or cell.startswith(_MARKS)) and not check(line, cells, columns):
                continue
            several = is_plain and len(cells) > 1
            cells.extend(missing)  # the last cell, which is empty, stands for a column that does not exist
            for other, seen in watched:
                if cells[other] not in seen:
                    watch.note(other, cells[other], line)
            signed_up, confirmed_at, left_at, evidence = times_of(line, cells)
            state = state_of(line, cells, confirmed_at, evidence is not None)
            if state is None:
                continue
            status, record, paused_until = state
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
                    left_at,
                    paused_until,
                    cells[pace] if cells[pace] in FREQUENCIES else None,
                    evidence,
                    record,
                )

    def _state_reader(
        self, columns: Columns
    ) -> Callable[[int, Sequence[str], str | None, bool], tuple[str, str | None, str | None] | None]:
        """A function of a line, its cells, and its confirmation; None for an unusable row.

        It returns the status, the record to restore, and the end of the pause.
        """
        status_of, active, has_status = columns.status_reader(), SourceStatus.ACTIVE.value, bool(columns.states)
        end_of, choose = self._end_reader(columns), self.chooser.choose if self.chooser else None

        def state_of(
            line: int,
            cells: Sequence[str],
            confirmed_at: str | None,
            proven: bool,  # noqa: FBT001 - called for every row
        ) -> tuple[str, str | None, str | None] | None:
            try:
                status, record = status_of(cells, proven) if has_status else active, None
                if cells[columns.record]:
                    status, record = _restored(cells[columns.record], status, confirmed_at)
                until = end_of(line, cells, status)
                self.chosen = choose(line, cells, status) if choose else ()
            except _NoEnd:
                self.options.reject(RejectedRow(line, cells[columns.address][:320], _NO_END))
            except UnknownCell as unknown:
                self._note_unknown(unknown, line)
            except BadRecord:
                self.options.reject(RejectedRow(line, cells[columns.address][:320], _BAD_RECORD))
            else:
                return (status, record, until) if self.chosen or not choose else None
            return None

        return state_of

    def _end_reader(self, columns: Columns) -> Callable[[int, Sequence[str], str], str | None]:
        """A function of a line, its cells, and its status: until when it is paused. It raises _NoEnd."""
        at, read, states = columns.paused, self.options.dates.utc_of, [column.index for column in columns.states]
        says_paused = lru_cache(2000)(lambda *said: any(fold(cell) == Status.PAUSED for cell in said))

        def end_of(line: int, cells: Sequence[str], status: str) -> str | None:
            found = parse_time(cells[at], _LATEST_END, read) if at >= 0 else None
            if found or status != SourceStatus.ACTIVE:
                return found
            if states and says_paused(*[cells[state] for state in states]):
                raise _NoEnd  # to take it for active would send emails to somebody who asked for none
            if at >= 0 and cells[at]:
                self._note_unread(line, at, cells[at])
            return None

        return end_of

    def _is_header(self, line: int, cells: Sequence[str], columns: Columns) -> bool:
        """Is this the header row again, as in files that were put together? Raises InputError if it is another one.

        Its columns may mean the opposite: a "yes" below "Subscribed", and below "Unsubscribed".
        """
        if any("@" in cell for cell in cells) or find_columns(cells, self._skipped) is None:
            return False
        titles = [fold(cell) for cell in cells if cell.strip()]
        if columns.is_headless or titles != [fold(title) for title in columns.titles if title]:
            raise InputError(
                f"a second table begins here, with other columns: {', '.join(filter(None, cells))[:200]}",
                line=line,
                fix="Put each table into a file of its own, and import the files one by one",
            )
        self.options.skip(SkippedLines(line, line, "this is the header row again"))
        return True

    def _check_row(self, line: int, cells: Sequence[str], columns: Columns) -> bool:
        """Is a row usable that does not look like the others? Otherwise it is rejected, or skipped as a header row."""
        if self._is_header(line, cells, columns):
            return False
        width, reason = len(columns.titles), ""
        if columns.is_plain and "".join(cells[columns.address : columns.address + 1]).startswith(_MARKS):
            reason = _CROSSED_OUT
        elif len(cells) > width and any(cell.strip() for cell in cells[width:]) and not columns.is_plain:
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
        if len(lines) < MAX_WORDS:
            lines.append(line)
        if len(words) >= MAX_WORDS:
            self._refuse_unknown()

    def _times_reader(self, columns: Columns) -> Callable[[int, Sequence[str]], Times]:
        """A function of a line and its cells; times that cannot be read go to `unread`."""
        signup, confirmed, left, ip = columns.signup, columns.confirmed, columns.left, columns.ip
        read = lru_cache(10_000)(self.options.dates.utc_of)
        latest = self.options.now.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")

        def times_of(line: int, cells: Sequence[str]) -> Times:
            signed_up = parse_time(cells[signup], latest, read)
            same = cells[confirmed] == cells[signup]
            confirmed_at = signed_up if same else parse_time(cells[confirmed], latest, read)
            left_at = parse_time(cells[left], latest, read) if left >= 0 else None
            for at, found in ((signup, signed_up), (confirmed, confirmed_at), (left, left_at)):
                if found is None and cells[at]:
                    self._note_unread(line, at, cells[at])
            evidence = _evidence(cells[confirmed], confirmed_at, cells[ip]) if confirmed >= 0 else None
            return signed_up, confirmed_at, left_at, evidence

        return times_of

    def _note_unread(self, line: int, at: int, cell: str) -> None:
        if self.columns and not (is_nothing(cell) or yes_or_no(cell) is not None or fold(cell) in STATUS_BY_WORD):
            unread = self.unread.setdefault(at, UnreadTimes(self.columns.titles[at], line, cell[:80]))
            unread.count += 1

    def _refuse_unknown(self) -> None:
        names = self.options.names
        for title, words in self.unknown.items():
            shown = ", ".join(f"{word!r} (line {', '.join(map(str, lines))})" for word, lines in words.items())
            refuse(title, f"and this is not understood: {shown}", names.advice(next(iter(words))) if names else "")


def _restored(cell: str, status: str, confirmed_at: str | None) -> tuple[str, str | None]:
    """(status, record) of a row of our own export; no record if the other cells say something stricter. Raises BadRecord."""
    record, said = read_record(unescape_formula(cell))
    is_proven = confirmed_at is not None or said is not SourceStatus.ACTIVE
    if STRICTNESS[SourceStatus(status)] > STRICTNESS[said] or not is_proven:
        return status, None
    return said.value, record


def _evidence(cell: str, confirmed_at: str | None, ip: str) -> str | None:
    """None without a confirmation time; else the IP address next to it, or ""."""
    if confirmed_at is None and not is_time(cell):
        return None
    return ip if len(ip) <= _IP_LENGTH and not ip.isalpha() else ""
