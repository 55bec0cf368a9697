"""Setting up and looking after: init, config, doctor, db, completion."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from newsletter.cli.context import CliContext, CommandGroup, Subcommand, as_of, yes
from newsletter.domain.errors import Refused, SettingsError

if TYPE_CHECKING:
    from newsletter.cli.output import Output

PROBLEMS = 3
KEY = "NEWSLETTER_SECRET_KEY"
ASKED = ("TITLE", "FROM", "BASE_URL", "TIMEZONE", "SENDER_URL", "OWNER")


# -- init ------------------------------------------------------------------------------------------


@click.command(cls=Subcommand)
@yes
@click.pass_obj
def init(context: CliContext, *, yes: bool) -> None:
    """Write .env with a fresh key, create the database, bring in the starter tips. Safe to run twice."""
    env_file = _env_file(context, ask=not yes and sys.stdin.isatty())
    before = context.app.database.schema_status()
    after = context.app.database.upgrade()
    database = "was there" if before.current == after.current else "created" if not before.current else "upgraded"
    found, added = _starter_tips(context)
    document = {"env_file": str(context.env_path), "env_file_was": env_file, "database": database}

    def draw(output: Output) -> None:
        tips = f"{added} starter tips added" if added else f"{found} tips were there"
        output.facts(
            [("settings", f"{context.env_path} {env_file}"), ("database", database), ("tips", tips)],
            title=context.settings.title,
        )
        output.line(
            "Next: newsletter doctor says what is still to be set; newsletter issues preview shows the next letter."
        )

    context.report({**document, "tips": found + added, "tips_added": added}, draw)


def _env_file(context: CliContext, *, ask: bool) -> str:
    """Make the env file, or give the one that is there a key if none is set; says what was done."""
    path, fresh_key = context.env_path, secrets.token_urlsafe(32)
    if path.exists():
        if context.settings.secret_key:
            return "was there"
        with path.open("a", encoding="utf-8") as file:
            file.write(f"\n{KEY}={fresh_key}\n")
        del context.settings
        return "was there; a key was added at its end"
    key_elsewhere = os.environ.get(KEY) or os.environ.get(f"{KEY}_FILE")
    values = ({} if key_elsewhere else {KEY: fresh_key}) | (_answers() if ask else {})
    _write_private(path, values)
    context.env_file = path
    return "written, readable for you alone"


def _write_private(path: Path, values: Mapping[str, str]) -> None:
    from newsletter.settings import env_text

    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write(env_text(values))
    except FileExistsError:
        raise Refused(f"{path} has just been written by somebody else", fix="Run it again") from None
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be written: {error.strerror}", fix="Choose another place: --env-file"
        ) from None


def _answers() -> dict[str, str]:
    """What a person at the terminal wants to be different from the default."""
    from newsletter.settings import TABLE, Setting, check

    def asked(row: Setting) -> str:
        def usable(text: str) -> str:
            try:
                check(row, text)
            except SettingsError as error:
                raise click.UsageError(str(error)) from None
            return text

        return str(click.prompt(row.meaning, default=row.default, value_proc=usable, err=True)).strip()

    rows = [row for row in TABLE if row.name.removeprefix("NEWSLETTER_") in ASKED and not os.environ.get(row.name)]
    answers = {row: asked(row) for row in rows}
    return {row.name: text for row, text in answers.items() if text and text != row.default}


def _starter_tips(context: CliContext) -> tuple[int, int]:
    """(tips that were there, tips that were added): the starters come only into an empty library."""
    from newsletter.rendering.data import data_dir

    with context.app.store.read() as tx:
        found = len(tx.tips.cards())
    if found:
        return found, 0
    seeds = sorted((data_dir() / "seeds").glob("*.md"))
    return 0, context.app.tips.import_files(seeds, format_="markdown", queue=True).added if seeds else 0


# -- config, doctor --------------------------------------------------------------------------------


@click.group(cls=CommandGroup)
def config() -> None:
    """The settings."""


@config.command("show")
@click.pass_obj
def config_show(context: CliContext) -> None:
    """Every setting, its value and where it comes from; secrets are masked."""
    rows = context.settings.shown()
    document = {
        "settings": [{"name": name, "value": value, "origin": origin} for name, value, origin in rows],
        "warnings": list(context.settings.warnings),
    }
    context.report(document, lambda output: output.table(["!setting", "value", "origin"], rows, empty=""))


@click.command(cls=Subcommand)
@as_of
@click.pass_obj
def doctor(context: CliContext) -> int:
    """What is not right, and how to mend it: one line per check. Exit code 3 when something needs you."""
    checks = context.app.doctor.check()
    document = {
        "checks": [{"id": c.id, "ok": c.ok, "level": c.level, "message": c.message, "fix": c.fix} for c in checks]
    }

    def draw(output: Output) -> None:
        from newsletter.cli.output import mark

        rows = [(mark(c.level), c.id, f"{c.message}\n{c.fix}" if c.fix else c.message) for c in checks]
        output.table(["!", "!", " "], rows, empty="")

    context.report(document, draw)
    return 0 if all(check.ok for check in checks) else PROBLEMS


# -- db --------------------------------------------------------------------------------------------


@click.group(cls=CommandGroup)
def db() -> None:
    """The database."""


@db.command("upgrade")
@click.pass_obj
def db_upgrade(context: CliContext) -> None:
    """Create the database, or bring it to the version of this program."""
    before, after = context.app.database.schema_status(), context.app.database.upgrade()
    changed = before.current != after.current
    text = (
        f"The database was upgraded to {after.head}." if changed else f"The database is at {after.head}; nothing to do."
    )
    context.report({"before": before.current, "current": after.current, "changed": changed}, lambda s: s.line(text))


@db.command("status")
@click.pass_obj
def db_status(context: CliContext) -> int:
    """The version of the database and of this program; exit code 1 when they differ."""
    status = context.app.database.schema_status()
    is_newer = status.current > status.head
    advice = "in step" if status.ok else "upgrade the program" if is_newer else "run: newsletter db upgrade"
    facts = [("database", status.current or "not there"), ("program", status.head), ("so", advice)]
    context.report(
        {"current": status.current, "head": status.head, "ok": status.ok}, lambda output: output.facts(facts)
    )
    return 0 if status.ok else 1


@db.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def db_backup(context: CliContext, file: Path) -> None:
    """A consistent copy of the database, also while letters are sent."""
    context.app.database.backup(file)
    size = file.stat().st_size
    context.report({"file": str(file), "bytes": size}, lambda output: output.line(f"{file} written, {size:,} bytes."))


@db.command("restore")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@yes
@click.pass_obj
def db_restore(context: CliContext, *, file: Path, yes: bool) -> None:
    """Put a backup in the place of the database; the old one is kept beside it. It mails nobody until `db adopt`."""
    context.require_confirmation(f"Put {file} in the place of the database?", yes=yes)
    kept = context.app.database.restore(file)
    words = f"The database is what it was in {file}."
    words += f" The old one is kept as {kept}." if kept.exists() else ""
    why = context.app.database.hold_reason()
    words += f" It mails nobody ({why}) until you say: newsletter db adopt" if why else ""
    document = {"file": str(file), "kept": str(kept) if kept.exists() else None, "held": why}
    context.report(document, lambda output: output.line(words))


@db.command("adopt")
@yes
@as_of
@click.pass_obj
def db_adopt(context: CliContext, *, yes: bool) -> None:
    """Let a database that was copied or put back mail again, from here."""
    why = context.app.database.hold_reason()
    if not why:
        context.report({"adopted": False, "was": ""}, lambda output: output.line("This database is no copy; it mails."))
        return
    context.require_confirmation(
        f"Mail from here from now on? Nothing else may mail from a copy of it. It was held: {why}.", yes=yes
    )
    context.app.database.adopt()
    words = "Adopted: letters and mails go out from here again. Look first at: newsletter doctor, newsletter calendar"
    context.report({"adopted": True, "was": why}, lambda output: output.line(words))


# -- completion ------------------------------------------------------------------------------------


@click.command(cls=Subcommand, reports=False)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script: eval "$(newsletter completion bash)" in your shell's start file."""
    from click.shell_completion import get_completion_class

    maker = get_completion_class(shell)
    if maker:
        click.echo(maker(ctx.find_root().command, {}, "newsletter", "_NEWSLETTER_COMPLETE").source())
