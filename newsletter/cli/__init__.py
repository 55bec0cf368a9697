"""The `newsletter` command: its nouns, its exit codes, and its one-line errors.

The module of a noun is imported when the noun is used, so that `--help` and completion stay fast.
"""

from __future__ import annotations

import errno
import importlib
import io
import os
import re
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from newsletter import __version__
from newsletter.cli.context import CliContext, CommandGroup, common_options
from newsletter.domain.errors import NewsletterError
from newsletter.domain.printable import printable

FAILED, USAGE, INTERRUPTED = 1, 2, 130

GROUPS = {
    "init": ("setup", "Ask for what a newsletter needs, write .env, and create the database."),
    "demo": ("demo", "Run through one Tuesday without any configuration."),
    "run": ("serve", "Run the daemon: the scheduler, the sender, and the web server in one process."),
    "web": ("serve", "Run only the web server."),
    "doctor": ("setup", "Check the installation and suggest fixes."),
    "config": ("setup", "View your settings: show."),
    "db": ("database", "Manage the database: upgrade, status, backup, verify, backups, restore, adopt."),
    "tips": ("tips", "Manage the library of tips: import, list, show, add, edit, export, retire, unretire, move, pin, unpin, rerun, lint, why."),
    "calendar": ("calendar", "Show and change the coming weeks: skip, unskip, hold, approve, runway, simulate."),
    "issues": ("issues", "Preview, send, and control the weekly issues: next, preview, test, send, list, status, pause, resume, cancel, retry-failed, deliveries."),
    "subscribers": ("subscribers", "Manage your subscribers: add, list, show, stats, import, export, pause, unsubscribe, erase."),
    "suppressions": ("suppressions", "Manage the addresses that must never get email: list, add, remove."),
    "lists": ("lists", "Run several newsletters for the same subscribers: list, show, add, edit, retire."),
    "templates": ("templates", "Customize the templates of emails and pages: list, copy, check."),
    "form": ("signup_form", "Print the sign-up form for your own site as a link, HTML, an iframe, or a script."),
    "completion": ("setup", "Print the completion script for bash, zsh, or fish."),
}  # fmt: skip


class Root(CommandGroup):
    """All nouns; until one is used, only its name and its line of help are known."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """The nouns in the order of the table, which is the order in which people need them."""
        return list(GROUPS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """Import the module of the noun."""
        if name not in GROUPS:
            return None
        module = importlib.import_module(f"newsletter.cli.{GROUPS[name][0]}")
        command: click.Command = getattr(module, name)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list in `--help` without importing any noun."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in GROUPS.items()])

    def suggestions(self, name: str) -> list[str]:
        """A verb without its noun, such as `send`, is answered with `issues send`."""
        nouns = [noun for noun, (_, text) in GROUPS.items() if name in re.findall(r"[\w-]+", text.partition(":")[2])]
        return [f"{noun} {name}" for noun in nouns] or super().suggestions(name)


@click.command(
    cls=Root,
    invoke_without_command=True,
    params=common_options(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 OK, 1 failed, 2 usage error, 3 doctor found problems, 4 partly sent, 75 try again later, 130 interrupted.",
)
@click.version_option(__version__, message="newsletter %(version)s")
@click.pass_context
def root(ctx: click.Context) -> None:
    """Tip of the Week: email one tip to every subscriber each Tuesday."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code. An error is one line on stderr; with -vv, also a traceback."""
    context = CliContext()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a character that the terminal does not have must not fail
    try:
        code = root.main(args=arguments, prog_name="newsletter", standalone_mode=False, obj=context)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except BrokenPipeError:  # the reader of the pipe, such as `head`, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:  # noqa: BLE001 - the outermost handler reports every error in one line
        if context.verbose > 1 and not isinstance(error, click.Abort):
            traceback.print_exc()
        return _report_error(error)
    finally:
        context.close()


def _report_error(error: Exception) -> int:
    """Print the error in one line; returns the exit code."""
    if isinstance(error, click.Abort):
        message, code = "interrupted", INTERRUPTED
    elif isinstance(error, NewsletterError):
        message, code = str(error), error.exit_code
    elif isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    elif isinstance(error, click.ClickException):
        message, code = f"{error.format_message()}{_help_hint(error)}", error.exit_code
    elif isinstance(
        error, UnicodeEncodeError
    ):  # bytes of the command line, of a setting, or of a file that are no text
        message = "a value has characters that are not valid Unicode. Write it in UTF-8, or leave these characters out"
        code = USAGE
    elif isinstance(error, OverflowError):
        message, code = "a number is too large. Write a smaller one", USAGE
    elif isinstance(error, OSError):
        message = f"{error.filename}: {error.strerror}. {_fix_of(error)}" if error.filename else str(error)
        code = FAILED
    else:
        message, code = f"unexpected {type(error).__name__}: {error}. Run it again with -vv to see where", FAILED
    line = printable(" ".join(message.split()))
    click.echo(f"newsletter: {line}", err=True)
    return code


def _fix_of(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "Create its directory first, or choose another path"
    if error.errno == errno.ENOSPC:
        return "Free some disk space"
    return "Check its permissions, or choose another path"


def _help_hint(error: click.ClickException) -> str:
    ctx: Any = getattr(error, "ctx", None)
    return f" Try: {ctx.command_path} --help" if ctx else ""
