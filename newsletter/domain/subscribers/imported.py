"""The values of an import: rows, counts, options, and the cells of a row that need no knowledge of other tools."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from newsletter.domain.csv_records import SkippedLines

StagedSubscriber = tuple[
    int,
    str | None,
    str,
    str,
    str,
    str,
    str | None,
    str | None,
    str | None,
    str | None,
    str | None,
    str | None,
    str | None,
]
"""One usable row: line; address (None if equal to its key), address key; name, subscriber key, status (a value of
`SourceStatus`, or "erased" for an address that was erased here); signed up, confirmed, unsubscribed, paused until;
frequency; evidence: None, or the IP address they confirmed from, "" if the file has only the time.

There may be millions, so it is a tuple of what SQLite accepts without conversion: no bool, no enum, and times as text
that sorts (UTC, `2026-05-05 12:00:00.000000`).
"""


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that cannot be used. line: where the row begins, counted from 1."""

    line: int
    address: str
    reason: str


@dataclass(slots=True)
class UnreadTimes:
    """Cells of one column that should be times and cannot be read. line, text: the first of them."""

    column: str
    line: int
    text: str
    count: int = 0


@dataclass(slots=True)
class LeftOut:
    """What a file says about lists and `--map` does not. value: a group or a tag; "" for rows that were left out.

    line: the first of them.
    """

    value: str
    line: int
    rows: int


@dataclass(slots=True)
class ImportCounts:
    """What happened to the rows. suppressed: rows of suppressed addresses, including those that the file suppressed.

    left: subscribers who had unsubscribed here and stay unsubscribed. repeated: addresses that occurred before in the
    file. asked: confirmation emails. confirmed: those who are confirmed now and were not before; proven: those of them
    whose confirmation is in the file. undecided: nothing was written, since `asked` emails would be sent and nobody said so.
    """

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    suppressed: int = 0
    left: int = 0
    repeated: int = 0
    asked: int = 0
    confirmed: int = 0
    proven: int = 0
    undecided: bool = False


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How to import the rows. proof: where they agreed, or None; ask: may the others be asked by email to confirm?

    evidence: what in the file says that somebody confirmed, such as "CONFIRM_TIME in export.csv"; a function, since it is
    known only when the file is read.
    on_progress: called with the share of the subscribers that is written, from 0.0 to 1.0.
    """

    proof: str | None
    now: datetime
    ask: bool = False
    evidence: Callable[[], str] = lambda: "the file"
    dry_run: bool = False
    on_progress: Callable[[float], None] = lambda _: None


Reject = Callable[[RejectedRow], object]
Skip = Callable[[SkippedLines], object]


@dataclass(slots=True)
class Report(ImportCounts):
    """What the import did, or what it would do.

    unused_columns: titles of the columns that were not used. unread_times: what is not understood in columns of times.
    rejected, skipped: the rows and lines it could not use, unless the caller collects them. left_out: what `--map` does not
    say.
    """

    unused_columns: list[str] = field(default_factory=list)
    unread_times: list[UnreadTimes] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    skipped: list[SkippedLines] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What the owner says about a file.

    confirmed_source: the proof of an earlier consent of everyone in the file who is active there. ask: may the others
    be asked by email to confirm? With neither, an import that would have to ask anybody writes nothing, and its report
    is `undecided`. ignored: titles of columns that must not be used. name: of the file, for the consent log. reject,
    skip: receive the rows and lines that cannot be used, instead of the report. on_progress: called with the share that
    is written, 0.0 to 1.0. day_first: 4/9/2024 is September 4. maps: which list a group or a tag in the file means, such as
    "Newsletter=tips". named: the owner named this list, so all other rows are for it.
    """

    confirmed_source: str | None = None
    ask: bool = False
    ignored: Collection[str] = ()
    dry_run: bool = False
    name: str = "a file"
    reject: Reject | None = None
    skip: Skip | None = None
    on_progress: Callable[[float], None] = lambda _: None
    day_first: bool = False
    maps: Sequence[str] = ()
    named: bool = False


EARLIEST = "1970-01-02"


def parse_time(text: str, latest: str, read: Callable[[str], datetime | None]) -> str | None:
    """A time of a row in the format of `StagedSubscriber`, at most `latest`; None if there is no readable time.

    Computers write a time before `EARLIEST` where they do not know it, so it counts as none.
    read: understands what is not ISO 8601, or has an offset; it returns UTC without a time zone, since attaching one
    costs more than everything else here.
    """
    if not text:
        return None
    try:
        found: datetime | None = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo:
        found = _to_utc(found) if found else read(text)
    written = found.isoformat(" ", "microseconds") if found else None
    if written is None or written < EARLIEST:
        return None
    return min(written, latest)


def _to_utc(time: datetime) -> datetime | None:
    try:
        return time.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:  # in the first or the last hours of the calendar
        return None


# A spreadsheet may run a cell that begins so (OWASP, CSV injection), with full-width signs and after what it trims, too.
# One that separates cells by something else than a comma begins a cell, or a line, where we have none.
_SIGNS = r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b\u2212]"
_BEGIN = r"(\A|[;|\t\r\n])([^\S\t\r\n]|[\"\u201c\u201d\u200b-\u200f\u2060\ufeff])*"
_FORMULA = re.compile(f"(?P<begin>{_BEGIN})(?='*{_SIGNS})")
_ESCAPED = re.compile(f"(?P<begin>{_BEGIN})'(?='*{_SIGNS})")


def escape_formula(cell: str) -> str:
    """The cell, with an apostrophe wherever a spreadsheet could take what follows for a formula."""
    return _FORMULA.sub(r"\g<begin>'", cell)


def unescape_formula(cell: str) -> str:
    """The cell before `escape_formula`."""
    return _ESCAPED.sub(r"\g<begin>", cell)


def escape_address(address: str) -> str:
    """As `escape_formula`, but an address that begins with an apostrophe gets a second one.

    An import removes one apostrophe from every address, since spreadsheets write it to mark text.
    """
    return f"'{address}" if address.startswith("'") else escape_formula(address)
