"""`newsletter subscribers import` and `export`: subscribers from and to CSV files."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

import click

from newsletter.cli.context import CliContext, Subcommand, dry_run, yes
from newsletter.cli.issue_view import iso
from newsletter.domain.errors import UsageError
from newsletter.domain.subscribers.csv_columns import RejectedRow, escape_formula
from newsletter.domain.subscribers.subscription import Status

if TYPE_CHECKING:
    from newsletter.cli.output import Output

STATUSES = [*(status.value for status in Status), "suppressed"]
COUNTED = ("added", "updated", "unchanged", "suppressed", "left", "repeated")
_LABELS = {"left": "unsubscribed", "repeated": "duplicates"}

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
@dry_run
@click.pass_obj
def import_(context: CliContext, *, file: Path, confirmed: bool, source: str | None, dry_run: bool) -> int:
    """Import subscribers from a CSV file with a header row: email (or address), and name or first and last name.

    Exports of Mailchimp, Kit, Substack, Buttondown, Ghost, and listmonk work unchanged: status and dates are kept,
    unsubscribed people stay unsubscribed, and bounced addresses are suppressed. Anyone who unsubscribed here stays
    unsubscribed. Nothing is written before the whole file is read. If an import is interrupted, run it again to finish.
    """
    proof = consent_proof(source, confirmed=confirmed)
    with _RejectedRows() as rejected:
        with _Progress(context, file) as progress:
            report = context.app.subscribers.import_file(
                file,
                confirmed_source=proof,
                dry_run=dry_run,
                reject=rejected.append,
                watch_lines=progress.watch_lines,
                on_progress=progress.written,
            )
        counts = {name: getattr(report, name) for name in COUNTED}

        def draw(output: Output) -> None:
            title = "Dry run: nothing was written" if dry_run else "Subscribers"
            facts = [(_LABELS.get(name, name), number) for name, number in counts.items()]
            output.facts([*facts, ("rejected", len(rejected))], title=title)
            output.lines((f"{file}:{row.line}: {row.address or '(empty)'}: {row.reason}" for row in rejected), "yellow")
            if report.asked and not dry_run:
                are_queued = "confirmation email is" if report.asked == 1 else "confirmation emails are"
                output.line(f"{report.asked:,} {are_queued} queued; the daemon sends them (newsletter run).")

        context.report({**counts, "rejected": (asdict(row) for row in rejected), "dry_run": dry_run}, draw)
        return 1 if len(rejected) and not any(counts.values()) else 0


class _RejectedRows:
    """Rejected rows, in a temporary file once there are many, so that a million of them need no memory."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=1_000_000, mode="w+", encoding="ascii")  # noqa: SIM115 - see exit
        self._number = 0

    def append(self, row: RejectedRow, /) -> None:
        self._file.write(json.dumps([row.line, row.address, row.reason]) + "\n")
        self._number += 1

    def __len__(self) -> int:
        return self._number

    def __iter__(self) -> Iterator[RejectedRow]:
        self._file.seek(0)
        return (RejectedRow(*json.loads(line)) for line in self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class _Progress:
    """The progress of an import: a bar on stderr in a terminal, and a note about what is written if interrupted."""

    def __init__(self, context: CliContext, file: Path) -> None:
        self._context, self._size, self._share = context, max(1, file.stat().st_size), 0.0
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
        if kind and self._share:
            self._context.print_note(
                f"newsletter: at least {self._share:.0%} of the subscribers are written; run the same command again to finish"
            )

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
        self._show("sorting", 1.0)


# -- export ----------------------------------------------------------------------------------------


@click.command("export", cls=Subcommand)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@status_option
@yes
@click.pass_obj
def export(context: CliContext, *, file: Path, status: str | None, yes: bool) -> None:
    """Export subscribers to a CSV file that is safe to open in a spreadsheet and can be imported again."""
    if file.exists():
        context.require_confirmation(f"{file} exists already. Overwrite it?", yes=yes)
    columns = ("address", "name", "status", "pace", "source", "signup_at", "confirmed_at", "unsubscribed_at")
    number = 0
    with context.app.subscribers.listing(status) as listing, private(file) as target:
        out = csv.writer(target)
        out.writerow([*columns, "paused_until"])
        for one in listing.rows:
            cells = (one.address, one.name, one.display_status, one.pace.value, one.source)
            times = (one.signup_at, one.confirmed_at, one.left_at, one.paused_until)
            out.writerow([*map(escape_formula, cells), *map(iso, times)])
            number += 1
    document = {"file": str(file), "exported": number}
    context.report(
        document, lambda output: output.line(f"{number:,} subscribers were written to {file}, which only you can read.")
    )


@contextmanager
def private(file: Path) -> Iterator[TextIO]:
    """Write a text file that no other user can read. An existing file stays until the new one is complete."""
    part = file.with_name(f"{file.name}.part")
    try:
        part.unlink(missing_ok=True)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(file)) from None
    try:
        with open(handle, "w", encoding="utf-8-sig", newline="") as target:  # noqa: PTH123 - a descriptor
            yield target
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
