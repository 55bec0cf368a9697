"""The letter of a quarter: the best tip of the last one, for those who left and asked for that; sends nothing itself.

It is an issue like any other, with a quarter in place of a slot: frozen once, carried by the same ledger, and left by
a link of its own. For the calendar nothing happens: the tip is as fresh or as rested as before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from newsletter.actions.calendar.plan import Rules
from newsletter.actions.issues.compile import RenderContext
from newsletter.actions.issues.publish import freeze
from newsletter.domain.calendar.quarterly import ASKED_BEFORE, LATE, Quarter, QuarterRun, best
from newsletter.domain.delivery.issue import IssueFacts
from newsletter.ports.store import Store, Tx


@dataclass(frozen=True, slots=True)
class NextQuarterlyIssue:
    """The next letter of a quarter, if nothing changes: whose, when (aware), what (None: nothing ran), to how many.

    asked: how many have asked for it in all, also too late for this one.
    """

    quarter: Quarter
    due_at: datetime
    tip: QuarterRun | None
    audience: int
    asked: int


def publish_quarter(store: Store, render_context: RenderContext, rules: Rules, now: datetime) -> IssueFacts | None:
    """Freeze the letter of the quarter that is due; None when there is nothing to do. Safe to call by anybody, again.

    Without anybody who asked, or a tip that ran, nothing is written; what is found later than LATE is left out.
    """
    quarter = Quarter.of(rules.schedule.day_of(now))
    due_at = quarter.due_at(rules.schedule)
    if not timedelta() <= now - due_at <= LATE:
        return None
    with store.read() as tx:  # rung every two seconds: look before taking the write lock
        if _open_tip(tx, quarter, due_at) is None:
            return None
    with store.write() as tx:
        tip = _open_tip(tx, quarter, due_at)
        if tip is None:
            return None
        issue = tx.issues.plan_quarter(str(quarter), tip.tip_id, due_at, now)
    return freeze(store, render_context, issue, rules, now)


def coming_quarter(store: Store, rules: Rules, now: datetime) -> NextQuarterlyIssue:
    """What would go next, and when; reads only."""
    quarter = Quarter.of(rules.schedule.day_of(now))
    with store.read() as tx:
        if tx.issues.for_quarter(str(quarter)) or now - quarter.due_at(rules.schedule) > LATE:
            quarter = quarter.after
        due_at = quarter.due_at(rules.schedule)
        tip = _tip(tx, quarter)
        audience = tx.subscribers.quarterly(due_at - ASKED_BEFORE, tip.tip_id if tip else None)
        return NextQuarterlyIssue(quarter, due_at, tip, audience, tx.subscribers.quarterly(max(now, due_at)))


def _open_tip(tx: Tx, quarter: Quarter, due_at: datetime) -> QuarterRun | None:
    """What is to be sent and has not been taken up."""
    tip = None if tx.issues.for_quarter(str(quarter)) else _tip(tx, quarter)
    return tip if tip and tx.subscribers.quarterly(due_at - ASKED_BEFORE, tip.tip_id) else None


def _tip(tx: Tx, quarter: Quarter) -> QuarterRun | None:
    return best(tx.issues.ran_between(quarter.before.first, quarter.first - timedelta(days=1)))
