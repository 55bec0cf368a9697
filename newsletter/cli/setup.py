"""`newsletter init`, `config`, `doctor`, and `completion`: set up and look after an installation."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import get_completion_class

from newsletter.cli.context import CliContext, CommandGroup, Subcommand, as_of, yes
from newsletter.domain.english import plural
from newsletter.domain.errors import Refused, SettingsError
from newsletter.files import create
from newsletter.rendering.data import data_dir
from newsletter.settings import TABLE, Setting, check, env_text

if TYPE_CHECKING:
    from newsletter.cli.output import Output

PROBLEMS = 3
KEY = "NEWSLETTER_SECRET_KEY"
ASKED = ("TITLE", "FROM", "BASE_URL", "TIMEZONE", "SENDER_URL", "OWNER")


# -- init ------------------------------------------------------------------------------------------


@click.command(cls=Subcommand)
@click.option(
    "--starter-tips", is_flag=True, help="Add the starter tips, which are sent when you have no tip of your own."
)
@yes
@click.pass_obj
def init(context: CliContext, *, starter_tips: bool, yes: bool) -> None:
    """Write .env with a new key and create the database.

    It is safe to run this twice. The library starts empty unless you want the starter tips.
    """
    ask = not yes and sys.stdin.isatty()
    env_file = _env_file(context, ask=ask)
    before = context.app.database.schema_status()
    after = context.app.database.upgrade()
    database = "already there" if before.current == after.current else "created" if not before.current else "upgraded"
    found = len(context.app.tips.cards())
    wanted = starter_tips or (ask and not found and _wants_starter_tips())
    added = _add_starter_tips(context) if wanted else 0
    document = {"env_file": str(context.env_path), "env_file_was": env_file, "database": database}

    def draw(output: Output) -> None:
        tips = (
            f"{plural(added, 'starter tip')} added"
            if added
            else f"{plural(found, 'tip')} already there"
            if found
            else "none yet"
        )
        output.facts(
            [("settings", f"{context.env_path} {env_file}"), ("database", database), ("tips", tips)],
            title=context.settings.title,
        )
        output.line(
            "Next: run `newsletter doctor` to see what is still missing, and `newsletter issues preview` to see the next issue."
            if found + added
            else "Next: run `newsletter tips import PATH…` to add your tips, and `newsletter doctor` to see what is still missing."
        )

    context.report({**document, "tips": found + added, "tips_added": added}, draw)


def _env_file(context: CliContext, *, ask: bool) -> str:
    """Write the env file, or add a key to an existing one that has none; returns what was done."""
    path, new_key = context.env_path, secrets.token_urlsafe(32)
    if path.exists():
        if context.settings.secret_key:
            return "already there"
        with path.open("a", encoding="utf-8") as file:
            file.write(f"\n{KEY}={new_key}\n")
        del context.settings
        return "already there; a key was added at the end"
    key_elsewhere = os.environ.get(KEY) or os.environ.get(f"{KEY}_FILE")
    values = ({} if key_elsewhere else {KEY: new_key}) | (_answers() if ask else {})
    _write_private(path, values)
    context.env_file = path
    return "written; only you can read it"


def _write_private(path: Path, values: Mapping[str, str]) -> None:
    try:
        with os.fdopen(create(path), "w", encoding="utf-8") as file:
            file.write(env_text(values))
    except FileExistsError:
        raise Refused(f"{path} was written by another process in the meantime", fix="Run it again") from None
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be written: {error.strerror}", fix="Choose another path with --env-file"
        ) from None


def _answers() -> dict[str, str]:
    """Ask for the most important settings; returns the answers that differ from the default, by name."""

    def ask(row: Setting) -> str:
        def checked(text: str) -> str:
            try:
                check(row, text)
            except SettingsError as error:
                raise click.UsageError(str(error)) from None
            return text

        return str(click.prompt(row.meaning.rstrip("."), default=row.default, value_proc=checked, err=True)).strip()

    rows = [row for row in TABLE if row.name.removeprefix("NEWSLETTER_") in ASKED and not os.environ.get(row.name)]
    answers = {row: ask(row) for row in rows}
    return {row.name: text for row, text in answers.items() if text and text != row.default}


def _wants_starter_tips() -> bool:
    question = f"Add {len(_seeds())} starter tips? They are sent only when you have no tip of your own"
    return click.confirm(question, default=False, err=True)


def _seeds() -> list[Path]:
    return sorted((data_dir() / "seeds").glob("*.md"))


def _add_starter_tips(context: CliContext) -> int:
    """Import the starter tips; how many were not in the library yet."""
    return context.app.tips.import_files(_seeds(), format_="markdown", queue=True).added


# -- config, doctor --------------------------------------------------------------------------------


@click.group(cls=CommandGroup)
def config() -> None:
    """View your settings."""


@config.command("show")
@click.pass_obj
def config_show(context: CliContext) -> None:
    """Show every setting, its value, and where it comes from; secrets are masked."""
    rows = context.settings.shown()
    document = {
        "settings": [{"name": name, "value": value, "origin": origin} for name, value, origin in rows],
        "warnings": list(context.settings.warnings),
    }
    context.report(document, lambda output: output.table(["!setting", "value", "origin"], rows, empty=""))


@click.command(cls=Subcommand)
@click.option("--strict", is_flag=True, help="Exit with code 3 for warnings, too.")
@as_of
@click.pass_obj
def doctor(context: CliContext, *, strict: bool) -> int:
    """Check the installation and suggest fixes, one line per check; nothing is sent.

    It signs in to the mail server and asks whether it would take an issue for you. Exit code 3 means that something is
    wrong; warnings alone exit with 0.
    """
    checks = context.app.doctor.check()
    document = {
        "checks": [{"id": c.id, "ok": c.ok, "level": c.level, "message": c.message, "fix": c.fix} for c in checks]
    }

    def draw(output: Output) -> None:
        from newsletter.cli.output import mark  # noqa: PLC0415 - rich is slow to import, and `--json` needs none of it

        rows = [(mark(c.level), c.id, f"{c.message}\n{c.fix}" if c.fix else c.message) for c in checks]
        output.table(["!", "!", " "], rows, empty="")
        wrong, warned = (sum(check.level == level for check in checks) for level in ("error", "warning"))
        found = [plural(wrong, "problem")] * bool(wrong) + [plural(warned, "warning")] * bool(warned)
        output.line(f"\n{' and '.join(found)}." if found else "\nEverything is fine.")

    context.report(document, draw)
    bad = ("error", "warning") if strict else ("error",)
    return PROBLEMS if any(check.level in bad for check in checks) else 0


# -- completion ------------------------------------------------------------------------------------


@click.command(cls=Subcommand, reports=False)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script; add `eval "$(newsletter completion bash)"` to the startup file of your shell."""
    completion_class = get_completion_class(shell)
    if completion_class:
        click.echo(completion_class(ctx.find_root().command, {}, "newsletter", "_NEWSLETTER_COMPLETE").source())
