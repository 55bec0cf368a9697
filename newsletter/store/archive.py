"""What anybody may read, by plain SQL: lists, neighbours, relations, what is found; which words a teaser has is decided in `domain.reading`."""

# ruff: noqa: S608 - what is joined here are constants of this module; values go as parameters

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

from sqlalchemy import RowMapping, bindparam
from sqlmodel import Session, text

from newsletter.domain.errors import NotFound
from newsletter.domain.reading import (
    ANNIVERSARIES,
    HIT,
    Beside,
    Contents,
    Entry,
    Found,
    Hit,
    Hits,
    Label,
    Mention,
    PublicTip,
    Selection,
    anniversary,
    teaser,
    web_address,
    without_hits_in_braces,
)
from newsletter.domain.seasons import parse_rule, title_on
from newsletter.domain.tips import TipFull, TipText
from newsletter.store.search import search
from newsletter.store.tips import CATEGORY, TAG, SqlTips, slug_of

RAN_ON = "coalesce(tip.last_sent_on, tip.published_on)"
_RAN = "(tip.state IN ('sent', 'archive') OR tip.last_sent_on IS NOT NULL)"
_ORDER = f"coalesce({RAN_ON}, '0000-00-00')"
_LIST = f"tip.id, tip.key, tip.title, tip.body, tip.teaser, tip.complete, tip.source, tip.season, {RAN_ON} AS ran_on"
_LABELLED = "tip.id IN (SELECT l.tip_id FROM tip_label l WHERE l.kind = :kind AND l.slug = :value)"
_WHERE = {"all": "1 = 1", "year": f"substr({RAN_ON}, 1, 4) = :value", CATEGORY: _LABELLED, TAG: _LABELLED}
RELATED = 3


def public(*, teasers: bool) -> str:
    """The condition for what anybody may read; what waits in the queue stays a surprise."""
    return _RAN if teasers else f"{_RAN} AND tip.complete"


class SqlArchive:
    """Implements ports.Archive on one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def version(self) -> int:
        """A number that grows with every change of any tip."""
        return int(self._session.connection().exec_driver_sql("SELECT version FROM library").scalar_one())

    def choose(self, selection: Selection, page: int, size: int, *, teasers: bool = False) -> Found:
        """One page of a list: three queries."""
        where = f"{public(teasers=teasers)} AND {_WHERE[selection.kind]}"
        slug = slug_of(selection.value) if selection.kind in (CATEGORY, TAG) else selection.value
        values = {"kind": selection.kind, "value": slug, "size": size, "skip": (page - 1) * size}
        total = int(self._rows(f"SELECT count(*) AS n FROM tip WHERE {where}", values)[0]["n"])
        pages = max(1, -(-total // size))
        if not 1 <= page <= pages or (selection.kind != "all" and not total):
            raise NotFound(f"the archive has no such page: {selection.kind} {selection.value[:80]!r}, page {page}")
        rows = self._rows(
            f"WITH page AS (SELECT tip.id FROM tip WHERE {where} ORDER BY {_ORDER} DESC, tip.id DESC LIMIT :size OFFSET :skip)"
            f" SELECT {_LIST} FROM page JOIN tip USING (id) ORDER BY {_ORDER} DESC, tip.id DESC",
            values,
        )
        labels = self._labels([row["id"] for row in rows])
        of_kind = (label for of_one in labels.values() for label in of_one.get(selection.kind, ()))
        common = next((label for label in of_kind if label.slug == slug), None)
        return Found(tuple(_entry(row, labels) for row in rows), total, pages, common)

    def contents(self, *, teasers: bool = False) -> Contents:
        """What the archive has: two queries."""
        where = public(teasers=teasers)
        years = self._rows(
            f"SELECT substr({RAN_ON}, 1, 4) AS year, count(*) AS n FROM tip WHERE {where} AND {RAN_ON} IS NOT NULL"
            " GROUP BY year ORDER BY year DESC"
        )
        labels = self._rows(
            "SELECT l.kind, l.slug, min(l.name) AS name, count(DISTINCT l.tip_id) AS n FROM tip_label l"
            f" JOIN tip ON tip.id = l.tip_id WHERE {where} AND l.slug <> ''"
            " GROUP BY l.kind, l.slug ORDER BY l.slug"
        )
        by_kind: dict[str, list[tuple[Label, int]]] = {CATEGORY: [], TAG: []}
        for row in labels:
            by_kind[row["kind"]].append((Label(row["name"], row["slug"]), row["n"]))
        return Contents(
            tuple((int(row["year"]), row["n"]) for row in years), tuple(by_kind[CATEGORY]), tuple(by_kind[TAG])
        )

    def get(self, key: str, *, teasers: bool = False) -> PublicTip:
        """One tip with its neighbours; the number of queries does not depend on the library."""
        found = self._rows(
            f"SELECT tip.id, {RAN_ON} AS ran_on, {_ORDER} AS place, tip.changed_at FROM tip"
            f" WHERE tip.key = :key AND {public(teasers=teasers)}",
            {"key": key},
        )
        if not found:
            raise NotFound(f"the tip {key[:80]!r} has not run yet, or there is none")
        row, tips = found[0], SqlTips(self._session)
        tip = _dated(tips.by_id(row["id"]), row["ran_on"])
        labels = self._labels([row["id"]]).get(row["id"], {})
        return PublicTip(
            tip=tip,
            ran_on=_day(row["ran_on"]),
            teaser=teaser(tip.text),
            changed_at=_at(row["changed_at"]),
            categories=labels.get(CATEGORY, ()),
            tags=labels.get(TAG, ()),
            previous=self._neighbour(row, "<", "DESC", teasers=teasers),
            next=self._neighbour(row, ">", "ASC", teasers=teasers),
            related=self.related(row["id"], RELATED, teasers=teasers),
            votes=tips.votes(row["id"]),
        )

    def successor(self, former_key: str) -> str | None:
        """The key that a former key leads to."""
        sql = "SELECT tip.key FROM former_key f JOIN tip ON tip.id = f.tip_id WHERE f.key = :key"
        return next((str(row["key"]) for row in self._rows(sql, {"key": former_key})), None)

    def search(self, query: str, size: int, *, teasers: bool = False) -> Hits:
        """Whatever is typed is looked for as words."""
        hits, total = search(self._session.connection(), query, size, _LIST, public(teasers=teasers))
        labels = self._labels([row["id"] for row in hits])
        return Hits(tuple(_hit(row, labels) for row in hits), total)

    def latest(self, size: int) -> list[PublicTip]:
        """Whole tips for feeds: two queries."""
        rows = self._rows(
            f"SELECT tip.id, {RAN_ON} AS ran_on, tip.changed_at FROM tip WHERE {public(teasers=False)}"
            f" AND {RAN_ON} IS NOT NULL ORDER BY {_ORDER} DESC, tip.id DESC LIMIT :size",
            {"size": size},
        )
        texts = {tip.card.id: tip for tip in SqlTips(self._session).several([row["id"] for row in rows])}
        return [
            PublicTip(
                _dated(tip, row["ran_on"]),
                _day(row["ran_on"]),
                teaser(tip.text),
                _at(row["changed_at"]),
            )
            for row in rows
            if (tip := texts[row["id"]])
        ]

    def addresses(self, *, teasers: bool = False) -> list[tuple[str, datetime]]:
        """(key, changed at) of every public tip, newest first."""
        sql = f"SELECT tip.key, tip.changed_at FROM tip WHERE {public(teasers=teasers)} ORDER BY {_ORDER} DESC, id DESC"
        return [(row["key"], _at(row["changed_at"])) for row in self._rows(sql)]

    def related(self, tip_id: int, size: int, *, teasers: bool = False) -> tuple[Entry, ...]:
        """What shares most with a tip; a tag that few tips have weighs more, a category little."""
        rows = self._rows(
            "WITH mine AS (SELECT kind, slug FROM tip_label WHERE tip_id = :id AND slug <> ''),"
            " weight AS (SELECT l.kind, l.slug, (CASE l.kind WHEN 'tag' THEN 4.0 ELSE 1.0 END) / count(*) AS w"
            " FROM tip_label l JOIN mine USING (kind, slug) GROUP BY l.kind, l.slug),"
            " near AS (SELECT l.tip_id, sum(w.w) AS score FROM tip_label l JOIN weight w USING (kind, slug)"
            " WHERE l.tip_id <> :id GROUP BY l.tip_id)"
            f" SELECT {_LIST} FROM near JOIN tip ON tip.id = near.tip_id WHERE {public(teasers=teasers)}"
            f" ORDER BY near.score DESC, {_ORDER} DESC, tip.id DESC LIMIT :size",
            {"id": tip_id, "size": size},
        )
        return tuple(_entry(row, {}) for row in rows)

    def beside(self, tip_id: int, day: date) -> Beside:
        """What a letter of this tip on that day shows of the archive: the nearest relation, and an anniversary."""
        for years in ANNIVERSARIES:
            first, last = anniversary(day, years)
            rows = self._rows(
                f"SELECT {_LIST} FROM tip WHERE {public(teasers=False)} AND tip.id <> :id"
                " AND tip.published_on BETWEEN :first AND :last ORDER BY tip.published_on, tip.id LIMIT 1",
                {"id": tip_id, "first": first.isoformat(), "last": last.isoformat()},
            )
            if rows:
                break
        then = _mention(rows[0]) if rows else None
        near = [entry for entry in self.related(tip_id, 2) if then is None or entry.key != then.key]
        related = Mention(near[0].key, near[0].title, near[0].ran_on) if near else None
        return Beside(related, then, years if then else 0)

    def _neighbour(self, row: RowMapping, sign: str, order: str, *, teasers: bool) -> Mention | None:
        rows = self._rows(
            f"SELECT tip.key, tip.title, {RAN_ON} AS ran_on FROM tip WHERE {public(teasers=teasers)}"
            f" AND ({_ORDER}, tip.id) {sign} (:place, :id) ORDER BY {_ORDER} {order}, tip.id {order} LIMIT 1",
            {"place": row["place"], "id": row["id"]},
        )
        return self._neighbour_of(rows[0]) if rows else None

    def _neighbour_of(self, row: RowMapping) -> Mention:
        """As `_mention`; the lists' index has no season, so that it is asked for where a title needs its year."""
        season = ""
        if "{" in row["title"]:
            season = self._rows("SELECT season FROM tip WHERE key = :key", {"key": row["key"]})[0]["season"]
        return Mention(row["key"], _title(row["title"], season, row["ran_on"]), _day(row["ran_on"]))

    def _labels(self, ids: Sequence[int]) -> dict[int, dict[str, tuple[Label, ...]]]:
        """The labels of some tips, by kind: one query."""
        sql = text("SELECT tip_id, kind, name, slug FROM tip_label WHERE tip_id IN :ids ORDER BY place")
        rows = self._session.connection().execute(sql.bindparams(bindparam("ids", ids, expanding=True)))
        labels: dict[int, dict[str, tuple[Label, ...]]] = {}
        for tip_id, kind, name, slug in rows:
            of_one = labels.setdefault(tip_id, {})
            of_one[kind] = (*of_one.get(kind, ()), Label(name, slug))
        return labels

    def _rows(self, sql: str, values: Mapping[str, object] | None = None) -> Sequence[RowMapping]:
        return self._session.connection().execute(text(sql), values or {}).mappings().all()


def _entry(
    row: RowMapping, labels: Mapping[int, Mapping[str, tuple[Label, ...]]], *, shows_teaser: bool = True
) -> Entry:
    found = TipText(row["title"], row["body"], complete=bool(row["complete"]), teaser=row["teaser"])
    return Entry(
        key=row["key"],
        title=_title(row["title"], row["season"], row["ran_on"]),
        ran_on=_day(row["ran_on"]),
        teaser=teaser(found) if shows_teaser else "",
        complete=found.complete,
        source=web_address(row["source"]),
        categories=labels.get(row["id"], {}).get(CATEGORY, ()),
    )


def _hit(row: RowMapping, labels: Mapping[int, Mapping[str, tuple[Label, ...]]]) -> Hit:
    entry = _entry(row, labels, shows_teaser=HIT not in row["excerpt"])
    title = _title(without_hits_in_braces(row["title_hit"]), row["season"], row["ran_on"])
    return Hit(entry, title, row["excerpt"])


def _mention(row: RowMapping) -> Mention:
    return Mention(row["key"], _title(row["title"], row["season"], row["ran_on"]), _day(row["ran_on"]))


def _dated(tip: TipFull, ran_on: str | date | None) -> TipFull:
    return tip.titled(_title(tip.card.title, tip.text.rules.season, ran_on))


def _title(title: str, season: str, ran_on: str | date | None) -> str:
    """The title as it was in the letter."""
    return title_on(title, parse_rule(season) if season else None, _day(ran_on)) if "{" in title else title


def _day(value: str | date | None) -> date | None:
    return date.fromisoformat(value) if isinstance(value, str) else value


def _at(value: str | datetime) -> datetime:
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found if found.tzinfo else found.replace(tzinfo=UTC)
