"""Readers from a CSV file: what each row says, line by line; the store decides and writes; mails nothing itself."""

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
_NEVER = "9999"
FREQUENCIES = frozenset(pace.value for pace in Frequency)
_FIX_QUOTES = 'Close every quote, and write one inside a cell twice: ""'


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that could not be used. line: counted from 1, where the row begins."""

    line: int
    address: str
    reason: str


Reject = Callable[[RejectedRow], object]


@dataclass(slots=True)
class Report(ImportCounts):
    """What the import did, and every row it could not use, unless these were to go elsewhere."""

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
    written: Callable[[float], None] = lambda _: None,
) -> Report:
    """Take in the lines of a CSV file (`csv` newlines, a BOM already gone, bytes that are not UTF-8 as surrogates).

    confirmed_source: the proof of an earlier consent, or None: then everybody new is asked to confirm.
    make_key: a fresh, unguessable subscriber key at each call, of which the store may replace the first two letters.
    reject: takes bad rows in place of the report's list. written: is told which share of the readers is in, from 0.0 to 1.0.
    Constant memory, but for a list of rejected rows. Nothing is written before the last line was read; then people
    come in by thousands, each with all that belongs to them. Whoever ends it there calls it again for the rest.
    Raises InputError when no column of addresses can be found, UsageError for an empty proof.
    """
    if confirmed_source is not None and not confirmed_source.strip():
        raise UsageError("confirmed readers need a proof", fix='Say where they agreed: --source "paper list, 3 May"')
    report = Report()
    rows = read_rows(lines, reject or report.rejected.append, make_key, _erasures(store, signer), now)
    terms = ImportOptions(confirmed_source, now, dry_run=dry_run, on_progress=written)
    counts = store.import_staged(rows, terms)
    for name in ("added", "updated", "unchanged", "suppressed", "left", "repeated", "asked"):
        setattr(report, name, getattr(counts, name))
    return report


def _erasures(store: Store, signer: Signer) -> Callable[[str], bool]:
    """Was an address erased? The hashes are few and kept at hand."""
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
    """Usable rows; the others go to `reject`. Raises InputError when no column of addresses can be found."""
    records = _records(lines, reject)
    line, head = next(records, (1, []))
    columns = find_columns(head)
    if columns is None:
        columns = _without_header(head)
        records = _chain((line, head), records)
    at, first, last, parse = columns.address, columns.first, columns.last, address_parser()
    signup, confirmed, left = columns.signup, columns.confirmed, columns.left
    paused, pace = columns.paused, columns.pace
    latest = now.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    active, has_status, missing = SourceStatus.ACTIVE.value, columns.has_status, [""] * (columns.width + 1)
    for line, cells in records:  # a million times: no objects, no calls that can be spared
        cells.extend(missing)  # a short row is whole then, and the last cell is what a column that is not there says
        text = unescape_formula(cells[at].strip())
        try:
            address, key = parse(text)
            said = source_status(columns.status_cells(cells)) if has_status else active
        except InputError as error:
            reason = str(error) if text else "there is no address in this row. Fill it in, or take the row out"
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
            ERASED if is_erased(key) else said,
            signed_up,
            signed_up if cells[confirmed] == cells[signup] else parse_time(cells[confirmed], latest),
            parse_time(cells[left], latest) if has_status else None,
            parse_time(cells[paused], _NEVER) if paused >= 0 else None,
            cells[pace] if cells[pace] in FREQUENCIES else None,
        )


def _records(lines: Iterable[str], reject: Reject) -> Iterator[tuple[int, list[str]]]:
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
            reject(RejectedRow(line, "", f"the row cannot be read: {error}. {_FIX_QUOTES}"))
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


def _without_header(cells: Sequence[str]) -> Columns:
    """A plain list of addresses: the first row is one already."""
    for at, cell in enumerate(cells):
        if "@" in cell:
            return Columns(at)
    raise InputError(
        f"no column of addresses: {', '.join(cells)[:200] or 'the file is empty'}",
        line=1,
        fix="Call it email in the first line",
    )
