"""What is there to do for a slot that has begun?"""

from __future__ import annotations

from datetime import date, datetime

from newsletter.actions.calendar.course import audience_of, is_course, pass_empty, passed_empty
from newsletter.actions.calendar.plan import UNSENT, Rules, choice_for, is_skipped, why_waiting
from newsletter.domain.calendar.schedule import Due
from newsletter.domain.delivery.issue import IssueState
from newsletter.ports.store import Store, Tx

HELD = "it was on hold, or not approved in time"
TOO_LATE = "the newsletter was not running in time"


def has_work(tx: Tx, rules: Rules, due: Due) -> bool:
    """Is there anything to write for this slot? Nothing before the first subscriber, so that no tip is wasted."""
    if is_skipped(tx, due.slot) or passed_empty(tx, due.slot):
        return False
    issue = tx.issues.for_slot(due.slot)
    if due.missed:
        if issue:
            return issue.state in UNSENT
        # Without an earlier issue it is a new newsletter, unless it waited for the owner; with a later one, the clock was set back.
        last = tx.issues.last_slot()
        return last < due.slot if last else bool(waits(tx, rules, due.slot, choice_for(tx, rules, due.slot).tip))
    if (issue and issue.state not in UNSENT) or not _has_audience(tx) or waits(tx, rules, due.slot, None):
        return False
    if rules.approval or (issue and issue.state is IssueState.NO_CONTENT):
        tip = issue.tip_key if issue and issue.tip_key else choice_for(tx, rules, due.slot).tip
        is_known_empty = tip is None and issue is not None and issue.state is IssueState.NO_CONTENT
        return not is_known_empty and not waits(tx, rules, due.slot, tip)
    return True


def _has_audience(tx: Tx) -> bool:
    """A course may be without one: see `begins_empty`."""
    return is_course(tx) or tx.subscribers.mailable() > 0


def waits(tx: Tx, rules: Rules, slot: date | None, tip_key: str | None) -> str:
    """Why this tip may not be sent yet although it is due; "" when it may."""
    return why_waiting(tx.calendar.overrides().get(slot), tip_key, rules) if slot else ""


def why_missed(tx: Tx, rules: Rules, slot: date | None) -> str:
    """Why a slot has passed without an issue."""
    held = slot and waits(tx, rules, slot, choice_for(tx, rules, slot).tip)
    return HELD if held else TOO_LATE


def begins_empty(tx: Tx, rules: Rules, slot: date) -> bool:
    """Is the list a course, without anybody who would get an issue in this slot?"""
    return is_course(tx) and tx.issues.for_slot(slot) is None and not audience_of(tx, choice_for(tx, rules, slot))


def passes_empty(store: Store, rules: Rules, slot: date, now: datetime) -> bool:
    """Record that a slot begins while nobody is in the course; False if a pause has just ended."""
    with store.write() as tx:
        tx.maintenance.end_pauses(now)
        is_empty = begins_empty(tx, rules, slot)
        if is_empty:
            pass_empty(tx, slot, now)
        return is_empty
