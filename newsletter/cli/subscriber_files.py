"""`newsletter subscribers import` and `export`: subscribers from and to CSV files."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, astuple
from datetime import datetime
from pathlib import Path
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self, TextIO, TypeVar

import click

from newsletter.cli.context import CliContext, Subcommand, dry_run, yes
from newsletter.domain.csv_records import SkippedLines
from newsletter.domain.english import plural
from newsletter.domain.errors import UsageError
from newsletter.domain.subscribers.imported import (
    ImportRequest,
    LeftOut,
    RejectedRow,
    Report,
    UnreadTimes,
    escape_address,
    escape_formula,
)
from newsletter.domain.subscribers.subscription import STORED
from newsletter.files import create, require_plain

if TYPE_CHECKING:
    from newsletter.cli.output import Output

STATUSES = [*(status.value for status in STORED), "suppressed"]
COUNTED = ("added", "updated", "unchanged", "suppressed", "left", "repeated", "confirmed", "proven", "asked")
COLUMNS = (
    "address", "name", "status", "pace", "source", "signup_at", "confirmed_at", "unsubscribed_at", "paused_until", "tip_record",
)  # fmt: skip
T = TypeVar("T", RejectedRow, SkippedLines)

_LABELS = {
    "suppressed": "not to be emailed",
    "left": "unsubscribed here before",
    "proven": "of these, with proof in the file",
    "repeated": "duplicates",
    "asked": "confirmation emails",
}

confirmed_option = click.option(
    "--confirmed", is_flag=True, help="They have already agreed; send no confirmation email."
)
source_option = click.option("--source", metavar="TEXT", help="Where and when they agreed; this is kept as proof.")
status_option = click.option("--status", type=click.Choice(STATUSES), help="Only subscribers with this status.")


def consent_proof(source: str | None, *, confirmed: bool) -> str | None:
    """The proof of consent that `--confirmed` needs; None without it. Raises UsageError if one comes without the other."""
    if confirmed and not (source and source.strip()):
        raise UsageError(
            "--confirmed needs proof of consent",
            fix='State where they agreed, as in --source "paper list, May 3, 2026"',
        )
    if source and not confirmed:
        raise UsageError("--source is the proof for --confirmed", fix="Pass both options or neither")
    return source if confirmed else None


# -- import ----------------------------------------------------------------------------------------


@click.command("import", cls=Subcommand)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@confirmed_option
@source_option
@click.option("--ask", is_flag=True, help="Ask everyone without a proof of consent by email to confirm.")
@click.option(
    "--ignore-column", "ignored", metavar="NAME", multiple=True, help="Do not use this column; can be repeated."
)
@click.option(
    "--map",
    "maps",
    metavar="COLUMN VALUE=LIST",
    multiple=True,
    hidden=True,
    help="Put the rows of a group or a tag into a list, as in --map 'Newsletter=tips'; can be repeated.",
)
@dry_run
@click.pass_obj
def import_(
    context: CliContext,
    *,
    file: Path,
    confirmed: bool,
    source: str | None,
    ask: bool,
    ignored: tuple[str, ...],
    maps: tuple[str, ...],
    dry_run: bool,
) -> int:
    """Import subscribers from a CSV file with a header row: email (or address), and name or first and last name.

    Exports of Mailchimp, MailPoet, HubSpot, Brevo, Kit, Substack, Ghost and many others work unchanged: status and dates
    are kept, unsubscribed people stay unsubscribed, and bounced addresses are suppressed. Anyone who unsubscribed here
    stays unsubscribed. A confirmation time in the file is a proof of consent. For everyone else, pass --confirmed with
    --source, or --ask; with neither, nothing is written. Nothing is written before the whole file is read, and nothing
    at all if a column that says who may get email is not understood. If interrupted, run the same command again.
    """
    proof = consent_proof(source, confirmed=confirmed)
    if ask and confirmed:
        raise UsageError("--ask and --confirmed contradict each other", fix="Pass one of them")
    with _Spool(RejectedRow) as rejected, _Spool(SkippedLines) as skipped:
        with ImportProgress(context, file, dry_run=dry_run) as progress:
            request = ImportRequest(
                confirmed_source=proof,
                ask=ask,
                ignored=ignored,
                dry_run=dry_run,
                reject=rejected.append,
                skip=skipped.append,
                on_progress=progress.written,
                maps=maps,
                named=bool(context.list_key),
            )
            report = context.app.subscribers.import_file(file, request, watch_lines=progress.watch_lines)
        _report_import(context, file, request, report, rejected, skipped)
        if report.undecided:
            context.print_note(f"newsletter: {_question(report)}")
            return 2
        return 1 if len(rejected) or len(skipped) else 0


def _report_import(
    context: CliContext,
    file: Path,
    request: ImportRequest,
    report: Report,
    rejected: _Spool[RejectedRow],
    skipped: _Spool[SkippedLines],
) -> None:
    counts = {name: getattr(report, name) for name in COUNTED}
    nothing = request.dry_run or report.undecided

    def draw(output: Output) -> None:
        title = (
            "Dry run: nothing was written" if request.dry_run else "Nothing was written" if nothing else "Subscribers"
        )
        facts = [(_LABELS.get(name, name), number) for name, number in counts.items()]
        output.facts([*facts, ("rejected rows", len(rejected)), ("skipped parts", len(skipped))], title=title)
        if report.unused_columns:
            output.line(f"Columns that were not used: {', '.join(report.unused_columns)}", "dim")
        for one in report.left_out:
            output.line(f"{file}:{one.line}: {_left_out(one)}", "yellow")
        for unread in report.unread_times:
            output.line(f"{file}:{unread.line}: {_unread(unread)}", "yellow")
        output.lines((f"{file}:{row.line}: {row.address or '(empty)'}: {row.reason}" for row in rejected), "yellow")
        output.lines((f"{file}:{_lines(part)} skipped: {part.reason}" for part in skipped), "yellow")
        if report.asked and not nothing:
            are_queued = "confirmation email is" if report.asked == 1 else "confirmation emails are"
            output.line(f"{report.asked:,} {are_queued} queued; the daemon sends them (newsletter run).")

    document = {
        **counts,
        "rejected": (asdict(row) for row in rejected),
        "skipped_lines": ({"from": part.first, "to": part.last, "reason": part.reason} for part in skipped),
        "unused_columns": report.unused_columns,
        "unread_times": [asdict(unread) for unread in report.unread_times],
        "undecided": report.undecided,
        **({"left_out": [asdict(one) for one in report.left_out]} if request.maps else {}),
        "dry_run": request.dry_run,
    }
    context.report(document, draw)


def _left_out(found: LeftOut) -> str:
    rows = plural(found.rows, "row")
    if found.value:
        return f"{found.value!r} is not in --map, and {rows} {'says' if found.rows == 1 else 'say'} so"
    were = "was" if found.rows == 1 else "were"
    return (
        f"{rows} {were} left out: nothing in --map is in {'it' if found.rows == 1 else 'them'}, and there is no --list"
    )


def _unread(unread: UnreadTimes) -> str:
    where = f"in the column {unread.column!r}, this is no date: {unread.text!r}"
    return where if unread.count == 1 else f"{where}, and neither are {unread.count - 1:,} cells below it"


def _lines(part: SkippedLines) -> str:
    if part.first == part.last:
        return f"{part.first}: line {part.first} was"
    return f"{part.first}: lines {part.first} to {part.last} were"


def _question(report: Report) -> str:
    people = plural(report.asked, "subscriber")
    emails = plural(report.asked, "confirmation email")
    return (
        f"the file has no proof that {people} agreed, so nothing was written. If they agreed already, pass --confirmed"
        f' --source "where and when they agreed"; to ask them, pass --ask, which sends {emails}'
    )


class _Spool(Generic[T]):
    """Rows that could not be used, in a temporary file once there are many, so that a million of them need no memory."""

    def __init__(self, kind: Callable[..., T]) -> None:
        self._file = SpooledTemporaryFile(max_size=1_000_000, mode="w+", encoding="ascii")  # noqa: SIM115 - see exit
        self._kind: Callable[..., T] = kind
        self._number = 0

    def append(self, row: T, /) -> None:
        self._file.write(json.dumps(astuple(row)) + "\n")
        self._number += 1

    def __len__(self) -> int:
        return self._number

    def __iter__(self) -> Iterator[T]:
        self._file.seek(0)
        return (self._kind(*json.loads(line)) for line in self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class ImportProgress:
    """The progress of an import: a bar on stderr in a terminal, and a note about what is written if interrupted."""

    def __init__(self, context: CliContext, file: Path, *, dry_run: bool = False) -> None:
        self._context, self._size, self._share = context, max(1, file.stat().st_size), 0.0
        self._dry_run, self._has_read = dry_run, False
        self._show: Callable[[str, float], None] = lambda _what, _share: None
        self._bar = ExitStack()

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console  # noqa: PLC0415 - slow to import
            from rich.progress import Progress  # noqa: PLC0415 - slow to import

            bar = self._bar.enter_context(Progress(console=Console(stderr=True), transient=True))
            task = bar.add_task("reading", total=1.0)
            self._show = lambda what, share: bar.update(task, description=what, completed=share)
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._bar.close()
        if not kind or not (self._share or issubclass(kind, KeyboardInterrupt)):
            return  # whatever else stops it before the first share has written nothing
        done = "no subscribers are written yet"
        if self._share:
            done = f"at least {self._share:.0%} of the subscribers are written"
        elif self._has_read and not self._dry_run:  # the first transaction may have ended a moment ago
            done = "some subscribers may be written"
        self._context.print_note(f"newsletter: {done}; run the same command again to finish")

    def written(self, share: float) -> None:
        """Note the share of the subscribers that is written, from 0.0 to 1.0."""
        self._share = share
        self._show("writing", share)

    def watch_lines(self, lines: Iterable[str]) -> Iterator[str]:
        """The same lines; the bar follows them."""
        done = 0
        for number, line in enumerate(lines):
            done += len(line)  # in characters, which is close enough to the size in bytes
            if number % 1000 == 0:
                self._show("reading", min(1.0, done / self._size))
            yield line
        self._has_read = True
        self._show("sorting", 1.0)


# -- export ----------------------------------------------------------------------------------------


@click.command("export", cls=Subcommand)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@status_option
@yes
@click.pass_obj
def export(context: CliContext, *, file: Path, status: str | None, yes: bool) -> None:
    """Export subscribers to a CSV file that is safe to open in a spreadsheet and can be imported again.

    The file has the suppressed addresses too, and in the column tip_record what other programs have no column for: reasons,
    proofs of consent, and the keys of the links in the emails. Importing it into a new newsletter restores all of this.
    """
    require_plain(file)
    if file.exists():
        context.require_confirmation(f"{file} exists already. Overwrite it?", yes=yes)
    number, suppressed = 0, 0
    with context.app.subscribers.exported(status, everywhere=not context.list_key) as exported, private(file) as target:
        out = csv.writer(target)
        out.writerow([*COLUMNS, *(["list"] if exported.several else [])])
        for address, one, record, key in exported.rows:
            cells: tuple[str, ...] = ("", "suppressed", "", "")
            times: tuple[datetime | None, ...] = (None,) * 4
            if one:
                cells = (one.name, one.display_status, one.pace.value, one.source)
                times = (one.signup_at, one.confirmed_at, one.left_at, one.paused_until)
            of_list = [key] if exported.several else []
            out.writerow(
                [escape_address(address), *map(escape_formula, cells), *map(context.iso, times), record, *of_list]
            )
            number += one is not None
            suppressed += one is None
        erased = exported.erased
    document = {"file": str(file), "exported": number, "suppressed": suppressed, "erased": erased}

    def draw(output: Output) -> None:
        were = "was" if number == 1 else "were"
        what = "subscription" if exported.several else "subscriber"
        output.line(f"{plural(number, what)} {were} written to {file}, which only you can read.")
        if suppressed:
            output.line(f"It also has {plural(suppressed, 'suppressed address')} without a subscriber.")
        if erased:
            output.line(
                f"Erased addresses: {erased}. They are only in backups (newsletter db backup), as hashes.", "dim"
            )

    context.report(document, draw)


@contextmanager
def private(file: Path) -> Iterator[TextIO]:
    """Write a text file that no other user can read. An existing file stays until the new one is complete."""
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        handle = create(part)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(file)) from None
    try:
        with open(handle, "w", encoding="utf-8-sig", newline="") as target:  # noqa: PTH123 - a descriptor
            yield target
            target.flush()
            os.fsync(target.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
