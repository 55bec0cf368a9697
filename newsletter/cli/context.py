"""What every command shares: the options that go anywhere, the lazy settings and App, and how a verb reports."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from newsletter.domain.errors import Refused, UsageError

if TYPE_CHECKING:
    from newsletter.app import App
    from newsletter.cli.output import Output
    from newsletter.settings import Settings


@dataclass
class CliContext:
    """One call of the command: what was asked for everywhere, and the parts, built when first used."""

    json: bool = False
    verbose: int = 0
    env_file: Path | None = None
    as_of: str = ""

    @property
    def env_path(self) -> Path:
        """The env file that was named, or the one in the working directory."""
        return self.env_file or Path(".env")

    @cached_property
    def settings(self) -> Settings:
        """The settings; misspelt names are told on stderr. Raises SettingsError."""
        import os

        from newsletter.settings import load_settings

        named_or_there = self.env_file or (self.env_path if self.env_path.is_file() else None)
        settings = load_settings(os.environ, named_or_there)
        for warning in (*settings.warnings, *settings.deprecations):
            self.print_note(f"newsletter: {warning}")
        return settings

    @cached_property
    def app(self) -> App:
        """The newsletter, at the time that `--as-of` names or that it is."""
        from newsletter.app import App

        return App(self.settings, clock=self.clock)

    @cached_property
    def clock(self) -> Callable[[], datetime]:
        """The clock of this call: it goes on from `--as-of`, whatever the machine's clock does."""
        if not self.as_of:
            return lambda: datetime.now(UTC)
        start, began = parse_time(self.as_of, self.settings.timezone), time.monotonic()
        return lambda: start + timedelta(seconds=time.monotonic() - began)

    @property
    def output(self) -> Output:
        """Where reports for people go: stdout."""
        from newsletter.cli.output import Output

        return Output(self.settings.timezone)

    def print_note(self, text: str) -> None:
        """Talk, which is never data: stderr."""
        click.echo(text, err=True)

    def report(self, document: Mapping[str, object], draw: Callable[[Output], None]) -> None:
        """One document: JSON on stdout with `--json`, else drawn for people.

        An iterator among its values is a list that is written as it comes, and never held whole.
        """
        if self.json:
            sys.stdout.writelines(_json(document))
        else:
            draw(self.output)

    def require_confirmation(self, question: str, *, yes: bool) -> None:
        """Ask before what cannot be undone; raises UsageError where nobody can answer, Refused after a no."""
        if yes:
            return
        if not sys.stdin.isatty():
            raise UsageError(f"{question} Nobody is here to answer", fix="Say --yes")
        if not click.confirm(question, err=True):
            raise Refused("nothing was changed")

    def close(self) -> None:
        """Let go of the database, if it was used."""
        if "app" in self.__dict__:
            self.app.close()


def _json(document: Mapping[str, object]) -> Iterator[str]:
    import json

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


def parse_time(text: str, zone: str) -> datetime:
    """An ISO time with its zone, or in the newsletter's; aware. Raises UsageError."""
    from zoneinfo import ZoneInfo

    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(
            f"{text!r} is not a time", fix="Write 2026-11-24T08:00, with or without a zone as in +01:00 or Z"
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


# -- options that go anywhere ----------------------------------------------------------------------


def _store_option(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """A callback that leaves an option's value on the door; before the noun and after the verb are the same."""

    def store(ctx: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value:
            setattr(ctx.ensure_object(CliContext), name, value)

    return store


def common_options(*, reports: bool = True) -> list[click.Parameter]:
    """The options of every command; `--json` where there is something to report."""
    options: list[click.Parameter] = [
        click.Option(
            ["--env-file"], type=click.Path(path_type=Path, dir_okay=False), metavar="PATH", expose_value=False,
            callback=_store_option("env_file"), help="Settings file instead of ./.env.",
        ),
        click.Option(
            ["-v", "--verbose"], count=True, expose_value=False, callback=_store_option("verbose"),
            help="Say more; -vv shows the traceback of an error.",
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
                help="One JSON document on stdout.",
            ),
        )
    return options


def as_of(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--as-of T`, for verbs that look at the date."""
    return click.option(
        "--as-of", metavar="T", expose_value=False, callback=_store_option("as_of"),
        help="Act as if the clock read T: ISO, with a zone or in the newsletter's.",
    )(command)  # fmt: skip


dry_run = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
all_ = click.option("--all", "all_", is_flag=True, help="However many there are; --json never leaves any out.")
yes = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


class Subcommand(click.Command):
    """A command with the options that go anywhere."""

    def __init__(self, *args: Any, reports: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += common_options(reports=reports)


class CommandGroup(click.Group):
    """A group of verbs, which answers a wrong one with the nearest right one."""

    command_class = Subcommand

    def suggestions(self, name: str) -> list[str]:
        """What was probably meant."""
        from difflib import get_close_matches

        return get_close_matches(name, self.list_commands(click.get_current_context()), n=2)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb, or a usage error that helps."""
        if self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing:
            suggestions = " or ".join(f"`{name}`" for name in self.suggestions(args[0]))
            ctx.fail(f"no such command {args[0]!r}.{f' Did you mean {suggestions}?' if suggestions else ''}")
        return super().resolve_command(ctx, args)
