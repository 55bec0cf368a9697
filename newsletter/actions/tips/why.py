"""Explain when a tip goes out, and why it does not go out on another date, from the same forecast as the calendar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from newsletter.actions.calendar.plan import Rules, slots_until, upcoming_slots
from newsletter.domain.calendar.forecast import HORIZON, ForecastSlot
from newsletter.domain.calendar.plan import Kind
from newsletter.domain.calendar.why_not import why_not
from newsletter.ports.store import Tx


@dataclass(frozen=True, slots=True)
class WhyTip:
    """When a tip goes out, and why not in the slot that was asked for.

    line: the first slot that has the tip; None when there is none within ten years. next_slot: the slot that was asked
    for, or the next one. why_not: "" when the tip goes out in `next_slot`. runs: the days on which the tip ran.
    """

    key: str
    title: str
    line: ForecastSlot | None
    next_slot: date
    why_not: str
    runs: tuple[date, ...]


def why_tip(tx: Tx, rules: Rules, key: str, now: datetime, on: date | None = None) -> WhyTip:
    """Explain a tip. on: the slot to explain, by default the next one. Raises NotFound for an unknown key."""
    tx.tips.get(key)
    count = max(rules.schedule.slots_in(HORIZON), slots_until(rules, on, now) if on else 0)
    ahead = upcoming_slots(tx, rules, now, count)
    lines = ahead.lines(extras=True)
    plans = {tip.key: tip for tip in tx.calendar.plans()}
    line = next((line for line in lines if line.tip == key), None)
    slots = [line for line in lines if line.at is None]
    slot = on or next((line.date for line in slots if line.kind is not Kind.SKIPPED), slots[0].date)
    reason = why_not(key, slot, ahead.chooser_at(slot))
    title = line.title if line else plans[key].title_on(plans[key].last_run if plans[key].runs else slot)
    return WhyTip(key, title, line, slot, reason, plans[key].runs)
