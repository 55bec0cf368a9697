"""Understand the CSV files of other newsletter tools: the meaning of columns, status words and times."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache

from newsletter.domain.errors import InputError


class SourceStatus(StrEnum):
    """The status of a subscriber in the tool that wrote the file."""

    ACTIVE = "active"
    UNCONFIRMED = "unconfirmed"
    UNSUBSCRIBED = "unsubscribed"
    CLEANED = "cleaned"  # the address bounced, complained or was blocked


StagedSubscriber = tuple[
    int, str | None, str, str, str, str, str | None, str | None, str | None, str | None, str | None
]
"""One usable row: line; address (None if equal to its key), address key; name, subscriber key, status (a value of
`SourceStatus`, or "erased" for an address that was erased here); signed up, confirmed, unsubscribed, paused until;
frequency.

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
class ImportCounts:
    """What happened to the rows. suppressed: rows of suppressed addresses, including those that the file suppressed.

    left: subscribers who had unsubscribed here and stay unsubscribed. repeated: addresses that occurred before in the
    file. asked: confirmation emails.
    """

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    suppressed: int = 0
    left: int = 0
    repeated: int = 0
    asked: int = 0


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How to import the rows. proof: where they agreed; if None, new subscribers are asked by email to confirm.

    on_progress: called with the share of the subscribers that is written, from 0.0 to 1.0.
    """

    proof: str | None
    now: datetime
    dry_run: bool = False
    on_progress: Callable[[float], None] = lambda _: None


EMAIL = ("email", "emailaddress", "address", "mail", "subscriberemail")
NAME = ("name", "fullname", "displayname")
FIRST = ("first", "firstname", "givenname")
LAST = ("last", "lastname", "surname", "familyname")
SIGNED_UP = (
    "optintime",
    "createdat",
    "creationdate",
    "signupdate",
    "subscribedat",
    "startdate",
    "dateadded",
    "joinedat",
    "signupat",
)
CONFIRMED = ("confirmtime", "confirmedat", "confirmationdate")
UNSUBSCRIBED_AT = ("unsubtime", "unsubscriptiondate", "unsubscribedat", "deletedat", "cancelledat")
PAUSED, FREQUENCY = ("pauseduntil",), ("pace",)  # our own exports
CLEANED = ("cleantime", "bouncedat")
STATUS = ("status", "subscriptionstatus", "subscriberstatus", "emailstatus")
BUTTONDOWN = ("type", "subscribertype")  # too common a name, except beside the other columns of Buttondown
SUBSCRIBED, DISABLED = ("subscribedtoemails", "subscribed"), ("emaildisabled",)

STATUS_WORDS = {
    SourceStatus.ACTIVE: "active subscribed enabled regular premium gifted trialed confirmed paused free paid comp member",
    SourceStatus.UNCONFIRMED: "unconfirmed unactivated pending inactive nonsubscribed transactional",
    SourceStatus.UNSUBSCRIBED: "unsubscribed cancelled canceled removed disabled deleted optedout archived left expired",
    SourceStatus.CLEANED: "cleaned bounced undeliverable complained blocklisted blacklisted blocked spam suppressed",
}
STATUS_BY_WORD = {word: was for was, words in STATUS_WORDS.items() for word in words.split()}


@dataclass(frozen=True, slots=True)
class Columns:
    """The index of each column in a row; -1 if there is none. Readers of a row append an empty cell, which -1 then finds."""

    address: int
    first: int = -1  # the name, or its first part
    last: int = -1
    signup: int = -1
    confirmed: int = -1
    left: int = -1
    paused: int = -1
    pace: int = -1
    cleaned: int = -1
    status: int = -1
    subscribed: int = -1
    disabled: int = -1

    @property
    def width(self) -> int:
        """How many cells a row needs."""
        return int(max(astuple(self))) + 1

    @property
    def has_status(self) -> bool:
        """Can a row of this file have another status than "active"?"""
        return max(self.left, self.cleaned, self.status, self.subscribed, self.disabled) >= 0

    def status_cells(self, cells: Sequence[str]) -> StatusCells:
        """The cells that decide the status of a row. Few combinations occur, so `source_status` is cached."""
        left, cleaned = bool(cells[self.left].strip()), bool(cells[self.cleaned].strip())
        return cells[self.status], cells[self.subscribed], cells[self.disabled], left, cleaned


StatusCells = tuple[str, str, str, bool, bool]  # status, subscribed, disabled, has an unsubscribe time, a bounce time


@lru_cache(1000)
def source_status(cells: StatusCells) -> str:
    """The status of a row, as a value of `SourceStatus`.

    Raises InputError for an unknown status: a wrong guess could send email to someone who unsubscribed.
    """
    status, subscribed, disabled, left, cleaned = cells
    if cleaned:
        return SourceStatus.CLEANED.value
    if (word := re.sub(r"[\W_]", "", status).casefold()) and word not in STATUS_BY_WORD:
        raise InputError(f"unknown status {word[:40]!r}", fix="Use active, unconfirmed, unsubscribed, or cleaned")
    known = STATUS_BY_WORD[word] if word else SourceStatus.ACTIVE
    if known is SourceStatus.ACTIVE and (left or _is(subscribed, "false") or _is(disabled, "true")):
        return SourceStatus.UNSUBSCRIBED.value
    return known.value


def find_columns(header: Sequence[str]) -> Columns | None:
    """The columns of a header row; None if there is no address column."""
    titles = [re.sub(r"[\W_]", "", cell).casefold() for cell in header]

    def find(names: Sequence[str]) -> int:
        return next((titles.index(name) for name in names if name in titles), -1)

    address = find(EMAIL)
    if address < 0:
        return None
    first, last = (find(NAME), -1) if find(NAME) >= 0 else (find(FIRST), find(LAST))
    status = find(STATUS)
    if status < 0 and {"creationdate", "unsubscriptiondate"} & set(titles):
        status = find(BUTTONDOWN)
    return Columns(
        address,
        first=first,
        last=last,
        signup=find(SIGNED_UP),
        confirmed=find(CONFIRMED),
        left=find(UNSUBSCRIBED_AT),
        paused=find(PAUSED),
        pace=find(FREQUENCY),
        cleaned=find(CLEANED),
        status=status,
        subscribed=find(SUBSCRIBED),
        disabled=find(DISABLED),
    )


_TIME_PARSERS: tuple[Callable[[str], datetime], ...] = (
    lambda text: datetime.fromisoformat(text.removesuffix(" UTC")),
    lambda text: datetime.strptime(text.removesuffix(" UTC"), "%Y-%m-%d %H:%M:%S"),  # noqa: DTZ007 - UTC below
    lambda text: datetime.strptime(text, "%b %d, %Y %I:%M %p"),  # noqa: DTZ007
    lambda text: datetime.strptime(text, "%B %d, %Y"),  # noqa: DTZ007
)


def _read_utc(text: str) -> datetime | None:
    """A time as other tools export it, in UTC unless it has an offset; None if it cannot be read or is ambiguous.

    Returned without a time zone, since attaching one costs more than everything else here.
    """
    for read in _TIME_PARSERS:
        try:
            found = read(text)
            return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
        except (ValueError, OverflowError):
            continue
    return None


def parse_time(text: str, latest: str) -> str | None:
    """A time of a row in the format of `StagedSubscriber`, at most `latest`; None if there is no readable time."""
    if not text:
        return None
    try:
        found: datetime | None = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo:
        found = _read_utc(text.strip())
    written = found.isoformat(" ", "microseconds") if found else None
    return written if written is None or written < latest else latest


_FORMULA = re.compile(r"'*[=+\-@\t\r]")  # a spreadsheet may run a cell that begins so (OWASP, CSV injection)


def escape_formula(cell: str) -> str:
    """The cell, quoted so that no spreadsheet takes it for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unescape_formula(cell: str) -> str:
    """The cell before `escape_formula`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _is(cell: str, word: str) -> bool:
    alike = {"true": ("true", "1", "yes", "t"), "false": ("false", "0", "no", "f")}[word]
    return cell.strip().casefold() in alike
