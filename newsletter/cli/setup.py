"""`newsletter init`, `config`, `doctor`, and `completion`: set up and look after an installation."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import get_completion_class

from newsletter.cli.context import CliContext, CommandGroup, Subcommand, as_of, yes
from newsletter.cli.setup_questions import Interview, keep_setting
from newsletter.domain.english import plural
from newsletter.domain.errors import NewsletterError, Refused, SettingsError
from newsletter.files import create
from newsletter.rendering.data import data_dir
from newsletter.settings import env_text

if TYPE_CHECKING:
    from newsletter.cli.output import Output

PROBLEMS = 3
KEY = "NEWSLETTER_SECRET_KEY"
NEEDED = tuple(f"NEWSLETTER_{name}" for name in ("FROM", "OWNER", "POSTAL_ADDRESS", "BASE_URL", "SENDER_URL"))


# -- init ------------------------------------------------------------------------------------------


@click.command(cls=Subcommand)
@click.option(
    "--starter-tips", is_flag=True, help="Add the starter tips, which are sent when you have no tip of your own."
)
@yes
@click.pass_obj
def init(context: CliContext, *, starter_tips: bool, yes: bool) -> None:
    """Ask for what a newsletter needs, write it to .env with a new key, and create the database.

    Run it again to continue after Ctrl-C, or to answer what you have skipped; what is there is kept. With --yes, or
    without a terminal, it asks nothing. The library starts empty unless you want the starter tips.
    """
    ask = not yes and sys.stdin.isatty()
    env_file = _env_file(context)
    relay = Interview(context).ask() if ask else None
    before = context.app.database.schema_status()
    after = context.app.database.upgrade()
    database = "already there" if before.current == after.current else "created" if not before.current else "upgraded"
    found = len(context.app.tips.cards())
    wanted = starter_tips or (ask and not found and not before.current and _wants_starter_tips())
    added = _add_starter_tips(context) if wanted else 0
    if relay and relay.is_real:
        _offer_test_email(context)
    missing = [name for name in NEEDED if context.settings.origin(name) == "default"]
    next_steps = _next_steps(context, missing, has_tips=bool(found + added))
    document = {"env_file": str(context.env_path), "env_file_was": env_file, "database": database}

    def draw(output: Output) -> None:
        there = f"{plural(found, 'tip')} already there" if found else "none yet"
        tips = f"{plural(added, 'starter tip')} added" if added else there
        facts = [("settings", f"{context.env_path} {env_file}"), ("database", database), ("tips", tips)]
        output.facts(facts + [("not set", missing)] * bool(missing), title=context.settings.title)
        output.line("\nWhat comes next:")
        output.lines(f"  {number}. {what}: {command}" for number, (what, command) in enumerate(next_steps, start=1))

    steps = [{"what": what, "command": command} for what, command in next_steps]
    counts = {"tips": found + added, "tips_added": added}
    context.report({**document, **counts, "missing": missing, "next": steps}, draw)


def _env_file(context: CliContext) -> str:
    """Write the env file, or add a key to an existing one that has none; returns what was done."""
    path, new_key = context.env_path, secrets.token_urlsafe(32)
    if path.exists():
        if context.settings.secret_key:
            return "already there"
        keep_setting(path, KEY, new_key)
        context.forget()
        return "already there; a key was added"
    key_elsewhere = os.environ.get(KEY) or os.environ.get(f"{KEY}_FILE")
    _write_private(path, {} if key_elsewhere else {KEY: new_key})
    context.env_file = path
    context.forget()
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


def _offer_test_email(context: CliContext) -> None:
    """Send an email to the owner as the newsletter would send it, if the owner wants to."""
    owner = ", ".join(context.settings.owner)
    if context.settings.origin("NEWSLETTER_OWNER") == "default":
        return
    if not click.confirm(f"Send a test email to {owner}?", default=True, err=True):
        return
    try:
        context.app.owner.alert(
            "Your mail server works",
            ["This email came from your newsletter, through your mail server."],
            "Import your tips and your subscribers; the getting-started page explains each step",
        )
        context.app.transactional.send()
    except NewsletterError as error:
        context.print_note(f"  It was not sent: {error}")
    else:
        context.print_note("  Sent. If it does not arrive, look for it in the spam folder.")


def _next_steps(context: CliContext, missing: Sequence[str], *, has_tips: bool) -> list[tuple[str, str]]:
    """What to do now, as (what, command) in order."""
    settings = f"newsletter init, or edit {context.env_path}"
    return [
        *([("Answer what is not set", settings)] if missing else []),
        *([] if has_tips else [("Import your tips", "newsletter tips import PATH…")]),
        ("Import your subscribers", "newsletter subscribers import FILE.csv --dry-run"),
        ("See the next issue", "newsletter issues preview --open"),
        ("Check everything", "newsletter doctor"),
        ("Start it", "newsletter run"),
    ]


def _wants_starter_tips() -> bool:
    question = f"Add {len(_seeds())} starter tips, which are sent only while you have no tip of your own?"
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
