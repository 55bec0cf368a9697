"""Which tip comes next, and why; the same function answers the daemon and the forecast."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from newsletter.domain.tips import TipCard, TipState


@dataclass(frozen=True, slots=True)
class Choice:
    """The tip for a slot and the reason in words; `tip` is None when there is none."""

    tip: TipCard | None
    reason: str


def is_fresh(tip: TipCard) -> bool:
    """May this tip have its first run?"""
    return tip.complete and tip.state is TipState.FRESH


def choose(tips: Iterable[TipCard]) -> Choice:
    """The first fresh tip in queue order."""
    fresh = sorted((tip for tip in tips if is_fresh(tip)), key=lambda tip: (tip.position, tip.id))
    if not fresh:
        return Choice(None, "no fresh tip is left in the queue")
    return Choice(fresh[0], f"first of {len(fresh)} fresh tips in the queue")


def why_not(tip: TipCard) -> str:
    """Why this tip is not in the queue, or "" when it is."""
    if not tip.complete:
        return "only its teaser is here; import the page with the whole article"
    return {
        TipState.FRESH: "",
        TipState.SENT: f"it was sent on {tip.last_sent_on}",
        TipState.ARCHIVE: f"it ran before this system ({tip.published_on or 'no date'})",
        TipState.RETIRED: "it is retired",
    }[tip.state]
