"""Put what an importer found into the library; reads no file and knows no format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from itertools import chain, count

from newsletter.domain.ports import Store, Tips
from newsletter.domain.tips import Rejected, TipFull, TipState, TipText, first_state, identity, merge

MAX_KEY = 60  # characters, cut at a word


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

    says_all: the finding knows the tip's key, so it takes the place of what is there.
    """

    identity: str
    key: str
    text: TipText
    state: TipState | None
    stored: TipFull | None
    says_all: bool = False

    @property
    def changes(self) -> bool:
        """Is there anything to write?"""
        return self.stored is None or self.state is not None or self.text != self.stored.text


def import_tips(
    store: Store, found: Iterable[TipText | Rejected], *, queue: bool, dry_run: bool, now: datetime
) -> Report:
    """Add new tips, merge known ones, in one transaction; the same import again changes nothing.

    queue: tips that ran before this system wait in the queue again. dry_run: the same report, nothing written.
    """
    rejected: list[Rejected] = []
    texts: dict[str, TipText] = {}
    for piece in found:
        if isinstance(piece, Rejected):
            rejected.append(piece)
            continue
        same = f"key {piece.key}" if piece.key else identity(piece.title, piece.published_on)
        texts[same] = merge(texts[same], piece) if same in texts else piece
    with store.read() if dry_run else store.write() as tx:
        plans = list(_plan(tx.tips, texts.values(), rejected, queue=queue))
        if not dry_run:
            _carry_out(tx.tips, plans, now)
    return _report(plans, rejected)


def _plan(tips: Tips, texts: Iterable[TipText], rejected: list[Rejected], *, queue: bool) -> Iterator[_Plan]:
    """What becomes of each tip.

    A known one keeps its state, also when its teaser is completed, unless the owner now queues what was archive.
    """
    given: set[str] = set()
    for text in texts:
        same = identity(text.title, text.published_on)
        twin = tips.find(same)
        by_key = tips.get(text.key) if text.key and tips.is_key(text.key) else None
        if by_key and twin and twin.card.id != by_key.card.id:
            reason = f"title and day are those of the tip {twin.card.key!r}; change one of the two"
            rejected.append(Rejected(text.source, text.line, reason))
        elif stored := by_key or twin:
            state = TipState.FRESH if queue and stored.card.state is TipState.ARCHIVE else None
            new = _in_place_of(stored.text, text) if by_key else merge(stored.text, replace(text, key=stored.card.key))
            yield _Plan(same, stored.card.key, new, state, stored, says_all=by_key is not None)
        else:
            key = text.key if text.key and not tips.key_taken(text.key) else _free_key(tips, text, given)
            given.add(key)
            yield _Plan(same, key, text, first_state(text, queue=queue), None)


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


def _carry_out(tips: Tips, plans: Iterable[_Plan], now: datetime) -> None:
    for plan in plans:
        if plan.stored is None:
            tips.add(plan.text, plan.identity, plan.key, plan.state or TipState.FRESH, now)
        elif plan.changes:
            same = plan.identity if plan.says_all else None
            tips.rewrite(plan.stored.card.id, plan.text, now, complete_state=plan.state, identity=same)


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
