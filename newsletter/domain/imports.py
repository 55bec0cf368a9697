"""Readers as files of other tools tell of them: which column means what, which word which status; reads no file."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from newsletter.domain.errors import InputError


class Was(StrEnum):
    """What somebody was where the file comes from."""

    ACTIVE = "active"
    UNCONFIRMED = "unconfirmed"
    UNSUBSCRIBED = "unsubscribed"
    CLEANED = "cleaned"  # the mailbox refused, complained, or was blocked


class ImportedReader(NamedTuple):
    """One usable row, ready for the staging table; a tuple, since there are millions. Times aware, UTC."""

    line: int
    address: str
    address_key: str
    name: str
    key: str
    was: Was
    signup_at: datetime | None
    confirmed_at: datetime | None
    left_at: datetime | None
    erased: bool = False


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
)
CONFIRMED = ("confirmtime", "confirmedat", "confirmationdate")
LEFT = ("unsubtime", "unsubscriptiondate", "unsubscribedat", "deletedat", "cancelledat")
CLEANED = ("cleantime", "bouncedat")
STATUS = ("status", "subscriptionstatus", "subscriberstatus", "emailstatus")
BUTTONDOWN = ("type", "subscribertype")  # too common a word, unless its other columns stand beside it
SUBSCRIBED, DISABLED = ("subscribedtoemails", "subscribed"), ("emaildisabled",)

WORDS = {
    Was.ACTIVE: "active subscribed enabled regular premium gifted trialed confirmed paused free paid comp member",
    Was.UNCONFIRMED: "unconfirmed unactivated pending inactive nonsubscribed transactional",
    Was.UNSUBSCRIBED: "unsubscribed cancelled canceled removed disabled deleted optedout archived left expired",
    Was.CLEANED: "cleaned bounced undeliverable complained blocklisted blacklisted blocked spam suppressed",
}
BY_WORD = {word: was for was, words in WORDS.items() for word in words.split()}


@dataclass(frozen=True, slots=True)
class Columns:
    """Where in a row is what; -1: nowhere."""

    address: int
    name: tuple[int, ...] = ()
    signup: int = -1
    confirmed: int = -1
    left: int = -1
    cleaned: int = -1
    status: int = -1
    subscribed: int = -1
    disabled: int = -1

    @property
    def has_status(self) -> bool:
        """Can rows say anything but "active"?"""
        return max(self.left, self.cleaned, self.status, self.subscribed, self.disabled) >= 0

    def was(self, cells: Sequence[str]) -> Was:
        """What the row says; raises InputError for a status we do not know: a guess could mail somebody who left."""
        if _cell(cells, self.cleaned):
            return Was.CLEANED
        if (word := re.sub(r"[\W_]", "", _cell(cells, self.status)).casefold()) and word not in BY_WORD:
            raise InputError(f"the status {word[:40]!r} is not known")
        said = BY_WORD[word] if word else Was.ACTIVE
        if said is Was.ACTIVE and (
            _cell(cells, self.left) or _is(cells, self.subscribed, "false") or _is(cells, self.disabled, "true")
        ):
            return Was.UNSUBSCRIBED
        return said

    def text(self, cells: Sequence[str]) -> str:
        """The parts of the name, joined."""
        return " ".join(_cell(cells, at) for at in self.name).strip()

    def at(self, cells: Sequence[str], column: int, now: datetime) -> datetime | None:
        """A time of the row, never in the future; None where there is none or none that can be read."""
        if column < 0 or not (text := _cell(cells, column)):
            return None
        found = read_time(text)
        return found if found is None or found <= now else now


def find_columns(head: Sequence[str]) -> Columns | None:
    """The columns of a head line; None when none is for addresses."""
    titles = [re.sub(r"[\W_]", "", cell).casefold() for cell in head]

    def find(names: Sequence[str]) -> int:
        return next((titles.index(name) for name in names if name in titles), -1)

    address = find(EMAIL)
    if address < 0:
        return None
    parts = (find(NAME),) if find(NAME) >= 0 else (find(FIRST), find(LAST))
    status = find(STATUS)
    if status < 0 and {"creationdate", "unsubscriptiondate"} & set(titles):
        status = find(BUTTONDOWN)
    return Columns(
        address,
        tuple(at for at in parts if at >= 0),
        signup=find(SIGNED_UP),
        confirmed=find(CONFIRMED),
        left=find(LEFT),
        cleaned=find(CLEANED),
        status=status,
        subscribed=find(SUBSCRIBED),
        disabled=find(DISABLED),
    )


_PLAIN = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\Z")
_READERS: tuple[Callable[[str], datetime], ...] = (
    datetime.fromisoformat,
    lambda text: datetime.strptime(text.removesuffix(" UTC"), "%Y-%m-%d %H:%M:%S"),  # noqa: DTZ007 - UTC below
    lambda text: datetime.strptime(text, "%b %d, %Y %I:%M %p"),  # noqa: DTZ007
    lambda text: datetime.strptime(text, "%B %d, %Y"),  # noqa: DTZ007
)


def read_time(text: str) -> datetime | None:
    """A time as tools export it, UTC where no zone is said; None for what cannot be read, or read in two ways."""
    if _PLAIN.match(text):
        text += "+00:00"
    for read in _READERS:
        try:
            found = read(text)
            if found.tzinfo is UTC:
                return found
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            continue
    return None


def _cell(cells: Sequence[str], at: int) -> str:
    return cells[at].strip() if 0 <= at < len(cells) else ""


def _is(cells: Sequence[str], at: int, word: str) -> bool:
    alike = {"true": ("true", "1", "yes", "t"), "false": ("false", "0", "no", "f")}[word]
    return _cell(cells, at).casefold() in alike
