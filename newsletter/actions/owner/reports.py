"""What the owner is told, each thing once: previews, reports, alarms, runway, ageing; mails wait for `notices`.

Rung every minute by the daemon. What was told stands in the database, so that a restart repeats nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta

from newsletter.actions.calendar.plan import NextIssue, Rules, last_slot, next_issue, upcoming_slots
from newsletter.actions.issues.audience import shares_for, shares_of
from newsletter.actions.tips.lint import LintResult, lint_tips
from newsletter.domain.calendar.forecast import HORIZON, ForecastSlot, runway
from newsletter.domain.calendar.schedule import WEEK, due_slot
from newsletter.domain.dates import moment_in_words
from newsletter.domain.delivery.issue import IssueFacts, IssueState
from newsletter.domain.english import plural, sentence
from newsletter.domain.tips.lint import Level
from newsletter.domain.tips.season_rule import in_words
from newsletter.ports.store import Store, Tx

PREVIEW_BEFORE = timedelta(days=1)
REPORT_OPEN_AFTER = timedelta(days=1)
"""An issue that still waits for slow receivers is reported on after this time."""
REPORT_WITHIN = timedelta(days=6)
COMING = 3  # lines in a mail
LINTED = 8  # issues ahead
NIGHT = 3  # o'clock, in the newsletter's zone
RECENT = 3  # issues
PAUSED = "paused"


def notify_owner(store: Store, rules: Rules, owner: str, now: datetime) -> int:
    """One round: everything the owner should know by now and does not; how many mails wait now. owner: an address."""
    mails = 0
    coming = next_issue(store, rules, now)
    with store.write() as tx:
        mails += _preview(tx, rules, owner, coming, now)
        mails += sum(_report(tx, rules, owner, issue, now) for issue in tx.issues.recent(RECENT))
        mails += notify_of_pauses(tx, owner, now)
        mails += _alarm(tx, rules, owner, now)
        is_night = now.astimezone(rules.schedule.zone).hour >= NIGHT
        tonight = is_night and tx.calendar.mark_notified("night", rules.schedule.day_of(now).isoformat(), now)
    return mails + (_nightly(store, rules, owner, now) if tonight else 0)


# -- before ------------------------------------------------------------------------------------------


def _preview(tx: Tx, rules: Rules, owner: str, coming: NextIssue, now: datetime) -> int:
    """The letter the day before; again when another tip has taken its place."""
    waits = coming.due_at <= now
    if coming.due_at - now > PREVIEW_BEFORE or coming.audience == 0 or (waits and not coming.waits):
        return 0
    if coming.tip is None:
        lines = [f"{sentence(coming.reason)}.", "Without a tip, no email is sent that day."]
        next_step = (
            "To import tips, run newsletter tips import PATH…; to skip the date, run newsletter calendar skip DATE"
        )
        about = f"There is nothing to send on {in_words(coming.slot)}"
        return _notify(tx, "empty", coming.slot.isoformat(), owner, _alarm_values(about, lines, next_step), now)
    about = f"{coming.slot} {coming.tip.key}"
    if tx.calendar.was_notified("preview", about):
        return 0
    due_at = coming.due_at.astimezone(rules.schedule.zone)
    issue, shares = tx.issues.for_slot(coming.slot), shares_for(tx, rules, coming.slot, coming.tip.key)
    values = {
        "slot": coming.slot.isoformat(),
        "due_at": f"{moment_in_words(due_at)} {due_at:%Z}",
        "tip_id": coming.tip.id,
        "title": coming.tip.title,
        "reason": coming.reason,
        "number": issue.number if issue else tx.issues.last_number() + 1,
        "audience": shares.own if shares else coming.audience,
        "shares": asdict(shares) if shares else None,
        "waits": coming.waits,
        "then": _lines(upcoming_slots(tx, rules, now, COMING + 1).lines(), after=coming.slot),
    }
    return _notify(tx, "preview", about, owner, values, now, kind="preview")


# -- after -------------------------------------------------------------------------------------------


def _report(tx: Tx, rules: Rules, owner: str, issue: IssueFacts, now: datetime) -> int:
    """How an issue went, once: when it is done, or after a day if some letters still wait."""
    started = issue.started_at
    if started is None or now - started > REPORT_WITHIN or tx.calendar.was_notified("report", str(issue.number)):
        return 0
    if issue.state is not IssueState.DONE and (
        issue.state is not IssueState.SENDING or now - started < REPORT_OPEN_AFTER
    ):
        return 0
    issue, lines = tx.issues.get(issue.number), upcoming_slots(tx, rules, now, HORIZON).lines()
    before = [
        other.started_at
        for other in tx.issues.recent(RECENT)
        if other.number < issue.number and other.started_at and not other.quarter
    ]
    week = tx.calendar.list_growth(before[0] if before else started - WEEK, now)
    shares = shares_of(tx, issue)
    left, first = runway(lines), next((line for line in lines if line.tip), None)
    values = {
        "number": issue.number,
        "subject": issue.subject,
        "quarter": issue.quarter,
        "audience": issue.audience,
        "shares": asdict(shares) if shares else None,
        "sent": issue.counts.get("sent", 0),
        "deferred": issue.counts.get("deferred", 0) + issue.counts.get("pending", 0),
        "rejected": issue.counts.get("rejected", 0) + issue.counts.get("failed", 0),
        "held": issue.counts.get("held", 0),
        "joined": week.joined,
        "left": week.left,
        "fresh_weeks": left.fresh_weeks,
        "fresh_until": left.fresh_until.isoformat() if left.fresh_until else "",
        "warning": left.warning(),
        "next": _line(first) if first else None,
    }
    return _notify(tx, "report", str(issue.number), owner, values, now, kind="report")


def notify_of_pauses(tx: Tx, owner: str, now: datetime) -> int:
    """Every issue that stopped without the owner's hand. Said at once by who stopped it, and here if that was killed."""
    return sum(
        _notify(
            tx,
            PAUSED,
            str(issue.number),
            owner,
            _alarm_values(
                f"Issue {issue.number} is paused",
                [issue.pause_reason],
                f"Fix that, then run: newsletter issues resume {issue.number}",
            ),
            now,
        )
        for issue in tx.issues.paused()
    )


def _alarm(tx: Tx, rules: Rules, owner: str, now: datetime) -> int:
    """A slot went by without an issue. A pause was told when it began."""
    last = last_slot(tx, rules, now)
    if last.ok or last.state is IssueState.PAUSED:
        return 0
    begins = due_slot(rules.schedule, now, rules.late_window).due_at
    until = (begins + rules.late_window).astimezone(rules.schedule.zone)
    late = (
        "It is now too late to send this one."
        if now > begins + rules.late_window
        else f"It can still be sent until {moment_in_words(until)}."
    )
    steps = {
        IssueState.NO_CONTENT: "Import tips: newsletter tips import PATH…",
        IssueState.MISSED: f"Run newsletter doctor to find out why. The tip will be sent next, on {in_words(last.slot + WEEK)}.",
        None: f"Run newsletter calendar approve {last.slot}, or newsletter calendar skip {last.slot}",
    }
    next_step = (
        steps.get(last.state, "newsletter doctor")
        if last.explained
        else "Run newsletter doctor to find out what is wrong"
    )
    values = _alarm_values(f"No issue was sent on {in_words(last.slot)}", [f"{sentence(last.words)}.", late], next_step)
    return _notify(tx, "alarm", f"{last.slot} {last.state or last.explained}", owner, values, now)


# -- at night ----------------------------------------------------------------------------------------


def _nightly(store: Store, rules: Rules, owner: str, now: datetime) -> int:
    """Once a day: how long the tips last, and what in the next ones will read wrong."""
    with store.read() as tx:
        lines = upcoming_slots(tx, rules, now, HORIZON).lines()
    ahead = {line.tip: line.date for line in lines[:LINTED] if line.tip}
    linted = lint_tips(store, tuple(ahead), rules.schedule.day_of(now)) if ahead else []
    with store.write() as tx:
        return _runway(tx, owner, lines, now) + _notify_of_lint(tx, owner, linted, ahead, now)


def _runway(tx: Tx, owner: str, lines: Sequence[ForecastSlot], now: datetime) -> int:
    left = runway(lines)
    level = str(left.level or "")
    tx.calendar.clear_notified("runway", keep=level)
    if not level:
        return 0
    warning = left.warning()
    values = _alarm_values(
        f"Fresh tips for {plural(left.fresh_weeks, 'week')}" if left.fresh_weeks else "No fresh tips are left",
        [f"{sentence(warning)}."],
        "To import tips, run newsletter tips import PATH…; to see the plan, run newsletter calendar",
    )
    return _notify(tx, "runway", level, owner, values, now)


def _notify_of_lint(tx: Tx, owner: str, linted: Sequence[LintResult], ahead: Mapping[str, date], now: datetime) -> int:
    """What is new of the faults and warnings; a note is worth no mail."""
    lines = []
    for tip in linted:
        for found in tip.findings:
            about = f"{tip.key} {found.rule} {hashlib.blake2b(found.excerpt.encode(), digest_size=8).hexdigest()}"
            if found.level is not Level.NOTE and tx.calendar.mark_notified("lint", about, now):
                where = f"“{tip.title}”, {in_words(ahead[tip.key])}, {found.part}, line {found.line}"
                lines.append(f"{where}: “{found.excerpt}”: {found.reason}. {found.suggestion}.")
    if not lines:
        return 0
    about = f"{plural(len(lines), 'passage')} to check in the coming tips"
    tx.transactional.add(
        "alarm",
        owner,
        _alarm_values(
            about, lines, "To fix a tip, run newsletter tips edit KEY; to check it again, run newsletter tips lint KEY"
        ),
        now,
    )
    return 1


# -- all of them -------------------------------------------------------------------------------------


def _notify(
    tx: Tx, what: str, about: str, owner: str, values: Mapping[str, object], now: datetime, *, kind: str = "alarm"
) -> int:
    if not tx.calendar.mark_notified(what, about, now):
        return 0
    tx.transactional.add(kind, owner, values, now)
    return 1


def _alarm_values(headline: str, lines: Sequence[str], next_step: str) -> Mapping[str, object]:
    return {"headline": headline, "lines": list(lines), "next_step": next_step}


def _lines(lines: Sequence[ForecastSlot], *, after: date) -> list[Mapping[str, str]]:
    return [_line(line) for line in lines if line.date > after][:COMING]


def _line(line: ForecastSlot) -> Mapping[str, str]:
    return {"date": line.date.isoformat(), "title": line.title, "reason": line.reason}
