"""Setting up and looking after: init, config, doctor, db, completion."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from newsletter.cli.context import Door, Noun, Verb, as_of, yes
from newsletter.domain.errors import Refused, SettingsError

if TYPE_CHECKING:
    from newsletter.cli.output import Screen

PROBLEMS = 3
KEY = "NEWSLETTER_SECRET_KEY"
ASKED = ("TITLE", "FROM", "BASE_URL", "TIMEZONE", "SENDER_URL", "OWNER")


# -- init ------------------------------------------------------------------------------------------


@click.command(cls=Verb)
@yes
@click.pass_obj
def init(door: Door, *, yes: bool) -> None:
    """Write .env with a fresh key, create the database, bring in the starter tips. Safe to run twice."""
    env_file = _env_file(door, ask=not yes and sys.stdin.isatty())
    before = door.app.schema_status()
    after = door.app.upgrade_database()
    database = "was there" if before.current == after.current else "created" if not before.current else "upgraded"
    found, added = _starter_tips(door)
    document = {"env_file": str(door.env_path), "env_file_was": env_file, "database": database}

    def draw(screen: Screen) -> None:
        tips = f"{added} starter tips added" if added else f"{found} tips were there"
        screen.facts(
            [("settings", f"{door.env_path} {env_file}"), ("database", database), ("tips", tips)],
            title=door.settings.title,
        )
        screen.line(
            "Next: newsletter doctor says what is still to be set; newsletter issues preview shows the next letter."
        )

    door.report({**document, "tips": found + added, "tips_added": added}, draw)


def _env_file(door: Door, *, ask: bool) -> str:
    """Make the env file, or give the one that is there a key if none is set; says what was done."""
    path, fresh_key = door.env_path, secrets.token_urlsafe(32)
    if path.exists():
        if door.settings.secret_key:
            return "was there"
        with path.open("a", encoding="utf-8") as file:
            file.write(f"\n{KEY}={fresh_key}\n")
        del door.settings
        return "was there; a key was added at its end"
    key_elsewhere = os.environ.get(KEY) or os.environ.get(f"{KEY}_FILE")
    values = ({} if key_elsewhere else {KEY: fresh_key}) | (_answers() if ask else {})
    _write_private(path, values)
    door.env_file = path
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


def _starter_tips(door: Door) -> tuple[int, int]:
    """(tips that were there, tips that were added): the starters come only into an empty library."""
    from newsletter.rendering.data import data_dir

    with door.app.store.read() as tx:
        found = len(tx.tips.cards())
    if found:
        return found, 0
    seeds = sorted((data_dir() / "seeds").glob("*.md"))
    return 0, door.app.import_tips(seeds, format_="markdown", queue=True).added if seeds else 0


# -- config, doctor --------------------------------------------------------------------------------


@click.group(cls=Noun)
def config() -> None:
    """The settings."""


@config.command("show")
@click.pass_obj
def config_show(door: Door) -> None:
    """Every setting, its value and where it comes from; secrets are masked."""
    rows = door.settings.shown()
    document = {
        "settings": [{"name": name, "value": value, "origin": origin} for name, value, origin in rows],
        "warnings": list(door.settings.warnings),
    }
    door.report(document, lambda screen: screen.table(["!setting", "value", "origin"], rows, empty=""))


@click.command(cls=Verb)
@as_of
@click.pass_obj
def doctor(door: Door) -> int:
    """What is not right, and how to mend it: one line per check. Exit code 3 when something needs you."""
    checks = door.app.doctor()
    document = {
        "checks": [{"id": c.id, "ok": c.ok, "level": c.level, "message": c.message, "fix": c.fix} for c in checks]
    }

    def draw(screen: Screen) -> None:
        from newsletter.cli.output import mark

        rows = [(mark(c.level), c.id, f"{c.message}\n{c.fix}" if c.fix else c.message) for c in checks]
        screen.table(["!", "!", " "], rows, empty="")

    door.report(document, draw)
    return 0 if all(check.ok for check in checks) else PROBLEMS


# -- db --------------------------------------------------------------------------------------------


@click.group(cls=Noun)
def db() -> None:
    """The database."""


@db.command("upgrade")
@click.pass_obj
def db_upgrade(door: Door) -> None:
    """Create the database, or bring it to the version of this program."""
    before, after = door.app.schema_status(), door.app.upgrade_database()
    changed = before.current != after.current
    text = (
        f"The database was upgraded to {after.head}." if changed else f"The database is at {after.head}; nothing to do."
    )
    door.report({"before": before.current, "current": after.current, "changed": changed}, lambda s: s.line(text))


@db.command("status")
@click.pass_obj
def db_status(door: Door) -> int:
    """The version of the database and of this program; exit code 1 when they differ."""
    status = door.app.schema_status()
    is_newer = status.current > status.head
    advice = "in step" if status.ok else "upgrade the program" if is_newer else "run: newsletter db upgrade"
    facts = [("database", status.current or "not there"), ("program", status.head), ("so", advice)]
    door.report({"current": status.current, "head": status.head, "ok": status.ok}, lambda screen: screen.facts(facts))
    return 0 if status.ok else 1


@db.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def db_backup(door: Door, file: Path) -> None:
    """A consistent copy of the database, also while letters are sent."""
    door.app.backup(file)
    size = file.stat().st_size
    door.report({"file": str(file), "bytes": size}, lambda screen: screen.line(f"{file} written, {size:,} bytes."))


@db.command("restore")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@yes
@click.pass_obj
def db_restore(door: Door, *, file: Path, yes: bool) -> None:
    """Put a backup in the place of the database; the old one is kept beside it. It mails nobody until `db adopt`."""
    door.agree(f"Put {file} in the place of the database?", yes=yes)
    kept = door.app.restore(file)
    words = f"The database is what it was in {file}."
    words += f" The old one is kept as {kept}." if kept.exists() else ""
    why = door.app.hold()
    words += f" It mails nobody ({why}) until you say: newsletter db adopt" if why else ""
    document = {"file": str(file), "kept": str(kept) if kept.exists() else None, "held": why}
    door.report(document, lambda screen: screen.line(words))


@db.command("adopt")
@yes
@as_of
@click.pass_obj
def db_adopt(door: Door, *, yes: bool) -> None:
    """Let a database that was copied or put back mail again, from here."""
    why = door.app.hold()
    if not why:
        door.report({"adopted": False, "was": ""}, lambda screen: screen.line("This database is no copy; it mails."))
        return
    door.agree(f"Mail from here from now on? Nothing else may mail from a copy of it. It was held: {why}.", yes=yes)
    door.app.adopt()
    words = "Adopted: letters and mails go out from here again. Look first at: newsletter doctor, newsletter calendar"
    door.report({"adopted": True, "was": why}, lambda screen: screen.line(words))


# -- completion ------------------------------------------------------------------------------------


@click.command(cls=Verb, reports=False)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script: eval "$(newsletter completion bash)" in your shell's start file."""
    from click.shell_completion import get_completion_class

    maker = get_completion_class(shell)
    if maker:
        click.echo(maker(ctx.find_root().command, {}, "newsletter", "_NEWSLETTER_COMPLETE").source())
