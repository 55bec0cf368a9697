"""Lists: several newsletters in one installation, with the same subscribers, senders, and pages.

A list has its own tips, issues, calendar, and subscriptions. What it does not set itself, it takes from the settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from newsletter.domain.errors import InputError

FIRST_LIST = 1
"""The list that takes everything from the settings. An owner of one newsletter has no other."""
FIRST_KEY = "tips"
ISSUES_PER_LIST = 10_000_000
"""An issue's id is this times (list id - 1), plus its number in its list, so the first list's ids are its numbers."""
ALL_LISTS = "all"
"""In place of a key: every list that somebody is subscribed to. No list has this key."""
MOST = 100
"""Lists in one installation."""
FROM_SETTINGS = (
    "title", "from_", "reply_to", "color", "logo", "schedule", "timezone", "late_window", "approval", "first_issue",
)  # fmt: skip
"""The settings that a list can have of its own."""
_KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class NotOffered(InputError):
    """A sign-up for a list that does not exist, or that takes no sign-ups."""


class NoneChosen(InputError):
    """A sign-up with a form that offers several lists, of which none is ticked."""


class Order(StrEnum):
    """How a list sends its tips."""

    TOGETHER = "together"  # one tip per issue for everybody
    COURSE = "course"  # each subscriber goes from the first tip to the last


@dataclass(frozen=True, slots=True)
class MailingList:
    """One list. own: its own settings as texts, by field of `Settings` (FROM_SETTINGS); the others are inherited.

    position: its place among the lists. then: the key of the list that subscribers join after the last tip of a course.
    again_after: the rest after which a course begins again, such as "18 months". Without both, a course ends.
    onboarding: the key of the course that new subscribers get first. public: pages and the sign-up form show it.
    """

    id: int
    key: str
    position: int
    own: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    order: Order = Order.TOGETHER
    then: str = ""
    again_after: str = ""
    onboarding: str = ""
    public: bool = True
    added_at: datetime | None = None
    retired_at: datetime | None = None

    @property
    def is_first(self) -> bool:
        """Is it the list of the settings?"""
        return self.id == FIRST_LIST


def checked_key(text: str) -> str:
    """The key of a list as written; raises InputError."""
    key = text.strip().lower()
    if not _KEY.fullmatch(key) or key == ALL_LISTS:
        raise InputError(
            f"{text!r:.80} cannot be the key of a list",
            fix="Use up to 40 lower-case letters, digits, and hyphens, such as advice",
        )
    return key


def open_to_all(lists: Iterable[MailingList]) -> list[MailingList]:
    """The lists that anybody may sign up for: public and not retired. A welcome series comes by itself."""
    in_use = [one for one in lists if not one.retired_at]
    series = {one.onboarding for one in in_use}
    return [one for one in in_use if one.public and one.key not in series]


def asked_for(text: str, offered: Sequence[MailingList]) -> tuple[int, ...]:
    """The ids of the lists that a sign-up form asks for, in their order; () if it asks for none.

    text: keys, separated by commas or spaces. offered: the lists that a visitor may see. Raises InputError, with the same words for
    a list that does not exist, that is retired, and that is not public.
    """
    wanted = text.replace(",", " ").lower().split()
    keys = [one.key for one in offered]
    if unknown := [key for key in wanted if key not in keys]:
        raise NotOffered(f"you cannot sign up for {unknown[0][:60]!r}", fix=f"Choose from: {', '.join(keys)}")
    return tuple(one.id for one in offered if one.key in wanted)


def pack_ids(list_ids: Iterable[int]) -> str:
    """The ids of lists as one word for a token, which has little room: a number with a bit for each, in hexadecimal."""
    return f"{sum(1 << one for one in set(list_ids)):x}"


def unpack_ids(word: str) -> tuple[int, ...]:
    """What `pack_ids` packed; raises ValueError."""
    bits = int(word, 16)
    return tuple(one for one in range(1, bits.bit_length()) if bits >> one & 1)


def frame_height(lists: int) -> int:
    """How high a frame with the sign-up form of so many lists is, in rem: a list with a description takes five lines."""
    return 32 + (8 * lists if lists > 1 else 0)


def issue_id(list_id: int, number: int) -> int:
    """The id of an issue by its number in its list. Missed issues have ids below zero, in no list's range."""
    return (list_id - FIRST_LIST) * ISSUES_PER_LIST + number


def list_of_issue(issue: int) -> int:
    """The list of an issue by its id; the first one for an id below zero, which tells none."""
    return (issue - 1) // ISSUES_PER_LIST + FIRST_LIST if issue > 0 else FIRST_LIST


def shown_number(issue: int) -> int:
    """The number of an issue in its list; ids below zero stay as they are."""
    return issue if issue <= 0 else (issue - 1) % ISSUES_PER_LIST + 1


def issue_by_number(list_id: int, number: int) -> int:
    """The id of an issue by what somebody wrote: its number in a list, or its id, which tells the list itself."""
    return issue_id(list_id, number) if 0 < number <= ISSUES_PER_LIST else number


# In these three, the key of the first list is "": no text names it, and a command without --list is about it.


def list_option(key: str) -> str:
    """What makes a command in an advice be about a list; it follows the words of the command."""
    return f" --list {key}" if key else ""


def issue_name(issue: int, key: str) -> str:
    """An issue in a sentence: `issue 12`, or `issue 3 of advice`."""
    return f"issue {shown_number(issue)}{f' of {key}' if key else ''}"


def issue_argument(issue: int, key: str) -> str:
    """An issue as the argument of a command in an advice: `12`, or `3 --list advice`."""
    return f"{shown_number(issue)}{list_option(key)}"
