"""Import subscribers from a CSV file: read and check each row, and pass the usable ones to the store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path

from newsletter.actions.subscribers.erase import ERASED, erased_keys
from newsletter.actions.subscribers.import_rows import Reject, RowOptions, RowReader, Skip
from newsletter.domain.csv_records import SkippedLines
from newsletter.domain.errors import UsageError
from newsletter.domain.file_kinds import HEAD, text_encoding
from newsletter.domain.subscribers.imported import ImportCounts, ImportOptions, RejectedRow
from newsletter.mail.tokens import Signer
from newsletter.ports.store import Store


@dataclass(slots=True)
class Report(ImportCounts):
    """What the import did, or what it would do.

    unused_columns: titles of the columns that were not used. rejected, skipped: the rows and lines it could not use,
    unless the caller collects them.
    """

    unused_columns: list[str] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    skipped: list[SkippedLines] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What the owner says about a file.

    confirmed_source: the proof of an earlier consent of everyone in the file who is active there. ask: may the others
    be asked by email to confirm? With neither, an import that would have to ask anybody writes nothing, and its report
    is `undecided`. ignored: titles of columns that must not be used. name: of the file, for the consent log. reject,
    skip: receive the rows and lines that cannot be used, instead of the report. on_progress: called with the share that
    is written, 0.0 to 1.0.
    """

    confirmed_source: str | None = None
    ask: bool = False
    ignored: Collection[str] = ()
    dry_run: bool = False
    name: str = "a file"
    reject: Reject | None = None
    skip: Skip | None = None
    on_progress: Callable[[float], None] = lambda _: None


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
    proof.
    """
    proof = request.confirmed_source
    if proof is not None and not proof.strip():
        raise UsageError(
            "confirmed subscribers need proof of consent",
            fix='State where they agreed, as in --source "paper list, May 3, 2026"',
        )
    report = Report()
    reject, skip = request.reject or report.rejected.append, request.skip or report.skipped.append
    reader = RowReader(RowOptions(reject, skip, make_key, _erasures(store, signer), now, request.ignored))
    options = ImportOptions(
        proof, now, ask=request.ask, dry_run=request.dry_run, on_progress=request.on_progress,
        evidence=lambda: f"{reader.evidence} in {request.name}",
    )  # fmt: skip
    counts = store.import_staged(reader.read(lines), options)
    for one in fields(ImportCounts):
        setattr(report, one.name, getattr(counts, one.name))
    report.unused_columns = reader.unused
    return report


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a text file in any encoding that spreadsheets write, for `import_subscribers`.

    Bytes that are not UTF-8 become surrogates here, and Windows-1252 text in `import_rows`. Raises InputError if it is
    not a text file, and OSError.
    """
    with path.open("rb") as file:
        encoding = text_encoding(file.read(HEAD), path.name)
    errors = "surrogateescape" if encoding == "utf-8-sig" else "replace"
    with path.open(encoding=encoding, errors=errors, newline="") as lines:
        yield from lines


def _erasures(store: Store, signer: Signer) -> Callable[[str], bool]:
    """A function that tells whether an address was erased. It keeps the hashes in memory, since they are few."""
    with store.read() as tx:
        hashes = {entry.address_key for entry in tx.suppressions.each() if entry.reason == ERASED}
        erasure_key = tx.suppressions.erasure_key()
    if not hashes:
        return lambda _: False
    return lambda address_key: not hashes.isdisjoint(erased_keys(erasure_key, signer, address_key))
