"""A naive reckoning: which emails some lists should send, by the rules that subscribers and the owner were told.

It is the specification that the product is compared with, so it shares nothing with it: no database, no clock, no zones,
no queue. It goes from one moment to the next and asks for each person, one rule at a time, whether an email is theirs.
All times are local times of the newsletter without a zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from tests.support.reckoned_library import Library, List
from tests.support.slots import DAY, days_from

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
    """One person in one list. last: the day of the last issue that they got.

    place: the last tip of the course they had. nothing: the last slot of the course that had no tip for them.
    went_on: they have had all of the course, and are in the next list.
    """

    is_active: bool = False
    paused_until: datetime | None = None
    is_monthly: bool = False
    last: date | None = None
    place: str = ""
    nothing: date | None = None
    went_on: bool = False
    has_unsubscribed: bool = False


@dataclass(eq=False)
class Person:
    """One person. asked: when and for which lists they signed up last. had: the last day on which they got a tip.

    lists_on: of which lists they got emails on a day.
    """

    address: str
    asked: tuple[datetime, tuple[str, ...]] | None = None
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    has_confirmed: bool = False
    wants_one_a_day: bool = False
    moved_at: datetime | None = None
    had: dict[str, date] = field(default_factory=dict)
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
    return subscription.is_active and not is_paused


def is_resting(subscription: Subscription, today: date) -> bool:
    """Once a month is the first issue at least four weeks after the previous one."""
    last = subscription.last
    return subscription.is_monthly and last is not None and today - last < FOUR_WEEKS


def waits_a_day(person: Person, key: str, today: date) -> bool:
    """Whoever wants at most one email a day gets the later issue of a day on the next day."""
    others = person.lists_on.get(today, set()) - {key}
    return person.wants_one_a_day and bool(others)


# -- the reckoning -------------------------------------------------------------------------------------


def reckon(lists: Sequence[List], events: Iterable[Event], until: date) -> list[Email]:
    """The emails of all issues before a day, in the order in which they are sent."""
    world = _World({plan.key: Library(plan, list(plan.tips)) for plan in lists})
    happenings: list[tuple[datetime, int, Event | Library | None]] = [(event.at, 0, event) for event in events]
    first = min(at for at, _number, _event in happenings).date()
    happenings += [(datetime.combine(day, time()), 0, None) for day in days_from(first, until)]
    for number, library in enumerate(world.libraries.values(), start=1):
        days = (day for day in library.plan.days if first <= day < until)
        happenings += [(datetime.combine(day, library.plan.at), number, library) for day in days]
    for at, _number, what in sorted(happenings, key=lambda one: one[:2]):
        world.send_what_waited(at)
        world.end_courses(at, what.who if isinstance(what, Event) else "")
        if isinstance(what, Event):
            world.happens(what)
        elif what:
            world.issue(what, at)
    return world.emails


class Waiting(NamedTuple):
    """An email that is sent at a later moment. had, last: as they were before it."""

    at: datetime
    person: Person
    library: Library
    day: date
    tip: str
    had: date | None
    last: date | None


@dataclass
class _World:
    libraries: Mapping[str, Library]
    people: dict[str, Person] = field(default_factory=dict)
    emails: list[Email] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)

    def issue(self, library: Library, at: datetime) -> None:
        """One slot of one list: a course has a tip for each person, any other list has one for all."""
        today, plan = at.date(), library.plan
        people = [person for person in self.people.values() if _is_due(person.of(plan.key), at)]
        if today in library.skipped or not people:  # without anybody, no tip is spent
            return
        for_all = library.pinned_to(today) if plan.is_course else library.tip_for_all(today)
        for person in people:
            if not plan.is_course or (for_all and library.is_news(for_all, person.had, today)):
                self._give(person, library, for_all, at)
            elif part := library.next_part(person.of(plan.key).place, person.had, today):
                self._give(person, library, part, at)
                person.of(plan.key).place, person.of(plan.key).nothing = part, None
            else:
                person.of(plan.key).nothing = today
        if for_all:
            library.ran[for_all] = today

    def _give(self, person: Person, library: Library, tip: str | None, at: datetime) -> None:
        if tip is None:  # no tip is left
            return
        key, today = library.plan.key, at.date()
        had, last = person.had.get(tip), person.of(key).last
        person.had[tip] = person.of(key).last = today
        if waits_a_day(person, key, today):
            self.waiting.append(Waiting(at + DAY, person, library, today, tip, had, last))
        else:
            self._send(person, key, today, tip, today)

    def end_courses(self, now: datetime, who: str) -> None:
        """Whoever has had all of a course is in the next list from the next day on, unless they unsubscribed from it.

        If a slot had nothing for them, they are there from that moment on. who: only this person matters now; "" for all.
        """
        people = [self.people[who]] if who in self.people else [] if who else self.people.values()
        for library in self.libraries.values():
            if library.plan.is_course and library.plan.then:
                still = [one.person for one in self.waiting if one.library is library]
                for person in people:
                    if person not in still and _has_had_all(person, library, now):
                        _go_on(person, library.plan)

    def send_what_waited(self, now: datetime) -> None:
        """An email that waited is sent a day later, unless the person has unsubscribed or paused since: then it comes again."""
        due = [one for one in self.waiting if one.at <= now]
        self.waiting = [one for one in self.waiting if one.at > now]
        for one in due:
            own = one.person.of(one.library.plan.key)
            if gets_issues(own, one.at):
                self._send(one.person, one.library.plan.key, one.day, one.tip, one.at.date())
            else:
                own.last = one.last
                one.person.had.pop(one.tip)
                if one.had:
                    one.person.had[one.tip] = one.had
                if own.place == one.tip:
                    own.place = one.library.before(one.tip)

    def _send(self, person: Person, key: str, day: date, tip: str, today: date) -> None:
        person.lists_on.setdefault(today, set()).add(key)
        self.emails.append(Email(person.address, key, day, tip, today))

    # -- what happens ------------------------------------------------------------------------------

    def _meant(self, event: Event, person: Person) -> str:
        """The unsubscribe link of a course means the next list for those who have gone on to it."""
        key = event.list
        while event.what == "unsubscribes" and person.of(key).went_on:
            key = self.libraries[key].plan.then
        return key

    def _step_back(self, library: Library, tip: str) -> None:
        """A tip of a course that is moved takes nobody with it: whoever had it last goes on with what followed it."""
        for person in self.people.values():
            if person.of(library.plan.key).place == tip:
                person.of(library.plan.key).place = library.before(tip)

    def happens(self, event: Event) -> None:
        """One event. A person of whom nothing is known can only sign up."""
        if not event.who:
            library = self.libraries[event.list]
            if event.what == "puts":
                self._step_back(library, event.tip)
            _owner_does(event, library)
            return
        person = self.people.get(event.who)
        if person and person.is_forgotten(event.at):
            person = None
        if person is None and event.lists:
            person = Person(event.address)
        if person is not None:
            if event.what == "confirms":
                _confirm(person, event.at, {key: library.plan.welcome for key, library in self.libraries.items()})
            else:
                _person_does(replace(event, list=self._meant(event, person)), person)
            self.people[event.who] = person
        if person is None or event.what == "is erased":
            self.people.pop(event.who, None)
            self.waiting = [one for one in self.waiting if one.person is not person]


def _has_had_all(person: Person, library: Library, now: datetime) -> bool:
    own, today = person.of(library.plan.key), now.date()
    has_ended = (own.place != "" and own.last != today) or own.nothing is not None
    return gets_issues(own, now) and has_ended and library.next_part(own.place, person.had, today) is None


def _go_on(person: Person, plan: List) -> None:
    old, then = person.of(plan.key), person.of(plan.then)
    person.subscriptions[plan.key] = Subscription(went_on=True)
    if not then.is_active and not then.has_unsubscribed:
        person.subscriptions[plan.then] = replace(then, is_active=True, is_monthly=old.is_monthly)


def _is_due(subscription: Subscription, now: datetime) -> bool:
    return gets_issues(subscription, now) and not is_resting(subscription, now.date())


def _person_does(event: Event, person: Person) -> None:
    match event.what:
        case "is added" | "signs up":
            person.asked = event.at, event.lists
            if event.what == "is added":
                _confirm(person, event.at, {})
        case "wants one a day" | "wants all":
            person.wants_one_a_day = event.what == "wants one a day"
        case "moves":
            _move(event, person)
        case "is erased":
            pass
        case _:
            if person.of(event.list).is_active:
                _change(event, person.of(event.list))


def _move(event: Event, person: Person) -> None:
    """A subscriber can ask for another address once a day."""
    is_early = person.moved_at is not None and event.at - person.moved_at < DAY
    if not is_early and any(one.is_active for one in person.subscriptions.values()):
        person.address, person.moved_at = event.address, event.at


def _change(event: Event, subscription: Subscription) -> None:
    match event.what:
        case "pauses":
            subscription.paused_until = event.until
        case "resumes":
            subscription.paused_until = None
        case "wants monthly" | "wants every issue":
            subscription.is_monthly = event.what == "wants monthly"
        case "unsubscribes":
            subscription.is_active, subscription.has_unsubscribed = False, True
        case other:
            raise ValueError(other)


def _confirm(person: Person, now: datetime, welcome: Mapping[str, str]) -> None:
    """One button confirms all lists of the last sign-up, within 30 days; whoever comes back gets every issue again.

    welcome: by list, the course that those get first who are new to the list.
    """
    if person.asked and now - person.asked[0] <= LINK_IS_VALID_FOR:
        person.has_confirmed = True
        for wanted in person.asked[1]:
            is_new = not person.of(wanted).is_active and not person.of(wanted).has_unsubscribed
            key = (is_new and welcome.get(wanted)) or wanted
            if not person.of(key).is_active:
                old = person.of(key)
                person.subscriptions[key] = Subscription(True, last=old.last, place=old.place, nothing=old.nothing)
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
