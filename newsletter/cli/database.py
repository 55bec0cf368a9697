"""`newsletter db`: upgrade, back up, restore, and adopt the database."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from newsletter.cli.context import CliContext, CommandGroup, as_of, yes
from newsletter.cli.issue_view import iso
from newsletter.domain.english import plural, sentence
from newsletter.domain.errors import UsageError
from newsletter.domain.lists import issue_name

if TYPE_CHECKING:
    from newsletter.actions.adopt import Adopted, Unknown
    from newsletter.actions.unsubscribed_files import UnsubscribedFile
    from newsletter.app.backups import Backups, Report
    from newsletter.cli.output import Output

passphrase_file = click.option(
    "--passphrase-file",
    metavar="PATH",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Read the passphrase from the first line of this file instead of asking for it.",
)


@click.group(cls=CommandGroup)
def db() -> None:
    """Upgrade, back up, and restore the database."""


@db.command("upgrade")
@click.pass_obj
def db_upgrade(context: CliContext) -> None:
    """Create the database, or upgrade its schema to the version of this program."""
    before, after = context.app.database.schema_status(), context.app.database.upgrade()
    changed = before.current != after.current
    text = f"The database was upgraded to {after.head}." if changed else f"The database is already at {after.head}."
    context.report({"before": before.current, "current": after.current, "changed": changed}, lambda s: s.line(text))


@db.command("status")
@click.pass_obj
def db_status(context: CliContext) -> int:
    """Show the schema versions of the database and of this program. Exit code 1 means that they differ."""
    status = context.app.database.schema_status()
    is_newer = status.current > status.head
    advice = "nothing to do" if status.ok else "upgrade the program" if is_newer else "run: newsletter db upgrade"
    facts = [("database", status.current or "none"), ("program", status.head), ("next step", advice)]
    context.report(
        {"current": status.current, "head": status.head, "ok": status.ok}, lambda output: output.facts(facts)
    )
    return 0 if status.ok else 1


@db.command("backup")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--encrypt", is_flag=True, help="Encrypt the backup with a passphrase.")
@passphrase_file
@click.pass_obj
def db_backup(context: CliContext, *, file: Path | None, encrypt: bool, passphrase_file: Path | None) -> None:
    """Write everything that the newsletter needs to one file, and check it, even while emails are being sent.

    That is the database, the settings with their keys and passwords, your own templates, the logo, and the pictures.
    Without FILE, it goes to the directory `backups` next to the database. Whoever has the file can send as you, so keep
    it safe, or pass --encrypt.
    """
    backups = _backups(context)
    ask = partial(_new_passphrase, passphrase_file) if encrypt or passphrase_file else None
    report = backups.backup(file or backups.default_path(), ask)
    size = report.file.stat().st_size
    document = {**_document(report), "bytes": size}

    def draw(output: Output) -> None:
        output.line(f"{report.file} was written and checked ({size:,} bytes): {_in_words(report)}.")
        if report.encrypted:
            output.line("Keep the passphrase in another place. Without it, nobody can read this backup.")

    context.report(document, draw)


@db.command("verify")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@passphrase_file
@click.pass_obj
def db_verify(context: CliContext, *, file: Path, passphrase_file: Path | None) -> None:
    """Open a backup and check all of it: that it is sound, what is in it, and whether this program can restore it."""
    report = _backups(context).verify(file, partial(_passphrase, file, passphrase_file))

    def draw(output: Output) -> None:
        output.line(f"{file} is sound and can be restored.")
        output.facts(
            [
                ("made", output.when(report.made_at) if report.made_at else "by an older version, at an unknown time"),
                ("contains", _in_words(report)),
                ("files", "\n".join(report.files) or "only the database, without settings and keys"),
                ("encrypted", "yes" if report.encrypted else "no"),
                ("schema", report.schema),
            ]
        )

    context.report(_document(report), draw)


@db.command("backups")
@click.pass_obj
def db_backups(context: CliContext) -> None:
    """List the backups in the directory of backups, newest first."""
    backups = _backups(context)
    found = [(path, path.stat()) for path in backups.each()]
    made = [(path, datetime.fromtimestamp(stat.st_mtime, UTC), stat.st_size) for path, stat in found]
    document = {
        "directory": str(backups.directory),
        "backups": [{"file": str(path), "written_at": at.isoformat(), "bytes": size} for path, at, size in made],
    }

    def draw(output: Output) -> None:
        rows = [(str(path), output.when(at), f"{size:,}") for path, at, size in made]
        empty = f"There is no backup in {backups.directory}. Make one: newsletter db backup"
        output.table(["!file", "!written", "!bytes"], rows, empty=empty)

    context.report(document, draw)


@db.command("restore")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--keep-settings", is_flag=True, help="Restore only the database and the pictures.")
@passphrase_file
@yes
@click.pass_obj
def db_restore(
    context: CliContext, *, file: Path, keep_settings: bool, passphrase_file: Path | None, yes: bool
) -> None:
    """Replace this newsletter with a backup; what was here is kept. Nothing is sent until `newsletter db adopt`.

    The settings come from the backup, too, except for the places of files on this machine. Everything is checked before
    anything is changed.
    """
    backups = _backups(context)
    if backups.is_in_use():
        what = "the database" if keep_settings else "the database and the settings"
        context.require_confirmation(f"Replace {what} with {file}? What is here now is kept.", yes=yes)
    done = backups.restore(file, partial(_passphrase, file, passphrase_file), keep_settings=keep_settings)
    database = next((str(path) for path in done.kept if path.name.startswith(backups.database.name)), None)
    document = {
        **_document(done.report),
        "kept": database,
        "kept_files": [str(path) for path in done.kept],
        "written": [str(path) for path in done.placed],
        "overridden": done.overridden,
        "held": context.app.database.hold_reason(),
    }

    def draw(output: Output) -> None:
        output.line(f"The newsletter was restored from {file}: {_in_words(done.report)}.")
        for path in done.kept:
            output.line(f"Kept from before: {path}", "dim")
        for path in done.placed:
            output.line(f"Written: {path}", "dim")
        if not done.report.is_complete:
            output.line("This backup has no settings and keys. Links in old emails need the key of that time in .env.")
        output.line("Nothing is sent until you run: newsletter db adopt")

    context.report(document, draw)
    if done.overridden:
        names = ", ".join(done.overridden)
        context.print_note(f"newsletter: the environment sets {names}, so what the backup has there is not used")


# -- adopt -----------------------------------------------------------------------------------------


@db.command("adopt")
@click.option(
    "--unsubscribed",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="People who unsubscribed since the backup: a list, a CSV file, or the log of your web server; can be repeated.",
)
@click.option(
    "--sent-through",
    metavar="DATE",
    help="The last issue that was sent after the backup. Later ones that are due are sent now.",
)
@yes
@as_of
@click.pass_obj
def db_adopt(context: CliContext, *, unsubscribed: tuple[Path, ...], sent_through: str | None, yes: bool) -> int:
    """Allow a copied or restored database to send email again, from this machine.

    Before that, it says what cannot be known since the backup. What may have been sent already is not sent again.
    """
    through = context.app.rules.dates(context.clock()).day(sent_through) if sent_through else None
    app = context.app
    adoption = app.database.adoption(app.rules_of_lists, lambda: app.signer)
    unknown = adoption.unknown(through)
    if not unknown.why and not unsubscribed:
        text = "Nothing to do: this database is allowed to send email."
        context.report({"adopted": False, "was": ""}, lambda output: output.line(text))
        return 0
    if unknown.why:
        for line in _unknown_lines(context, unknown, has_list=bool(unsubscribed)):
            context.print_note(line)
        if unknown.since and not unsubscribed and not yes and sys.stdin.isatty():
            unsubscribed = _ask_for_list()
        context.require_confirmation("Send from this database now? No other copy of it may send.", yes=yes)
    lists = {path: adoption.unsubscribe(path) for path in unsubscribed}
    is_read = not any(one.rejected or one.skipped for one in lists.values())
    done = adoption.adopt(through) if unknown.why and is_read else None
    document = {
        "adopted": done is not None,
        "was": unknown.why,
        "unknown_since": iso(unknown.since) if unknown.since else None,
        "slots": [slot.isoformat() for slot in done.slots] if done else [],
        "paused": list(done.paused) if done else [],
        "dropped_emails": done.dropped if done else 0,
        "unsubscribed": [{"file": str(path), **_list_document(one)} for path, one in lists.items()],
    }
    context.report(document, lambda output: _draw_adopted(context, output, unknown, done, lists))
    return 0 if is_read else 1


def _unknown_lines(context: CliContext, unknown: Unknown, *, has_list: bool) -> Iterator[str]:
    dates = context.app.site.dates
    yield f"This newsletter is on hold: {unknown.why}."
    if unknown.since is None:
        yield "If the original went on after the copy was made, pass what has happened since then:"
        yield "--unsubscribed FILE (who unsubscribed) and --sent-through DATE (the last issue that was sent)."
        return
    at = unknown.since.astimezone(context.app.schedule.zone)
    yield f"What happened after {dates.day(at)}, {dates.time(at)} {at:%Z} is not known here:"
    if not has_list:
        yield "  - Whoever unsubscribed since then would get emails again. Pass a list of them: --unsubscribed FILE"
        yield "    Look in the emails to you and at your email provider; the log of your web server is such a file, too."
    yield "  - Whoever signed up since then is missing. Import them, or ask them to sign up again."
    if unknown.slots:
        days = ", ".join(dates.day(slot) for slot in unknown.slots)
        yield f"  - Issues may have been sent. They are not sent again, and their tips count as sent: {days}"
        yield "    If some were not sent, pass the date of the last one that was: --sent-through DATE"
    if unknown.sending:
        yield f"  - {_names(context, unknown.sending)} was being sent. It is paused until you continue or cancel it. See: newsletter issues list"
    if unknown.waiting:
        yield f"  - {plural(unknown.waiting, 'queued email')} of that time will not be sent."


def _draw_adopted(
    context: CliContext, output: Output, unknown: Unknown, done: Adopted | None, lists: Mapping[Path, UnsubscribedFile]
) -> None:
    for path, one in lists.items():
        counts = (
            f"{one.unsubscribed} unsubscribed, {one.unknown} unknown and recorded, {one.already} already unsubscribed"
        )
        output.line(f"{path}: {counts}{f', {one.active} left out as active' if one.active else ''}.")
        for row in one.rejected:
            output.line(f"{path}:{row.line}: {row.address or 'no address'}: {row.reason}")
        for lines in one.skipped:
            output.line(f"{path}: lines {lines.first} to {lines.last} could not be read: {lines.reason}")
    if done is None:
        if unknown.why:
            output.line("Nothing is sent yet, since not every line could be read. Correct the file, and run it again.")
        return
    if done.paused:
        output.line(f"Paused: {_names(context, done.paused)}. See: newsletter issues list")
    output.line("Emails are sent from this database again. Check `newsletter doctor` and `newsletter calendar` first.")


def _names(context: CliContext, issues: Sequence[int]) -> str:
    return sentence(", ".join(issue_name(one, context.app.of_issue(one).shown_key) for one in issues))


def _list_document(one: UnsubscribedFile) -> dict[str, object]:
    return {
        "unsubscribed": one.unsubscribed,
        "unknown": one.unknown,
        "already": one.already,
        "left_out": one.active,
        "rejected": [asdict(row) for row in one.rejected],
        "skipped_lines": [{"from": lines.first, "to": lines.last, "reason": lines.reason} for lines in one.skipped],
    }


def _ask_for_list() -> tuple[Path, ...]:
    """The file that the owner names, or none."""
    question = "A file with the addresses of people who unsubscribed since then (press Enter if there is none)"
    file = click.Path(path_type=Path, exists=True, dir_okay=False)
    found = click.prompt(question, default="", show_default=False, err=True, value_proc=lambda text: text.strip())
    return (file.convert(found, None, None),) if found else ()


# -- details ---------------------------------------------------------------------------------------


def _backups(context: CliContext) -> Backups:
    return context.app.database.backups(os.environ, context.env_path)


def _document(report: Report) -> dict[str, object]:
    return {
        "file": str(report.file),
        "ok": True,
        "complete": report.is_complete,
        "encrypted": report.encrypted,
        "made_at": iso(report.made_at) if report.made_at else None,
        "program": report.program,
        "schema": report.schema,
        "subscribers": report.counts["subscriber"],
        "suppressions": report.counts["suppression"],
        "tips": report.counts["tip"],
        "issues": report.counts["issue"],
        "files": list(report.files),
    }


def _in_words(report: Report) -> str:
    parts = [plural(report.counts[name], name) for name in ("subscriber", "tip", "issue")]
    if not report.is_complete:
        return f"{', '.join(parts)}, and no settings"
    parts.append("the settings")
    more = len(report.files) - 2  # without the list of files and the settings
    return f"{', '.join(parts)}, and {plural(more, 'other file')}" if more else ", ".join(parts)


def _new_passphrase(file: Path | None) -> str:
    """The passphrase for a new backup: from a file, or typed twice. Raises UsageError."""
    if file or not sys.stdin.isatty():
        return _read_passphrase(file)
    return str(click.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True))


def _passphrase(backup: Path, file: Path | None) -> str:
    if file or not sys.stdin.isatty():
        return _read_passphrase(file)
    return str(click.prompt(f"Passphrase of {backup}", hide_input=True, err=True))


def _read_passphrase(file: Path | None) -> str:
    text = file.read_text(encoding="utf-8") if file else sys.stdin.readline()
    found = text.partition("\n")[0].rstrip("\r")
    if not found:
        raise UsageError(
            f"{file} has no passphrase in its first line" if file else "there is no terminal to ask for the passphrase",
            fix="Pass --passphrase-file FILE, or write the passphrase to stdin",
        )
    return found
