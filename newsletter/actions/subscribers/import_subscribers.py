"""Import subscribers from a CSV file: read and check each row, and pass the usable ones to the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from datetime import datetime
from itertools import chain, islice
from pathlib import Path

from newsletter.actions.subscribers import erase
from newsletter.actions.subscribers.erase import ERASED, erased_keys
from newsletter.actions.subscribers.import_lists import ListNames, Spools, parse_names
from newsletter.actions.subscribers.import_rows import RowOptions, RowReader
from newsletter.domain.errors import InputError, Refused, UsageError
from newsletter.domain.file_kinds import HEAD, text_encoding
from newsletter.domain.read_dates import Dates
from newsletter.domain.subscribers.address import older_key
from newsletter.domain.subscribers.imported import ImportCounts, ImportOptions, ImportRequest, Report
from newsletter.mail.tokens import Signer
from newsletter.ports.store import Store


def import_subscribers(
    store: Store,
    signer: Signer,
    lines: Iterable[str],
    request: ImportRequest,
    *,
    make_key: Callable[[], str],
    now: datetime,
) -> Report:
    """Import the lines of a CSV file (newlines unchanged, BOM removed, bytes that are not UTF-8 as surrogates).

    make_key: a fresh, unguessable subscriber key at each call; the store may replace its first two characters.
    Memory stays constant, except for the lists of the report. Nothing is written before the last line was read; then
    subscribers are written in batches of thousands, each with everything that belongs to it. After an interruption,
    run the same import again to finish.
    Raises InputError if there is no address column or a column of states is not understood, and UsageError for an empty
    proof and for a `--map` that the file does not fit.
    """
    proof = request.confirmed_source
    if proof is not None and not proof.strip():
        raise UsageError(
            "confirmed subscribers need proof of consent",
            fix='State where they agreed, as in --source "paper list, May 3, 2026"',
        )
    report = Report()
    reject, skip = request.reject or report.rejected.append, request.skip or report.skipped.append
    reader = RowReader(
        RowOptions(
            reject, skip, make_key, erasures(store, signer), now, request.ignored, request.name,
            Dates(day_first=request.day_first), _names(store, request),
        )
    )  # fmt: skip
    options = ImportOptions(
        proof, now, ask=request.ask, dry_run=request.dry_run, on_progress=request.on_progress,
        evidence=lambda: f"{reader.evidence} in {request.name}",
    )  # fmt: skip
    rows = reader.read(lines)
    first = list(islice(rows, 1))  # now the header row is read
    if reader.chooser is None:
        counts = store.import_staged(chain(first, rows), options)
    else:
        with Spools() as spools:
            for row in chain(first, rows):
                spools.add(row, reader.chosen)
            report.left_out = reader.chooser.finish()
            counts = store.import_lists(spools.lists, options)
    for one in fields(ImportCounts):
        setattr(report, one.name, getattr(counts, one.name))
    report.unused_columns, report.unread_times = reader.unused, list(reader.unread.values())
    return report


def _names(store: Store, request: ImportRequest) -> ListNames:
    """What is known about lists. Raises UsageError, and Refused for a list that takes nobody."""
    with store.read() as tx:
        mine, lists = tx.lists.mine(), tx.lists.each(retired=True)
    if mine.retired_at:
        raise Refused(f"the list {mine.key} is retired", fix=f"newsletter lists retire {mine.key} --undo")
    return parse_names(request.maps, lists, mine.id, mine.id if request.named else None)


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a text file in any encoding that spreadsheets write, for `import_subscribers`.

    Bytes that are not UTF-8 become surrogates here, and Windows-1252 text in `import_rows`. Raises InputError if it is
    not a text file, and OSError.
    """
    if not path.is_file():  # it is opened twice, so that the beginning of a pipe would be lost, and a device never ends
        raise InputError("this is not a plain file", source=str(path), fix="Save the list to a file, and import that")
    with path.open("rb") as file:
        encoding = text_encoding(file.read(HEAD), path.name)
    errors = "surrogateescape" if encoding == "utf-8-sig" else "replace"
    with path.open(encoding=encoding, errors=errors, newline="") as lines:
        yield from lines


def erasures(store: Store, signer: Signer) -> Callable[[str], bool]:
    """A function that tells whether an address was erased, or suppressed when its key was another one.

    It keeps the hashes in memory, since they are few. The store compares all other suppressions.
    """
    with store.read() as tx:
        hashes = {entry.address_key for entry in tx.suppressions.each() if entry.reason == ERASED}
        erasure_key = tx.suppressions.erasure_key()

    def is_erased(address_key: str) -> bool:
        if not address_key.isascii() and older_key(address_key) != address_key:
            with store.read() as tx:
                return erase.is_erased(tx, signer, address_key) or tx.suppressions.get(address_key) is not None
        return bool(hashes) and not hashes.isdisjoint(erased_keys(erasure_key, signer, address_key))

    return is_erased
