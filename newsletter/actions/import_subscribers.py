"""Readers from a CSV file: what each row says, line by line; the store decides and writes; mails nothing itself."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from newsletter.actions.erase import ERASED, erased_keys
from newsletter.actions.subscribe import clean_name
from newsletter.domain.address import parse_address
from newsletter.domain.errors import InputError, UsageError
from newsletter.domain.imports import Columns, ImportCounts, ImportedReader, Was, find_columns
from newsletter.domain.ports import Store
from newsletter.mail.tokens import Signer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that could not be used. line: counted from 1, where the row begins."""

    line: int
    address: str
    reason: str


@dataclass(slots=True)
class Report(ImportCounts):
    """What the import did, and every row it could not use."""

    rejected: list[RejectedRow] = field(default_factory=list)


def import_subscribers(
    store: Store,
    signer: Signer,
    lines: Iterable[str],
    *,
    confirmed_source: str | None,
    make_key: Callable[[], str],
    now: datetime,
    dry_run: bool = False,
) -> Report:
    """Take in the lines of a CSV file (`csv` newlines, a BOM already gone, bytes that are not UTF-8 as surrogates).

    confirmed_source: the proof of an earlier consent, or None: then everybody new is asked to confirm.
    make_key: a fresh, unguessable subscriber key at each call. Constant memory, but for the rows that are rejected.
    Raises InputError when no column of addresses can be found, UsageError for an empty proof.
    """
    if confirmed_source is not None and not confirmed_source.strip():
        raise UsageError("confirmed readers need a proof", fix='Say where they agreed: --source "paper list, 3 May"')
    report = Report()
    rows = read_rows(lines, report.rejected, make_key, _erasures(store, signer), now)
    counts = store.import_readers(rows, proof=confirmed_source, now=now, dry_run=dry_run)
    for name in ("added", "updated", "unchanged", "suppressed", "left", "repeated", "asked"):
        setattr(report, name, getattr(counts, name))
    return report


def _erasures(store: Store, signer: Signer) -> Callable[[str], bool]:
    """Was an address erased? The hashes are few and kept at hand."""
    with store.read() as tx:
        hashes = {entry.address_key for entry in tx.suppressions.each() if entry.reason == ERASED}
        own_key = tx.suppressions.own_key()
    if not hashes:
        return lambda _: False
    return lambda address_key: not hashes.isdisjoint(erased_keys(own_key, signer, address_key))


# -- the file --------------------------------------------------------------------------------------


def read_rows(
    lines: Iterable[str],
    rejected: list[RejectedRow],
    make_key: Callable[[], str],
    is_erased: Callable[[str], bool],
    now: datetime,
) -> Iterator[ImportedReader]:
    """Usable rows; the others go to `rejected`. Raises InputError when no column of addresses can be found."""
    records = _records(lines, rejected)
    line, head = next(records, (1, []))
    columns = find_columns(head)
    if columns is None:
        columns = _without_head(head)
        records = _chain((line, head), records)
    has_status, name_it = columns.has_status, columns.text
    for line, cells in records:
        text = cells[columns.address].strip() if len(cells) > columns.address else ""
        try:
            address = parse_address(text)
            was = columns.was(cells) if has_status else Was.ACTIVE
        except InputError as error:
            rejected.append(RejectedRow(line, text[:320], error.message if text else "there is no address in this row"))
            continue
        yield ImportedReader(
            line,
            address.text,
            address.key,
            clean_name(name_it(cells)),
            make_key(),
            was,
            columns.at(cells, columns.signup, now),
            columns.at(cells, columns.confirmed, now),
            columns.at(cells, columns.left, now),
            is_erased(address.key),
        )


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
            text = "".join(cells)
            if text.isascii() and text.strip():
                yield line, cells
            elif text.strip():
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


def _without_head(cells: Sequence[str]) -> Columns:
    """A plain list of addresses: the first row is one already."""
    for at, cell in enumerate(cells):
        if "@" in cell:
            return Columns(at)
    raise InputError(
        f"no column of addresses: {', '.join(cells)[:200] or 'the file is empty'}",
        line=1,
        fix="Call it email in the first line",
    )
