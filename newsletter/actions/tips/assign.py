"""Move tips to another list. They keep their keys, so that their web addresses stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from newsletter.actions.issues.release import forget_approvals
from newsletter.domain.errors import Refused
from newsletter.domain.lists import MailingList
from newsletter.domain.tips.season_rule import in_words
from newsletter.domain.tips.tip import TipCard, TipFull
from newsletter.ports.store import Store, Tx


@dataclass(frozen=True, slots=True)
class AssignedTip:
    """A tip and its lists. before: the key of the list that it was in; the same as `after` if nothing changes."""

    key: str
    title: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class SplitSeries:
    """A series of which parts are in another list afterwards. others: the keys of those parts, in the list `list`."""

    series: str
    list: str
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Assigned:
    """What `assign_tips` did, or would do in a dry run."""

    tips: tuple[AssignedTip, ...]
    split: tuple[SplitSeries, ...]


def assign_tips(store: Store, keys: Sequence[str], *, dry_run: bool) -> Assigned:
    """Move these tips to the end of the queue of the store's list: all of them, or none.

    Raises NotFound for an unknown key, and Refused for a tip that is pinned, or that an open issue has, and if the list is
    retired. dry_run: check everything, and write nothing.
    """
    with store.read() if dry_run else store.write() as tx:
        target, names = tx.lists.mine(), {one.id: one for one in tx.lists.each(retired=True)}
        if target.retired_at:
            raise Refused(f"the list {target.key} is retired", fix="Choose another list. See: newsletter lists list")
        tips = [tx.tips.get(key) for key in dict.fromkeys(keys)]
        moved = [tip for tip in tips if tip.card.list_id != target.id]
        for tip in moved:
            _must_be_free(tx.of_list(tip.card.list_id), tip.card, names[tip.card.list_id])
        split = _split_series(tx, moved, names)
        for tip in [] if dry_run else moved:
            forget_approvals(tx.of_list(tip.card.list_id), tip.card)
            tx.courses.take_out(tip.card.id)
            tx.tips.assign(tip.card.id)
    return Assigned(
        tuple(AssignedTip(tip.card.key, tip.card.title, names[tip.card.list_id].key, target.key) for tip in tips), split
    )


def _must_be_free(tx: Tx, card: TipCard, its_list: MailingList) -> None:
    """tx: sees the list of the tip."""
    option = "" if its_list.is_first else f" --list {its_list.key}"
    for issue in (*tx.issues.open(), *tx.issues.paused()):
        if issue.tip_id == card.id:
            raise Refused(
                f"{card.key} is the tip of issue {issue.shown}, which is {issue.state}",
                fix=f"Wait until the issue is done, or run: newsletter issues cancel {issue.shown}{option}",
            )
    pin = next((plan.pin for plan in tx.calendar.plans() if plan.key == card.key), None)
    if pin:
        raise Refused(
            f"{card.key} is pinned to {in_words(pin)}", fix=f"Run this first: newsletter tips unpin {card.key}{option}"
        )


def _split_series(tx: Tx, moved: Sequence[TipFull], names: dict[int, MailingList]) -> tuple[SplitSeries, ...]:
    wanted = {tip.text.rules.series for tip in moved} - {""}
    gone = {tip.card.id for tip in moved}
    found = []
    for one in names.values() if wanted else ():
        rest = [tip for tip in tx.of_list(one.id).tips.all() if tip.card.id not in gone]
        for series in sorted(wanted) if one.id != tx.list_id else ():
            others = tuple(tip.card.key for tip in rest if tip.text.rules.series == series)
            found += [SplitSeries(series, one.key, others)] if others else []
    return tuple(found)
