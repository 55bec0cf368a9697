"""Full-text search with SQLite's FTS5; `store.tips` writes the index `tip_search`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from newsletter.domain.archive.entries import HIT, HIT_END

Ask = Callable[[str, Sequence[object]], Sequence[Any]]
"""Runs a SELECT with its values and returns all its rows."""
WEIGHTS = "10.0, 4.0, 4.0, 1.0"  # of title, takeaway, labels, body
EXCERPT = 30  # words


def find(ask: Ask, terms: Sequence[str], operator: str) -> list[int]:
    """The ids of the tips that contain all terms (AND) or any of them (OR), best match first."""
    sql = f"SELECT rowid FROM tip_search WHERE tip_search MATCH ? ORDER BY bm25(tip_search, {WEIGHTS}), rowid"  # noqa: S608 - a constant
    return [tip_id for (tip_id,) in ask(sql, (_match(terms, operator),))]


def show(ask: Ask, terms: Sequence[str], operator: str, ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Title and excerpt of these tips, by id, with HIT and HIT_END around the terms."""
    sql = (
        "SELECT rowid, highlight(tip_search, 0, ?, ?), snippet(tip_search, 3, ?, ?, ' … ', ?) FROM tip_search"  # noqa: S608
        f" WHERE tip_search MATCH ? AND +rowid IN ({', '.join('?' * len(ids))})"  # the + keeps SQLite from searching again for each id
    )
    values = (HIT, HIT_END, HIT, HIT_END, EXCERPT, _match(terms, operator), *ids)
    return {tip_id: (title, excerpt) for tip_id, title, excerpt in ask(sql, values)}


def _match(terms: Sequence[str], operator: str) -> str:
    """An FTS5 expression of quoted strings only; the last word is a prefix, since it may still be incomplete."""
    quoted = [f'"{term}"' for term in terms]
    if " " not in terms[-1] and len(terms[-1]) > 1:
        quoted[-1] += "*"
    return f" {operator} ".join(quoted)
