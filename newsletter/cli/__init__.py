"""The `newsletter` command: nouns and verbs, exit codes, one-line errors; a noun's module is imported when it is used."""

from __future__ import annotations

import errno
import importlib
import io
import os
import re
import sys
from collections.abc import Sequence
from typing import Any

import click

from newsletter import __version__
from newsletter.cli.context import CliContext, CommandGroup, common_options
from newsletter.domain.errors import NewsletterError

FAILED, INTERRUPTED = 1, 130

GROUPS = {
    "init": ("setup", "Write .env with a fresh key, create the database, bring in the starter tips."),
    "demo": ("serve", "One whole Tuesday, with nothing configured."),
    "run": ("serve", "The daemon: alarm clock, sending and web."),
    "web": ("serve", "The web alone."),
    "doctor": ("setup", "What is not right, and how to mend it."),
    "config": ("setup", "The settings: show."),
    "db": ("setup", "The database: upgrade, status, backup, restore, adopt."),
    "tips": ("tips", "The library: import, list, show, add, edit, export, retire, move, pin, unpin, rerun, lint, why."),
    "calendar": ("calendar", "The weeks ahead: skip, unskip, hold, approve, runway, simulate."),
    "issues": ("issues", "The editions: next, preview, test, send, list, status, pause, resume, cancel, retry-failed, deliveries."),
    "subscribers": ("subscribers", "The readers: add, list, show, stats, import, export, pause, unsubscribe, erase."),
    "suppressions": ("subscribers", "Addresses never to mail: list, add, remove."),
    "templates": ("templates", "Mails and pages of your own: list, copy, check."),
    "form": ("signup_form", "The sign-up form for your own site, as a link, HTML, an iframe or a script."),
    "completion": ("setup", "Completion for your shell: bash, zsh or fish."),
}  # fmt: skip


class Root(CommandGroup):
    """The nouns, known by name and one line until one of them is used."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """In the order of the table, which is the order people need them in."""
        return list(GROUPS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """Import the noun's module."""
        if name not in GROUPS:
            return None
        module = importlib.import_module(f"newsletter.cli.{GROUPS[name][0]}")
        command: click.Command = getattr(module, name)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`, made without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in GROUPS.items()])

    def suggestions(self, name: str) -> list[str]:
        """A verb without its noun is answered with both."""
        nouns = [noun for noun, (_, text) in GROUPS.items() if name in re.findall(r"[\w-]+", text.partition(":")[2])]
        return [f"{noun} {name}" for noun in nouns] or super().suggestions(name)


@click.command(
    cls=Root,
    invoke_without_command=True,
    params=common_options(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 ok, 1 failed, 2 usage, 3 doctor found problems, 4 partly sent, 75 try again later, 130 interrupted.",
)
@click.version_option(__version__, message="newsletter %(version)s")
@click.pass_context
def root(ctx: click.Context) -> None:
    """Tip of the Week: one tip to every reader, each Tuesday."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and say how it ended; every error is one line on stderr, unless -vv asks for more."""
    context = CliContext()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a letter is no reason to fail
    try:
        code = root.main(args=arguments, prog_name="newsletter", standalone_mode=False, obj=context)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except BrokenPipeError:  # whoever read it, `head` say, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:  # noqa: BLE001 - the last door: whatever it was, it is told in one line
        if context.verbose > 1 and not isinstance(error, click.Abort):
            import traceback

            traceback.print_exc()
        return _report_error(error)
    finally:
        context.close()


def _report_error(error: Exception) -> int:
    """Say it in one line; the exit code."""
    if isinstance(error, click.Abort):
        message, code = "interrupted", INTERRUPTED
    elif isinstance(error, NewsletterError):
        message, code = str(error), error.exit_code
    elif isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    elif isinstance(error, click.ClickException):
        message, code = f"{error.format_message()}{_help_hint(error)}", error.exit_code
    elif isinstance(error, OSError):
        message = f"{error.filename}: {error.strerror}. {_fix_of(error)}" if error.filename else str(error)
        code = FAILED
    else:
        message, code = f"unexpected {type(error).__name__}: {error}. Say -vv to see where", 1
    line = "".join(char if char.isprintable() else "\ufffd" for char in " ".join(message.split()))
    click.echo(f"newsletter: {line}", err=True)
    return code


def _fix_of(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "Make its directory first, or name another"
    if error.errno == errno.ENOSPC:
        return "Make room on the disk"
    return "Check its rights, or name another place"


def _help_hint(error: click.ClickException) -> str:
    ctx: Any = getattr(error, "ctx", None)
    return f" Try: {ctx.command_path} --help" if ctx else ""
