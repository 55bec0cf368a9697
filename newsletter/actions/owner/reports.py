"""Queue emails to the owner, each once: previews, reports, alerts, the runway, and lint findings of the coming tips.

What the owner has been notified of is recorded in the same transaction as the email is queued, so that a restart
neither repeats nor loses one. `actions.transactional` sends the queue.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta

from newsletter.actions.calendar.approval import Words, void_changed
from newsletter.actions.calendar.course import is_course
from newsletter.actions.calendar.plan import NextIssue, Rules, last_slot, next_issue, upcoming_slots
from newsletter.actions.issues.audience import shares_for
from newsletter.actions.issues.errors import Errors
from newsletter.actions.owner.problems import check_coming, errors_of_next, problem_alert
from newsletter.actions.owner.queue import add, alert_values, calendar_line, notify
from newsletter.actions.owner.results import due_results, nobody_left, tell_result
from newsletter.actions.owner.waiting import notify_of_waiting
from newsletter.actions.tips.lint import LintResult, lint_tips
from newsletter.actions.unsent import FOR_THE_OWNER, unsent_emails
from newsletter.actions.unsent import in_words as in_words_of
from newsletter.domain.calendar.forecast import HORIZON, ForecastSlot, runway
from newsletter.domain.dates import AMERICAN, moment_in_words
from newsletter.domain.delivery.issue import IssueState, is_about_every_email
from newsletter.domain.english import ended, plural, sentence
from newsletter.domain.lists import shown_number
from newsletter.domain.tips.lint import Level
from newsletter.domain.tips.season_rule import in_words
from newsletter.ports.store import Store, Tx

PREVIEW_BEFORE = timedelta(days=1)
COMING = 3  # slots listed in an email
LINTED = 8  # slots ahead whose tips are checked each night
NIGHT = 3  # hour, in the newsletter's time zone
PAUSED = "paused"
RESUMED = "resumed"  # the owner has seen why the issue was paused, and wants it sent


def notify_owner(
    store: Store, rules: Rules, owner: Sequence[str], now: datetime, errors: Callable[[], Errors], words: Words
) -> int:
    """Queue everything the owner should know by now and has not been told; how many emails. owner: email addresses."""
    queued = 0
    coming = next_issue(store, rules, now)  # outside of the write transaction, to keep that short
    is_near = coming.due_at - now <= PREVIEW_BEFORE
    if rules.approval and is_near and not coming.waits and void_changed(store, words, coming.slot):
        coming = next_issue(store, rules, now)
    found, results = tuple[str, ...](), due_results(store, rules, now)
    if _is_preview_due(store, coming, now):
        found = errors_of_next(store, rules, coming, now, errors)
        coming = next_issue(store, rules, now)  # another one, if a tip is passed over
    with store.write() as tx:
        queued += _problems(tx, owner, coming, now)
        queued += _preview(tx, rules, owner, coming, now, found)
        queued += sum(tell_result(tx, rules, owner, result, now) for result in results)
        queued += nobody_left(tx, rules, owner, now)
        queued += notify_of_pauses(tx, owner, now)
        queued += notify_of_waiting(tx, owner, now)
        queued += _missed(tx, rules, owner, coming, now)
        queued += _missed_extras(tx, rules, owner, now)
        queued += 0 if rules.list_key else _unsent(tx, rules, owner, now)  # they are of no list
        is_night = now.astimezone(rules.schedule.zone).hour >= NIGHT
        tonight = is_night and tx.calendar.mark_notified("night", rules.schedule.day_of(now).isoformat(), now)
    return queued + (_nightly(store, rules, owner, now, errors) if tonight else 0)


# -- before the issue --------------------------------------------------------------------------------


def _is_preview_due(store: Store, coming: NextIssue, now: datetime) -> bool:
    if coming.tip is None or coming.audience == 0 or coming.due_at - now > PREVIEW_BEFORE:
        return False
    with store.read() as tx:
        return not tx.calendar.was_notified("preview", f"{coming.slot} {coming.tip.key}")


def _problems(tx: Tx, owner: Sequence[str], coming: NextIssue, now: datetime) -> int:
    """Alert the owner to tips that are passed over. The one that stops the issue is in the preview or in its own alert."""
    is_near = coming.due_at - now <= PREVIEW_BEFORE and coming.audience > 0
    held = {coming.tip.key} if coming.tip and coming.tip.problem and is_near else set[str]()
    found = problem_alert(tx, held, now)
    return add(tx, owner, alert_values(*found), now) if found else 0


def _preview(
    tx: Tx, rules: Rules, owner: Sequence[str], coming: NextIssue, now: datetime, errors: Sequence[str]
) -> int:
    """Preview the next issue a day ahead; again when another tip has been planned since."""
    is_due = coming.due_at <= now
    # An issue that is due is being sent, so a preview would come too late, unless the issue waits for the owner.
    if coming.due_at - now > PREVIEW_BEFORE or coming.audience == 0 or (is_due and not coming.waits):
        return 0
    if coming.tip is None:
        lines = [ended(sentence(coming.reason)), "Without a tip, no email is sent that day."]
        next_step = (
            f"To import tips, run newsletter tips import PATH…{rules.option}; "
            f"to skip the date, run newsletter calendar skip {coming.slot}{rules.option}"
        )
        about = f"There is nothing to send on {in_words(coming.slot)}"
        return notify(tx, "empty", coming.slot.isoformat(), owner, alert_values(about, lines, next_step), now)
    about = f"{coming.slot} {coming.tip.key}"
    if tx.calendar.was_notified("preview", about):
        return 0
    due_at = coming.due_at.astimezone(rules.schedule.zone)
    issue, shares = tx.issues.for_slot(coming.slot), shares_for(tx, rules, coming.slot, coming.tip.key)
    values = {
        "slot": coming.slot.isoformat(),
        "due_at": f"{moment_in_words(due_at)} {due_at:%Z}",
        "days": (coming.slot - rules.schedule.day_of(now)).days,
        "tip_id": coming.tip.id,
        "title": coming.tip.title,
        "reason": coming.reason,
        "number": issue.shown if issue else shown_number(tx.issues.next_number(rules.first_issue)),
        "audience": shares.own if shares and not shares.course else coming.audience,
        "course": is_course(tx),
        "shares": asdict(shares) if shares else None,
        "waits": coming.waits,
        "errors": list(errors),
        "every": any(map(is_about_every_email, errors)),
        "key": coming.tip.key,
        "then": _lines(upcoming_slots(tx, rules, now, COMING + 1).lines(), after=coming.slot),
    }
    return notify(tx, "preview", about, owner, values, now, kind="preview")


# -- after the issue; `actions.owner.results` has the report ------------------------------------------


def notify_of_pauses(tx: Tx, owner: Sequence[str], now: datetime) -> int:
    """Alert the owner to every issue that the circuit breaker has paused.

    The sender that pauses an issue calls this immediately; `notify_owner` calls it again in case the sender was killed.
    """
    return sum(
        notify(
            tx,
            PAUSED,
            str(issue.number),
            owner,
            alert_values(
                f"Issue {issue.shown} is paused",
                [ended(issue.pause_reason)],
                f"See who: newsletter issues deliveries {issue.argument}. To continue: newsletter issues resume {issue.argument}",
            ),
            now,
        )
        for issue in tx.issues.paused()
    )


def _missed(tx: Tx, rules: Rules, owner: Sequence[str], coming: NextIssue, now: datetime) -> int:
    """Alert the owner to a slot that passed without an issue; `notify_of_pauses` reports a paused one."""
    last = last_slot(tx, rules, now)
    if last.ok or last.state is IssueState.PAUSED:
        return 0
    if last.fix:
        values = alert_values("Check the clock of this computer", [ended(sentence(last.words))], last.fix)
        return notify(tx, "alarm", f"{last.slot} clock", owner, values, now)
    begins = rules.schedule.starts_at(last.slot)
    until = (begins + rules.late_window).astimezone(rules.schedule.zone)
    late = (
        "It is now too late to send this one."
        if now > begins + rules.late_window
        else f"It can still be sent until {moment_in_words(until)}."
    )
    key = coming.tip.key if coming.tip else "KEY"
    fix_tip = (
        "Run newsletter templates check, and fix what it names"
        if is_about_every_email(coming.waits)
        else f"Fix the tip with newsletter tips edit {key}, and the issue is sent. "
        f"To send it as it is, run newsletter issues send --anyway{rules.option}"
    )
    steps = {
        IssueState.PLANNED: fix_tip,
        IssueState.PREPARING: fix_tip,
        IssueState.NO_CONTENT: f"Import tips: newsletter tips import PATH…{rules.option}",
        IssueState.MISSED: _after_missed(coming),
        None: f"Run newsletter calendar approve {last.slot}{rules.option}, or newsletter calendar skip {last.slot}{rules.option}",
    }
    find_out = "Run newsletter doctor to find out what is wrong"
    next_step = steps.get(last.state, find_out) if last.explained else find_out
    values = alert_values(f"No issue was sent on {in_words(last.slot)}", [ended(sentence(last.words)), late], next_step)
    return notify(tx, "alarm", f"{last.slot} {last.state or last.explained}", owner, values, now)


def _missed_extras(tx: Tx, rules: Rules, owner: Sequence[str], now: datetime) -> int:
    """Alert the owner to extra issues that were not sent in time, and return their tips to the queue."""
    queued = 0
    for extra in tx.calendar.extras_until(now - rules.late_window):
        when = f"{in_words(extra.day)} at {AMERICAN.time(extra.at.astimezone(rules.schedule.zone))}"
        why = "the newsletter was not running in time, or had no subscribers"
        if not extra.can_be_sent:
            why = "its tip is retired, or only a teaser"
        values = alert_values(
            f"An extra issue was not sent on {in_words(extra.day)}",
            [f"“{extra.title}” was planned for {when}, but {why}.", "The tip is no longer pinned."],
            f"To send it now, run newsletter issues send --extra --tip {extra.key}{rules.option}",
        )
        queued += add(tx, owner, values, now)
        tx.calendar.pin(extra.key, None)
    return queued


def _after_missed(coming: NextIssue) -> str:
    """What follows a missed issue, as the calendar has it."""
    find_out = "Run newsletter doctor to find out why."
    if coming.tip is None:
        return find_out
    return f"{find_out} The next issue is “{coming.tip.title}”, on {in_words(coming.slot)}."


def _unsent(tx: Tx, rules: Rules, owner: Sequence[str], now: datetime) -> int:
    """Alert the owner, at most once a day, to emails for subscribers that the mail server did not accept."""
    lines = [in_words_of(one) for one in unsent_emails(tx, now) if one.kind not in FOR_THE_OWNER]
    if not lines:
        return 0
    day = rules.schedule.day_of(now).isoformat()
    values = alert_values(
        "Emails to subscribers could not be sent",
        [sentence(ended(line)) for line in lines],
        "Emails that wait are tried again for 48 hours. To see what the mail server says, run newsletter doctor",
    )
    return notify(tx, "unsent", day, owner, values, now)


# -- at night ----------------------------------------------------------------------------------------


def _nightly(store: Store, rules: Rules, owner: Sequence[str], now: datetime, errors: Callable[[], Errors]) -> int:
    """Once a day: check how long the tips last, and check and lint the tips of the next slots."""
    check_coming(store, rules, LINTED, now, errors)
    with store.read() as tx:
        lines = upcoming_slots(tx, rules, now, rules.schedule.slots_in(HORIZON)).lines()
    # Forecast and lint run before the write transaction, because a long one would block the sender.
    ahead = {line.tip: line.date for line in lines[:LINTED] if line.tip}
    linted = lint_tips(store, tuple(ahead), rules.schedule.day_of(now)) if ahead else []
    with store.write() as tx:
        return _runway(tx, rules, owner, lines, now) + _notify_of_lint(tx, owner, linted, ahead, now)


def _runway(tx: Tx, rules: Rules, owner: Sequence[str], lines: Sequence[ForecastSlot], now: datetime) -> int:
    left = runway(lines)
    level = str(left.level or "")
    tx.calendar.clear_notified("runway", keep=level)
    if not level:
        return 0
    warning = left.warning()
    values = alert_values(
        f"Fresh tips for {plural(left.fresh_weeks, 'week')}" if left.fresh_weeks else "No fresh tips are left",
        [ended(sentence(warning))],
        f"To import tips, run newsletter tips import PATH…{rules.option}; to see the plan, run newsletter calendar{rules.option}",
    )
    return notify(tx, "runway", level, owner, values, now)


def _notify_of_lint(
    tx: Tx, owner: Sequence[str], linted: Sequence[LintResult], ahead: Mapping[str, date], now: datetime
) -> int:
    """List the new findings in one email; those of the level `note` are left out."""
    lines, keys = [], dict[str, str]()
    for tip in linted:
        for found in tip.findings:
            # The excerpt is part of the key, so that an edit that adds another finding of the same rule is reported too.
            about = f"{tip.key} {found.rule} {hashlib.blake2b(found.excerpt.encode(), digest_size=8).hexdigest()}"
            if found.level is not Level.NOTE and tx.calendar.mark_notified("lint", about, now):
                where = f"“{tip.title}”, {in_words(ahead[tip.key])}, {found.part}, line {found.line}"
                lines.append(f"{where}: “{found.excerpt}”: {found.reason}. {ended(found.suggestion)}")
                keys[tip.key] = f"newsletter tips edit {tip.key}"
    if not lines:
        return 0
    about = f"{plural(len(lines), 'passage')} to check in the coming tips"
    next_step = f"To fix them, run {'; '.join(keys.values())}"
    return add(tx, owner, alert_values(about, lines, next_step), now)


# -- the calendar in an email -------------------------------------------------------------------------


def _lines(lines: Sequence[ForecastSlot], *, after: date) -> list[Mapping[str, str]]:
    return [calendar_line(line) for line in lines if line.date > after][:COMING]
