"""What the calendar needs from the store: plans of tips, overrides of slots, notifications of the owner, heartbeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Protocol

from newsletter.domain.calendar.overrides import Extra, SlotOverride
from newsletter.domain.calendar.plan import TipPlan
from newsletter.domain.calendar.quarterly import QuarterRun
from newsletter.domain.delivery.heartbeat import HeartbeatCall
from newsletter.domain.delivery.issue import IssueFacts
from newsletter.domain.subscribers.subscriber import ListGrowth


class Calendar(Protocol):
    """What the choice of a tip depends on, apart from the texts; `Tx.calendar`."""

    def plans(self) -> list[TipPlan]:
        """Every tip with its rules and its runs, in queue order; two queries."""
        ...

    def ready_at(self) -> datetime | None:
        """When the newsletter was set up and had its first subscriber; None if that is not known."""
        ...

    def pin(self, key: str, slot: date | None, at: datetime | None = None) -> None:
        """Pin a tip to a slot, or to a moment of that day, or unpin it (None); raises NotFound."""
        ...

    def extras_until(self, now: datetime) -> Sequence[Extra]:
        """The extra issues whose time has come, in the order of their times."""
        ...

    def overrides(self) -> Mapping[date, SlotOverride]:
        """Every override, including those of past slots."""
        ...

    def set_override(self, slot: date, override: SlotOverride | None) -> None:
        """Replace the override of a slot; None removes it."""
        ...

    def was_notified(self, what: str, about: str) -> bool:
        """Was the owner notified of this?"""
        ...

    def mark_notified(self, what: str, about: str, now: datetime) -> bool:
        """Record that the owner was notified; False if that was recorded before."""
        ...

    def notified(self, what: str) -> Mapping[str, datetime]:
        """When each thing of one kind was recorded."""
        ...

    def clear_notified(self, what: str, *, keep: str = "", only: str = "") -> None:
        """Forget the notifications of one kind, so that they can be sent again.

        keep: forget all but this one. only: forget just this one.
        """
        ...

    def heartbeat_of(self, slot: date) -> HeartbeatCall | None:
        """The heartbeat of a slot, if there was one."""
        ...

    def last_heartbeat(self) -> HeartbeatCall | None:
        """The heartbeat of the newest slot that has one."""
        ...

    def write_heartbeat(self, call: HeartbeatCall) -> None:
        """Insert the heartbeat of a slot, or replace it."""
        ...

    def list_growth(self, since: datetime, until: datetime) -> ListGrowth:
        """How many subscribers confirmed, and how many unsubscribed, in this time."""
        ...


class Quarters(Protocol):
    """The part of `Issues` that is about the quarterly issue."""

    def quarter_of(self, number: int) -> str:
        """The quarter of a quarterly issue, such as 2026-Q1; "" for every other issue."""
        ...

    def for_quarter(self, quarter: str) -> IssueFacts | None:
        """The issue of a quarter, without counts."""
        ...

    def plan_quarter(
        self, quarter: str, tip_id: int, due_at: datetime, now: datetime, *, first: int = 1, day: date | None = None
    ) -> IssueFacts:
        """T0 of a quarterly issue: insert it in `preparing`, or return the existing one (UNIQUE quarter)."""
        ...

    def ran_between(self, first: date, last: date) -> list[QuarterRun]:
        """The tips that were sent in these days and may run again, with votes and unsubscribes."""
        ...
