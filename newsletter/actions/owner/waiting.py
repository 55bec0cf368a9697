"""Tell the owner, once, that a mail server has asked us to wait with many emails of an issue for an hour."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from newsletter.actions.owner.queue import alert_values, notify
from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.english import ended
from newsletter.ports.store import Tx

DEFERRED = "deferred"


def notify_of_waiting(tx: Tx, owner: Sequence[str], now: datetime) -> int:
    """Alert the owner to each issue that waits for its mail server; how many emails were queued."""
    queued = 0
    for issue in tx.issues.open():
        about = str(issue.number)
        if (
            issue.state is not IssueState.SENDING
            or issue.started_at is None
            or tx.calendar.was_notified(DEFERRED, about)
        ):
            continue
        waiting = tx.issues.waiting(issue.number)
        if waiting is None or not waiting.is_news(issue.audience, issue.started_at, now):
            continue
        sent = tx.issues.get(issue.number).counts.get("sent", 0)
        lines = [
            f"The mail server has accepted {sent:,} of {issue.audience:,} emails. {waiting.summary}",
            f"Its most frequent reply: {ended(waiting.reply)}",
            "These emails are tried again for 48 hours, less and less often. Nobody is left out yet.",
        ]
        next_step = (
            "Ask your mail provider what this reply means. "
            f"To see who waits, run newsletter issues deliveries {issue.argument} --state deferred"
        )
        headline = f"Issue {issue.shown} waits for the mail server"
        queued += notify(tx, DEFERRED, about, owner, alert_values(headline, lines, next_step), now)
    return queued
