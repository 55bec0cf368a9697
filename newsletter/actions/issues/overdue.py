"""End issues that are too old to be sent, so that a mail server that comes back does not send several at once.

The rules are in `domain.delivery.overdue`. Every sender calls this before it sends anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from newsletter.actions.calendar.plan import Rules
from newsletter.actions.issues.health import health_of
from newsletter.actions.owner.queue import alert_values, notify
from newsletter.domain.delivery.delivery import SkipReason
from newsletter.domain.delivery.issue import IN_PROGRESS, IssueEvent, IssueFacts, IssueState
from newsletter.domain.delivery.overdue import End, Progress, end_of, finish_within
from newsletter.domain.english import ended, plural
from newsletter.domain.errors import Refused
from newsletter.domain.tips.season_rule import in_words
from newsletter.ports.store import Store, Tx

RETRIED = "retried"
NOTHING_ACCEPTED = "the mail server accepted none of its emails in time"
PAUSED_TOO_LONG = "it was paused until it was too late"
GIVEN_UP = "the rest was not sent in time"


def end_overdue(store: Store, rules: Rules, owner: Sequence[str], now: datetime) -> None:
    """Miss the issues of which nothing was sent in time, and end those of which the rest is too late."""
    with store.read() as tx:  # the daemon asks every two seconds: look before taking the write lock
        found = [issue.number for issue in (*tx.issues.open(), *tx.issues.paused()) if _end(tx, rules, issue, now)]
        healths = [health_of(tx, number) for number in found]
    for health in healths:
        with store.write() as tx:
            issue = tx.issues.get(health.number)
            end = _end(tx, rules, issue, now)  # somebody may have sent, resumed, or canceled it meanwhile
            if end is End.MISS:
                _miss(tx, owner, issue, now)
            elif end is End.GIVE_UP and not issue.counts.get("sending"):
                tx.suppressions.add_bounced(issue.number, health.verdict.suppress, now)
                _give_up(tx, owner, issue, now)


def refuse_too_close(tx: Tx, rules: Rules, issue: IssueFacts, now: datetime) -> None:
    """Raise Refused if an old issue is to be retried only days after a newer one was sent."""
    newer = [
        other.started_at
        for other in tx.issues.from_slot(issue.slot or issue.day)
        if other.started_at and other.number != issue.number and other.slot and issue.slot and other.slot > issue.slot
    ]
    apart = rules.schedule.apart
    if newer and now - max(newer) < apart:
        after = in_words(rules.schedule.day_of(max(newer) + apart))
        raise Refused(
            f"{issue.name} is old, and a newer one was sent less than {plural(apart.days, 'day')} ago",
            fix=f"Retry it on {after}, so that nobody gets both at once",
        )


def _end(tx: Tx, rules: Rules, issue: IssueFacts, now: datetime) -> End | None:
    if issue.state not in IN_PROGRESS or now - issue.due_at <= rules.late_window:
        return None
    retried_at = tx.calendar.notified(RETRIED).get(str(issue.number))
    waits = tx.issues.waits(issue.number)  # what waits until another day is not too late then
    times = issue.due_at, retried_at, issue.started_at if issue.quarter else None, waits.until if waits else None
    due_at = max(filter(None, times))
    has_reached = tx.issues.may_have_reached(issue.number)
    # To ask for the last one reads every row, so it is asked only about an issue that is late.
    is_late = has_reached and now - due_at > finish_within(rules.schedule)
    last = tx.issues.last_sent_at(issue.number) if is_late else None
    progress = Progress(due_at, issue.state, has_reached, last, is_retried=retried_at is not None)
    return end_of(progress, now, rules.late_window, rules.schedule)


def _miss(tx: Tx, owner: Sequence[str], issue: IssueFacts, now: datetime) -> None:
    was_paused = issue.state is IssueState.PAUSED
    replies = tx.issues.replies(issue.number, 1)
    tx.issues.skip_open(issue.number, SkipReason.MISSED, now)
    tx.issues.change(issue.number, IssueEvent.MISS, now, reason=PAUSED_TOO_LONG if was_paused else NOTHING_ACCEPTED)
    why = PAUSED_TOO_LONG if was_paused else NOTHING_ACCEPTED
    lines = [f"The issue for {in_words(issue.day)} was missed, because {why}."]
    lines += [f"The last reply: {ended(reply.partition(' ')[2])}" for reply, _ in replies]
    lines.append(f"Nobody received it, so “{issue.subject}” returns to its place in the queue.")
    values = alert_values(
        f"No issue was sent on {in_words(issue.day)}",
        lines,
        "Run newsletter doctor to see whether emails can be sent now",
    )
    notify(tx, "alarm", f"{issue.slot or issue.number} {IssueState.MISSED}", owner, values, now)


def _give_up(tx: Tx, owner: Sequence[str], issue: IssueFacts, now: datetime) -> None:
    number = tx.issues.give_up_open(issue.number, now)
    tx.issues.change(issue.number, IssueEvent.FINISH, now, reason=GIVEN_UP)
    if not number:
        return
    sent = f"{issue.counts.get('sent', 0):,} of {plural(issue.audience, 'subscriber')}"
    emails = f"{plural(number, 'email')} {'is' if number == 1 else 'are'} not sent anymore"
    lines = [
        f"{sent} received “{issue.subject}”.",
        f"The rest was not sent in time, and the next issue is close, so {emails}. The next issue is sent to everybody.",
    ]
    next_step = f"See who: newsletter issues deliveries {issue.argument} --state failed"
    headline = f"Issue {issue.shown} did not reach {plural(number, 'subscriber')}"
    notify(tx, "late", f"{issue.number} {now.date()}", owner, alert_values(headline, lines, next_step), now)
