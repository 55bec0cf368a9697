"""A list that is a course: its rules, where its subscribers are, and the slots that pass without anybody in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, datetime

from newsletter.domain.calendar.course import Course, CourseEnd, CourseRules, Standing, Step
from newsletter.domain.calendar.forecast import ForecastSlot
from newsletter.domain.calendar.plan import Choice, Kind, Plan, TipPlan
from newsletter.domain.lists import MailingList, Order
from newsletter.domain.tips.rerun_rule import parse_rerun
from newsletter.ports.store import Tx

_NOBODY = "nobody"  # in the course, when the slot began


def is_course(tx: Tx) -> bool:
    """Is the list of this transaction a course?"""
    return tx.lists.mine().order is Order.COURSE


def course_rules(found: MailingList) -> CourseRules | None:
    """What happens after the last tip; None for a list that is no course."""
    if found.order is not Order.COURSE:
        return None
    return CourseRules(found.then, parse_rerun(f"after {found.again_after}").after if found.again_after else None)


def course_end(tx: Tx, key: str, day: date) -> CourseEnd | None:
    """What follows on this tip, if it is the last one of a course on this day."""
    rules = course_rules(tx.lists.mine())
    return rules.end if rules and tx.courses.last_tip(day) == key else None


def whole_course(tips: Iterable[TipPlan]) -> Course:
    """The course without regard to dates: every tip that can be sent at some time."""
    ordered = sorted(tips, key=lambda tip: (tip.starter, tip.position, tip.key))
    return Course(tuple(Step(tip.key, tip.is_sendable and not tip.season) for tip in ordered))


def standing_of(tx: Tx) -> Standing:
    """Where the subscribers of the course are, those who are paused included."""
    return whole_course(tx.calendar.plans()).standing(tx.courses.places(everybody=True))


def has_nobody(tx: Tx) -> bool:
    """Is the list a course in which nobody waits for a tip? That is normal: everybody may have finished it."""
    return is_course(tx) and not sum(whole_course(tx.calendar.plans()).shares(tx.courses.places()).values())


def with_course(tx: Tx, plan: Plan) -> Plan:
    """The plan with the course, if the list is one, and with the places of its subscribers."""
    rules = course_rules(tx.lists.mine())
    return replace(plan, course=rules, places=tx.courses.places()) if rules else plan


def audience_of(tx: Tx, choice: Choice) -> int:
    """How many subscribers would get this choice."""
    if choice.kind is Kind.COURSE:
        return sum(number for _tip, number in choice.shares)
    return tx.subscribers.mailable()


def with_exact_shares(tx: Tx, course_at: Callable[[date], Course], lines: list[ForecastSlot]) -> list[ForecastSlot]:
    """The lines; the first one of a course with what each subscriber gets, who may have received some tips already."""
    first = next((place for place, line in enumerate(lines) if line.shares), None)
    if first is None:
        return lines
    course = course_at(lines[first].date)
    counts = tx.courses.shares(course)
    shares = tuple((step.tip, counts[step.tip]) for step in course.steps if step.tip in counts)
    return [*lines[:first], replace(lines[first], shares=shares), *lines[first + 1 :]]


def passed_empty(tx: Tx, slot: date) -> bool:
    """Did this slot begin while nobody was in the course? Whoever comes later that day begins with the next slot."""
    return is_course(tx) and tx.calendar.was_notified(_NOBODY, slot.isoformat())


def pass_empty(tx: Tx, slot: date, now: datetime) -> None:
    """Record that this slot began while nobody was in the course."""
    tx.calendar.mark_notified(_NOBODY, slot.isoformat(), now)
