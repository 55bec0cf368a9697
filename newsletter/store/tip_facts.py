"""Reads tips as the use cases see them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from newsletter.domain.archive.index import CATEGORY, TAG
from newsletter.domain.tips.tip import TipCard, TipFull, TipRules, TipState, TipText
from newsletter.store.tables import Tip


def read_full(row: Tip, labels: Mapping[str, Sequence[str]]) -> TipFull:
    """A row with its text. labels: names by kind, in their order."""
    card = read_card(row, labels)
    return TipFull(
        card,
        TipText(
            title=row.title,
            body=row.body,
            complete=row.complete,
            published_on=row.published_on,
            categories=card.categories,
            tags=card.tags,
            takeaway=row.takeaway,
            teaser=row.teaser,
            key=row.key,
            rules=TipRules(row.season, row.series, row.part, row.rerun, row.months, row.fallback),
            already_run=row.ran_before,
            source=row.source,
            line=row.source_line,
            preview=row.preview,
            starter=row.starter,
        ),
        edited=row.edited,
    )


def read_card(row: Tip, labels: Mapping[str, Sequence[str]]) -> TipCard:
    """A row without its text. labels: as above."""
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
        starter=row.starter,
        problem=row.problem,
        list_id=row.list_id,
    )


def _names(labels: Mapping[str, Sequence[str]], kind: str) -> tuple[str, ...]:
    names: Iterable[str] = labels.get(kind, ())
    return tuple(names)
