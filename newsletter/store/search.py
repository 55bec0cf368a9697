"""Full-text search by SQLite's FTS5; the index `tip_search` is written where tips are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from newsletter.domain.archive.entries import HIT, HIT_END

Ask = Callable[[str, Sequence[object]], Sequence[Any]]
"""Runs a SELECT with its values, and gives all its rows."""
WEIGHTS = "10.0, 4.0, 4.0, 1.0"  # of title, takeaway, labels, body
EXCERPT = 30  # words


def find(ask: Ask, terms: Sequence[str], operator: str) -> list[int]:
    """The ids of all tips that have all terms (AND) or any of them (OR), the best first."""
    sql = f"SELECT rowid FROM tip_search WHERE tip_search MATCH ? ORDER BY bm25(tip_search, {WEIGHTS}), rowid"  # noqa: S608 - a constant
    return [tip_id for (tip_id,) in ask(sql, (_match(terms, operator),))]


def show(ask: Ask, terms: Sequence[str], operator: str, ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Title and excerpt of some of them, with HIT and HIT_END around what was looked for."""
    sql = (
        "SELECT rowid, highlight(tip_search, 0, ?, ?), snippet(tip_search, 3, ?, ?, ' … ', ?) FROM tip_search"  # noqa: S608
        f" WHERE tip_search MATCH ? AND +rowid IN ({', '.join('?' * len(ids))})"  # else it looks anew for each of them
    )
    values = (HIT, HIT_END, HIT, HIT_END, EXCERPT, _match(terms, operator), *ids)
    return {tip_id: (title, excerpt) for tip_id, title, excerpt in ask(sql, values)}


def _match(terms: Sequence[str], operator: str) -> str:
    """An FTS5 expression of quoted strings only; the word that may still be typed counts as a beginning."""
    quoted = [f'"{term}"' for term in terms]
    if " " not in terms[-1] and len(terms[-1]) > 1:
        quoted[-1] += "*"
    return f" {operator} ".join(quoted)
