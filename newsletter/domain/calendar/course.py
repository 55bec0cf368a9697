"""A course: each subscriber gets the tips of a list in their order, from the first one to the last.

The place of a subscriber is the tip that they got last. The next one is the first tip behind that place, in today's order,
that they have not received within its rest. So a place only moves forward: a tip that is put in front of it is not sent to
those who are past it, and a tip that they have received is passed over if it is put behind it. A tip that is moved, or leaves
the list, takes nobody with it: the place of its subscribers becomes the tip in front of it.

A tip that cannot be sent in a slot is passed over, and nobody stays in a course only to wait for a date. Pinned and seasonal tips go to everybody on their date, and do not move
any place. `store.courses` does the same for all subscribers in one statement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType

from newsletter.domain.english import plural

START = ""
"""The place of a subscriber who has received no tip of the course."""
Places = Mapping[str, int]
"""How many subscribers are at each place, by the key of a tip."""


@dataclass(frozen=True, slots=True)
class CourseRules:
    """What happens after the last tip.

    then: the key of the list that subscribers join. again_after: the rest after which the course begins again. Without
    both, it ends.
    """

    then: str = ""
    again_after: timedelta | None = None

    @property
    def end(self) -> CourseEnd:
        """What the email of the last tip says."""
        return CourseEnd("then" if self.then else "again" if self.again_after else "stop", self.then)


@dataclass(frozen=True, slots=True)
class CourseEnd:
    """What follows on the last tip. kind: stop, again, or then; then: the key of the list that follows."""

    kind: str
    then: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A tip at its place in a course.

    is_sendable: may it go out in this slot? since: whoever received it after this day does not get it yet; None: whoever
    ever received it does not get it again.
    """

    tip: str
    is_sendable: bool = True
    since: date | None = None

    def is_resting(self, received: date | None) -> bool:
        """Is it too early for a subscriber who received it on this day? None: never."""
        return received is not None and (self.since is None or received > self.since)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the subscribers of a course are: they wait for the first tip, are on the way, or have received the last one."""

    waiting: int
    on_the_way: int
    finished: int

    def words(self) -> str:
        """A clause for the owner."""
        return f"{self.waiting:,} waiting for the first tip, {self.on_the_way:,} on the way, {self.finished:,} finished"


@dataclass(frozen=True, slots=True)
class Course:
    """The course as it is in one slot. again_since: as `Step.since`, for the whole course; None if it never begins again."""

    steps: tuple[Step, ...]
    again_since: date | None = None

    def place(self, tip: str) -> int:
        """How many steps are done; 0 for START and for a tip that is not in the course."""
        return next((done for done, step in enumerate(self.steps, start=1) if step.tip == tip), 0)

    def next_tip(self, at: str, received: Mapping[str, date]) -> str | None:
        """The next tip of a subscriber; None after the last one. received: the last day of each tip that they got."""
        return self._first(self.place(at), received) or self._again(at, received)

    def end(self) -> str:
        """The place behind the last tip that can be sent; START if there is none."""
        return next((step.tip for step in reversed(self.steps) if step.is_sendable), START)

    def in_front_of(self, tip: str) -> str:
        """The place in front of a tip: where its subscribers are once it is moved or has left the list."""
        done = self.place(tip)
        return self.steps[done - 2].tip if done > 1 else START

    def shares(self, places: Places, received: Mapping[str, date] = MappingProxyType({})) -> dict[str, int]:
        """How many subscribers get which tip, in the order of the course. received: what all of them got, and when."""
        counts = Counter[str]()
        for at, number in places.items():
            if tip := self._first(self.place(at), received):
                counts[tip] += number
        return {step.tip: counts[step.tip] for step in self.steps if counts[step.tip]}

    def standing(self, places: Places) -> Standing:
        """Where the subscribers are."""
        waiting, done = places.get(START, 0), self.done(places)
        return Standing(waiting, sum(places.values()) - waiting - done, done)

    def in_order(self, places: Places) -> dict[str, int]:
        """The places that have subscribers, in the order of the course, START first."""
        order = (START, *(step.tip for step in self.steps))
        return {at: places[at] for at in order if places.get(at)}

    def done(self, places: Places) -> int:
        """How many subscribers have received the last tip."""
        return sum(places.values()) - sum(self.shares(places).values())

    def _first(self, place: int, received: Mapping[str, date]) -> str | None:
        behind = (step for step in self.steps[place:] if step.is_sendable)
        return next((step.tip for step in behind if not step.is_resting(received.get(step.tip))), None)

    def _again(self, at: str, received: Mapping[str, date]) -> str | None:
        last = received.get(at)
        if self.again_since is None or (last is not None and last > self.again_since):
            return None
        return self._first(0, received)


def busiest(shares: Mapping[str, int]) -> str | None:
    """The tip that most subscribers get, the first of several; None without any. It stands for the issue in lists."""
    return max(shares, key=lambda tip: shares[tip], default=None)


def what_goes_out(shares: Mapping[str, int]) -> str:
    """What goes out in a slot, as a clause for the owner."""
    number = sum(shares.values())
    if not number:
        return "nobody is in the course by then; new subscribers begin with its first tip"
    if len(shares) > 1:
        return f"{plural(number, 'subscriber')} of the course get {len(shares)} tips, most of them this one"
    return f"{plural(number, 'subscriber')} of the course {'gets' if number == 1 else 'get'} it"


# -- simulation --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CourseSimulation:
    """The result of a simulation of a course.

    slots: how many were played. subscribers: everybody who was in the course at some time. finished: they received the last
    tip. unsubscribed: before that. busiest: the most subscribers in one slot. places: how many are at which place at the end.
    emails: in all. most_tips: how many tips the last issues carried at most.
    """

    slots: int
    emails: int
    subscribers: int
    finished: int
    unsubscribed: int
    busiest: int
    most_tips: int
    places: dict[str, int]


def simulate_course(
    courses: Sequence[Course | None], places: Places, *, joining: float, leaving: float, random: Iterator[float]
) -> CourseSimulation:
    """Play some slots. courses: the course as it is in each of them; None for one that moves nobody. places: at the beginning.

    joining: how many new subscribers come before each slot. leaving: the share that unsubscribes between two slots, 0 to 1.
    random: numbers from 0 to 1, 1 excluded.
    """
    now = Counter({at: number for at, number in places.items() if number})
    emails = finished = unsubscribed = most = tips = 0
    came, whole = float(sum(now.values())), 0.0
    for course in courses:
        whole += joining
        new, whole = int(whole), whole - int(whole)
        now[START] += new
        came += new
        if course is None:
            continue
        shares = course.shares(now)
        finished += course.done(now)
        emails, most, tips = emails + sum(shares.values()), max(most, sum(shares.values())), max(tips, len(shares))
        gone = {at: sum(next(random) < leaving for _one in range(number)) for at, number in shares.items()}
        unsubscribed += sum(gone.values())
        now = Counter({at: number - gone[at] for at, number in shares.items() if number > gone[at]})
    return CourseSimulation(len(courses), emails, int(came), finished, unsubscribed, most, tips, dict(now))
