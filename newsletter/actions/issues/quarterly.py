"""The quarterly email: the best tip of the last quarter, for people who unsubscribed and asked for it.

It is an issue like any other, with a quarter in place of a slot: it is frozen once, its deliveries have rows of their
own, and it has an unsubscribe link of its own. It does not count as a run of its tip in the calendar.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from newsletter.actions.calendar.plan import Rules
from newsletter.actions.issues.pass_over import MAX_PASSED_OVER
from newsletter.actions.issues.publish import Publisher
from newsletter.domain.calendar.quarterly import ASKED_BEFORE, LATE, Quarter, QuarterRun, best
from newsletter.domain.calendar.schedule import Schedule
from newsletter.domain.delivery.issue import IssueFacts, IssueState
from newsletter.ports.store import Store, Tx


@dataclass(frozen=True, slots=True)
class NextQuarterlyIssue:
    """The next quarterly email, if nothing changes. due_at: aware. tip: None if no tip was sent in that quarter.

    audience: how many would get it. asked: how many have asked for it in all, even if too late for this one.
    """

    quarter: Quarter
    due_at: datetime
    tip: QuarterRun | None
    audience: int
    asked: int


def publish_quarterly_issue(publisher: Publisher, now: datetime) -> IssueFacts | None:
    """Freeze the quarterly email that is due; None when there is nothing to do. Safe to call again at any time.

    Nothing is written if nobody asked for it, or if no tip was sent. Found more than LATE after its time, it is omitted.
    """
    store, rules = publisher.store, publisher.rules
    quarter = Quarter.of(rules.schedule.day_of(now))
    due_at = quarter.due_at(rules.schedule)
    if not timedelta() <= now - due_at <= LATE:
        return None
    with store.read() as tx:  # the daemon asks every two seconds: look before taking the write lock
        if _open_tip(tx, quarter, due_at, rules.schedule) is None:
            return None
    for _attempt in range(MAX_PASSED_OVER):
        with store.write() as tx:
            tip = _open_tip(tx, quarter, due_at, rules.schedule)
            if tip is None:  # another process was faster, or the only tip cannot be sent
                return None
            day = rules.schedule.day_of(due_at)
            issue = tx.issues.plan_quarter(str(quarter), tip.tip_id, due_at, now, first=rules.first_issue, day=day)
        issue = publisher.freeze(issue, now)
        if issue.state is not IssueState.CANCELLED:
            return issue
    return None


def next_quarterly_issue(store: Store, rules: Rules, now: datetime) -> NextQuarterlyIssue:
    """The quarterly email that is due or comes next; writes nothing."""
    quarter = Quarter.of(rules.schedule.day_of(now))
    with store.read() as tx:
        if tx.issues.for_quarter(str(quarter)) or now - quarter.due_at(rules.schedule) > LATE:
            quarter = quarter.after
        due_at = quarter.due_at(rules.schedule)
        tip = _tip(tx, quarter, rules.schedule, due_at)
        audience = tx.subscribers.quarterly(due_at - ASKED_BEFORE, tip.tip_id if tip else None)
        return NextQuarterlyIssue(quarter, due_at, tip, audience, tx.subscribers.quarterly(max(now, due_at)))


def _open_tip(tx: Tx, quarter: Quarter, due_at: datetime, schedule: Schedule) -> QuarterRun | None:
    """The tip to send, if this quarter has no issue yet and somebody would get it."""
    if tx.issues.for_quarter(str(quarter)) or not tx.subscribers.quarterly(due_at - ASKED_BEFORE):
        return None
    tip = _tip(tx, quarter, schedule, due_at)
    return tip if tip and tx.subscribers.quarterly(due_at - ASKED_BEFORE, tip.tip_id) else None


def _tip(tx: Tx, quarter: Quarter, schedule: Schedule, due_at: datetime) -> QuarterRun | None:
    """The best tip of the quarter before, without those that are out of season on the day of the issue."""
    ran = tx.issues.ran_between(quarter.before.first, quarter.first - timedelta(days=1))
    plans = {tip.key: tip for tip in tx.calendar.plans()} if ran else {}
    return best(run for run in ran if plans[run.key].is_in_season(schedule.day_of(due_at), schedule.days))
