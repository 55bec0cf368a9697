"""The owner's overrides of slots: skip one, hold one, or approve its tip; and the links in a preview that do this."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class Override(StrEnum):
    """What the owner decided about a slot. A slot without an override follows the schedule."""

    SKIP = "skip"  # no issue
    HOLD = "hold"  # no issue before it is approved
    APPROVE = "approve"  # this tip may be sent


CHANGED = "changed"
"""In place of the words of an approval: the email has other words by now, so the approval is void."""


@dataclass(frozen=True, slots=True)
class SlotOverride:
    """An override. about: the reason of a skip or a hold, or the key of the approved tip.

    words: a digest of the words that were approved, CHANGED, or "" for an approval by an older version, whose words are
    not known: it is for the tip.
    """

    kind: Override
    about: str = ""
    words: str = ""

    @property
    def is_for_words(self) -> bool:
        """Is it an approval that ends if the email has other words?"""
        return self.kind is Override.APPROVE and self.words not in ("", CHANGED)

    @property
    def is_void(self) -> bool:
        """Is it an approval of other words than those of the email?"""
        return self.kind is Override.APPROVE and self.words == CHANGED


@dataclass(frozen=True, slots=True)
class Extra:
    """A tip that is pinned to a moment (aware) of a day: an extra issue. can_be_sent: it is complete and not retired."""

    key: str
    title: str
    day: date
    at: datetime
    can_be_sent: bool


class Action(StrEnum):
    """What a link in a preview email does to its slot. The values are part of signed tokens, so they must not change."""

    APPROVE = "approve"
    SKIP = "skip"
    SWAP = "swap"
    HOLD = "hold"
    UNDO = "undo"  # of the page after one of the others
