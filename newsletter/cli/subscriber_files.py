"""`newsletter subscribers import` and `export`: readers from and to CSV files; what a file means is not known here."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

import click

from newsletter.cli.context import CliContext, Subcommand, dry_run, yes
from newsletter.cli.issue_view import iso
from newsletter.domain.errors import UsageError
from newsletter.domain.subscribers.csv_columns import escape_formula
from newsletter.domain.subscribers.subscription import Status

if TYPE_CHECKING:
    from newsletter.actions.subscribers.import_subscribers import RejectedRow
    from newsletter.cli.output import Output

STATUSES = [*(status.value for status in Status), "suppressed"]
COUNTED = ("added", "updated", "unchanged", "suppressed", "left", "repeated")

confirmed_option = click.option("--confirmed", is_flag=True, help="They have agreed already: no confirmation mail.")
source_option = click.option("--source", metavar="TEXT", help="Where and when they agreed; kept as proof.")


def consent_proof(source: str | None, *, confirmed: bool) -> str | None:
    """The proof of consent that `--confirmed` needs; None without it."""
    if confirmed and not (source and source.strip()):
        raise UsageError(
            "--confirmed needs a proof", fix='Say where they agreed, as in --source "paper list, 3 May 2026"'
        )
    if source and not confirmed:
        raise UsageError("--source is the proof for --confirmed", fix="Say both or neither")
    return source if confirmed else None


# -- in --------------------------------------------------------------------------------------------


@click.command("import", cls=Subcommand)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@confirmed_option
@source_option
@dry_run
@click.pass_obj
def import_(context: CliContext, *, file: Path, confirmed: bool, source: str | None, dry_run: bool) -> int:
    """Readers from a CSV file with a head line: email (or address), and name, or first and last name.

    The exports of Mailchimp, Kit, Substack, Buttondown, Ghost and listmonk are understood: status and dates are kept,
    who left there stays away here, and refused mailboxes are suppressed. Nobody who has left comes back.
    Nothing is written until the whole file is read; ended after that, the same command takes the rest.
    """
    proof = consent_proof(source, confirmed=confirmed)
    with _RejectedRows() as rejected:
        with _Progress(context, file) as progress:
            report = context.app.subscribers.import_file(
                file,
                confirmed_source=proof,
                dry_run=dry_run,
                reject=rejected.append,
                watched=progress.reading,
                written=progress.written,
            )
        counts = {name: getattr(report, name) for name in COUNTED}

        def draw(output: Output) -> None:
            title = "Nothing written" if dry_run else "Readers"
            output.facts([*counts.items(), ("rejected", len(rejected))], title=title)
            output.lines((f"{file}:{row.line}: {row.address or '(empty)'}: {row.reason}" for row in rejected), "yellow")
            if report.asked and not dry_run:
                output.line(f"{report.asked:,} confirmation mails wait; the daemon sends them (newsletter run).")

        context.report({**counts, "rejected": (asdict(row) for row in rejected), "dry_run": dry_run}, draw)
        return 1 if len(rejected) and not any(counts.values()) else 0


class _RejectedRows:
    """Rows in a nameless file once there are many, so that a million bad ones need no memory."""

    def __init__(self) -> None:
        from tempfile import SpooledTemporaryFile

        self._file = SpooledTemporaryFile(max_size=1_000_000, mode="w+", encoding="ascii")  # noqa: SIM115 - see exit
        self._number = 0

    def append(self, row: RejectedRow, /) -> None:
        import json

        self._file.write(json.dumps([row.line, row.address, row.reason]) + "\n")
        self._number += 1

    def __len__(self) -> int:
        return self._number

    def __iter__(self) -> Iterator[RejectedRow]:
        import json

        from newsletter.actions.subscribers.import_subscribers import RejectedRow

        self._file.seek(0)
        return (RejectedRow(*json.loads(line)) for line in self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class _Progress:
    """How far an import is: a bar on stderr while a person watches, and a word about what is in if it is cut short."""

    def __init__(self, context: CliContext, file: Path) -> None:
        self._context, self._size, self._share = context, max(1, file.stat().st_size), 0.0
        self._show: Callable[[str, float], None] = lambda _what, _share: None
        self.reading: Callable[[Iterable[str]], Iterator[str]] | None = None
        self._bar = ExitStack()

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress

            bar = self._bar.enter_context(Progress(console=Console(stderr=True), transient=True))
            task = bar.add_task("reading", total=1.0)
            self._show = lambda what, share: bar.update(task, description=what, completed=share)
            self.reading = self._read
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._bar.close()
        if kind and self._share:
            self._context.print_note(
                f"newsletter: at least {self._share:.0%} of the readers are in; the same command takes the rest"
            )

    def written(self, share: float) -> None:
        """So many of the readers are in, from 0.0 to 1.0."""
        self._share = share
        self._show("writing", share)

    def _read(self, lines: Iterable[str]) -> Iterator[str]:
        done = 0
        for number, line in enumerate(lines):
            done += len(line)  # characters, near enough to octets
            if number % 1000 == 0:
                self._show("reading", min(1.0, done / self._size))
            yield line
        self._show("sorting", 1.0)


# -- out -------------------------------------------------------------------------------------------


@click.command("export", cls=Subcommand)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--status", type=click.Choice(STATUSES), help="Only these.")
@yes
@click.pass_obj
def export(context: CliContext, *, file: Path, status: str | None, yes: bool) -> None:
    """Every reader as a CSV file that spreadsheets open without danger, and that `import` understands."""
    import csv

    if file.exists():
        context.require_confirmation(f"{file} exists already. Write over it?", yes=yes)
    columns = ("address", "name", "status", "pace", "source", "signup_at", "confirmed_at", "unsubscribed_at")
    number = 0
    with context.app.store.read() as tx, private(file) as target:
        out = csv.writer(target)
        out.writerow([*columns, "paused_until"])
        for reader in tx.subscribers.each(status):
            cells = (reader.address, reader.name, reader.display_status, reader.pace.value, reader.source)
            times = (reader.signup_at, reader.confirmed_at, reader.left_at, reader.paused_until)
            out.writerow([*map(escape_formula, cells), *map(iso, times)])
            number += 1
    document = {"file": str(file), "exported": number}
    context.report(document, lambda output: output.line(f"{number:,} readers are in {file}, which only you can read."))


@contextmanager
def private(file: Path) -> Iterator[TextIO]:
    """A text file that nobody else on the machine can read; what was there stays until the new one is whole."""
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
