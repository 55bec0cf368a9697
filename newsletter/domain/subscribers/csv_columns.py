"""Readers as files of other tools tell of them: which column means what, which word which status; reads no file."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache

from newsletter.domain.errors import InputError


class SourceStatus(StrEnum):
    """What somebody was where the file comes from."""

    ACTIVE = "active"
    UNCONFIRMED = "unconfirmed"
    UNSUBSCRIBED = "unsubscribed"
    CLEANED = "cleaned"  # the mailbox refused, complained, or was blocked


StagedSubscriber = tuple[
    int, str | None, str, str, str, str, str | None, str | None, str | None, str | None, str | None
]
"""One usable row: line; address where it is not its own key, the key; name, subscriber key, a value of `SourceStatus` or "erased"
for who was erased here; signed up, confirmed, left, paused until; pace.

Nothing but what databases take as it is, since there are millions: a bare tuple, no bool, no enum, and the times the text
that sorts (UTC, `2026-05-05 12:00:00.000000`).
"""


@dataclass(slots=True)
class ImportCounts:
    """What became of the rows. suppressed: rows of people not to be mailed, those that became so by the file too.

    left: readers who had left here and stay away. repeated: addresses that came again. asked: confirmation mails.
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
    """How rows are to be taken in. proof: of their consent, or None: then everybody new is asked.

    written: is told which share of the readers is in, from 0.0 to 1.0.
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
BUTTONDOWN = ("type", "subscribertype")  # too common a word, unless its other columns stand beside it
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
    """Where in a row is what. -1: nowhere; whoever reads a row puts an empty cell at its end for that."""

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
        """Can rows say anything but "active"?"""
        return max(self.left, self.cleaned, self.status, self.subscribed, self.disabled) >= 0

    def status_cells(self, cells: Sequence[str]) -> StatusCells:
        """What bears on a row's status; rows have few different ones."""
        left, cleaned = bool(cells[self.left].strip()), bool(cells[self.cleaned].strip())
        return cells[self.status], cells[self.subscribed], cells[self.disabled], left, cleaned


StatusCells = tuple[str, str, str, bool, bool]  # status, subscribed, disabled, has a day of leaving, of being cleaned


@lru_cache(1000)
def source_status(said: StatusCells) -> str:
    """A value of `SourceStatus`: what a row says; raises InputError for a status we do not know: a guess could mail somebody who left."""
    status, subscribed, disabled, left, cleaned = said
    if cleaned:
        return SourceStatus.CLEANED.value
    if (word := re.sub(r"[\W_]", "", status).casefold()) and word not in STATUS_BY_WORD:
        raise InputError(
            f"the status {word[:40]!r} is not known", fix="Write active, unconfirmed, unsubscribed or cleaned"
        )
    known = STATUS_BY_WORD[word] if word else SourceStatus.ACTIVE
    if known is SourceStatus.ACTIVE and (left or _is(subscribed, "false") or _is(disabled, "true")):
        return SourceStatus.UNSUBSCRIBED.value
    return known.value


def find_columns(head: Sequence[str]) -> Columns | None:
    """The columns of a head line; None when none is for addresses."""
    titles = [re.sub(r"[\W_]", "", cell).casefold() for cell in head]

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
    """A time as tools export it, UTC where no zone is said; None for what cannot be read, or read in two ways.

    Naive, since a zone costs more than all the rest.
    """
    for read in _TIME_PARSERS:
        try:
            found = read(text)
            return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
        except (ValueError, OverflowError):
            continue
    return None


def parse_time(text: str, latest: str) -> str | None:
    """A time of a row as `StagedSubscriber` has it, at most the latest; None where there is none that can be read."""
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


_FORMULA = re.compile(r"'*[=+\-@\t\r]")  # how a cell begins that a spreadsheet may run (OWASP, CSV injection)


def escape_formula(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unescape_formula(cell: str) -> str:
    """What `defused` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _is(cell: str, word: str) -> bool:
    alike = {"true": ("true", "1", "yes", "t"), "false": ("false", "0", "no", "f")}[word]
    return cell.strip().casefold() in alike
