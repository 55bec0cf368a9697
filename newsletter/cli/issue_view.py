"""Show an issue as JSON and as text: the one form that `send`, `resume`, `status` and `list` share."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

from newsletter.domain.calendar.substitutes import MAX_NAMED
from newsletter.domain.delivery.delivery import OPEN, WHY_HELD, SkipReason, State, how_to_send_held
from newsletter.domain.delivery.issue import IN_PROGRESS, IssueState, how_to_fix
from newsletter.domain.english import plural
from newsletter.domain.lists import list_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from newsletter.actions.calendar.plan import NextIssue
    from newsletter.cli.output import Output
    from newsletter.domain.calendar.forecast import ForecastSlot
    from newsletter.domain.calendar.substitutes import Shares
    from newsletter.domain.delivery.issue import IssueFacts

FAILED = 1
NOT_FROZEN = (IssueState.PLANNED, IssueState.PREPARING)
PARTLY = 4
MIN_RATE = 2  # emails per second


def iso(at: date | None) -> str | None:
    """A date or a time for JSON."""
    return at.isoformat() if at else None


def issue_document(issue: IssueFacts) -> dict[str, object]:
    """The JSON of `issues send` and `issues status`; its keys are public (docs/api.md)."""
    return {
        "issue": issue.shown if issue.is_numbered else None,
        "slot": iso(issue.slot),
        "quarter": issue.quarter or None,
        "tip": issue.tip_key,
        "tips": _tips(issue),
        "state": issue.state.value,
        "audience": issue.audience,
        "counts": {state.value: issue.counts.get(state.value, 0) for state in State},
        "skipped_for": dict(issue.skipped_for),
        "subject": issue.subject,
        "reason": issue.pause_reason,
        "started_at": iso(issue.started_at),
        "done_at": iso(issue.done_at),
    }


def _tips(issue: IssueFacts) -> dict[str, int]:
    """How many subscribers get each tip of the issue."""
    all_ = issue.audience - issue.skipped_for.get(SkipReason.ALREADY_RECEIVED, 0)
    return dict(issue.tips) or ({issue.tip_key: all_} if issue.tip_key and all_ else {})


def exit_code_of(issue: IssueFacts) -> int:
    """0: every delivery is final; 4: some are still open; 1: there was nothing to send, or it is held."""
    if issue.state in (IssueState.NO_CONTENT, *NOT_FROZEN):
        return FAILED
    waiting = any(issue.counts.get(state.value, 0) for state in OPEN)
    return PARTLY if waiting or issue.state in IN_PROGRESS else 0


def draw_issue(
    output: Output,
    issue: IssueFacts,
    *,
    replies: Sequence[tuple[str, int]] = (),
    notes: Sequence[str] = (),
    next_at: datetime | None = None,
    took: float | None = None,
) -> None:
    """A panel with the issue, its tip and the number of deliveries in each state.

    replies: as `issues.replies`. notes: sentences about its refusals. next_at: when a deferred email is tried
    again. took: seconds.
    """
    counts = [(state.value, issue.counts.get(state.value, 0)) for state in State]
    held = issue.counts.get(State.HELD.value, 0)
    skipped = ", ".join(f"{number} {reason}" for reason, number in issue.skipped_for.items())
    facts: list[tuple[str, object]] = [
        ("tip", f"{issue.subject} ({issue.tip_key})" if issue.subject else issue.tip_key),
        *_other_tips(issue),
        ("state", issue.state.value),
        *([("because", issue.pause_reason)] if issue.pause_reason else []),
        *(
            [("to send it", how_to_fix(issue.tip_key or "KEY", issue.pause_reason, list_option(issue.list_key)))]
            if issue.pause_reason and issue.state in NOT_FROZEN
            else []
        ),
        ("audience", issue.audience),
        *((name, number) for name, number in counts if number),
        *([("why held", WHY_HELD), ("to send them once more", how_to_send_held(issue.argument))] if held else []),
        *((f"{number} replies" if number > 1 else "reply", reply.partition(" ")[2]) for reply, number in replies),
        *([("skipped for", skipped)] if skipped else []),
        *(("note" if place == 0 else "", note) for place, note in enumerate(notes)),
        *([("next attempt", output.when(next_at))] if next_at else []),
        ("started", output.when(issue.started_at)),
        ("done", output.when(None if issue.state in IN_PROGRESS else issue.done_at)),  # it may have been reopened
    ]
    if took is not None:
        sent = issue.counts.get(State.SENT.value, 0)
        # With a handful of emails, the time is that of the connection, and a rate of 0 or 1 says nothing.
        rate = f", {sent / took:,.0f} emails per second" if took > 1 and sent / took >= MIN_RATE else ""
        facts.append(("took", f"{took:.1f} s{rate}"))
    day = output.day(issue.slot) if issue.slot else issue.quarter or "outside the calendar"
    output.facts(facts, title=f"Issue {issue.shown} · {day}" if issue.is_numbered else f"Missed · {day}")


def _other_tips(issue: IssueFacts) -> list[tuple[str, object]]:
    """Who gets another tip than that of the issue; of the many tips of a course, the first ones."""
    others = [(f"{number} get", key) for key, number in issue.tips.items() if key != issue.tip_key]
    more = f"and {plural(len(others) - MAX_NAMED, 'other tip')}; all of them: --json"
    return [*others[:MAX_NAMED], *([("", more)] if len(others) > MAX_NAMED else [])]


def queued_again(issue: IssueFacts, number: int, *, dry_run: bool) -> str:
    """What `issues retry-failed` did, or would do, and what to do next. number: of the emails."""
    if not number:
        return "There is nothing to send again."
    are = "would be" if dry_run else "is" if number == 1 else "are"
    them = "it" if number == 1 else "them"
    resume = f"newsletter issues resume {issue.argument}"
    is_paused = issue.state is IssueState.PAUSED
    how = f"To send {them}, run {resume}" if is_paused else f"The daemon sends {them}; without it, run {resume}"
    return f"{plural(number, 'email')} {are} queued again. {how}"


def next_document(coming: NextIssue) -> dict[str, object]:
    """The JSON of `issues next`; its keys are public (docs/api.md)."""
    return {
        "slot": coming.slot.isoformat(),
        "due_at": iso(coming.due_at),
        "tip": coming.tip.key if coming.tip else None,
        "title": coming.tip.title if coming.tip else None,
        "reason": coming.reason,
        "waits": coming.waits or None,
        "audience": coming.audience,
    }


def substitutes_document(shares: Shares | None) -> dict[str, object] | None:
    """How many get which tip, for an issue with several; None if all get the same one."""
    if shares is None:
        return None
    others = [{"tip": share.key, "title": share.title, "readers": share.readers} for share in shares.others]
    return {"own": shares.own, "others": others, "had_it": shares.had_it}


def subscriber_count(number: int) -> str:
    """`1 subscriber`, `60,000 subscribers`."""
    return f"{number:,} subscriber{'' if number == 1 else 's'}"


def next_issue_text(output: Output, coming: NextIssue, extra: ForecastSlot | None) -> str:
    """When the next issue is due, and what it will be. extra: the extra issue before it."""
    what = f"“{coming.tip.title}”" if coming.tip else f"nothing yet: {coming.reason}"
    if coming.waits:
        title = coming.tip.title if coming.tip else coming.slot
        return f"“{title}” of {output.day(coming.slot)} is not sent: {coming.waits}."
    if extra and extra.at:
        before = f"The next is an extra issue, {output.when(extra.at)}: “{extra.title}”"
        return f"No issue is due. {before}. After that: {output.when(coming.due_at)}: {what}."
    return f"No issue is due. The next is {output.when(coming.due_at)}: {what}, to {subscriber_count(coming.audience)}."
