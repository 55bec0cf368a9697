"""Who left by which letter, and why; after 30 days without who it was (`upkeep` cuts that)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func
from sqlmodel import Session, col, select

from newsletter.domain.subscribers.subscriber import UnsubscribeCount
from newsletter.store.tables import Issue, Tip, UnsubscribeRow


class SqlUnsubscribes:
    """Implements ports.Farewells on one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, subscriber_id: int, issue: int | None, now: datetime) -> None:
        """Somebody left, by this issue's letter or (None) in another way."""
        self._session.add(UnsubscribeRow(subscriber_id=subscriber_id, issue_id=issue, at=now))
        self._session.flush()

    def set_reason(self, subscriber_id: int, reason: str, words: str) -> None:
        """Write the reason to their last leave; the later answer counts, but "" wipes nothing out."""
        query = (
            select(UnsubscribeRow)
            .where(UnsubscribeRow.subscriber_id == subscriber_id)
            .order_by(col(UnsubscribeRow.id).desc())
        )
        row = self._session.exec(query.limit(1)).first()
        if row:
            row.reason, row.words = reason or row.reason, words or row.words
            self._session.flush()

    def by_reason(self) -> list[UnsubscribeCount]:
        """How many for each reason, "" for none; the most first."""
        query = (
            select(UnsubscribeRow.reason, func.count()).group_by(UnsubscribeRow.reason).order_by(func.count().desc())
        )
        return [UnsubscribeCount(number, reason=reason) for reason, number in self._session.exec(query)]

    def by_tip(self, limit: int) -> list[UnsubscribeCount]:
        """The letters that lost the most readers."""
        query = (
            select(UnsubscribeRow.issue_id, Tip.key, func.count())
            .join(Issue, col(Issue.id) == UnsubscribeRow.issue_id)
            .join(Tip, col(Tip.id) == Issue.tip_id, isouter=True)
            .group_by(col(UnsubscribeRow.issue_id), Tip.key)
            .order_by(func.count().desc(), col(UnsubscribeRow.issue_id).desc())
            .limit(limit)
        )
        return [UnsubscribeCount(number, issue=issue, tip=tip) for issue, tip, number in self._session.exec(query)]

    def words(self, limit: int) -> list[tuple[datetime, str, str]]:
        """What people wrote, newest first."""
        query = (
            select(UnsubscribeRow)
            .where(UnsubscribeRow.words != "")
            .order_by(col(UnsubscribeRow.id).desc())
            .limit(limit)
        )
        return [(row.at, row.reason, row.words) for row in self._session.exec(query)]
