"""A course as one subscriber lives through it, while its owner changes it; for the property tests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import ClassVar

from newsletter.domain.calendar.course import START, Course, Step


@dataclass
class Library:
    """The tips in their order. retired: those that are not sent."""

    order: list[str]
    retired: set[str] = field(default_factory=set)

    REST: ClassVar = timedelta(weeks=8)

    def course(self, day: date) -> Course:
        """The course in a slot."""
        return Course(tuple(Step(key, key not in self.retired, day - self.REST) for key in self.order))

    def change(self, what: str, one: int, two: int, learners: Sequence[Learner]) -> None:
        """What an owner does: insert, move, retire, or unretire a tip, given by two numbers."""
        key = self.order[one % len(self.order)]
        match what:
            case "insert":
                new, place = f"new{len(self.order)}", two % (len(self.order) + 1)
                self.order.insert(place, new)
                for learner in learners:
                    learner.ahead |= {new} if place > learner.place_in(self) else set()
            case "move":
                front = self.course(date.min + self.REST).in_front_of(key)
                for learner in learners:
                    learner.at = front if learner.at == key else learner.at
                self.order.remove(key)
                self.order.insert(two % (len(self.order) + 1), key)
                for learner in learners:
                    learner.look_again(self, key)
            case "retire":
                self.retired.add(key)
            case "unretire":
                self.retired.discard(key)


@dataclass
class Learner:
    """One subscriber. at: their place. ahead: the tips that they must still get. missed: those that they were led past."""

    at: str = START
    gets_issues: bool = True
    received: dict[str, list[date]] = field(default_factory=lambda: defaultdict(list))
    ahead: set[str] = field(default_factory=lambda: set("abcdef"))
    missed: set[str] = field(default_factory=set)

    def place_in(self, library: Library) -> int:
        """How many tips are behind them."""
        return library.order.index(self.at) + 1 if self.at else 0

    def look_again(self, library: Library, moved: str) -> None:
        """A tip that the owner moved in front of the place is not sent backwards; one that was moved behind it is to come."""
        is_ahead = library.order.index(moved) >= self.place_in(library)
        self.ahead = self.ahead | {moved} if is_ahead else self.ahead - {moved}

    def slot(self, library: Library, day: date, *, arrives: bool) -> None:
        """One slot of the list."""
        last = {key: days[-1] for key, days in self.received.items()}
        tip = library.course(day).next_tip(self.at, last) if self.gets_issues else None
        if tip is None or not arrives:  # the next freeze leads back in front of it
            return
        passed = library.order[self.place_in(library) : library.order.index(tip)]
        self.missed |= {key for key in passed if key in self.ahead - library.retired and key not in self.received}
        self.at = tip
        self.received[tip].append(day)
        self.ahead -= {tip, *passed}
