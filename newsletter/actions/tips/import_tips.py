"""Put what an importer found into the library; reads no file and knows no format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from functools import reduce
from itertools import chain, count

from newsletter.domain.tips.tip import (
    ConflictChoice,
    Rejected,
    TipFull,
    TipState,
    TipText,
    fingerprint,
    first_state,
    identity,
    merge,
    source_name,
)
from newsletter.ports.store import Store, Tips

MAX_KEY = 60  # characters, cut at a word
MANY = 20  # tips written, from which on the search is tidied


@dataclass(frozen=True, slots=True)
class ImportedTip:
    """A tip as it is in the library after the import."""

    key: str
    title: str
    date: date | None
    complete: bool
    categories: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What an import did, or would do. teasers: how many of `tips` still wait for their whole article."""

    added: int
    updated: int
    unchanged: int
    teasers: int
    rejected: tuple[Rejected, ...]
    tips: tuple[ImportedTip, ...]

    def as_json(self) -> dict[str, object]:
        """The document of `tips import --json`; dates as ISO strings."""
        tips = [{**asdict(tip), "date": tip.date.isoformat() if tip.date else None} for tip in self.tips]
        return {**asdict(self), "rejected": [asdict(piece) for piece in self.rejected], "tips": tips}


@dataclass(frozen=True, slots=True)
class _Plan:
    """One tip of the import: what is in the library and what is to be. state: None leaves it as it is.

    pieces: what each source says. says_all: the finding knows the tip's key, so it takes the place of what is there.
    edited: the owner's own words stand in it afterwards.
    """

    identity: str
    key: str
    text: TipText
    state: TipState | None
    pieces: Mapping[str, TipText]
    stored: TipFull | None = None
    replaces_all: bool = False
    edited: bool = False

    @property
    def changes(self) -> bool:
        """Is there anything to write?"""
        return self.stored is None or self.state is not None or self.text != self.stored.text


def import_tips(
    store: Store,
    found: Iterable[TipText | Rejected],
    *,
    queue: bool,
    dry_run: bool,
    now: datetime,
    take: ConflictChoice | None = None,
) -> Report:
    """Add new tips, merge known ones, in one transaction; the same import again changes nothing.

    What a source has said already it does not say again: a tip that its owner edited since stays edited. Where the
    source has changed too, `take` says whose words stand; without it such a tip is left alone and named.
    queue: tips that ran before this system wait in the queue again. dry_run: the same report, nothing written.
    """
    rejected: list[Rejected] = []
    groups: dict[str, dict[str, TipText]] = {}
    for piece in found:
        if isinstance(piece, Rejected):
            rejected.append(piece)
            continue
        group = groups.setdefault(f"key {piece.key}" if piece.key else identity(piece.title, piece.published_on), {})
        name = source_name(piece.source)
        group[name] = merge(group[name], piece) if name in group else piece
    with store.read() if dry_run else store.write() as tx:
        plans = list(_plan(tx.tips, groups.values(), rejected, queue=queue, take=take))
        if not dry_run:
            _carry_out(tx.tips, plans, now)
    return _report(plans, rejected)


def _plan(
    tips: Tips,
    groups: Iterable[Mapping[str, TipText]],
    rejected: list[Rejected],
    *,
    queue: bool,
    take: ConflictChoice | None,
) -> Iterator[_Plan]:
    """What becomes of each tip.

    A known one keeps its state, also when its teaser is completed, unless the owner now queues what was archive.
    """
    given: set[str] = set()
    for pieces in groups:
        text = reduce(merge, pieces.values())
        same = identity(text.title, text.published_on)
        twin = tips.find(same)
        by_key = tips.get(text.key) if text.key and tips.is_key(text.key) else None
        if by_key and twin and twin.card.id != by_key.card.id:
            reason = f"title and day are those of the tip {twin.card.key!r}; change one of the two"
            rejected.append(Rejected(text.source, text.line, reason))
        elif stored := by_key or twin or _find_by_source(tips, pieces):
            state = TipState.FRESH if queue and stored.card.state is TipState.ARCHIVE else None
            plan = _Plan(same, stored.card.key, stored.text, state, pieces, stored, by_key is not None, stored.edited)
            if news := _new_text(tips, stored, pieces):
                yield from _with_new_text(plan, stored, news, rejected, take)
            else:
                yield plan
        else:
            key = text.key if text.key and not tips.key_taken(text.key) else _free_key(tips, text, given)
            given.add(key)
            yield _Plan(same, key, text, first_state(text, queue=queue), pieces)


def _find_by_source(tips: Tips, pieces: Mapping[str, TipText]) -> TipFull | None:
    """The tip whose title was changed since these sources told it."""
    told = (tips.find_source(name, identity(piece.title, piece.published_on)) for name, piece in pieces.items() if name)
    return next(filter(None, told), None)


def _new_text(tips: Tips, stored: TipFull, pieces: Mapping[str, TipText]) -> TipText | None:
    """What the sources say that they had not said before."""
    source_fingerprints = tips.source_fingerprints(stored.card.id)
    news = [piece for name, piece in pieces.items() if not name or source_fingerprints.get(name) != fingerprint(piece)]
    return reduce(merge, news) if news else None


def _with_new_text(
    plan: _Plan, stored: TipFull, news: TipText, rejected: list[Rejected], take: ConflictChoice | None
) -> Iterator[_Plan]:
    if plan.replaces_all:
        new = _in_place_of(stored.text, news)
        yield replace(plan, text=new, edited=stored.edited or new != stored.text)
        return
    new = merge(stored.text, replace(news, key=stored.card.key))
    labelled = replace(stored.text, categories=new.categories, tags=new.tags)
    if not stored.edited or new == labelled:
        yield replace(plan, text=new)
    elif take is ConflictChoice.FILE:
        yield replace(plan, text=new, edited=False)
    elif take is ConflictChoice.MINE:
        yield plan
    else:
        reason = f"the file has changed, and you have changed the tip {stored.card.key!r} too; say --take file or --take mine"
        rejected.append(Rejected(news.source, news.line, reason))
        yield replace(plan, pieces={})


def _in_place_of(old: TipText, new: TipText) -> TipText:
    """The new text, which remembers where the old one came from."""
    return replace(new, already_run=old.already_run, source=old.source, line=old.line)


def _free_key(tips: Tips, text: TipText, given: set[str]) -> str:
    """The title as a slug; where that is taken, with its date, else with a number."""
    from slugify import slugify

    words = text.title.replace("'", "").replace("’", "")
    slug = slugify(words, max_length=MAX_KEY, word_boundary=True, save_order=True) or "tip"
    dated = [f"{slug}-{text.published_on.isoformat()}"] if text.published_on else []
    numbered = (f"{slug}-{number}" for number in count(2))
    return next(key for key in chain([slug], dated, numbered) if key not in given and not tips.key_taken(key))


def _carry_out(tips: Tips, plans: Sequence[_Plan], now: datetime) -> None:
    for plan in plans:
        if plan.stored is None:
            tip_id = tips.add(plan.text, plan.identity, plan.key, plan.state or TipState.FRESH, now).id
        else:
            tip_id = plan.stored.card.id
            if plan.changes:
                same = identity(plan.text.title, plan.text.published_on) if plan.replaces_all else None
                tips.rewrite(tip_id, plan.text, now, complete_state=plan.state, identity=same, edited=plan.edited)
        for name, piece in plan.pieces.items():
            if name:
                tips.record_source(tip_id, name, identity(piece.title, piece.published_on), fingerprint(piece))
    if sum(plan.changes for plan in plans) >= MANY:
        tips.optimize_search()


def _report(plans: Iterable[_Plan], rejected: Iterable[Rejected]) -> Report:
    plans = tuple(plans)
    known = [plan for plan in plans if plan.stored is not None]
    updated = sum(plan.changes for plan in known)
    return Report(
        added=len(plans) - len(known),
        updated=updated,
        unchanged=len(known) - updated,
        teasers=sum(not plan.text.complete for plan in plans),
        rejected=tuple(rejected),
        tips=tuple(
            ImportedTip(
                plan.key,
                plan.text.title,
                plan.text.published_on,
                plan.text.complete,
                plan.text.categories,
                plan.text.tags,
            )
            for plan in plans
        ),
    )
