"""Why this tip, why this date: answers in words for a newcomer, from the same forecast; changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from newsletter.actions.calendar.plan import Rules, upcoming_slots, weeks_until
from newsletter.actions.issues.audience import shares_for, shares_of
from newsletter.domain.calendar.forecast import HORIZON, ForecastSlot
from newsletter.domain.calendar.plan import Kind
from newsletter.domain.calendar.substitutes import Shares
from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.errors import NotFound
from newsletter.ports.store import Store

EXPLANATIONS = {
    Kind.SKIPPED: "You skipped this date. The tip that would have gone comes a week later.",
    Kind.PINNED: "You gave this tip this very date, and that comes before everything else.",
    Kind.SEASONAL: "No tip is pinned to this date, and this tip has its season in this week.",
    Kind.SERIES: "A series is running: its parts follow week after week, until a pin or a season comes between.",
    Kind.FRESH: "Nothing is pinned to this date, no season falls on it and no series is running. So the queue goes on.",
    Kind.RERUN: "Every tip that may run on this date has run before. So the one that rested longest runs again.",
    Kind.FALLBACK: "No fresh tip is left and none has rested long enough. So a tip that you marked as fallback stands in.",
    Kind.NONE: "No tip may run on this date. Bring tips in (newsletter tips import), or mark some with fallback: true.",
}


@dataclass(frozen=True, slots=True)
class WhyDate:
    """One slot: what goes out in it, in one line and in a sentence.

    shares: of the next slot, or of one that went, if not everybody gets its tip.
    """

    line: ForecastSlot
    because: str
    shares: Shares | None = None


def why_date(store: Store, rules: Rules, slot: date, now: datetime) -> WhyDate:
    """What goes, or went, out in a slot. Raises NotFound for one before this newsletter, or too far away."""
    with store.read() as tx:
        issue = tx.issues.for_slot(slot)
        if issue and issue.tip_key and issue.state is not IssueState.PREPARING:
            title = issue.subject or tx.tips.get(issue.tip_key).dated(slot).card.title
            line = ForecastSlot(slot, issue.tip_key, title, Kind.PINNED, f"issue {issue.number}, {issue.state}")
            shares = shares_of(tx, tx.issues.get(issue.number))
            return WhyDate(line, f"This is history: see newsletter issues status {issue.number}.", shares)
        weeks = weeks_until(rules, slot, now)
        if weeks > HORIZON:
            raise NotFound(f"{slot} is more than ten years away", fix="See: newsletter calendar")
        lines = upcoming_slots(tx, rules, now, weeks).lines()
    line_of = next((line for line in lines if line.date == slot), None)
    if line_of is None:
        known = f"issue {issue.number} is {issue.state}" if issue else "there was no issue"
        raise NotFound(f"nothing is planned for {slot}: {known}", fix="See: newsletter calendar")
    bound = line_of.reason.startswith("bound")
    because = "The letter is being made." if bound else EXPLANATIONS[line_of.kind]
    return WhyDate(line_of, because, _shares(store, rules, line_of) if slot == lines[0].date else None)


def _shares(store: Store, rules: Rules, line: ForecastSlot) -> Shares | None:
    with store.read() as tx:
        return shares_for(tx, rules, line.date, line.tip) if line.tip else None
