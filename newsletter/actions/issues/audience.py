"""Decide which subscribers get which tip of an issue; the rules are in `domain.calendar.substitutes`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from newsletter.actions.calendar.course import is_course
from newsletter.actions.calendar.plan import Rules, plan_of
from newsletter.domain.calendar.choose import TipChooser
from newsletter.domain.calendar.course import Course
from newsletter.domain.calendar.plan import Kind
from newsletter.domain.calendar.substitutes import Candidate, Share, Shares, own_candidate, substitute_candidates
from newsletter.domain.delivery.delivery import SkipReason
from newsletter.domain.delivery.issue import IssueFacts
from newsletter.domain.tips.tip import TipState
from newsletter.ports.store import Tx


@dataclass(frozen=True, slots=True)
class Audience:
    """Who gets which tip of an issue. candidates: as `candidates_for`. course: in place of them; None outside of courses.

    keys: of the tips whose emails are needed, as far as it is known before the audience is frozen.
    """

    keys: frozenset[str]
    candidates: tuple[Candidate, ...] = ()
    course: Course | None = None


def audience_for(tx: Tx, rules: Rules, issue: IssueFacts) -> Audience:
    """Who gets which tip of an issue that has its tip."""
    key = issue.tip_key or ""
    if issue.slot and is_course(tx):
        chooser = TipChooser(plan_of(tx, rules))
        course = chooser.course_at(issue.slot)
        # For a dated tip, those who have received it go on in the course; the freeze says which tips they need.
        others = course.shares(chooser.places) if issue.is_course else {}
        return Audience(frozenset({key, *others}), course=course)
    candidates = candidates_for(tx, rules, issue.slot, key)
    return Audience(frozenset({key, *(tx.issues.shares(candidates) if candidates else ())} - {""}), candidates)


def candidates_for(tx: Tx, rules: Rules, slot: date | None, key: str) -> tuple[Candidate, ...]:
    """The tips of an issue in order: each subscriber gets the first one they have not received yet.

    () if all get the issue's own tip, as they do for a fresh tip or outside the calendar.
    """
    if slot is None or tx.tips.get(key).card.state is TipState.FRESH:
        return ()
    chooser = TipChooser(plan_of(tx, rules))
    own = own_candidate(chooser.tips[key], slot, rules.policy)
    if own is None or (own.since and not tx.issues.was_substitute(own)):
        return ()
    return (own, *substitute_candidates(key, slot, chooser, tx.tips.useful()))


def shares_for(tx: Tx, rules: Rules, slot: date, key: str) -> Shares | None:
    """How many would get which tip if this slot's issue, of the tip `key`, froze now; None if all would get that one."""
    if is_course(tx):
        return _course_shares(tx, rules, slot, key)
    candidates = candidates_for(tx, rules, slot, key)
    if not candidates:
        return None
    titles = {tip.key: tip.title_on(slot) for tip in tx.calendar.plans()}
    counts = tx.issues.shares(candidates)
    others = tuple(Share(tip, titles[tip], number) for tip, number in counts.items() if tip not in ("", key))
    return Shares(counts.get(key, 0), others, counts.get("", 0))


def _course_shares(tx: Tx, rules: Rules, slot: date, key: str) -> Shares | None:
    plan = plan_of(tx, rules)
    chooser = TipChooser(plan)
    course, is_dated = chooser.course_at(slot), chooser.choose(slot).kind is not Kind.COURSE
    counts, titles = (
        tx.courses.shares(course, key if is_dated else ""),
        {tip.key: tip.title_on(slot) for tip in plan.tips},
    )
    order = [step.tip for step in course.steps if step.tip in counts and step.tip != key]
    others = tuple(Share(tip, titles[tip], counts[tip]) for tip in order)
    return Shares(counts.get(key, 0), others, 0, course=True) if others else None


def shares_of(tx: Tx, issue: IssueFacts) -> Shares | None:
    """How many subscribers of a frozen issue (with counts) get which tip; None if all get its own."""
    had_it = issue.skipped_for.get(SkipReason.ALREADY_RECEIVED, 0)
    if (not issue.tips or (issue.is_course and len(issue.tips) == 1)) and not had_it:
        return None
    titles = {tip.key: tip.title_on(issue.day) for tip in tx.calendar.plans()}
    others = tuple(Share(key, titles[key], number) for key, number in issue.tips.items() if key != issue.tip_key)
    own = issue.audience - had_it - sum(share.readers for share in others)
    return Shares(own, others, had_it, course=issue.is_course)
