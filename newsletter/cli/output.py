"""Reports for people: tables, panels, and dates in the newsletter's time zone. Programs use `--json`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from itertools import islice
from zoneinfo import ZoneInfo

from rich import box
from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from newsletter.domain.dates import AMERICAN, DateForm
from newsletter.domain.printable import printable

WIDE = 120  # characters: from this width on, a table has all of its columns
PIPED_WIDTH = 100_000  # so that no line is wrapped where a program or a file reads it
MAX_ROWS = 50  # of a list that grows with the number of subscribers, unless `--all` is passed
PAGE_ROWS = 500  # rows or lines that are printed at a time, so that a long list never has to fit into memory
STYLES = {
    "sent": "green", "done": "green", "confirmed": "green", "fresh": "green", "ok": "green",
    "deferred": "yellow", "pending": "yellow", "held": "yellow", "paused": "yellow", "warning": "yellow",
    "rejected": "red", "failed": "red", "suppressed": "red", "missed": "red", "no_content": "red", "error": "red",
    "unsubscribed": "dim", "skipped": "dim", "retired": "dim", "archive": "dim", "expired": "dim", "hint": "cyan",
}  # fmt: skip


def mark(level: str) -> Text:
    """The symbol of a level."""
    signs = {"ok": "✓", "hint": "·", "warning": "!", "error": "✗"}
    return Text(signs[level], style=STYLES[level])


def console(*, stderr: bool = False) -> Console:
    """A console with color only on a terminal. Output that is piped is never wrapped: one line for each row."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPED_WIDTH
    return Console(stderr=stderr, width=width, markup=False, highlight=False, emoji=False, soft_wrap=False)


class Output:
    """One report. zone: the IANA name of the time zone of all times. dates: how the newsletter's language writes them."""

    def __init__(self, zone: str, dates: DateForm = AMERICAN) -> None:
        self.zone = ZoneInfo(zone)
        self.dates = dates
        self.console = console()

    def when(self, at: datetime | None) -> str:
        """An aware time as `Tue, December 1, 2026, 8:00 AM EST`, or as the language writes it; None is a dash."""
        if at is None:
            return "–"
        local = at.astimezone(self.zone)
        return f"{self.day(local.date())}, {self.dates.time(local)} {local:%Z}"

    def day(self, day: date | None) -> str:
        """A date as `Tue, December 1, 2026`, or as the language writes it; None is a dash."""
        if day is None:
            return "–"
        # Catalogs have no short names of weekdays, so only English gets one.
        return f"{day:%a}, {self.dates.day(day)}" if self.dates.is_english else self.dates.day(day)

    def line(self, text: str = "", style: str = "") -> None:
        """Print one line; on a terminal, a long one is wrapped between words."""
        self.console.print(Text(printable(text), style=style))

    def lines(self, texts: Iterable[str], style: str = "") -> None:
        """Print many lines, PAGE_ROWS at a time."""
        rest = iter(texts)
        while page := list(islice(rest, PAGE_ROWS)):
            self.line("\n".join(text.replace("\n", " ") for text in page), style)

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str, of: int | None = None
    ) -> None:
        """A table. A column `!name` is not wrapped, `>name` has numbers, and `?name` is left out on a narrow terminal.

        empty: printed if there are no rows. of: the number of rows if only the first MAX_ROWS are to be shown, or None
        to show all of them.
        """
        rest = iter(rows)
        page = list(islice(rest, PAGE_ROWS if of is None else MAX_ROWS))
        if not page:
            self.line(empty, "dim")
        while page:
            self._page(columns, page)
            page = list(islice(rest, PAGE_ROWS)) if of is None else []
        if of is not None and of > MAX_ROWS:
            self.line(f"… and {of - MAX_ROWS:,} more; pass --all or --json", "dim")

    def _page(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        shown = [at for at, name in enumerate(columns) if name[0] != "?" or self.console.width >= WIDE]
        table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
        table.show_header = any(name.strip("!>?") for name in columns)
        for name in (columns[at] for at in shown):
            table.add_column(
                name.lstrip("!>?"),
                no_wrap=name[0] in "!>",
                justify="right" if name[0] == ">" else "left",
                overflow="fold",
            )
        for row in rows:
            table.add_row(*(_cell(row[at]) for at in shown))
        self._print(table)

    def facts(self, pairs: Iterable[tuple[str, object]], *, title: str = "") -> None:
        """Names and values, one pair per line; in a panel if there is a title."""
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in pairs:
            grid.add_row(name, _cell(value))
        inside = Panel.fit(grid, title=Text(printable(title)), title_align="left", box=box.ROUNDED, border_style="dim")
        self._print(inside if title else grid)

    def _print(self, shown: RenderableType) -> None:
        """Print it; without the spaces at the ends of lines if it is piped, since there are many in a wide table."""
        if self.console.is_terminal:
            self.console.print(shown)
            return
        with self.console.capture() as captured:
            self.console.print(shown)
        self.console.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def _cell(value: object) -> Text:
    if isinstance(value, Text):
        return value
    if isinstance(value, (list, tuple)):
        value = ", ".join(str(part) for part in value)
    text = printable("–" if value in (None, "") else f"{value:,}" if type(value) is int else value)
    return Text(text, style=STYLES.get(text, ""))
