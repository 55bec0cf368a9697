"""Which subscriber has received which tip, and which tip each gets now, as one SQL expression.

`domain.calendar.substitutes` decides which tips are candidates.
"""

# ruff: noqa: S608 - only constants, ids and dates are joined here

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from sqlmodel import Field, Session, SQLModel, col, select, text

from newsletter.domain.calendar.substitutes import Candidate
from newsletter.store.statements import REACHED
from newsletter.store.subscriptions import AUDIENCE, DELIVERABLE
from newsletter.store.tables import Issue, Tip

_AS_SUBSTITUTE = "SELECT 1 FROM delivery d INDEXED BY delivery_by_tip WHERE d.tip_id = {tip:d}{when}"
_SINCE = " AND d.issue_id IN (SELECT i.id FROM issue i WHERE i.day > '{day}')"


class WelcomeTip(SQLModel, table=True):
    """A tip that a subscriber has received in the welcome email."""

    __tablename__ = "welcome_tip"

    tip_id: int = Field(foreign_key="tip.id", primary_key=True, ondelete="CASCADE")
    subscriber_id: int = Field(foreign_key="subscriber.id", primary_key=True, ondelete="CASCADE")


@dataclass(frozen=True, slots=True)
class TipHistory:
    """A candidate and the history of its tip.

    came_with_welcomes: was it ever in a welcome email? issues: those whose own tip it was. was_substitute: was it ever a substitute? published_on: a run before this system.
    The expression looks only into what there is: a hundred candidates for a million subscribers are many look-ups.
    """

    tip: int
    candidate: Candidate
    issues: tuple[int, ...]
    was_substitute: bool
    published_on: date | None
    came_with_welcomes: bool = False

    def had(self) -> str:
        """The condition that the person of subscription `s` has received it, as `Candidate` defines it."""
        return " OR ".join(f"EXISTS ({query})" if "SELECT" in query else query for query in self._ways()) or "FALSE"

    def _ways(self) -> Iterator[str]:
        since = self.candidate.since
        if self.was_substitute:
            yield f"{_AS_SUBSTITUTE.format(tip=self.tip, when=_since(since))} AND {REACHED}"
        if since is None and self.issues:
            numbers = ", ".join(f"{number:d}" for number in self.issues)
            yield f"SELECT 1 FROM delivery d WHERE d.issue_id IN ({numbers}) AND d.tip_id IS NULL AND {REACHED}"
        if since is None and self.came_with_welcomes:
            yield f"SELECT 1 FROM welcome_tip w WHERE w.tip_id = {self.tip:d} AND w.subscriber_id = s.subscriber_id"
        if since is None and self.published_on:
            yield f"substr(coalesce(s.confirmed_at, s.signup_at), 1, 10) <= '{self.published_on.isoformat()}'"


def tip_histories(session: Session, candidates: Sequence[Candidate]) -> list[TipHistory]:
    """The histories of the candidates: two queries, and one more for each tip."""
    wanted = col(Tip.key).in_([candidate.tip for candidate in candidates])
    tips = {
        key: (tip or 0, day)
        for key, tip, day in session.exec(select(col(Tip.key), col(Tip.id), col(Tip.published_on)).where(wanted))
    }
    issues: dict[int, list[int]] = defaultdict(list)
    for number, tip in session.exec(
        select(Issue.id, Issue.tip_id).join(Tip, col(Tip.id) == Issue.tip_id).where(wanted)
    ):
        issues[tip or 0].append(number or 0)
    substitutes = {tip for tip, _ in tips.values() if _was_substitute(session, tip)}
    welcomes = set(session.exec(select(WelcomeTip.tip_id).distinct()))
    return [
        TipHistory(tip, candidate, tuple(issues[tip]), tip in substitutes, day, tip in welcomes)
        for candidate in candidates
        for tip, day in [tips[candidate.tip]]
    ]


def shares(candidates: Sequence[TipHistory]) -> str:
    """A query for (id, pick) of all subscribers who would be in an audience of `:list` now, by id.

    pick: the id of the first candidate that the subscriber has not received; 0 if they have received all of them.
    """
    picks = " ".join(f"WHEN NOT ({past.had()}) THEN {past.tip:d}" for past in candidates)
    audience = f"FROM {AUDIENCE} WHERE {DELIVERABLE} ORDER BY s.subscriber_id"
    return f"SELECT s.subscriber_id AS id, CASE {picks} ELSE 0 END AS pick {audience}"


def was_substitute(session: Session, candidate: Candidate) -> bool:
    """Did any subscriber get the tip as a substitute since then?"""
    tip = session.exec(select(Tip.id).where(Tip.key == candidate.tip)).one()
    return _was_substitute(session, tip or 0, candidate.since)


def _was_substitute(session: Session, tip: int, since: date | None = None) -> bool:
    query = _AS_SUBSTITUTE.format(tip=tip, when=_since(since)) + " LIMIT 1"
    return session.connection().execute(text(query)).first() is not None


def _since(day: date | None) -> str:
    return _SINCE.format(day=day.isoformat()) if day else ""
