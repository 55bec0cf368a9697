"""The part of `ports` that is about the calendar: plans of tips, the owner's wishes for slots, what the owner knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from newsletter.domain.calendar.plan import TipPlan
from newsletter.domain.calendar.quarterly import QuarterRun
from newsletter.domain.delivery.issue import IssueFacts


class Override(StrEnum):
    """What the owner wants of one slot; silence is none of these."""

    SKIP = "skip"  # no issue
    HOLD = "hold"  # no issue before it is approved
    APPROVE = "approve"  # this tip may go


@dataclass(frozen=True, slots=True)
class SlotOverride:
    """A wish with what it is about: the reason of a skip or hold, the key of the tip that was approved."""

    kind: Override
    about: str = ""


@dataclass(frozen=True, slots=True)
class ListGrowth:
    """What happened among readers in a span of time."""

    joined: int
    left: int


@dataclass(frozen=True, slots=True)
class HeartbeatCall:
    """The call of the watchdog for a slot. next_attempt_at: None when it came to its end; reply: why the last try failed."""

    slot: date
    attempts: int = 0
    next_attempt_at: datetime | None = None
    done_at: datetime | None = None
    reply: str = ""


class Calendar(Protocol):
    """What the choice of a tip depends on, besides the texts."""

    def plans(self) -> list[TipPlan]:
        """Every tip with its rules and its runs; two queries."""
        ...

    def pin(self, key: str, slot: date | None) -> None:
        """Give a tip its slot, or take it away (None); raises NotFound."""
        ...

    def overrides(self) -> Mapping[date, SlotOverride]:
        """Every wish, also of slots that are over."""
        ...

    def set_override(self, slot: date, override: SlotOverride | None) -> None:
        """Write the wish for a slot in the place of another one; None: silence again."""
        ...

    def was_notified(self, what: str, about: str) -> bool:
        """Was the owner told?"""
        ...

    def mark_notified(self, what: str, about: str, now: datetime) -> bool:
        """Remember that the owner was told; False when that was so already."""
        ...

    def clear_notified(self, what: str, *, keep: str = "", only: str = "") -> None:
        """Forget what was told of this kind, but for one thing, or one thing only, so that it can be told again."""
        ...

    def heartbeat_of(self, slot: date) -> HeartbeatCall | None:
        """The call of the watchdog for this slot, if there was one."""
        ...

    def last_heartbeat(self) -> HeartbeatCall | None:
        """The one of the newest slot."""
        ...

    def write_heartbeat(self, call: HeartbeatCall) -> None:
        """Write it down in the place of what was known of it."""
        ...

    def list_growth(self, since: datetime, until: datetime) -> ListGrowth:
        """How many were confirmed, and how many left, in this time."""
        ...


class Quarters(Protocol):
    """The part of `ports.Issues` that is about the letter of a quarter."""

    def quarter_of(self, number: int) -> str:
        """The quarter an issue is the letter of; "" for every other one and for none."""
        ...

    def for_quarter(self, quarter: str) -> IssueFacts | None:
        """The letter of a quarter, without counts."""
        ...

    def plan_quarter(self, quarter: str, tip_id: int, due_at: datetime, now: datetime) -> IssueFacts:
        """T0 of a quarter's letter: the issue, inserted in `preparing` unless it was there (UNIQUE quarter)."""
        ...

    def ran_between(self, first: date, last: date) -> list[QuarterRun]:
        """The tips that went out in these days and could again, with what readers made of them."""
        ...
