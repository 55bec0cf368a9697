"""Import tips into the library: add new tips, and merge changed ones without losing the owner's edits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import reduce
from itertools import chain, count
from typing import TypeVar

from slugify import slugify

from newsletter.actions.tips.import_history import Histories, in_order
from newsletter.actions.tips.import_lists import Destinations
from newsletter.actions.tips.import_report import ImportedTip, Report, Staying
from newsletter.actions.tips.match_tips import Group, Library, group
from newsletter.domain.archive.entries import ShownWords, shown_words
from newsletter.domain.tips.list_map import EVERYTHING, ListMap, categories_of
from newsletter.domain.tips.season_rule import in_words
from newsletter.domain.tips.tip import (
    ConflictChoice,
    LeftOut,
    Piece,
    Rejected,
    Remark,
    TipFull,
    TipHistory,
    TipState,
    TipText,
    fingerprint,
    first_state,
    identity,
    merge,
)
from newsletter.ports.store import Store, Tx
from newsletter.ports.tips import Tips

MAX_KEY = 60  # characters; a longer key is cut after a word
MANY = 20  # written tips that are worth optimizing the search index
AT_ONCE = 10  # tips in one transaction, which takes about 20 ms; visitors sign up between two of them
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to write for one tip.

    identity: the new one, or "" to keep it. list_id: the list that it is in, or is added to. state: None leaves the state as it is. pieces: the text from each source, by
    its name. stored: the tip that is in the library. replaces_all: the source gives the key of the tip, so its text
    replaces the stored one. edited: the tip has edits by the owner afterwards. history: the new one, or None to keep it.
    order: what the file says, if the tip is known. shown: computed from the text.
    """

    identity: str
    key: str
    text: TipText
    state: TipState | None
    pieces: Mapping[str, TipText]
    list_id: int
    stored: TipFull | None = None
    replaces_all: bool = False
    edited: bool = False
    history: TipHistory | None = None
    order: TipText | None = None
    shown: ShownWords | None = None

    @property
    def rewrites(self) -> bool:
        """Does the text or the state change?"""
        return self.stored is None or self.state is not None or self.text != self.stored.text

    @property
    def changes(self) -> bool:
        """Does the tip itself change?"""
        return self.rewrites or self.history is not None


def import_tips(
    store: Store,
    found: Iterable[Piece],
    *,
    queue: bool,
    dry_run: bool,
    now: datetime,
    take: ConflictChoice | None = None,
    categories: Sequence[str] = (),
    list_map: ListMap = EVERYTHING,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Add new tips and merge known ones, a few in each transaction. The same import again does the rest, or nothing.

    A text that its source has given before is not imported again, so a tip stays as its owner has edited it since. If
    the source has changed too, `take` chooses the version to keep; without it, the tip is left alone and rejected.
    queue: put tips that were published before this system was in use in the queue. dry_run: report without writing.
    categories: import only tips in one of them; no categories means all tips. list_map: the lists that new tips go to; the
    list of the store if it does not say. A known tip stays in its list. progress: called with how many tips were
    written, and of how many.
    """
    pieces = [each for piece in found for each in (piece, *_doubts(piece, now))]
    # Texts of one tip are grouped first, so that a teaser and its article on different pages give one tip.
    groups = in_order(group(piece for piece in pieces if isinstance(piece, TipText)))
    planner = _Planner([one.text for one in groups], now, queue, take, categories, list_map)
    show = progress or (lambda _done, _of: None)
    done, placed = list[_Step](), list[tuple[int, TipText]]()
    while True:
        # Thousands of tips take seconds to compare and prepare, and visitors must not wait for that. So it is done before
        # the transactions that write; if the library has changed meanwhile, it is done again for what is left.
        with store.read() as tx:
            version = tx.tips.version()
            steps, histories, lists = planner.plan(tx, groups[len(done) :])
        done += steps if dry_run else steps[: _write(store, steps, version, placed, now, show, len(done))]
        if len(done) == len(groups):
            break
    plans = [plan for step in done for plan in step.plans]
    if not dry_run:
        _finish(store, histories.arrangement(placed), optimize=sum(plan.rewrites for plan in plans) >= MANY)
    return _report(plans, pieces, done, lists)


def _doubts(piece: Piece, now: datetime) -> Sequence[Remark]:
    """What cannot be right about a post of an archive: a date that has not come yet, in any time zone."""
    day = piece.published_on if isinstance(piece, TipText) and piece.already_run else None
    if not isinstance(piece, TipText) or day is None or day <= now.date() + timedelta(days=1):
        return ()
    words = f"{piece.title!r}: its date, {in_words(day)}, is in the future; correct it, and import it again"
    return [Remark(piece.file or piece.source, piece.line, words)]


@dataclass(frozen=True, slots=True)
class _Step:
    """What to do about one tip of the import. is_wanted: it has one of the wanted categories."""

    group: Group
    is_wanted: bool
    plans: Sequence[_Plan] = ()
    rejected: Sequence[Rejected] = ()
    remarks: Sequence[Remark] = ()
    staying: Sequence[Staying] = ()


@dataclass(frozen=True, slots=True)
class _Planner:
    """Decides what an import writes. texts: all of it; the other arguments are those of `import_tips`."""

    texts: Sequence[TipText]
    now: datetime
    queue: bool
    take: ConflictChoice | None
    categories: Sequence[str]
    list_map: ListMap

    def plan(self, tx: Tx, groups: Sequence[Group]) -> tuple[list[_Step], Histories, Destinations]:
        """One step for each group, in their order. Everything that takes time is done here, and not when it is written."""
        library, lists = Library(tx), Destinations.read(tx, self.list_map)
        histories = Histories(tx.tips, library.lists(), self.texts, self.now, queue=self.queue)
        new_keys: set[str] = set()  # not in the database yet, but taken
        steps = []
        for one, stored in zip(groups, library.match(groups), strict=True):
            if not _is_in(self.categories, one, stored):
                steps.append(_Step(one, is_wanted=False))
                continue
            rejected = list[Rejected]()
            found = _plan(
                tx.tips, library, histories, lists, one, stored, rejected, new_keys, queue=self.queue, take=self.take
            )
            plans = [_prepared(plan) for plan in found]
            remarks = [*histories.new_remarks(), *lists.remarks(one, stored)]
            steps.append(_Step(one, True, plans, rejected, remarks, lists.staying(one, stored)))
        return steps, histories, lists


def _prepared(plan: _Plan) -> _Plan:
    return replace(plan, shown=shown_words(plan.text)) if plan.rewrites else plan


def _is_in(categories: Sequence[str], one: Group, stored: TipFull | None) -> bool:
    """Has the tip one of these categories? The labels of feeds, which do not tell the two apart, are tags."""
    wanted = {" ".join(name.split()).casefold() for name in categories}
    texts = [one.text, *([stored.text] if stored else [])]
    return not wanted or any(name.casefold() in wanted for text in texts for name in (*text.categories, *text.tags))


def _other_category(text: TipText) -> LeftOut:
    names = ", ".join((*text.categories, *text.tags))
    return LeftOut(text.source, text.line, text.title, f"in another category: {names}" if names else "in no category")


def _plan(
    tips: Tips,
    library: Library,
    histories: Histories,
    lists: Destinations,
    one: Group,
    stored: TipFull | None,
    rejected: list[Rejected],
    new_keys: set[str],
    *,
    queue: bool,
    take: ConflictChoice | None,
) -> Iterator[_Plan]:
    """What to write for one tip. stored: the one in the library. rejected, new_keys: added to.

    A known tip keeps its state, even if its teaser is completed, unless the owner queues a tip of the archive.
    """
    text = one.text
    if refusal := histories.refusal(text, stored) or lists.refusal(one, stored):
        rejected.append(refusal)
        return
    if stored is None:
        key = text.key if text.key and not tips.key_taken(text.key) else _free_key(tips, text, new_keys)
        new_keys.add(key)
        state, list_id = first_state(text, queue=queue), lists.of_new(one)
        history = histories.of_new(text, list_id)
        yield _Plan(library.free_identity(text), key, text, state, one.pieces, list_id, history=history)
        return
    by_key = text.key == stored.card.key
    if by_key and (twin := _twin(library, stored, text)):
        reason = f"the tip {twin.card.key!r} has this title and date; change one of the two"
        rejected.append(Rejected(text.source, text.line, reason))
        return
    again = TipState.FRESH if queue and stored.card.state is TipState.ARCHIVE else None
    plan = _Plan(
        "", stored.card.key, stored.text, again, one.pieces, stored.card.list_id, stored, by_key, stored.edited
    )
    plan = replace(plan, history=histories.of_known(text, stored), order=text)
    changed = _new_text(library, stored, one.pieces)
    for each in _with_new_text(plan, stored, changed, rejected, take) if changed else [plan]:
        same = library.free_identity(each.text, stored.card.id) if each.text != stored.text else ""
        yield replace(each, identity=same)


def _twin(library: Library, stored: TipFull, text: TipText) -> TipFull | None:
    """Another tip whose title and date this text would take over."""
    same = identity(text.title, text.published_on)
    if same == identity(stored.text.title, stored.text.published_on):
        return None
    twin = library.tips.get(library.identities.get(same, 0))
    return twin if twin and twin.card.id != stored.card.id else None


def _new_text(library: Library, stored: TipFull, pieces: Mapping[str, TipText]) -> TipText | None:
    """The texts of the sources that have changed since they were last imported, merged; None if none has."""
    known = library.fingerprints.get(stored.card.id, {})
    changed = [piece for name, piece in pieces.items() if not name or known.get(name) != fingerprint(piece)]
    return reduce(merge, changed) if changed else None


def _with_new_text(
    plan: _Plan, stored: TipFull, changed: TipText, rejected: list[Rejected], take: ConflictChoice | None
) -> Iterator[_Plan]:
    """The plan for a tip whose sources have changed. New labels always join; text conflicts with the owner's edits."""
    if plan.replaces_all:
        new = _in_place_of(stored.text, changed)
        yield replace(plan, text=new, edited=stored.edited or new != stored.text)
        return
    new = merge(stored.text, replace(changed, key=stored.card.key))
    labelled = replace(stored.text, categories=new.categories, tags=new.tags)
    if not stored.edited or new == labelled:
        yield replace(plan, text=new)
    elif take is ConflictChoice.FILE:
        yield replace(plan, text=new, edited=False)
    elif take is ConflictChoice.MINE:
        yield plan
    else:
        reason = f"both the file and you have changed the tip {stored.card.key!r}; pass --take file or --take mine"
        rejected.append(Rejected(changed.source, changed.line, reason))
        # Without its sources, so that the next import finds the same conflict again.
        yield replace(plan, pieces={})


def _in_place_of(old: TipText, new: TipText) -> TipText:
    """The new text, with the origin of the old one."""
    return replace(new, already_run=old.already_run, source=old.source, line=old.line)


def _free_key(tips: Tips, text: TipText, new_keys: set[str]) -> str:
    """The title as a slug; if that is taken, with the date, otherwise with a number."""
    words = text.title.replace("'", "").replace("’", "")
    slug = slugify(words, max_length=MAX_KEY, word_boundary=True, save_order=True) or "tip"
    dated = [f"{slug}-{text.published_on.isoformat()}"] if text.published_on else []
    numbered = (f"{slug}-{number}" for number in count(2))
    return next(key for key in chain([slug], dated, numbered) if key not in new_keys and not tips.key_taken(key))


def _write(
    store: Store,
    steps: Sequence[_Step],
    version: int,
    placed: list[tuple[int, TipText]],
    now: datetime,
    show: Callable[[int, int], None],
    before: int,
) -> int:
    """Write the steps, a few in each transaction; how many were written before the library changed.

    version: of the library that the steps are for. placed: (id, text) of each tip is added. before: steps that are done.
    """
    for done in range(0, len(steps), AT_ONCE):
        show(before + done, before + len(steps))
        with store.write(after_others=done > 0) as tx:
            if tx.tips.version() != version:
                return done
            plans = [plan for step in steps[done : done + AT_ONCE] for plan in step.plans]
            written = [
                (_write_one(tx.of_list(plan.list_id).tips, plan, now), plan.order or plan.text) for plan in plans
            ]
            version = tx.tips.version()
        placed += written
    show(before + len(steps), before + len(steps))
    return len(steps)


def _write_one(tips: Tips, plan: _Plan, now: datetime) -> int:
    """Write one tip; its id."""
    if plan.stored is None:
        state = plan.state or TipState.FRESH
        tip_id = tips.add(plan.text, plan.identity, plan.key, state, now, shown=plan.shown).id
    else:
        tip_id = plan.stored.card.id
        if plan.rewrites:
            same = plan.identity or None
            tips.rewrite(
                tip_id, plan.text, now, complete_state=plan.state, identity=same, edited=plan.edited, shown=plan.shown
            )
    if plan.history:
        tips.restore(tip_id, plan.history)
    for name, piece in plan.pieces.items():
        if name:
            tips.record_source(tip_id, name, identity(piece.title, piece.published_on), fingerprint(piece))
    return tip_id


def _finish(store: Store, arrangement: Sequence[int], *, optimize: bool) -> None:
    if arrangement or optimize:
        with store.write(after_others=True) as tx:
            if arrangement:
                tx.tips.arrange(arrangement)
            if optimize:
                tx.tips.optimize_search()


def _report(plans: Sequence[_Plan], pieces: Sequence[Piece], steps: Sequence[_Step], lists: Destinations) -> Report:
    not_published = [piece for piece in pieces if isinstance(piece, LeftOut)]
    texts = [piece for piece in pieces if isinstance(piece, TipText)]
    unused = lists.map.unused(texts)
    others = [_other_category(step.group.text) for step in steps if not step.is_wanted]
    known = [plan for plan in plans if plan.stored is not None]
    updated = sum(plan.changes for plan in known)
    return Report(
        added=len(plans) - len(known),
        updated=updated,
        unchanged=len(known) - updated,
        teasers=sum(not plan.text.complete for plan in plans),
        not_published=len(not_published),
        other_category=len(others),
        rejected=_all_of(Rejected, pieces, (one for step in steps for one in step.rejected)),
        left_out=(*not_published, *others),
        remarks=_all_of(Remark, pieces, (one for step in steps for one in step.remarks)),
        tips=tuple(
            ImportedTip(
                plan.key,
                plan.text.title,
                plan.text.published_on,
                plan.text.complete,
                plan.text.categories,
                plan.text.tags,
                lists.keys[plan.list_id],
            )
            for plan in plans
        ),
        lists=lists.counts(plan.list_id for plan in plans),
        unused_maps=unused,
        categories=categories_of(texts) if unused else (),
        staying=tuple(one for step in steps for one in step.staying),
    )


def _all_of(kind: type[T], pieces: Sequence[Piece], more: Iterable[T]) -> tuple[T, ...]:
    return (*(piece for piece in pieces if isinstance(piece, kind)), *more)
