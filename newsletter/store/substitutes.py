"""Who has had which tip, and who gets which, as one SQL expression; which tips are offered is decided in `domain.calendar.substitutes`."""

# ruff: noqa: S608 - what is joined here are constants, the numbers of rows, and days

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from sqlmodel import Session, col, select, text

from newsletter.domain.calendar.substitutes import Candidate
from newsletter.store.subscribers import DELIVERABLE
from newsletter.store.tables import Issue, Tip

_REACHED = "d.subscriber_id = s.id AND (d.state NOT IN ('skipped', 'rejected', 'failed') OR d.crashes > 0)"
_AS_SUBSTITUTE = "SELECT 1 FROM delivery d INDEXED BY delivery_by_tip WHERE d.tip_id = {tip:d}{when}"
_SINCE = " AND d.issue_id IN (SELECT i.id FROM issue i WHERE coalesce(i.slot, date(i.due_at)) > '{day}')"


@dataclass(frozen=True, slots=True)
class TipHistory:
    """An offer and what became of its tip: the issues it had, whether it ever stood in, a run before this system.

    A reader is looked up in what there was only: a hundred offers for a million readers are many look-ups.
    """

    tip: int
    candidate: Candidate
    issues: tuple[int, ...]
    was_substitute: bool
    published_on: date | None

    def had(self) -> str:
        """The condition that reader `s` has had it, in the sense of `Candidate`."""
        return " OR ".join(f"EXISTS ({query})" if "SELECT" in query else query for query in self._ways()) or "FALSE"

    def _ways(self) -> Iterator[str]:
        since = self.candidate.since
        if self.was_substitute:
            yield f"{_AS_SUBSTITUTE.format(tip=self.tip, when=_since(since))} AND {_REACHED}"
        if since is None and self.issues:
            numbers = ", ".join(f"{number:d}" for number in self.issues)
            yield f"SELECT 1 FROM delivery d WHERE d.issue_id IN ({numbers}) AND d.tip_id IS NULL AND {_REACHED}"
        if since is None and self.published_on:
            yield f"substr(coalesce(s.confirmed_at, s.signup_at), 1, 10) <= '{self.published_on.isoformat()}'"


def tip_histories(session: Session, candidates: Sequence[Candidate]) -> list[TipHistory]:
    """What became of the tips that are offered: two queries, and a look for each tip."""
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
    return [
        TipHistory(tip, candidate, tuple(issues[tip]), tip in substitutes, day)
        for candidate in candidates
        for tip, day in [tips[candidate.tip]]
    ]


def shares(candidates: Sequence[TipHistory]) -> str:
    """A query for (id, pick) of everybody who would be in an audience now, in the order they came.

    pick: the tip of the first offer that the reader has not had; 0 for who has had all.
    """
    picks = " ".join(f"WHEN NOT ({past.had()}) THEN {past.tip:d}" for past in candidates)
    return f"SELECT s.id, CASE {picks} ELSE 0 END AS pick FROM subscriber s WHERE {DELIVERABLE} ORDER BY s.id"


def was_substitute(session: Session, candidate: Candidate) -> bool:
    """Did the tip come to anybody in the place of another, since then?"""
    tip = session.exec(select(Tip.id).where(Tip.key == candidate.tip)).one()
    return _was_substitute(session, tip or 0, candidate.since)


def _was_substitute(session: Session, tip: int, since: date | None = None) -> bool:
    query = _AS_SUBSTITUTE.format(tip=tip, when=_since(since)) + " LIMIT 1"
    return session.connection().execute(text(query)).first() is not None


def _since(day: date | None) -> str:
    return _SINCE.format(day=day.isoformat()) if day else ""
