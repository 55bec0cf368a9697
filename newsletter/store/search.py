"""Full-text search by SQLite's FTS5; the index `tip_search` is written where tips are written."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, text

from newsletter.domain.reading import HIT, HIT_END, search_terms

WEIGHTS = "10.0, 4.0, 4.0, 1.0"  # of title, takeaway, labels, body
EXCERPT = 30  # words


def search(
    connection: Connection, query: str, size: int, columns: str, public: str
) -> tuple[Sequence[RowMapping], int]:
    """The best rows (with `title_hit` and `excerpt`) and how many there are. All terms first, else any of them."""
    terms = search_terms(query)
    for operator in ("AND", "OR"):
        match = _match(terms, operator)
        if not match:
            break
        found = " FROM tip_search JOIN tip ON tip.id = tip_search.rowid WHERE tip_search MATCH :match AND "
        values = {"match": match, "size": size, "hit": HIT, "end": HIT_END}
        total = connection.execute(text(f"SELECT count(*) {found} {public}"), values).scalar_one()
        if total:
            sql = (
                f"SELECT {columns}, highlight(tip_search, 0, :hit, :end) AS title_hit,"
                f" snippet(tip_search, 3, :hit, :end, ' … ', {EXCERPT}) AS excerpt"
                f" {found} {public} AND tip_search.rank MATCH 'bm25({WEIGHTS})' ORDER BY tip_search.rank LIMIT :size"
            )
            return connection.execute(text(sql), values).mappings().all(), int(total)
        if len(terms) == 1:
            break
    return [], 0


def _match(terms: Sequence[str], operator: str) -> str:
    """An FTS5 expression of quoted strings only; the word that may still be typed counts as a beginning."""
    quoted = [f'"{term}"' for term in terms]
    if quoted and " " not in terms[-1] and len(terms[-1]) > 1:
        quoted[-1] += "*"
    return f" {operator} ".join(quoted)
