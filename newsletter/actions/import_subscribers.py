"""Readers from a CSV file: decides row by row, writes in batches; resubscribes nobody and mails nothing itself."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TypeVar

from newsletter.actions.subscribe import clean_name
from newsletter.domain.address import Address, parse_address
from newsletter.domain.errors import InputError, UsageError
from newsletter.domain.people import Consent, NewReader, Reader
from newsletter.domain.ports import Store, Tx
from newsletter.domain.subscription import Status, may_mail_confirmation

T = TypeVar("T")

BATCH = 2_000  # rows per write transaction: a second or less for everybody who waits
EMAIL = ("email", "emailaddress", "address", "mail")
NAME = ("name", "fullname", "displayname")
FIRST = ("first", "firstname", "givenname")
LAST = ("last", "lastname", "surname", "familyname")


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that could not be used. line: counted from 1, where the row begins."""

    line: int
    address: str
    reason: str


@dataclass(slots=True)
class Report:
    """What the import did. left: readers who had left and stay away. repeated: addresses that came again in the file.

    asked: how many confirmation mails wait to be sent.
    """

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    suppressed: int = 0
    left: int = 0
    repeated: int = 0
    asked: int = 0
    rejected: list[RejectedRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Row:
    """One usable row."""

    line: int
    address: Address
    name: str


def import_subscribers(
    store: Store,
    lines: Iterable[str],
    *,
    confirmed_source: str | None,
    make_key: Callable[[], str],
    now: datetime,
    dry_run: bool = False,
) -> Report:
    """Take in the lines of a CSV file (`csv` newlines, a BOM already gone, bytes that are not UTF-8 as surrogates).

    confirmed_source: the proof of an earlier consent, or None: then everybody new is asked to confirm.
    make_key: a fresh, unguessable subscriber key at each call. Constant memory but for one number per address.
    Raises InputError when no column of addresses can be found, UsageError for an empty proof.
    """
    if confirmed_source is not None and not confirmed_source.strip():
        raise UsageError("confirmed readers need a proof", fix='Say where they agreed: --source "paper list, 3 May"')
    report, seen = Report(), set[int]()
    rows = read_rows(lines, report.rejected)
    while batch := list(islice(rows, BATCH)):
        with store.read() if dry_run else store.write() as tx:
            taker = _Taker(tx, report, confirmed_source, make_key, now, dry_run=dry_run)
            for row in batch:
                taker.take(row, known=hash(row.address.key) in seen)
                seen.add(hash(row.address.key))
    return report


# -- one row ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Taker:
    tx: Tx
    report: Report
    confirmed_source: str | None
    make_key: Callable[[], str]
    now: datetime
    dry_run: bool

    def take(self, row: Row, *, known: bool) -> None:
        """Suppression first, then their own word, then what the file brings."""
        reader = self.tx.subscribers.by_address(row.address.key)
        if known and (reader or self.dry_run):
            self.report.repeated += 1
        elif self.tx.suppressions.get(row.address.key):
            self.report.suppressed += 1
        elif reader is None:
            self._add(row)
        elif reader.status is Status.UNSUBSCRIBED:
            self.report.left += 1
            self.report.unchanged += 1
        elif self._update(row, reader):
            self.report.updated += 1
        else:
            self.report.unchanged += 1

    def _add(self, row: Row) -> None:
        self.report.added += 1
        confirmed = self.confirmed_source is not None
        self.report.asked += not confirmed
        if self.dry_run:
            return
        new = NewReader(
            row.address,
            row.name,
            self.make_key(),
            Status.CONFIRMED if confirmed else Status.PENDING,
            source="import",
            signup_at=self.now,
            confirmed_at=self.now if confirmed else None,
        )
        reader = self.tx.subscribers.add(new, self.now)
        self._log(reader)
        if not confirmed:
            self._ask(reader)

    def _update(self, row: Row, reader: Reader) -> bool:
        """What a known reader gains: a name they did not have, a confirmation, or a second question."""
        named = bool(row.name and not reader.name)
        undecided = reader.status in (Status.PENDING, Status.EXPIRED)
        confirms = undecided and self.confirmed_source is not None
        asks = (
            reader.status is Status.PENDING
            and not confirms
            and may_mail_confirmation(reader.status, reader.confirmation_mailed_at, self.now)
        )
        self.report.asked += asks
        if self.dry_run:
            return named or confirms or asks
        if named:
            self.tx.subscribers.rename(reader.id, row.name)
        if confirms:
            self.tx.subscribers.set_status(reader.id, Status.CONFIRMED, self.now)
            self._log(reader)
        if asks:
            self.tx.subscribers.sign_up_again(reader.id, row.name or reader.name, self.now)
            self._log(reader)
            self._ask(reader)
        return named or confirms or asks

    def _log(self, reader: Reader) -> None:
        proof = "added by the owner from a file" if self.confirmed_source is None else self.confirmed_source.strip()
        what = "signup" if self.confirmed_source is None else "import"
        self.tx.subscribers.log_consent(reader.id, Consent(self.now, what, proof))

    def _ask(self, reader: Reader) -> None:
        values = {"subscriber_key": reader.key, "signup_at": int(self.now.timestamp())}
        self.tx.notices.add("confirm", reader.address, values, self.now)
        self.tx.subscribers.confirmation_mailed(reader.id, self.now)


# -- the file --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where in a row the address and the parts of the name are."""

    address: int
    name: tuple[int, ...]


def read_rows(lines: Iterable[str], rejected: list[RejectedRow]) -> Iterator[Row]:
    """Usable rows; the others go to `rejected`. Raises InputError when no column of addresses can be found."""
    records = _records(lines, rejected)
    line, head = next(records, (1, []))
    columns = _columns(head)
    if columns is None:
        columns = _without_head(head)
        records = _chain((line, head), records)
    for line, cells in records:
        text = cells[columns.address].strip() if len(cells) > columns.address else ""
        try:
            address = parse_address(text)
        except InputError as error:
            rejected.append(RejectedRow(line, text[:320], error.message if text else "there is no address in this row"))
        else:
            name = " ".join(cells[at].strip() for at in columns.name if at < len(cells))
            yield Row(line, address, clean_name(name))


def _records(lines: Iterable[str], rejected: list[RejectedRow]) -> Iterator[tuple[int, list[str]]]:
    """(line where it begins, cells) of each record that is not empty."""
    source = iter(lines)
    head = next(source, "").removeprefix("\ufeff")
    delimiter = max(",;\t", key=head.count)
    records = csv.reader(_chain(head, source), delimiter=delimiter, skipinitialspace=True, strict=True)
    while True:
        line = records.line_num + 1
        try:
            cells = next(records)
        except StopIteration:
            return
        except csv.Error as error:
            rejected.append(RejectedRow(line, "", f"the row cannot be read: {error}"))
        else:
            if any(cell.strip() for cell in cells):
                yield line, [_readable(cell) for cell in cells]


def _chain(first: T, rest: Iterable[T]) -> Iterator[T]:
    yield first
    yield from rest


def _readable(cell: str) -> str:
    """A cell whose bytes were not UTF-8 is read as what spreadsheets write instead: Windows-1252."""
    try:
        cell.encode()
    except UnicodeEncodeError:
        return cell.encode("utf-8", "surrogateescape").decode("cp1252", "replace")
    return cell


def _columns(head: Sequence[str]) -> _Columns | None:
    titles = [re.sub(r"[\W_]", "", cell).casefold() for cell in head]

    def find(names: Sequence[str]) -> tuple[int, ...]:
        return next(((titles.index(name),) for name in names if name in titles), ())

    address = find(EMAIL)
    return _Columns(address[0], find(NAME) or find(FIRST) + find(LAST)) if address else None


def _without_head(cells: Sequence[str]) -> _Columns:
    """A plain list of addresses: the first row is one already."""
    for at, cell in enumerate(cells):
        if "@" in cell:
            return _Columns(at, ())
    raise InputError(
        f"no column of addresses: {', '.join(cells)[:200] or 'the file is empty'}",
        line=1,
        fix="Call it email in the first line",
    )
