"""The library in the database; what merges and which state follows is decided in `domain.tips`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime

from sqlalchemy import func
from sqlmodel import Session, col, delete, select

from newsletter.domain.errors import NotFound
from newsletter.domain.tips import TipCard, TipFull, TipState, TipText
from newsletter.store.tables import Tip, TipLabel

CATEGORY, TAG = "category", "tag"


class SqlTips:
    """Implements ports.Tips on one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def cards(self) -> list[TipCard]:
        """All tips in queue order; two queries, however many tips."""
        c = Tip
        rows = self._session.exec(
            select(c).order_by(col(c.position), col(c.id)).execution_options(populate_existing=False)
        ).all()
        labels: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for label in self._session.exec(select(TipLabel).order_by(col(TipLabel.place))):
            labels[label.tip_id][label.kind].append(label.name)
        return [_card(row, labels[row.id or 0]) for row in rows]

    def get(self, key: str) -> TipFull:
        """Raises NotFound."""
        row = self._session.exec(select(Tip).where(Tip.key == key)).first()
        if row is None:
            raise NotFound(f"there is no tip {key!r}", fix="See: newsletter tips list")
        return self._full(row)

    def by_id(self, tip_id: int) -> TipFull:
        """Raises NotFound."""
        row = self._session.get(Tip, tip_id)
        if row is None:
            raise NotFound(f"there is no tip number {tip_id}")
        return self._full(row)

    def find(self, identity: str) -> TipFull | None:
        """The tip with this identity (domain.tips.identity)."""
        row = self._session.exec(select(Tip).where(Tip.identity == identity)).first()
        return self._full(row) if row else None

    def add(self, text: TipText, identity: str, key: str, state: TipState, now: datetime) -> TipCard:
        """A new tip at the end of the queue."""
        row = Tip(
            key=key,
            identity=identity,
            state=state.value,
            published_on=text.published_on,
            position=self._last_position() + 1,
            source=text.source,
            source_line=text.line,
            added_at=now,
            changed_at=now,
            title=text.title,
            body=text.body,
            complete=text.complete,
        )
        self._session.add(row)
        self._write(row, text)
        return self._full(row).card

    def rewrite(self, tip_id: int, text: TipText, now: datetime, *, complete_state: TipState | None = None) -> None:
        """Replace the text; complete_state also sets the state."""
        row = self._session.get_one(Tip, tip_id)
        row.changed_at = now
        if complete_state is not None:
            row.state = complete_state.value
        self._write(row, text)

    def set_state(self, tip_id: int, state: TipState, *, sent_on: date | None = None) -> None:
        """Move a tip to another state; sent_on also says when it ran."""
        row = self._session.get_one(Tip, tip_id)
        row.state = state.value
        if sent_on is not None:
            row.last_sent_on = sent_on
        self._session.flush()

    def move(self, key: str, *, before: str | None = None, first: bool = False) -> None:
        """Renumber the queue with `key` in its new place; raises NotFound."""
        moved = self._session.get_one(Tip, self.get(key).card.id)
        order = list(self._session.exec(select(Tip).order_by(col(Tip.position), col(Tip.id))))
        order.remove(moved)
        if before is not None:
            place = order.index(self._session.get_one(Tip, self.get(before).card.id))
        else:
            place = 0 if first else len(order)
        order.insert(place, moved)
        for position, row in enumerate(order, start=1):
            row.position = position
        self._session.flush()

    def key_taken(self, key: str) -> bool:
        """Is there a tip with this key?"""
        return self._session.exec(select(Tip.id).where(Tip.key == key)).first() is not None

    def _last_position(self) -> int:
        return self._session.exec(select(func.max(Tip.position))).one() or 0

    def _write(self, row: Tip, text: TipText) -> None:
        row.title, row.body, row.complete = text.title, text.body, text.complete
        row.takeaway, row.teaser = text.takeaway, text.teaser
        self._session.flush()
        self._session.exec(delete(TipLabel).where(col(TipLabel.tip_id) == row.id))
        for kind, names in ((CATEGORY, text.categories), (TAG, text.tags)):
            for place, name in enumerate(names):
                self._session.add(TipLabel(tip_id=row.id or 0, kind=kind, name=name, place=place))
        self._session.flush()

    def _full(self, row: Tip) -> TipFull:
        labels: dict[str, list[str]] = defaultdict(list)
        query = select(TipLabel).where(TipLabel.tip_id == row.id).order_by(col(TipLabel.place))
        for label in self._session.exec(query):
            labels[label.kind].append(label.name)
        card = _card(row, labels)
        text = TipText(
            title=row.title,
            body=row.body,
            complete=row.complete,
            published_on=row.published_on,
            categories=card.categories,
            tags=card.tags,
            takeaway=row.takeaway,
            teaser=row.teaser,
            already_run=row.state == TipState.ARCHIVE,
            source=row.source,
            line=row.source_line,
        )
        return TipFull(card, text)


def _card(row: Tip, labels: dict[str, list[str]] | defaultdict[str, list[str]]) -> TipCard:
    return TipCard(
        id=row.id or 0,
        key=row.key,
        title=row.title,
        state=TipState(row.state),
        complete=row.complete,
        published_on=row.published_on,
        last_sent_on=row.last_sent_on,
        position=row.position,
        categories=_names(labels, CATEGORY),
        tags=_names(labels, TAG),
    )


def _names(labels: dict[str, list[str]], kind: str) -> tuple[str, ...]:
    names: Iterable[str] = labels.get(kind, ())
    return tuple(names)
