"""What the database knows about tips beside their texts, for `tips export` and `tips import`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date

from sqlalchemy import func
from sqlmodel import Session, col, select

from newsletter.domain.tips.history import consistent
from newsletter.domain.tips.tip import TipHistory, TipState
from newsletter.store.tables import FormerKey, Issue, Tip, Vote

_RUNS = select(col(Issue.tip_id), col(Issue.day), col(Issue.due_at)).where(
    col(Issue.run).is_not(None), col(Issue.started_at).is_not(None)
)


def days_of(text: str) -> list[date]:
    """The days in the column `earlier_runs`."""
    return [date.fromisoformat(day) for day in text.split()]


def runs_here(session: Session) -> Mapping[int, set[date]]:
    """The days on which this database has sent each tip, by its id."""
    runs: dict[int, set[date]] = defaultdict(set)
    for tip_id, day, due_at in session.exec(_RUNS):
        runs[tip_id or 0].add(day or due_at.date())
    return runs


def histories(session: Session) -> Mapping[int, TipHistory]:
    """The history of every tip by its id; four queries."""
    runs = runs_here(session)
    former: dict[int, list[str]] = defaultdict(list)
    for one in session.exec(select(FormerKey).order_by(col(FormerKey.key))):
        former[one.tip_id].append(one.key)
    votes: dict[tuple[int, bool], int] = {}
    counted = select(Vote.tip_id, Vote.useful, func.count()).group_by(col(Vote.tip_id), col(Vote.useful))
    for tip_id, useful, number in session.exec(counted):
        votes[tip_id, useful] = number
    rows = session.exec(select(Tip).order_by(col(Tip.position), col(Tip.id)))
    found = {}
    for order, row in enumerate(rows, start=1):
        number = row.id or 0
        days = runs[number].union(days_of(row.earlier_runs), filter(None, [row.last_sent_on]))
        if not days and TipState.SENT in (row.state, row.retired_from):
            days = {row.published_on or row.added_at.date()}
        found[number] = consistent(
            TipHistory(
                state=TipState(row.state),
                order=order,
                sent=tuple(days),
                pin=row.pin_on,
                pin_at=row.pin_at,
                retired_from=TipState(row.retired_from) if row.retired_from else None,
                ran_before=row.ran_before and row.published_on is None,
                former_keys=tuple(former[number]),
                useful=votes.get((number, True), 0) + row.earlier_useful,
                not_useful=votes.get((number, False), 0) + row.earlier_not_useful,
                edited=row.edited,
            )
        )
    return found


def restore(session: Session, tip_id: int, history: TipHistory) -> None:
    """Write a history, except for the order."""
    row = session.get_one(Tip, tip_id)
    here = {day or due_at.date() for _, day, due_at in session.exec(_RUNS.where(Issue.tip_id == tip_id))}
    earlier = {*days_of(row.earlier_runs), *history.sent} - here
    row.earlier_runs = " ".join(day.isoformat() for day in sorted(earlier))
    row.state = (history.state or TipState(row.state)).value
    row.last_sent_on = max((*history.sent, *filter(None, [row.last_sent_on])), default=None)
    row.retired_from = history.retired_from.value if history.retired_from else ""
    row.pin_on, row.pin_at = history.pin, history.pin_at
    row.ran_before = row.ran_before or history.ran_before
    row.edited = row.edited or history.edited
    votes = dict(
        session.exec(select(Vote.useful, func.count()).where(Vote.tip_id == tip_id).group_by(col(Vote.useful))).all()
    )
    row.earlier_useful = max(0, history.useful - votes.get(True, 0))
    row.earlier_not_useful = max(0, history.not_useful - votes.get(False, 0))
    for key in history.former_keys:
        taken = session.exec(select(Tip.id).where(Tip.key == key)).first() or session.get(FormerKey, key)
        if not taken:
            session.add(FormerKey(key=key, tip_id=tip_id))
    session.flush()


def arrange(session: Session, tip_ids: Sequence[int]) -> None:
    """Give these tips the places that they have now, in this order; all others stay where they are."""
    rows = {row.id: row for row in session.exec(select(Tip).where(col(Tip.id).in_(tip_ids)))}
    positions = sorted(row.position for row in rows.values())
    for tip_id, position in zip(tip_ids, positions, strict=True):
        rows[tip_id].position = position
    session.flush()


def has_sent(session: Session) -> bool:
    """Was an issue ever frozen in this database?"""
    return session.exec(select(Issue.id).where(col(Issue.started_at).is_not(None)).limit(1)).first() is not None
