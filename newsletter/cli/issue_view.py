"""An issue as JSON and as words: the one shape that send, resume, status and list share."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from newsletter.domain.delivery.delivery import OPEN, SkipReason, State
from newsletter.domain.delivery.issue import IN_PROGRESS, IssueState

if TYPE_CHECKING:
    from newsletter.actions.calendar.plan import NextIssue
    from newsletter.cli.output import Output
    from newsletter.domain.calendar.substitutes import Shares
    from newsletter.domain.delivery.issue import IssueFacts

FAILED = 1
PARTLY = 4


def iso(at: date | None) -> str | None:
    """A day or a time as JSON has it."""
    return at.isoformat() if at else None


def issue_document(issue: IssueFacts) -> dict[str, object]:
    """The keys of `issues send` and `issues status` (contract)."""
    return {
        "issue": issue.number,
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
    """How many readers each tip of the issue has."""
    everybody = issue.audience - issue.skipped_for.get(SkipReason.ALREADY_RECEIVED, 0)
    return dict(issue.tips) or ({issue.tip_key: everybody} if issue.tip_key and everybody else {})


def exit_code_of(issue: IssueFacts) -> int:
    """0 all final, 4 some rows wait for later, 1 nothing could be sent at all."""
    if issue.state is IssueState.NO_CONTENT:
        return FAILED
    waiting = any(issue.counts.get(state.value, 0) for state in OPEN)
    return PARTLY if waiting or issue.state in IN_PROGRESS else 0


def draw_issue(output: Output, issue: IssueFacts, *, took: float | None = None) -> None:
    """A panel: the issue, its tip, and how many letters are where. took: seconds."""
    counts = [(state.value, issue.counts.get(state.value, 0)) for state in State]
    skipped = ", ".join(f"{number} {reason}" for reason, number in issue.skipped_for.items())
    facts: list[tuple[str, object]] = [
        ("tip", f"{issue.subject} ({issue.tip_key})" if issue.subject else issue.tip_key),
        *((f"{number} get", key) for key, number in issue.tips.items() if key != issue.tip_key),
        ("state", issue.state.value),
        *([("because", issue.pause_reason)] if issue.pause_reason else []),
        ("audience", issue.audience),
        *((name, number) for name, number in counts if number),
        *([("skipped for", skipped)] if skipped else []),
        ("started", output.when(issue.started_at)),
        ("done", output.when(issue.done_at)),
    ]
    if took is not None:
        sent = issue.counts.get(State.SENT.value, 0)
        facts.append(
            ("took", f"{took:.1f} s" + (f", {sent / took:,.0f} letters a second" if sent and took > 1 else ""))
        )
    day = output.day(issue.slot) if issue.slot else issue.quarter or "outside the calendar"
    output.facts(facts, title=f"Issue {issue.number} · {day}")


def next_document(coming: NextIssue) -> dict[str, object]:
    """The keys of `issues next` (contract)."""
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
    """Who gets what of an issue whose tip not everybody gets; None when everybody does."""
    if shares is None:
        return None
    others = [{"tip": share.key, "title": share.title, "readers": share.readers} for share in shares.others]
    return {"own": shares.own, "others": others, "had_it": shares.had_it}


def subscriber_count(number: int) -> str:
    """`1 reader`, `60,000 readers`."""
    return f"{number:,} reader{'' if number == 1 else 's'}"


def next_issue_text(output: Output, coming: NextIssue) -> str:
    """When the next issue is, and what it will be."""
    what = f"“{coming.tip.title}”" if coming.tip else f"nothing yet: {coming.reason}"
    if coming.waits:
        return f"“{coming.tip.title if coming.tip else coming.slot}” of {output.day(coming.slot)} does not go: {coming.waits}."
    return f"No issue is due. The next is {output.when(coming.due_at)}: {what}, to {subscriber_count(coming.audience)}."
