"""A naive reckoning of the tips: which one goes out in a slot of a list, by what the owner decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time, timedelta


@dataclass(frozen=True)
class List:
    """One list as its owner set it up.

    days: its slots, in ascending order. tips: in their order at the beginning. is_course: everybody begins with the first
    tip. then: where subscribers of a course go after the last one; "" for nowhere. welcome: the course that new subscribers
    of this list get first. rest: how long a tip rests between two
    runs; None: no tip runs again.
    """

    key: str
    days: tuple[date, ...]
    tips: tuple[str, ...] = ()
    at: time = time(8)
    is_course: bool = False
    then: str = ""
    welcome: str = ""
    rest: timedelta | None = None


@dataclass
class Library:
    """The tips of one list in their order, and what the owner decided about them. ran: the last day of each tip."""

    plan: List
    order: list[str]
    retired: set[str] = field(default_factory=set)
    pins: dict[str, date] = field(default_factory=dict)
    skipped: set[date] = field(default_factory=set)
    ran: dict[str, date] = field(default_factory=dict)

    def day_of_pin(self, tip: str) -> date | None:
        """The day that a tip is pinned to. If it is skipped: the next slot that is neither skipped nor taken."""
        pin = self.pins.get(tip)
        if pin not in self.skipped:
            return pin
        taken = self.skipped | set(self.pins.values())
        return next((day for day in self.plan.days if day > pin and day not in taken), None) if pin else None

    def pinned_to(self, today: date) -> str | None:
        """A pinned tip goes out on its day, unless it was retired."""
        return next((tip for tip in self.order if self.is_pinned(tip, today) and tip not in self.retired), None)

    def is_pinned(self, tip: str, today: date) -> bool:
        """Is the tip pinned to this day?"""
        return self.day_of_pin(tip) == today

    def may_go_out(self, tip: str, today: date) -> bool:
        """A tip that was retired is never sent; one that is pinned to a later day waits for it."""
        pin = self.day_of_pin(tip)
        return tip not in self.retired and not (pin and pin > today)

    def tip_for_all(self, today: date) -> str | None:
        """A pinned tip; else the first one that never ran; else, of those that have rested, the one that rested longest."""
        if pinned := self.pinned_to(today):
            return pinned
        ready = [tip for tip in self.order if self.may_go_out(tip, today)]
        fresh = [tip for tip in ready if tip not in self.ran]
        if fresh:
            return fresh[0]
        rest = self.plan.rest
        rested = [tip for tip in ready if rest is not None and today - self.ran[tip] >= rest]
        return min(rested, key=lambda tip: self.ran[tip], default=None)

    def before(self, tip: str) -> str:
        """The tip in front of this one; "" for the first."""
        place = self.order.index(tip)
        return self.order[place - 1] if place else ""

    def is_news(self, tip: str, had: Mapping[str, date], today: date) -> bool:
        """A person gets a tip of a course once, or again after its rest."""
        return tip not in had or (self.plan.rest is not None and today - had[tip] >= self.plan.rest)

    def next_part(self, place: str, had: Mapping[str, date], today: date) -> str | None:
        """The next part of a course: the first one behind the last that they had, without those that they have had."""
        behind = self.order[self.order.index(place) + 1 :] if place else self.order
        return next((tip for tip in behind if self.may_go_out(tip, today) and self.is_news(tip, had, today)), None)
