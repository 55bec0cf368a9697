"""Explain to the owner why a date has its tip."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from newsletter.actions.calendar.plan import Rules, slots_until, upcoming_slots
from newsletter.actions.issues.audience import shares_for, shares_of
from newsletter.domain.calendar.forecast import HORIZON, ForecastSlot
from newsletter.domain.calendar.plan import Kind
from newsletter.domain.calendar.substitutes import Shares
from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.errors import NotFound
from newsletter.domain.tips.season_rule import in_words
from newsletter.ports.store import Tx

EXPLANATIONS = {
    Kind.SKIPPED: "You skipped this date. The tip planned for it is sent a week later.",
    Kind.PINNED: "You pinned this tip to this date, and a pin comes before everything else.",
    Kind.SEASONAL: "No tip is pinned to this date, and this tip is in season this week.",
    Kind.SERIES: "A series is running. Its parts follow week after week, unless a pinned or seasonal tip comes between them.",
    Kind.FRESH: "No tip is pinned to this date or in season, and no series is running. So the next tip in the queue is sent.",
    Kind.COURSE: "This list is a course. Each subscriber gets the tip after the last one they received; most of them get this one.",
    Kind.RERUN: "Every tip that could be sent on this date has run before. So the tip that has rested longest runs again.",
    Kind.FALLBACK: "No fresh tip is left, and no other tip has rested long enough. So a tip that you marked as a fallback is sent.",
    Kind.PROBLEM: "Only tips are left that cannot be sent as they are. Fix this one with newsletter tips edit, or import others.",
    Kind.NONE: "No tip can be sent on this date. Import tips (newsletter tips import), or mark some with fallback: true.",
}
BOUND = "The issue for this date is already being prepared with this tip."


@dataclass(frozen=True, slots=True)
class WhyDate:
    """What goes out in one slot, as a line of the calendar and explained in a sentence.

    shares: for the next slot and for slots of the past, when some subscribers do not get its tip; else None.
    """

    line: ForecastSlot
    because: str
    shares: Shares | None = None


def why_date(tx: Tx, rules: Rules, slot: date, now: datetime) -> WhyDate:
    """What goes out, or went out, in a slot. Raises NotFound for a slot without a plan, and for one too far away."""
    issue = tx.issues.for_slot(slot)
    if issue and issue.is_numbered and issue.tip_key and issue.state is not IssueState.PREPARING:
        title = issue.subject or tx.tips.get(issue.tip_key).dated(slot).card.title
        line = ForecastSlot(slot, issue.tip_key, title, Kind.PINNED, f"issue {issue.shown}, {issue.state}")
        shares = shares_of(tx, tx.issues.get(issue.number))
        return WhyDate(line, f"This date already has an issue. See: newsletter issues status {issue.argument}.", shares)
    count = slots_until(rules, slot, now)
    if count > rules.schedule.slots_in(HORIZON) + 2:
        raise NotFound(f"{in_words(slot)} is more than ten years away", fix=f"See: newsletter calendar{rules.option}")
    lines = upcoming_slots(tx, rules, now, count).lines()
    found = next((line for line in lines if line.date == slot), None)
    if found is None:
        known = "there was no issue"
        if issue:
            known = f"{issue.name} is {issue.state}" if issue.is_numbered else f"it was missed ({issue.pause_reason})"
        raise NotFound(
            f"nothing is planned for {in_words(slot)}: {known}", fix=f"See: newsletter calendar{rules.option}"
        )
    because = BOUND if found.reason.startswith("bound") else EXPLANATIONS[found.kind]
    # Later slots depend on issues that are not frozen yet, so their shares cannot be counted now.
    is_next = slot == lines[0].date
    return WhyDate(found, because, shares_for(tx, rules, slot, found.tip) if is_next and found.tip else None)
