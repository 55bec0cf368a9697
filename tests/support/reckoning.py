"""A naive reckoning: which emails some lists should send, by the rules that subscribers and the owner were told.

It is the specification that the product is compared with, so it shares nothing with it: no database, no clock, no zones,
no queue. It goes from one moment to the next and asks for each person, one rule at a time, whether an email is theirs.
All times are local times of the newsletter without a zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

DAY = timedelta(days=1)
FOUR_WEEKS = timedelta(weeks=4)
LINK_IS_VALID_FOR = timedelta(days=30)
FORGOTTEN_AFTER = timedelta(days=31)


class Email(NamedTuple):
    """One email of an issue. day: the day of the issue. sent: the day of the email, which may have waited until the next day."""

    address: str
    list: str
    day: date
    tip: str
    sent: date


@dataclass(frozen=True)
class List:
    """One list as its owner set it up.

    days: its slots, in ascending order. tips: in their order at the beginning. is_course: everybody begins with the first
    tip. then: where subscribers of a course go after the last one; "" for nowhere. rest: how long a tip rests between two
    runs; None: no tip runs again.
    """

    key: str
    days: tuple[date, ...]
    tips: tuple[str, ...] = ()
    at: time = time(8)
    is_course: bool = False
    then: str = ""
    rest: timedelta | None = None


@dataclass(frozen=True)
class Event:
    """Something that a person or the owner does.

    what, of a person: is added by the owner (lists), signs up (lists), confirms, pauses (list, until), resumes, wants monthly, wants every issue,
    unsubscribes (list), wants one a day, wants all, moves (address), is erased.
    what, of the owner: adds, retires, unretires (tip), puts (tip before another one, or at the end), pins (tip, day), unpins
    (tip), skips, unskips (list, day).
    """

    at: datetime
    what: str
    who: str = ""
    list: str = ""
    lists: tuple[str, ...] = ()
    until: datetime | None = None
    day: date | None = None
    tip: str = ""
    before: str = ""
    address: str = ""


# -- people ------------------------------------------------------------------------------------------


@dataclass
class Subscription:
    """One person in one list. last: the day of the last issue that they got. place: the last tip of the course they had.

    since: the first day, for somebody who comes from a course.
    """

    is_active: bool = False
    paused_until: datetime | None = None
    is_monthly: bool = False
    last: date | None = None
    place: str = ""
    since: date = date.min


@dataclass
class Person:
    """One person. asked: when and for which lists they signed up last. had: the tips they got. emails: how many on a day."""

    address: str
    asked: tuple[datetime, tuple[str, ...]] | None = None
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    has_confirmed: bool = False
    wants_one_a_day: bool = False
    had: set[str] = field(default_factory=set)
    lists_on: dict[date, set[str]] = field(default_factory=dict)

    def is_forgotten(self, now: datetime) -> bool:
        """A sign-up that nobody confirmed is deleted."""
        return not self.has_confirmed and self.asked is not None and now - self.asked[0] >= FORGOTTEN_AFTER

    def of(self, key: str) -> Subscription:
        """Their subscription to a list."""
        return self.subscriptions.setdefault(key, Subscription())


def gets_issues(subscription: Subscription, now: datetime) -> bool:
    """Whoever has confirmed and has not unsubscribed gets emails, except during a pause."""
    is_paused = subscription.paused_until is not None and now < subscription.paused_until
    return subscription.is_active and not is_paused and now.date() >= subscription.since


def is_resting(subscription: Subscription, today: date) -> bool:
    """Once a month is the first issue at least four weeks after the previous one."""
    last = subscription.last
    return subscription.is_monthly and last is not None and today - last < FOUR_WEEKS


def waits_a_day(person: Person, key: str, today: date) -> bool:
    """Whoever wants at most one email a day gets the later issue of a day on the next day."""
    others = person.lists_on.get(today, set()) - {key}
    return person.wants_one_a_day and bool(others)


# -- the owner's library and calendar ------------------------------------------------------------------


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

    def next_part(self, after: str, had: set[str], today: date) -> str | None:
        """The next part of a course: the first one after the last that somebody had which they have not had yet."""
        behind = self.order[self.order.index(after) + 1 :] if after in self.order else self.order
        return next((tip for tip in behind if tip not in had and self.may_go_out(tip, today)), None)


# -- the reckoning -------------------------------------------------------------------------------------


def reckon(lists: Sequence[List], events: Iterable[Event], until: date) -> list[Email]:
    """The emails of all issues before a day, in the order in which they are sent."""
    world = _World({plan.key: Library(plan, list(plan.tips)) for plan in lists})
    things: list[tuple[datetime, int, Event | Library]] = [(event.at, 0, event) for event in events]
    for number, library in enumerate(world.libraries.values(), start=1):
        days = (day for day in library.plan.days if day < until)
        things += [(datetime.combine(day, library.plan.at), number, library) for day in days]
    for at, _number, thing in sorted(things, key=lambda one: one[:2]):
        world.send_what_waited(at)
        if isinstance(thing, Event):
            world.happens(thing)
        else:
            world.issue(thing, at)
    world.send_what_waited(datetime.combine(until, time()))
    return world.emails


@dataclass
class _World:
    libraries: Mapping[str, Library]
    people: dict[str, Person] = field(default_factory=dict)
    emails: list[Email] = field(default_factory=list)
    waiting: list[tuple[datetime, Person, str, date, str]] = field(default_factory=list)

    def issue(self, library: Library, at: datetime) -> None:
        """One slot of one list: a course has a tip for each person, another list has one for all."""
        today, key = at.date(), library.plan.key
        if today in library.skipped:
            return
        people = [person for person in self.people.values() if _is_due(person.of(key), at)]
        pinned = library.pinned_to(today)
        for_all = pinned if library.plan.is_course else library.tip_for_all(today) if people else None
        for person in people:
            place = person.of(key).place
            own = library.next_part(place, person.had, today) if library.plan.is_course and not pinned else None
            if tip := for_all or own:
                self._give(person, library, tip, at)
                if own:
                    self._go_on(person, library, own, today)
        if for_all and people:
            library.ran[for_all] = today

    def _give(self, person: Person, library: Library, tip: str, at: datetime) -> None:
        key, today = library.plan.key, at.date()
        person.had.add(tip)
        person.of(key).last = today
        if waits_a_day(person, key, today):
            self.waiting.append((at + DAY, person, key, today, tip))
        else:
            self._send(person, key, today, tip, today)

    def _go_on(self, person: Person, library: Library, tip: str, today: date) -> None:
        """After the last part of a course, its subscribers are in the next list from the next day on."""
        key, then = library.plan.key, library.plan.then
        person.of(key).place = tip
        if then and library.next_part(tip, person.had, today) is None:
            person.of(key).is_active = False
            if not person.of(then).is_active:
                person.subscriptions[then] = replace(person.of(then), is_active=True, since=today + DAY)

    def send_what_waited(self, now: datetime) -> None:
        """An email that waited is sent a day later, unless the person has unsubscribed or paused since."""
        due = [one for one in self.waiting if one[0] <= now]
        self.waiting = [one for one in self.waiting if one[0] > now]
        for at, person, key, day, tip in due:
            if gets_issues(person.of(key), at):
                self._send(person, key, day, tip, at.date())

    def _send(self, person: Person, key: str, day: date, tip: str, today: date) -> None:
        person.lists_on.setdefault(today, set()).add(key)
        self.emails.append(Email(person.address, key, day, tip, today))

    # -- what happens ------------------------------------------------------------------------------

    def happens(self, event: Event) -> None:
        """One event. A person of whom nothing is known can only sign up."""
        if not event.who:
            _owner_does(event, self.libraries[event.list])
            return
        person = self.people.get(event.who)
        if person and person.is_forgotten(event.at):
            person = None
        if person is None and event.lists:
            person = Person(event.address)
        if person is not None:
            _person_does(event, person)
            self.people[event.who] = person
        if person is None or event.what == "is erased":
            self.people.pop(event.who, None)
            self.waiting = [one for one in self.waiting if one[1] is not person]


def _is_due(subscription: Subscription, now: datetime) -> bool:
    return gets_issues(subscription, now) and not is_resting(subscription, now.date())


def _person_does(event: Event, person: Person) -> None:
    match event.what:
        case "is added" | "signs up":
            person.asked = event.at, event.lists
            if event.what == "is added":
                _confirm(person, event.at)
        case "confirms":
            _confirm(person, event.at)
        case "wants one a day" | "wants all":
            person.wants_one_a_day = event.what == "wants one a day"
        case "moves":
            if any(one.is_active for one in person.subscriptions.values()):
                person.address = event.address
        case "is erased":
            pass
        case _:
            if person.of(event.list).is_active:
                _change(event, person.of(event.list))


def _change(event: Event, subscription: Subscription) -> None:
    match event.what:
        case "pauses":
            subscription.paused_until = event.until
        case "resumes":
            subscription.paused_until = None
        case "wants monthly" | "wants every issue":
            subscription.is_monthly = event.what == "wants monthly"
        case "unsubscribes":
            subscription.is_active = False
        case other:
            raise ValueError(other)


def _confirm(person: Person, now: datetime) -> None:
    """One button confirms all lists of the last sign-up, within 30 days; whoever comes back gets every issue again."""
    if person.asked and now - person.asked[0] <= LINK_IS_VALID_FOR:
        person.has_confirmed = True
        for key in person.asked[1]:
            if not person.of(key).is_active:
                old = person.of(key)
                person.subscriptions[key] = Subscription(is_active=True, last=old.last, place=old.place)
        person.asked = None


def _owner_does(event: Event, library: Library) -> None:
    tip, day, order = event.tip, event.day, library.order
    match event.what:
        case "adds":
            order.append(tip)
        case "puts":
            order.remove(tip)
            order.insert(order.index(event.before) if event.before else len(order), tip)
        case "retires":
            library.retired.add(tip)
        case "unretires":
            library.retired.discard(tip)
        case "pins" if day:
            if tip not in library.retired:  # refused
                library.pins[tip] = day
        case "unpins":
            library.pins.pop(tip, None)
        case "skips" if day:
            library.skipped.add(day)
        case "unskips" if day:
            library.skipped.discard(day)
        case other:
            raise ValueError(other)


# -- days --------------------------------------------------------------------------------------------


def every_week(first: date, last: date, weekdays: Iterable[int], *, weeks: int = 1) -> tuple[date, ...]:
    """Some weekdays (Monday is 0) of every nth week, counted in whole weeks from the one of the first day."""
    monday = first - first.weekday() * DAY
    wanted = set(weekdays)
    return tuple(day for day in _days(first, last) if day.weekday() in wanted and (day - monday).days // 7 % weeks == 0)


def every_month(first: date, last: date, weekday: int, nth: int) -> tuple[date, ...]:
    """The first, second, third, or fourth of a weekday in each month."""
    return tuple(day for day in _days(first, last) if day.weekday() == weekday and (day.day - 1) // 7 + 1 == nth)


def _days(first: date, last: date) -> Iterator[date]:
    return (first + number * DAY for number in range((last - first).days + 1))
