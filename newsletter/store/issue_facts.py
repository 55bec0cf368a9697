"""Issues as the verbs see them: rows, their tips, and the counts of their deliveries; changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import func, text
from sqlmodel import Session, col, select

from newsletter.domain.delivery.delivery import SkipReason, State
from newsletter.domain.delivery.issue import IssueFacts, IssueState
from newsletter.store.tables import Delivery, Issue, SubstituteEmailRow, Tip

# In the order of the primary key, so that counting a million rows sorts none of them.
_STATES = tuple(state.value for state in State)
_COUNT = f"""SELECT issue_id, {", ".join(f"sum(state = '{state}')" for state in _STATES)}
    FROM delivery{{where}} GROUP BY issue_id"""  # noqa: S608  (states)


def read_issues(session: Session, rows: Sequence[Issue], *, counted: bool) -> list[IssueFacts]:
    """Rows as the verbs see them, in the same order. counted: with how many deliveries are in which state."""
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    skipped: dict[int, dict[str, int]] = defaultdict(dict)
    if counted:
        one = f" WHERE issue_id = {rows[0].id or 0:d}" if len(rows) == 1 else ""
        for issue, *numbers in session.connection().execute(text(_COUNT.format(where=one))):
            counts[issue] = dict(zip(_STATES, numbers, strict=True))
        asked = [issue for issue, numbers in counts.items() if numbers[State.SKIPPED]]
        query = select(Delivery.issue_id, col(Delivery.reason), func.count()).where(
            col(Delivery.issue_id).in_(asked), Delivery.state == State.SKIPPED
        )
        for issue, reason, number in session.exec(query.group_by(col(Delivery.issue_id), col(Delivery.reason))):
            skipped[issue][reason or ""] = number
    keys = dict(session.exec(select(Tip.id, Tip.key).where(col(Tip.id).in_({row.tip_id for row in rows}))).all())
    tips = _tips(session, [row.id or 0 for row in rows]) if counted else {}
    return [
        replace(
            _facts(row, keys.get(row.tip_id), counts[row.id or 0], skipped[row.id or 0]),
            tips=tips.get(row.id or 0, {}),
        )
        for row in rows
    ]


def _tips(session: Session, numbers: Sequence[int]) -> dict[int, dict[str, int]]:
    """For issues with more than one tip: how many readers each has."""
    shared = session.exec(
        select(SubstituteEmailRow.issue_id).where(col(SubstituteEmailRow.issue_id).in_(numbers)).distinct()
    ).all()
    found: dict[int, dict[str, int]] = {}
    for number in shared:
        tip_id = func.coalesce(Delivery.tip_id, Issue.tip_id)
        query = (
            select(Tip.key, func.count())
            .select_from(Delivery)
            .join(Issue, col(Issue.id) == Delivery.issue_id)
            .join(Tip, col(Tip.id) == tip_id)
            .where(Delivery.issue_id == number, func.coalesce(Delivery.reason, "") != SkipReason.ALREADY_RECEIVED)
            .group_by(Tip.key)
            .order_by(tip_id != Issue.tip_id, func.count().desc(), Tip.key)
        )
        found[number] = dict(session.exec(query).all())
    return found


def _facts(row: Issue, tip_key: str | None, counts: dict[str, int], skipped: dict[str, int]) -> IssueFacts:
    return IssueFacts(
        number=row.id or 0,
        slot=row.slot,
        due_at=row.due_at,
        state=IssueState(row.state),
        tip_id=row.tip_id,
        tip_key=tip_key,
        subject=row.subject,
        audience=row.audience,
        pause_reason=row.reason,
        started_at=row.started_at,
        done_at=row.done_at,
        counts={state.value: counts.get(state.value, 0) for state in State},
        skipped_for=skipped,
        quarter=row.quarter or "",
    )
