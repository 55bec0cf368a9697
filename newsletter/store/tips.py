"""The library of tips in the database; `domain.tips.tip` decides how texts are merged and which state follows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date, datetime

from slugify import slugify
from sqlalchemy import func
from sqlmodel import Session, col, delete, select, text

from newsletter.domain.archive.entries import ShownWords, Votes, shown_words
from newsletter.domain.archive.index import CATEGORY, TAG
from newsletter.domain.calendar.overrides import Override
from newsletter.domain.errors import InputError, NotFound
from newsletter.domain.tips.names import nearest_keys
from newsletter.domain.tips.tip import TipCard, TipFull, TipHistory, TipRules, TipState, TipText
from newsletter.store import tip_history
from newsletter.store.tables import FormerKey, OwnerNotified, SlotOverrideRow, Tip, TipLabel, TipSource, Vote
from newsletter.store.tip_facts import read_card, read_full

# A tip that another installation sent: it ran on that day, as far as this one knows.
COUNT_AS_SENT = """UPDATE tip SET state = 'sent', last_sent_on = :day, published_on = coalesce(published_on, :day),
    earlier_runs = trim(earlier_runs || ' ' || :day)
    WHERE id = :tip"""
_RECORD_SOURCE = text(
    "INSERT OR REPLACE INTO tip_source (tip_id, source, identity, fingerprint)"
    " VALUES (:tip_id, :source, :identity, :fingerprint)"
)
_VERSION = text("SELECT version FROM library")
_FORGET_WORDS = text("DELETE FROM tip_search WHERE rowid = :id")
_ADD_WORDS = text(
    "INSERT INTO tip_search (rowid, title, takeaway, labels, body) VALUES (:id, :title, :takeaway, :labels, :body)"
)


class SqlTips:
    """Implements ports.tips.Tips on one session."""

    def __init__(self, session: Session, list_id: int) -> None:
        self._session, self._list_id = session, list_id
        self._last: int | None = None  # the last position in the queue, once it is known

    def cards(self) -> list[TipCard]:
        """Every tip without its text, in queue order; two queries."""
        labels = self._all_labels()
        return [read_card(row, labels[row.id or 0]) for row in self._in_order()]

    def all(self) -> list[TipFull]:
        """Every tip with its text, in queue order; two queries."""
        labels = self._all_labels()
        return [read_full(row, labels[row.id or 0]) for row in self._in_order()]

    def _in_order(self) -> Sequence[Tip]:
        return self._of_list(self._list_id)

    def _of_list(self, list_id: int) -> Sequence[Tip]:
        return self._session.exec(
            select(Tip).where(Tip.list_id == list_id).order_by(col(Tip.position), col(Tip.id))
        ).all()

    def _all_labels(self) -> dict[int, dict[str, list[str]]]:
        labels: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for label in self._session.exec(select(TipLabel).order_by(col(TipLabel.place))):
            labels[label.tip_id][label.kind].append(label.name)
        return labels

    def get(self, key: str) -> TipFull:
        """Raises NotFound."""
        return self._full(self._row(key))

    def _row(self, key: str) -> Tip:
        row = self._session.exec(select(Tip).where(Tip.key == key)).first()
        if row is None:
            near = " or ".join(nearest_keys(key, self.names()))
            fix = (
                f"Did you mean {near}? To see all tips, run: newsletter tips list"
                if near
                else "See: newsletter tips list"
            )
            raise NotFound(f"there is no tip {key[:80]!r}", fix=fix)
        return row

    def names(self) -> Mapping[str, str]:
        """The titles of all tips by their keys."""
        return dict(self._session.exec(select(Tip.key, Tip.title)).all())

    def by_id(self, tip_id: int) -> TipFull:
        """Raises NotFound."""
        row = self._session.get(Tip, tip_id)
        if row is None:
            raise NotFound(f"there is no tip number {tip_id}")
        return self._full(row)

    def identities(self) -> dict[str, int]:
        """The id of each tip by its identity (domain.tips.tip.identity)."""
        return {same: tip_id or 0 for same, tip_id in self._session.exec(select(Tip.identity, Tip.id))}

    def sources(self) -> list[tuple[int, str, str, str]]:
        """(id of the tip, name of the source, its identity there, fingerprint) of everything that was imported."""
        query = select(TipSource.tip_id, TipSource.source, TipSource.identity, TipSource.fingerprint)
        return [(tip_id, name, same, print_) for tip_id, name, same, print_ in self._session.exec(query)]

    def record_source(self, tip_id: int, source: str, identity: str, fingerprint: str) -> None:
        """Record what a source contained."""
        self._session.connection().execute(
            _RECORD_SOURCE, {"tip_id": tip_id, "source": source, "identity": identity, "fingerprint": fingerprint}
        )

    def version(self) -> int:
        """A number that grows with every change of any tip."""
        return int(self._session.connection().execute(_VERSION).scalar_one())

    def add(
        self, text: TipText, identity: str, key: str, state: TipState, now: datetime, *, shown: ShownWords | None = None
    ) -> TipCard:
        """Append a tip to the queue; see ports.tips."""
        row = Tip(
            list_id=self._list_id,
            key=key,
            identity=identity,
            state=state.value,
            published_on=text.published_on,
            position=self._next_position(),
            source=text.source,
            source_line=text.line,
            added_at=now,
            changed_at=now,
            title=text.title,
            body=text.body,
            complete=text.complete,
            ran_before=text.already_run or text.published_on is not None,
        )
        self._session.add(row)
        self._write(row, text, shown or shown_words(text), is_new=True)
        return read_card(row, {CATEGORY: list(text.categories), TAG: list(text.tags)})

    def rewrite(
        self,
        tip_id: int,
        found: TipText,
        now: datetime,
        *,
        edited: bool,
        complete_state: TipState | None = None,
        identity: str | None = None,
        shown: ShownWords | None = None,
    ) -> None:
        """Replace the text; see ports.tips."""
        row = self._session.get_one(Tip, tip_id)
        only_rules = replace(self.by_id(tip_id).text, rules=found.rules) == found
        if not only_rules:
            self._forget_decisions(row.key)
        row.changed_at, row.edited, row.problem = now, edited, ""
        if complete_state is not None:
            row.state = complete_state.value
        if identity is not None:
            row.identity, row.published_on = identity, found.published_on
        if only_rules:
            _set_rules(row, found.rules)
            self._session.flush()
        else:
            self._write(row, found, shown or shown_words(found))

    def _forget_decisions(self, key: str) -> None:
        """The owner approved another text, and has seen a preview of it."""
        is_approval = col(SlotOverrideRow.wish) == Override.APPROVE.value
        self._session.exec(delete(SlotOverrideRow).where(is_approval, col(SlotOverrideRow.about) == key))
        is_preview = col(OwnerNotified.what) == "preview"
        is_of_tip = col(OwnerNotified.about).endswith(f" {key}", autoescape=True)
        self._session.exec(delete(OwnerNotified).where(is_preview, is_of_tip))

    def optimize_search(self) -> None:
        """Merge the segments of the full-text index; FTS5 adds one with every few tips (sqlite.org/fts5.html)."""
        self._session.connection().execute(text("INSERT INTO tip_search (tip_search) VALUES ('optimize')"))

    def set_state(self, tip_id: int, state: TipState, *, sent_on: date | None = None) -> None:
        """Set the state of a tip; sent_on: also the day it ran."""
        row = self._session.get_one(Tip, tip_id)
        if state is TipState.RETIRED and row.state != state:
            row.retired_from = row.state
        row.state = state.value
        if sent_on is not None:
            row.last_sent_on = sent_on
        self._session.flush()

    def set_problem(self, tip: TipFull, problem: str) -> bool:
        """Record why no email can be made of a tip; see ports.tips."""
        row = self._session.get(Tip, tip.card.id)
        if row is None or row.problem == problem or self.by_id(tip.card.id).text != tip.text:
            return False
        row.problem = problem
        self._session.flush()
        return True

    def unretire(self, tip_id: int, *, otherwise: TipState) -> None:
        """Give a retired tip its earlier state back; see ports.tips."""
        row = self._session.get_one(Tip, tip_id)
        row.state, row.retired_from = row.retired_from or otherwise.value, ""
        self._session.flush()

    def mark_sent(self, tip_id: int, day: date) -> str:
        """The tip runs on this day; its state before."""
        row = self._session.get_one(Tip, tip_id)
        before, row.state, row.last_sent_on = row.state, TipState.SENT.value, day
        return before

    def unmark_sent(self, tip_id: int, state: TipState, last_sent_on: date | None) -> None:
        """The tip did not run after all: take `mark_sent` back, unless its state has changed since."""
        row = self._session.get_one(Tip, tip_id)
        row.last_sent_on = last_sent_on
        row.state = state.value if row.state == TipState.SENT else row.state

    def pin(self, key: str, slot: date | None, at: datetime | None = None) -> None:
        """Pin a tip to a slot or to a moment of that day, or unpin it (None); raises NotFound."""
        row = self._row(key)
        row.pin_on, row.pin_at = slot, at
        self._session.flush()

    def move(self, key: str, *, before: str | None = None, first: bool = False) -> None:
        """Renumber the queue with `key` in its new place; raises NotFound for either key."""
        self._last = None
        moved = self._row(key)
        order = list(self._of_list(moved.list_id))
        order.remove(moved)
        if before is not None and self._row(before).list_id != moved.list_id:
            raise InputError(
                f"the tips {key} and {before} are in different lists", fix="Move a tip within its own list"
            )
        place = order.index(self._row(before)) if before is not None else 0 if first else len(order)
        order.insert(place, moved)
        for position, row in enumerate(order, start=1):
            row.position = position
        self._session.flush()

    def assign(self, tip_id: int) -> None:
        """Move a tip of another list to the end of the queue of this one."""
        row = self._session.get_one(Tip, tip_id)
        row.list_id, row.position = self._list_id, self._next_position()
        self._session.flush()

    def key_taken(self, key: str) -> bool:
        """Is or was this the key of a tip?"""
        return self.is_key(key) or self._session.get(FormerKey, key) is not None

    def is_key(self, key: str) -> bool:
        """Is this the key of a tip now?"""
        return self._session.exec(select(Tip.id).where(Tip.key == key)).first() is not None

    def change_key(self, tip_id: int, key: str) -> None:
        """Give a tip another key; the old one redirects to it from now on."""
        row = self._session.get_one(Tip, tip_id)
        if row.key == key:
            return
        earlier = self._session.get(FormerKey, key)
        if earlier is not None and earlier.tip_id == tip_id:  # it gets an earlier key of its own back
            self._session.delete(earlier)
        self._session.add(FormerKey(key=row.key, tip_id=tip_id))
        self._rename_decisions(row.key, key)
        row.key = key
        self._session.flush()

    def _rename_decisions(self, old: str, new: str) -> None:
        """The owner approved the words of the tip, and a new key does not change them."""
        is_approval = col(SlotOverrideRow.wish) == Override.APPROVE.value
        for override in self._session.exec(
            select(SlotOverrideRow).where(is_approval, col(SlotOverrideRow.about) == old)
        ):
            override.about = new
        is_preview = col(OwnerNotified.what) == "preview"
        is_of_tip = col(OwnerNotified.about).endswith(f" {old}", autoescape=True)
        for told in self._session.exec(select(OwnerNotified).where(is_preview, is_of_tip)):
            about = f"{told.about.split()[0]} {new}"
            self._session.merge(OwnerNotified(list_id=told.list_id, what="preview", about=about, at=told.at))

    def vote(self, tip_id: int, subscriber_id: int, *, useful: bool) -> None:
        """Record the answer of a subscriber; it replaces an earlier one."""
        self._session.merge(Vote(tip_id=tip_id, subscriber_id=subscriber_id, useful=useful))
        self._session.flush()

    def votes(self, tip_id: int) -> Votes:
        """How many subscribers found a tip useful, and how many did not."""
        query = select(Vote.useful, func.count()).where(Vote.tip_id == tip_id).group_by(col(Vote.useful))
        counts, tip = dict(self._session.exec(query).all()), self._session.get_one(Tip, tip_id)
        return Votes(counts.get(True, 0) + tip.earlier_useful, counts.get(False, 0) + tip.earlier_not_useful)

    def useful(self) -> Mapping[str, int]:
        """Tip key to the number of subscribers who found it useful; tips without one are left out."""
        query = select(Tip.key, func.count()).join(Vote, col(Vote.tip_id) == Tip.id).where(Vote.useful)
        here = dict(self._session.exec(query.group_by(Tip.key)).all())
        earlier = dict(self._session.exec(select(Tip.key, Tip.earlier_useful).where(Tip.earlier_useful > 0)).all())
        return {key: here.get(key, 0) + earlier.get(key, 0) for key in {**here, **earlier}}

    # -- what exports carry along: see store.tip_history ------------------------------------------

    def histories(self) -> Mapping[int, TipHistory]:
        """The history of every tip by its id; four queries."""
        return tip_history.histories(self._session)

    def restore(self, tip_id: int, history: TipHistory) -> None:
        """Write a history, except for the order."""
        tip_history.restore(self._session, tip_id, history)

    def arrange(self, tip_ids: Sequence[int]) -> None:
        """Give these tips the places that they have now, in this order; all others stay where they are."""
        self._last = None
        tip_history.arrange(self._session, tip_ids)

    def has_sent(self) -> bool:
        """Was an issue ever frozen in this database?"""
        return tip_history.has_sent(self._session)

    def _next_position(self) -> int:
        """The next position at the end of the queue. Asked once: the query reads all tips, and an import adds thousands."""
        if self._last is None:
            self._last = self._session.exec(select(func.max(Tip.position))).one() or 0
        self._last += 1
        return self._last

    def _write(self, row: Tip, found: TipText, shown: ShownWords, *, is_new: bool = False) -> None:
        row.title, row.body, row.complete = found.title, found.body, found.complete
        row.takeaway, row.teaser, row.shown_teaser = found.takeaway, found.teaser, shown.teaser
        row.preview, row.starter = found.preview, found.starter
        _set_rules(row, found.rules)
        self._session.flush()
        if not is_new:
            self._session.exec(delete(TipLabel).where(col(TipLabel.tip_id) == row.id))
        for kind, names in ((CATEGORY, found.categories), (TAG, found.tags)):
            for place, name in enumerate(names):
                self._session.add(TipLabel(tip_id=row.id or 0, kind=kind, name=name, slug=slug_of(name), place=place))
        self._session.flush()
        self._make_findable(row.id or 0, found, shown, is_new=is_new)

    def _make_findable(self, tip_id: int, found: TipText, shown: ShownWords, *, is_new: bool) -> None:
        """Write the words of a tip into the full-text index."""
        words = {
            "id": tip_id,
            "title": found.title,
            "takeaway": found.takeaway,
            "labels": " · ".join((*found.categories, *found.tags)),
            "body": shown.plain,
        }
        connection = self._session.connection()
        if not is_new:
            connection.execute(_FORGET_WORDS, {"id": tip_id})
        connection.execute(_ADD_WORDS, words)

    def _full(self, row: Tip) -> TipFull:
        labels: dict[str, list[str]] = defaultdict(list)
        query = select(TipLabel).where(TipLabel.tip_id == row.id).order_by(col(TipLabel.place))
        for label in self._session.exec(query):
            labels[label.kind].append(label.name)
        return read_full(row, labels)


def _set_rules(row: Tip, rules: TipRules) -> None:
    for name, value in asdict(rules).items():
        setattr(row, name, value)


def slug_of(name: str) -> str:
    """A label in URLs, whatever its capitalization; "" for a label without letters and digits."""
    return str(slugify(name, max_length=100))
