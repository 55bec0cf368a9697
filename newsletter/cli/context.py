"""What all commands share: common options, settings and App on first use, and reports."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from newsletter.domain.errors import Refused, UsageError
from newsletter.domain.printable import escaped_json, printable
from newsletter.domain.read_dates import is_day_first
from newsletter.domain.written_dates import WrittenDates, require_year

if TYPE_CHECKING:
    from newsletter.app import App
    from newsletter.cli.output import Output
    from newsletter.settings import Settings


@dataclass
class CliContext:
    """One run of the command: the common options, and the settings and App, which are made on first use."""

    json: bool = False
    verbose: int = 0
    env_file: Path | None = None
    as_of: str = ""
    list_key: str = ""
    is_about_a_list: bool = False

    @property
    def env_path(self) -> Path:
        """The file that `--env-file` names, or .env in the working directory."""
        return self.env_file or Path(".env")

    @cached_property
    def settings(self) -> Settings:
        """The settings; misspelled and deprecated names are reported on stderr. Raises SettingsError."""
        from newsletter.settings import load_settings  # noqa: PLC0415 - `--help` needs no settings

        env_file = self.env_path if self.env_file or self.env_path.is_file() else None
        settings = load_settings(os.environ, env_file)
        for warning in (*settings.warnings, *settings.deprecations):
            self.print_note(f"newsletter: {warning}")
        return settings

    @cached_property
    def app(self) -> App:
        """The newsletter, or the list that `--list` names, at the time of `--as-of` or the current time."""
        from newsletter.app import App  # noqa: PLC0415 - `--help` needs no App

        return App(self.settings, clock=self.clock).of_list(self.list_key)

    def tip_key(self, name: str) -> str:
        """The key of the tip that somebody means; from now on, `app` is for the list of this tip.

        Raises Refused if `--list` names another list.
        """
        key = self.app.tips.key_of(name)
        found = self.app.of_tip(key)
        if self.list_key and found is not self.app:
            raise Refused(
                f"{key} is in the list {found.list_key}, not in {self.app.list_key}",
                fix=f"Leave --list out, or move it: newsletter tips assign {key} --list {self.app.list_key}",
            )
        self.app = found
        return key

    @cached_property
    def clock(self) -> Callable[[], datetime]:
        """The clock of this run. With `--as-of` it starts there and continues, even if the machine's clock is changed."""
        if not self.as_of:
            return lambda: datetime.now(UTC)
        start, began = (
            parse_time(self.as_of, self.settings.timezone, day_first=is_day_first(self.settings.language)),
            time.monotonic(),
        )
        return lambda: start + timedelta(seconds=time.monotonic() - began)

    def forget(self) -> None:
        """Read the settings again on their next use, because the env file has changed."""
        self.close()
        self.__dict__.pop("app", None)
        self.__dict__.pop("settings", None)

    @property
    def output(self) -> Output:
        """Reports for people, on stdout."""
        from newsletter.cli.output import Output  # noqa: PLC0415 - rich is slow to import, and `--json` needs none of it

        return Output(self.app.settings.timezone, self.app.site.dates)

    def iso(self, at: date | None) -> str | None:
        """A date, or a time with its offset in the newsletter's zone, for JSON and CSV."""
        if isinstance(at, datetime):
            of = self.app if self.list_key or "app" in self.__dict__ else self
            at = at.astimezone(ZoneInfo(of.settings.timezone))
        return at.isoformat() if at else None

    def print_note(self, text: str) -> None:
        """Print a note on stderr; stdout is for data."""
        click.echo(printable(text), err=True)

    def report(self, document: Mapping[str, object], draw: Callable[[Output], None]) -> None:
        """Print a document as JSON with `--json`, else as a report for people.

        An iterator among the values is written as a list, item by item, so that it never has to fit into memory.
        """
        if self.is_about_a_list and "list" not in document:
            document = {**document, "list": self.app.list_key}
        if self.list_key and self.is_about_a_list and self.app.lists.get(self.list_key).list.retired_at:
            self.print_note(f"newsletter: the list {self.list_key} is retired: no issue of it is sent")
        if self.json:
            sys.stdout.writelines(map(escaped_json, _json(document)))
        else:
            draw(self.output)

    def require_confirmation(self, question: str, *, yes: bool) -> None:
        """Ask before an irreversible step. Raises UsageError if stdin is not a terminal, and Refused if the answer is no."""
        if yes:
            return
        if not sys.stdin.isatty():
            raise UsageError(f"{question} There is no terminal to confirm this on", fix="Pass --yes")
        if not click.confirm(question, err=True):
            raise Refused("nothing was changed")

    def close(self) -> None:
        """Close the database, if it was used."""
        if "app" in self.__dict__:
            self.app.close()


def _json(document: Mapping[str, object]) -> Iterator[str]:
    def dump(value: object) -> str:
        return json.dumps(value, ensure_ascii=False, indent=2).replace("\n", "\n  ")

    before = "{"
    for name, value in document.items():
        yield f"{before}\n  {dump(name)}: "
        before = ","
        if isinstance(value, Iterator):
            first = next(value, None)
            yield "[" if first is None else f"[\n    {json.dumps(first, ensure_ascii=False)}"
            yield from (f",\n    {json.dumps(item, ensure_ascii=False)}" for item in value)
            yield "]" if first is None else "\n  ]"
        else:
            yield dump(value)
    yield "\n}\n"


def parse_time(text: str, zone: str, *, day_first: bool = False) -> datetime:
    """The UTC time of an ISO 8601 text, or of a date and time as people write them. Raises UsageError.

    zone: the IANA name that applies if the text has no offset.
    """
    try:
        found = datetime.fromisoformat(text.strip())
        require_year(found.year, text)
    except ValueError:
        dates = WrittenDates(datetime.now(UTC), ZoneInfo(zone), day_first)
        try:
            day, at = dates.moment(text)
        except UsageError:
            raise UsageError(
                f"{text!r} is not a time", fix="Write 2026-11-24T08:00, with or without an offset such as +01:00 or Z"
            ) from None
        found = datetime.combine(day, at or clock_time())
    return (found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


# -- common options -------------------------------------------------------------------------------


def _store_option(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """A callback that stores an option in the context, whether it comes before the noun or after the verb."""

    def store(ctx: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value:
            setattr(ctx.ensure_object(CliContext), name, value)

    return store


def common_options(*, reports: bool = True) -> list[click.Parameter]:
    """The options of every command; `--json` only if the command reports something."""
    options: list[click.Parameter] = [
        click.Option(
            ["--env-file"], type=click.Path(path_type=Path, dir_okay=False), metavar="PATH", expose_value=False,
            callback=_store_option("env_file"), help="Read settings from this file instead of ./.env.",
        ),
        click.Option(
            ["-v", "--verbose"], count=True, expose_value=False, callback=_store_option("verbose"),
            help="Show more; -vv shows the traceback of an error.",
        ),
    ]  # fmt: skip
    if reports:
        options.insert(
            0,
            click.Option(
                ["--json"],
                is_flag=True,
                expose_value=False,
                callback=_store_option("json"),
                help="Print one JSON document on stdout.",
            ),
        )
    return options


def as_of(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--as-of T` to a group that is a command itself; each `Subcommand` that reports has it anyway."""
    command.__dict__.setdefault("__click_params__", []).append(as_of_option())
    return command


def as_of_option() -> click.Option:
    """`--as-of T`: every command takes it, so that nothing is written with another time than the one that was meant."""
    return click.Option(
        ["--as-of"], metavar="T", expose_value=False, callback=_store_option("as_of"),
        help="Pretend the current time is T (ISO 8601; in the newsletter's time zone unless T has an offset).",
    )  # fmt: skip


def list_option(*, is_about_it: bool = True) -> click.Option:
    """`--list KEY`: which list a command is about. Hidden: an owner of one list needs none.

    is_about_it: the whole command is, and not only an argument of it.
    """

    def store(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
        context = ctx.ensure_object(CliContext)
        context.is_about_a_list = is_about_it
        context.list_key = value or context.list_key

    return click.Option(
        ["--list"],
        metavar="KEY",
        expose_value=False,
        callback=store,
        hidden=True,
        help="The list that the command is about (default: the first one).",
    )


def list_of_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--list KEY` to a command of which only an argument belongs to a list."""
    command.__dict__.setdefault("__click_params__", []).append(list_option(is_about_it=False))
    return command


dry_run = click.option("--dry-run", is_flag=True, help="Show what would be done without doing it.")
all_ = click.option("--all", "all_", is_flag=True, help="Show all rows (--json always does).")
yes = click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")


class Subcommand(click.Command):
    """A command with the common options."""

    def __init__(self, *args: Any, reports: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += common_options(reports=reports)
        if reports and not any(option.name == "as_of" for option in self.params):
            self.params.append(as_of_option())


class CommandGroup(click.Group):
    """A noun with its verbs; a wrong verb is answered with the closest one. of_a_list: each verb is about one list."""

    command_class = Subcommand

    def __init__(self, *args: Any, of_a_list: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._of_a_list = of_a_list
        if of_a_list and self.invoke_without_command:
            self.params.append(list_option())

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a verb; `of_a_list`: with the option `--list`."""
        has_its_own = any("--list" in option.opts for option in cmd.params)
        if self._of_a_list and not isinstance(cmd, click.Group) and not has_its_own:
            cmd.params.append(list_option())
        super().add_command(cmd, name)

    def suggestions(self, name: str) -> list[str]:
        """The commands that the user may have meant."""
        return get_close_matches(name, self.list_commands(click.get_current_context()), n=2)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb, or a usage error with suggestions."""
        if self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing:
            suggestions = " or ".join(f"`{name}`" for name in self.suggestions(args[0]))
            ctx.fail(f"no such command {args[0]!r}.{f' Did you mean {suggestions}?' if suggestions else ''}")
        return super().resolve_command(ctx, args)
