"""A script for a year: people who come, leave, pause, and move, and an owner who changes her mind, at random times."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from tests.support.reckoned_library import List
from tests.support.reckoning import Event
from tests.support.slots import DAY

WEEK = timedelta(weeks=1)
QUIET = range(11 * 60 + 15, 23 * 60 + 50)
"""Minutes of a day at which something may happen. Not in the morning: on the day after the last part of a course, its
subscribers are in the next list by then."""


@dataclass
class Scriptwriter:
    """Writes the events of a year. chance: the random numbers. one_a_day: some people want at most one email a day."""

    chance: random.Random
    lists: Sequence[List]
    first: date
    last: date
    one_a_day: bool = False
    used: set[datetime] = field(default_factory=set)

    def people(self, number: int) -> Iterator[Event]:
        """What so many people do; a third of them is there from the beginning."""
        for place in range(number):
            yield from self._life(f"p{place}", is_early=place % 3 == 0)

    def owner(self) -> Iterator[Event]:
        """What the owner does to her lists."""
        for plan in self.lists:
            yield from self._owner_of(plan)

    # -- people ------------------------------------------------------------------------------------

    def _life(self, who: str, *, is_early: bool) -> Iterator[Event]:
        number = 0
        at = self._moment(self.first if is_early else self._day())
        while at.date() < self.last:
            number += 1
            lists = tuple(sorted(self.chance.sample([plan.key for plan in self.lists], self._how_many())))
            if is_early and number == 1:
                yield Event(at, "is added", who, lists=lists, address=self._address(who, number=1))
            else:
                yield Event(at, "signs up", who, lists=lists, address=self._address(who, number))
                at = self._later(at, days=self.chance.choice((0, 0, 0, 0, 2, 20, 40)))
                yield Event(at, "confirms", who)
            at = self._later(at, days=self.chance.randrange(90))
            for _change in range(self.chance.choice((0, 0, 1, 1, 2, 3))):
                number += 1
                yield self._change(at, who, self.chance.choice(lists), number)
                at = self._later(at, days=self.chance.randrange(60))
            # Some stay, some unsubscribe, and some of these come back.
            end = self.chance.choice(("stays", "stays", "leaves", "leaves", "is erased"))
            if end == "stays":
                return
            if end == "is erased":
                yield Event(at, "is erased", who)
            else:
                for key in lists:
                    yield Event(at, "unsubscribes", who, key)
                    at = self._later(at, days=self.chance.choice((0, 0, 30)))
            if self.chance.random() < 0.5:
                return
            at = self._later(at, days=1 + self.chance.randrange(60))

    def _change(self, at: datetime, who: str, key: str, number: int) -> Event:
        changes = [
            Event(at, "pauses", who, key, until=at + self.chance.choice((4, 8, 12)) * WEEK),
            Event(at, "pauses", who, key, until=self._midnight(at, days=self.chance.randrange(1, 100))),
            Event(at, "resumes", who, key),
            Event(at, "wants monthly", who, key),
            Event(at, "wants every issue", who, key),
            Event(at, "moves", who, address=self._address(who, number)),
        ]
        if self.one_a_day:
            changes += [Event(at, "wants one a day", who)] * 2 + [Event(at, "wants all", who)]
        return self.chance.choice(changes)

    def _how_many(self) -> int:
        return self.chance.randint(1, min(2, len(self.lists)))

    def _address(self, who: str, number: int) -> str:
        return f"{who}.{number}@d{sum(map(ord, who)) % 40}.example"

    # -- the owner -----------------------------------------------------------------------------------

    def _owner_of(self, plan: List) -> Iterator[Event]:
        tips, pinned, skipped = list(plan.tips), set[date](), set[date]()
        pause = 30 if plan.is_course else 6  # a course is written once and hardly changed
        for day in (self.first + number * DAY for number in range(7, (self.last - self.first).days, pause)):
            at = self._moment(day)
            ahead = [slot for slot in plan.days if slot > day + 2 * DAY and slot not in pinned | skipped][:12]
            tip, other = self.chance.sample(tips, 2)
            match self.chance.randrange(8):
                case 0 | 1:
                    tips.append(f"{plan.key}-new-{len(tips)}")
                    yield Event(at, "adds", list=plan.key, tip=tips[-1])
                case 2 | 3:
                    yield Event(at, "puts", list=plan.key, tip=tip, before=self.chance.choice((other, other, "")))
                case 4:
                    yield Event(at, self.chance.choice(("retires", "unretires")), list=plan.key, tip=tip)
                case 5 | 6 if ahead:
                    pinned.add(ahead[-1])
                    yield Event(at, "pins", list=plan.key, tip=tip, day=ahead[-1])
                case 7 if ahead:
                    skipped.add(ahead[0])
                    yield Event(at, "skips", list=plan.key, day=ahead[0])

    # -- times ---------------------------------------------------------------------------------------

    def _day(self) -> date:
        return self.first + self.chance.randrange((self.last - self.first).days) * DAY

    def _midnight(self, at: datetime, days: int) -> datetime:
        return datetime.combine(at.date() + days * DAY, time())

    def _later(self, at: datetime, days: int) -> datetime:
        return self._moment(at.date() + days * DAY, after=at)

    def _moment(self, day: date, after: datetime | None = None) -> datetime:
        """A moment of the day at which nothing else happens; of a later day if this one is over."""
        while True:
            found = datetime.combine(day, time()) + timedelta(minutes=self.chance.choice(QUIET))
            if (after is None or found > after) and found not in self.used:
                self.used.add(found)
                return found
            day += DAY if self.chance.random() < 0.2 else timedelta()
