"""Import subscribers from a CSV file: read and check each row, and pass the usable ones to the store."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from newsletter.actions.subscribers.erase import ERASED, erased_keys
from newsletter.actions.subscribers.subscribe import clean_name
from newsletter.domain.errors import InputError, UsageError
from newsletter.domain.subscribers.address import address_parser
from newsletter.domain.subscribers.csv_columns import (
    Columns,
    ImportCounts,
    ImportOptions,
    RejectedRow,
    SourceStatus,
    StagedSubscriber,
    find_columns,
    parse_time,
    source_status,
    unescape_formula,
)
from newsletter.domain.subscribers.subscription import Frequency
from newsletter.mail.tokens import Signer
from newsletter.ports.store import Store

T = TypeVar("T")
_NEVER = "9999"  # later than any time in a file, as text
FREQUENCIES = frozenset(pace.value for pace in Frequency)
_FIX_QUOTES = 'Close every quotation mark, and double each one inside a cell: ""'


Reject = Callable[[RejectedRow], object]


@dataclass(slots=True)
class Report(ImportCounts):
    """What the import did. rejected: the rows it could not use, unless the caller collects them with `reject`."""

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
    reject: Reject | None = None,
    on_progress: Callable[[float], None] = lambda _: None,
) -> Report:
    """Import the lines of a CSV file (newlines unchanged, BOM removed, bytes that are not UTF-8 as surrogates).

    confirmed_source: the proof of an earlier consent; if None, new subscribers are asked by email to confirm.
    make_key: a fresh, unguessable subscriber key at each call; the store may replace its first two characters.
    reject: receives bad rows instead of the report. on_progress: called with the share that is written, 0.0 to 1.0.
    Memory stays constant, except for the list of rejected rows. Nothing is written before the last line was read; then
    subscribers are written in batches of thousands, each with everything that belongs to it. After an interruption,
    run the same import again to finish.
    Raises InputError if there is no address column, UsageError for an empty proof.
    """
    if confirmed_source is not None and not confirmed_source.strip():
        raise UsageError(
            "confirmed subscribers need proof of consent",
            fix='State where they agreed, as in --source "paper list, May 3, 2026"',
        )
    report = Report()
    rows = read_rows(lines, reject or report.rejected.append, make_key, _erasures(store, signer), now)
    options = ImportOptions(confirmed_source, now, dry_run=dry_run, on_progress=on_progress)
    counts = store.import_staged(rows, options)
    for name in ("added", "updated", "unchanged", "suppressed", "left", "repeated", "asked"):
        setattr(report, name, getattr(counts, name))
    return report


def _erasures(store: Store, signer: Signer) -> Callable[[str], bool]:
    """A function that tells whether an address was erased. It keeps the hashes in memory, since they are few."""
    with store.read() as tx:
        hashes = {entry.address_key for entry in tx.suppressions.each() if entry.reason == ERASED}
        erasure_key = tx.suppressions.erasure_key()
    if not hashes:
        return lambda _: False
    return lambda address_key: not hashes.isdisjoint(erased_keys(erasure_key, signer, address_key))


# -- the file --------------------------------------------------------------------------------------


def read_rows(
    lines: Iterable[str],
    reject: Reject,
    make_key: Callable[[], str],
    is_erased: Callable[[str], bool],
    now: datetime,
) -> Iterator[StagedSubscriber]:
    """The usable rows; the others go to `reject`. Raises InputError if there is no address column."""
    records = _records(lines, reject)
    line, header = next(records, (1, []))
    columns = find_columns(header)
    if columns is None:
        columns = _without_header(header)
        records = _chain((line, header), records)
    at, first, last, parse = columns.address, columns.first, columns.last, address_parser()
    signup, confirmed, left = columns.signup, columns.confirmed, columns.left
    paused, pace = columns.paused, columns.pace
    latest = now.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    active, has_status, missing = SourceStatus.ACTIVE.value, columns.has_status, [""] * (columns.width + 1)
    for line, cells in records:  # this loop runs a million times, so it makes few calls and no objects
        cells.extend(
            missing
        )  # completes a short row; the last cell, which is empty, stands for a column that does not exist
        text = unescape_formula(cells[at].strip())
        try:
            address, key = parse(text)
            status = source_status(columns.status_cells(cells)) if has_status else active
        except InputError as error:
            reason = str(error) if text else "there is no address in this row. Add one, or remove the row"
            reject(RejectedRow(line, text[:320], reason))
            continue
        name = f"{cells[first]} {cells[last]}".strip()
        signed_up = parse_time(cells[signup], latest)
        yield (
            line,
            None if address == key else address,
            key,
            clean_name(unescape_formula(name)),
            make_key(),
            ERASED if is_erased(key) else status,
            signed_up,
            signed_up if cells[confirmed] == cells[signup] else parse_time(cells[confirmed], latest),
            parse_time(cells[left], latest) if has_status else None,
            parse_time(cells[paused], _NEVER) if paused >= 0 else None,
            cells[pace] if cells[pace] in FREQUENCIES else None,
        )


def _records(lines: Iterable[str], reject: Reject) -> Iterator[tuple[int, list[str]]]:
    """(line where it begins, cells) of each record that is not empty."""
    source = iter(lines)
    header = next(source, "").removeprefix("\ufeff")
    delimiter = max(",;\t", key=header.count)
    records = csv.reader(_chain(header, source), delimiter=delimiter, skipinitialspace=True, strict=True)
    while True:
        line = records.line_num + 1
        try:
            cells = next(records)
        except StopIteration:
            return
        except csv.Error as error:
            reject(RejectedRow(line, "", f"the row cannot be read: {error}. {_FIX_QUOTES}"))
        else:
            text = "".join(cells)
            if text.isascii() and text.strip():
                yield line, cells
            elif text.strip():
                yield line, [_decoded(cell) for cell in cells]


def _chain(first: T, rest: Iterable[T]) -> Iterator[T]:
    yield first
    yield from rest


def _decoded(cell: str) -> str:
    """The cell; if its bytes were not UTF-8, read as Windows-1252, which spreadsheets write."""
    try:
        cell.encode()
    except UnicodeEncodeError:
        return cell.encode("utf-8", "surrogateescape").decode("cp1252", "replace")
    return cell


def _without_header(cells: Sequence[str]) -> Columns:
    """The columns of a file without a header row: the first row holds an address already."""
    for at, cell in enumerate(cells):
        if "@" in cell:
            return Columns(at)
    raise InputError(
        f"there is no address column: {', '.join(cells)[:200] or 'the file is empty'}",
        line=1,
        fix="Name the column email in the header row",
    )
