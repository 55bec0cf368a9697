"""Reads issues and deliveries as the use cases see them: with keys of tips, addresses and counts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from sqlalchemy import func, text
from sqlmodel import Session, col, select

from newsletter.domain.delivery.delivery import SkipReason, State
from newsletter.domain.delivery.issue import IssueFacts, IssueState
from newsletter.domain.lists import FIRST_LIST
from newsletter.domain.subscribers.subscriber import DeliveryFacts
from newsletter.store.lists import MailingListRow
from newsletter.store.tables import Delivery, Issue, SubstituteEmailRow, Tip
from newsletter.store.times import from_ms

# Grouped in the order of the primary key, so that counting a million rows needs no sort.
BLOCK = 50_000  # deliveries
_TIPS = f"""SELECT tip_id, sum(coalesce(reason, '') <> :received), max(id), count(*) FROM (
    SELECT tip_id, reason, subscriber_id AS id FROM delivery WHERE issue_id = :issue AND subscriber_id > :after
    ORDER BY subscriber_id LIMIT {BLOCK}) GROUP BY tip_id"""  # noqa: S608  (a number)
_UNDONE = (IssueState.CANCELLED, IssueState.MISSED)  # their tips have no run, in a list of any order
_STATES = tuple(state.value for state in State)
_COUNT = f"""SELECT issue_id, {", ".join(f"sum(state = '{state}')" for state in _STATES)}
    FROM delivery{{where}} GROUP BY issue_id"""  # noqa: S608  (states)


def read_issues(session: Session, rows: Sequence[Issue], *, counted: bool) -> list[IssueFacts]:
    """Rows as the use cases see them, in the same order. counted: with the number of deliveries in each state."""
    if not rows:
        return []
    numbers = [row.id or 0 for row in rows]
    keys = dict(session.exec(select(Tip.id, Tip.key).where(col(Tip.id).in_({row.tip_id for row in rows}))).all())
    counts = _counts(session, numbers) if counted else {}
    skipped = _skipped(session, counts)
    tips = _tips(session, numbers) if counted else {}
    lists = _keys_of_lists(session, {row.list_id for row in rows} - {FIRST_LIST})
    return [
        replace(
            _facts(row, keys.get(row.tip_id), counts.get(number, {}), skipped[number]),
            tips=tips.get(number, {}),
            list_key=lists.get(row.list_id, ""),
        )
        for number, row in zip(numbers, rows, strict=True)
    ]


def _keys_of_lists(session: Session, lists: Collection[int]) -> dict[int, str]:
    """The keys of lists by their ids; no query without any."""
    if not lists:
        return {}
    rows = session.exec(select(MailingListRow.id, MailingListRow.key).where(col(MailingListRow.id).in_(lists)))
    return {number or 0: key for number, key in rows}


def _counts(session: Session, numbers: Sequence[int]) -> dict[int, dict[str, int]]:
    """For each issue: the number of deliveries in each state. Counts all issues unless there is exactly one."""
    one = f" WHERE issue_id = {numbers[0]:d}" if len(numbers) == 1 else ""
    rows = session.connection().execute(text(_COUNT.format(where=one)))
    return {issue: dict(zip(_STATES, counts, strict=True)) for issue, *counts in rows}


def _skipped(session: Session, counts: dict[int, dict[str, int]]) -> dict[int, dict[str, int]]:
    """For each issue with skipped deliveries: how many were skipped for each reason."""
    found: dict[int, dict[str, int]] = defaultdict(dict)
    affected = [issue for issue, states in counts.items() if states[State.SKIPPED]]
    if not affected:
        return found
    query = select(Delivery.issue_id, col(Delivery.reason), func.count()).where(
        col(Delivery.issue_id).in_(affected), Delivery.state == State.SKIPPED
    )
    for issue, reason, number in session.exec(query.group_by(col(Delivery.issue_id), col(Delivery.reason))):
        found[issue][reason or ""] = number
    return found


def _tips(session: Session, numbers: Sequence[int]) -> dict[int, dict[str, int]]:
    """For each issue with substitute tips: how many subscribers get which tip, the issue's own first."""
    shared = session.exec(
        select(SubstituteEmailRow.issue_id).where(col(SubstituteEmailRow.issue_id).in_(numbers)).distinct()
    ).all()
    found: dict[int, dict[str, int]] = {}
    for number in shared:
        own, counts = session.exec(select(Issue.tip_id).where(Issue.id == number)).one(), Counter[int | None]()
        for tip_id, count in _tips_in_blocks(session, number):
            counts[own if tip_id is None else tip_id] += count
        keys = dict(session.exec(select(Tip.id, Tip.key).where(col(Tip.id).in_(counts))).all())
        order = sorted(counts, key=lambda tip_id: (tip_id != own, -counts[tip_id], keys[tip_id]))
        found[number] = {keys[tip_id]: counts[tip_id] for tip_id in order}
    return found


def _tips_in_blocks(session: Session, number: int) -> Iterator[tuple[int | None, int]]:
    """(tip_id, number of deliveries), several times for each tip: sorting all deliveries at once would take much memory."""
    after, seen = -1, BLOCK
    while seen == BLOCK:
        values = {"issue": number, "after": after, "received": SkipReason.ALREADY_RECEIVED.value}
        rows = session.connection().execute(text(_TIPS), values).all()
        seen, after = sum(row[3] for row in rows), max((row[2] for row in rows), default=0)
        yield from ((tip_id, count) for tip_id, count, _last, _all in rows if count)


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
        day=row.day or row.due_at.date(),
        is_course=row.slot is not None and row.tip_id is not None and row.run is None and row.state not in _UNDONE,
    )


def read_delivery(row: Sequence[Any]) -> DeliveryFacts:
    """A row of `store.statements.LIST` as the use cases see it."""
    issue, slot, address, state, reason, attempts, reply, next_attempt_at, tip = row
    return DeliveryFacts(
        issue=issue,
        slot=date.fromisoformat(slot) if slot else None,
        address=address or "(erased)",
        state=state,
        reason=reason or "",
        attempts=attempts,
        reply=reply or "",
        next_attempt_at=None if next_attempt_at is None else from_ms(next_attempt_at),
        tip=tip or "",
    )
