"""Take a tip out of an issue that is still being prepared, so that it is never sent by it."""

from __future__ import annotations

from datetime import datetime

from newsletter.domain.calendar.overrides import Override
from newsletter.domain.delivery.issue import IssueEvent, IssueFacts, IssueState
from newsletter.domain.tips.tip import TipCard
from newsletter.ports.store import Tx

_RETIRED = "its tip was retired"


def release(tx: Tx, issue: IssueFacts, now: datetime, why: str) -> None:
    """Unbind the tip of an issue in `preparing`, in the transaction that decides it.

    The issue of a slot gets another tip, and so does the quarterly email. An extra issue was about this one tip, so it is
    canceled for this reason.
    """
    if issue.slot:
        tx.issues.change(issue.number, IssueEvent.UNBIND, now)
    elif issue.quarter:
        tx.issues.discard(issue.number)
    else:
        tx.issues.change(issue.number, IssueEvent.CANCEL, now, reason=why)


def release_retired(tx: Tx, card: TipCard, now: datetime) -> None:
    """Take a tip that was just retired out of every issue that is not frozen yet; no approval of it counts anymore."""
    for issue in tx.issues.open():
        if issue.tip_id == card.id and issue.state is IssueState.PREPARING:
            release(tx, issue, now, _RETIRED)
    forget_approvals(tx, card)


def forget_approvals(tx: Tx, card: TipCard) -> None:
    """No approval of this tip counts anymore."""
    for slot, override in tx.calendar.overrides().items():
        if override.kind is Override.APPROVE and override.about == card.key:
            tx.calendar.set_override(slot, None)
