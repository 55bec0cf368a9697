"""Tell the owner what came of an issue: a report, or an alert if nothing or little arrived, or if refusals are doubtful."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, time, timedelta

from newsletter.actions.calendar.course import is_course, standing_of
from newsletter.actions.calendar.plan import UNSENT, Rules, current_slot, upcoming_slots
from newsletter.actions.issues.audience import shares_of
from newsletter.actions.issues.health import ALARMING, Health, health_of
from newsletter.actions.owner.queue import alert_values, calendar_line, notify
from newsletter.domain.calendar.forecast import HORIZON, runway
from newsletter.domain.delivery.issue import IssueFacts, IssueState
from newsletter.domain.english import ended, plural, sentence
from newsletter.domain.lists import shown_number
from newsletter.domain.slot_days import WEEK
from newsletter.domain.subscribers.subscription import Status
from newsletter.domain.tips.season_rule import in_words
from newsletter.ports.store import Store, Tx

REPORT_BY = time(12)  # in the newsletter's time zone, even if some deliveries are still open
REPORT_AFTER = timedelta(hours=4)
"""When an issue with open deliveries is reported on, if it started too late for REPORT_BY."""
SENDING_TIME = timedelta(hours=1)  # of an issue that is not in trouble
REPORT_WITHIN = timedelta(days=6)
"""An issue that started longer ago is no longer reported on."""
RECENT = 3  # issues
LATELY = timedelta(days=10)  # the issue of the week before, even if the schedule has changed
REPORT, WAITS, DOUBTFUL = "report", "report_waits", "doubtful"


@dataclass(frozen=True, slots=True)
class Result:
    """What is to be told about one issue. is_report: the report is due. is_doubtful: so is the alert about refusals."""

    health: Health
    is_report: bool
    is_doubtful: bool


def due_results(store: Store, rules: Rules, now: datetime) -> list[Result]:
    """What the owner has not been told yet; read outside of a write transaction, because it may take a moment."""
    found = []
    with store.read() as tx:
        for issue in tx.issues.recent(RECENT):
            is_report = _is_reportable(tx, rules, issue, now)
            is_over = issue.state is IssueState.DONE and bool(issue.done_at) and now - issue.done_at <= REPORT_WITHIN  # type: ignore[operator]
            is_doubtful = is_over and not tx.calendar.was_notified(DOUBTFUL, str(issue.number))
            if is_report or is_doubtful:
                found.append(Result(health_of(tx, issue.number), is_report, is_doubtful))
    return found


def tell_result(tx: Tx, rules: Rules, owner: Sequence[str], result: Result, now: datetime) -> int:
    """Queue what is due about one issue; how many emails."""
    queued = 0
    if result.is_report:
        queued += _report(tx, rules, owner, result.health, now)
    if result.is_doubtful and result.health.doubtful < ALARMING:
        tx.calendar.mark_notified(DOUBTFUL, str(result.health.number), now)
    elif result.is_doubtful:
        health = result.health
        headline = f"{health.doubtful:,} addresses of issue {shown_number(health.number)} were refused as unknown"
        values = alert_values(headline, health.lines, health.next_step)
        queued += notify(tx, DOUBTFUL, str(health.number), owner, values, now)
    return queued


def nobody_left(tx: Tx, rules: Rules, owner: Sequence[str], now: datetime) -> int:
    """Alert the owner to a slot without subscribers, if the issue of the week before had some.

    A course ends for its subscribers, so that having none is nothing unusual.
    """
    if is_course(tx):
        return 0
    due = current_slot(tx, rules, now)
    issue = tx.issues.for_slot(due.slot) if due else None
    if due is None or (issue and issue.state not in UNSENT) or tx.subscribers.mailable():
        return 0
    since = due.slot - LATELY
    before = [one for one in tx.issues.recent(RECENT) if one.audience and one.slot and since <= one.slot < due.slot]
    counts = tx.subscribers.count()
    if not before or counts.get(Status.CONFIRMED) or counts.get(Status.PAUSED):
        return 0
    suppressed = counts.get("suppressed", 0)
    lines = [f"The issue before had {plural(before[0].audience, 'subscriber')}; now nobody is subscribed."]
    if suppressed:
        lines.append(f"{plural(suppressed, 'subscriber')} cannot be sent to, because their addresses are suppressed.")
    next_step = (
        f"See why with newsletter suppressions list and newsletter subscribers list{rules.option}. To undo what an issue has "
        f"suppressed, run newsletter suppressions remove --issue {before[0].argument}"
    )
    values = alert_values(f"There is nobody to send the issue of {in_words(due.slot)} to", lines, next_step)
    return notify(tx, "alarm", f"{due.slot} nobody", owner, values, now)


# -- the report --------------------------------------------------------------------------------------


def _is_reportable(tx: Tx, rules: Rules, issue: IssueFacts, now: datetime) -> bool:
    """Is an issue done, or is it noon even though some deliveries are still open, and was it not reported on?"""
    started = issue.started_at
    if started is None or now - started > REPORT_WITHIN or tx.calendar.was_notified(REPORT, str(issue.number)):
        return False
    if issue.state is IssueState.SENDING:
        if tx.issues.only_waits(issue.number):  # until another day: whoever gets it today has it
            return tx.issues.may_have_reached(issue.number)
        return now >= _report_by(rules, started) and not tx.calendar.was_notified(WAITS, str(issue.number))
    return issue.state is IssueState.DONE


def _report(tx: Tx, rules: Rules, owner: Sequence[str], health: Health, now: datetime) -> int:
    issue = tx.issues.get(health.number)
    if issue.state is IssueState.SENDING and not health.results.sent:  # the report follows when it is done
        return notify(tx, WAITS, str(issue.number), owner, _alert(tx, issue, health, is_open=True), now)
    if issue.audience and (not health.results.sent or health.results.little_arrived):
        return notify(tx, REPORT, str(issue.number), owner, _alert(tx, issue, health), now)
    lines = upcoming_slots(tx, rules, now, rules.schedule.slots_in(HORIZON)).lines()
    started = issue.started_at or now
    before = [
        other.started_at
        for other in tx.issues.recent(RECENT)
        if other.number < issue.number and other.started_at and not other.quarter
    ]
    week = tx.calendar.list_growth(before[0] if before else started - WEEK, now)
    shares = shares_of(tx, issue)
    after = [line for line in lines if line.tip and (issue.slot is None or line.date > issue.slot)]
    left, first = runway(lines), next(iter(after), None)
    waits = tx.issues.waits(issue.number)
    another_day = waits.number if waits else 0
    values = {
        "number": issue.shown,
        "argument": issue.argument,
        "issue": issue.number,
        "subject": issue.subject,
        "quarter": issue.quarter,
        "audience": issue.audience,
        "shares": asdict(shares) if shares else None,
        "course": asdict(standing_of(tx)) if is_course(tx) else None,
        "sent": issue.counts.get("sent", 0),
        "deferred": issue.counts.get("deferred", 0) + issue.counts.get("pending", 0) - another_day,
        "another_day": another_day,
        "rejected": issue.counts.get("rejected", 0) + issue.counts.get("failed", 0),
        "held": issue.counts.get("held", 0),
        "notes": health.lines if issue.state is IssueState.DONE else [],
        "joined": week.joined,
        "left": week.left,
        "fresh_weeks": left.fresh_weeks,
        "fresh_until": left.fresh_until.isoformat() if left.fresh_until else "",
        "warning": left.warning(),
        "next": calendar_line(first) if first else None,
    }
    return notify(tx, REPORT, str(issue.number), owner, values, now, kind="report")


def _alert(tx: Tx, issue: IssueFacts, health: Health, *, is_open: bool = False) -> Mapping[str, object]:
    """In place of a report, if at most a few emails arrived. is_open: the others are tried again."""
    counts = [(state, number) for state, number in issue.counts.items() if number and state != "sent"]
    replies = [
        f"{number:,} replies were: {reply.partition(' ')[2]}" for reply, number in tx.issues.replies(issue.number, 2)
    ]
    states = ", ".join(f"{number:,} {state}" for state, number in counts)
    if issue.subject:
        states = f"“{issue.subject}”: {states}"
    lines = [ended(sentence(line)) for line in (states, *replies)]
    if is_open:
        next_step = "The emails are tried again automatically. To see what is wrong, run newsletter doctor"
        return alert_values(f"Issue {issue.shown} has not reached anyone yet", lines, next_step)
    sent, all_ = health.results.sent, plural(issue.audience, "subscriber")
    who = f"Only {sent:,} of {all_}" if sent else f"None of {all_}"
    next_step = (
        f"See who: newsletter issues deliveries {issue.argument}. When the mail server works, run "
        f"newsletter issues retry-failed {issue.argument}"
    )
    return alert_values(f"{who} received issue {issue.shown}", [*lines, *health.lines], next_step)


def _report_by(rules: Rules, started: datetime) -> datetime:
    """When the report on an issue goes out at the latest. started: when its audience was frozen; aware."""
    noon = datetime.combine(rules.schedule.day_of(started), REPORT_BY, rules.schedule.zone)
    return noon if noon - started >= SENDING_TIME else started + REPORT_AFTER
