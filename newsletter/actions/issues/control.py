"""A person's hand on an issue: pause, resume, cancel, retry; sends nothing."""

from __future__ import annotations

from datetime import datetime

from newsletter.actions.owner.reports import PAUSED
from newsletter.domain.delivery.issue import IN_PROGRESS, IssueEvent, IssueFacts, IssueState
from newsletter.domain.errors import NotFound, Refused
from newsletter.ports.store import Store

_SEE = "See: newsletter issues list"
_CLOSED = (IssueState.CANCELLED, IssueState.MISSED)
_CANCELLABLE = (IssueState.PLANNED, IssueState.PREPARING, IssueState.SENDING, IssueState.PAUSED)


def pause(store: Store, number: int, now: datetime) -> IssueFacts:
    """No claim after this; letters in flight end. Raises NotFound, Refused."""
    with store.write() as tx:
        issue = tx.issues.get(number)
        if issue.state is not IssueState.SENDING:
            raise Refused(f"issue {number} is {issue.state}, not being sent", fix=_SEE)
        tx.calendar.mark_notified(PAUSED, str(number), now)  # whoever does it knows it
        return tx.issues.change(number, IssueEvent.PAUSE, now, reason="paused by hand")


def resume(store: Store, number: int | None, now: datetime) -> int:
    """Back to `sending`: a paused or unfinished issue, the newest such if no number is given; its number.

    Raises NotFound, Refused.
    """
    with store.write() as tx:
        if number is None:
            stopped = [issue.number for issue in (*tx.issues.open(), *tx.issues.paused()) if issue.state in IN_PROGRESS]
            number = max(stopped, default=None)
        if number is None:
            raise NotFound("no issue is paused or unfinished", fix=_SEE)
        issue = tx.issues.get(number)
        if issue.state not in IN_PROGRESS:
            raise Refused(f"issue {number} is {issue.state}, so there is nothing to resume", fix=_SEE)
        if issue.state is IssueState.PAUSED:
            tx.issues.change(number, IssueEvent.RESUME, now)
            tx.calendar.clear_notified(PAUSED, only=str(number))
        return number


def cancel(store: Store, number: int, now: datetime) -> IssueFacts:
    """End an issue for good: who has no letter yet is skipped, and a tip that reached nobody is fresh again.

    Letters in flight still end and are recorded. Raises NotFound, Refused.
    """
    with store.write() as tx:
        issue = tx.issues.get(number)
        if issue.state not in _CANCELLABLE:
            raise Refused(f"issue {number} is {issue.state}, so there is nothing to cancel", fix=_SEE)
        tx.issues.skip_open(number, "cancelled", now)
        return tx.issues.change(number, IssueEvent.CANCEL, now, reason="cancelled by hand")


def retry_failed(store: Store, number: int, now: datetime) -> IssueFacts:
    """Failed and held deliveries back to pending; `send`, `resume` or the daemon takes them. Raises NotFound, Refused."""
    with store.write() as tx:
        issue = tx.issues.get(number)
        if issue.state in _CLOSED:
            raise Refused(f"issue {number} is {issue.state}: nothing more of it is sent", fix=_SEE)
        tx.issues.retry(number, ("failed", "held"), now)
        return tx.issues.get(number)
