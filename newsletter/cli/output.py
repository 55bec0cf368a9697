"""Reports for people: quiet tables and panels, dates in the newsletter's zone; never read by programs (see --json)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from itertools import islice
from zoneinfo import ZoneInfo

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

PIPED_WIDTH = 120
MAX_ROWS = 50  # rows of a list that may be as long as the readers are many
PAGE_ROWS = 500  # rows or lines that are drawn at once
STYLES = {
    "sent": "green", "done": "green", "confirmed": "green", "fresh": "green", "ok": "green",
    "deferred": "yellow", "pending": "yellow", "held": "yellow", "paused": "yellow", "warning": "yellow",
    "rejected": "red", "failed": "red", "suppressed": "red", "missed": "red", "no_content": "red", "error": "red",
    "unsubscribed": "dim", "skipped": "dim", "retired": "dim", "archive": "dim", "expired": "dim", "hint": "cyan",
}  # fmt: skip


def mark(level: str) -> Text:
    """A check's level as one sign."""
    signs = {"ok": "✓", "hint": "·", "warning": "!", "error": "✗"}
    return Text(signs[level], style=STYLES[level])


def clean(text: object) -> str:
    """Text from outside, safe for a terminal: what cannot be printed cannot steer it either."""
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in str(text))


def console(*, stderr: bool = False) -> Console:
    """Colour only on a terminal; piped output is wide enough for whole keys."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPED_WIDTH
    return Console(stderr=stderr, width=width, markup=False, highlight=False, emoji=False, soft_wrap=False)


class Output:
    """One report. zone: the IANA name dates are shown in."""

    def __init__(self, zone: str) -> None:
        self.zone = ZoneInfo(zone)
        self.console = console()

    def when(self, at: datetime | None) -> str:
        """`Tue 24 Nov 2026 08:00 EST`, or a dash."""
        return f"{at.astimezone(self.zone):%a %d %b %Y %H:%M %Z}" if at else "–"

    def day(self, day: date | None) -> str:
        """`Tue 24 Nov 2026`, or a dash."""
        return f"{day:%a %d %b %Y}" if day else "–"

    def line(self, text: str = "", style: str = "") -> None:
        """One line, wrapped between words."""
        self.console.print(Text(clean(text), style=style))

    def lines(self, texts: Iterable[str], style: str = "") -> None:
        """Many lines, some hundred at once."""
        rest = iter(texts)
        while some := list(islice(rest, PAGE_ROWS)):
            self.line("\n".join(text.replace("\n", " ") for text in some), style)

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str, of: int | None = None
    ) -> None:
        """Rows under quiet heads: `!name` is not wrapped, `>name` holds numbers, `?name` goes when it is narrow here.

        of: how many rows there are, where only the first are to be shown; None: show all, some hundred at a time.
        """
        rest = iter(rows)
        page = list(islice(rest, PAGE_ROWS if of is None else MAX_ROWS))
        if not page:
            self.line(empty, "dim")
        while page:
            self._page(columns, page)
            page = list(islice(rest, PAGE_ROWS)) if of is None else []
        if of is not None and of > MAX_ROWS:
            self.line(f"… and {of - MAX_ROWS:,} more: --all or --json", "dim")

    def _page(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        shown = [at for at, name in enumerate(columns) if name[0] != "?" or self.console.width >= PIPED_WIDTH]
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
        self.console.print(table)

    def facts(self, pairs: Iterable[tuple[str, object]], *, title: str = "") -> None:
        """Names and values, one pair a line, in a panel when there is a title."""
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in pairs:
            grid.add_row(name, _cell(value))
        inside = Panel.fit(grid, title=Text(clean(title)), title_align="left", box=box.ROUNDED, border_style="dim")
        self.console.print(inside if title else Padding(grid, 0))


def _cell(value: object) -> Text:
    if isinstance(value, Text):
        return value
    if isinstance(value, (list, tuple)):
        value = ", ".join(str(part) for part in value)
    text = clean("–" if value in (None, "") else f"{value:,}" if type(value) is int else value)
    return Text(text, style=STYLES.get(text, ""))
