"""Explain to the owner why a tip does not go out in a slot."""

from __future__ import annotations

from datetime import date

from newsletter.domain.calendar.choose import TipChooser
from newsletter.domain.calendar.plan import Kind, TipPlan, last_sent
from newsletter.domain.english import plural
from newsletter.domain.errors import NotFound
from newsletter.domain.tips.rerun_rule import months_in_words
from newsletter.domain.tips.season_rule import in_words
from newsletter.domain.tips.tip import TipCard, TipState


def standing(tip: TipCard) -> str:
    """Why this tip is not waiting for its first run; "" when it is."""
    if not tip.complete:
        return "only its teaser is here; import the page with the full tip"
    if tip.problem and tip.state is not TipState.RETIRED:
        return f"it is passed over until it is fixed: {tip.problem}"
    return {
        TipState.FRESH: "",
        TipState.SENT: f"it was sent on {tip.last_sent_on}",
        TipState.ARCHIVE: f"it ran before it was imported ({tip.published_on or 'no date'})",
        TipState.RETIRED: "it is retired",
    }[tip.state]


def why_not(key: str, slot: date, chooser: TipChooser) -> str:
    """Why the chooser does not choose this tip for this slot; "" when it does. Raises NotFound.

    chooser: played up to the slot, see `forecast.played_until`.
    """
    tip = chooser.tips.get(key)
    if tip is None:
        raise NotFound(f"there is no tip {key[:80]!r}", fix="See: newsletter tips list")
    choice = chooser.choose(slot)
    if choice.tip == key:
        return ""
    if choice.kind is Kind.SKIPPED:
        return f"no issue goes out on this date: {choice.reason}"
    own = _never(tip) or _other_date(tip, slot, chooser) or _starter(tip, slot, chooser) or _turn(tip, slot, chooser)
    first = choice.tip and chooser.tips[choice.tip].title_on(slot)
    return own or f"“{first}” comes before it: {choice.reason}"


def _never(tip: TipPlan) -> str:
    if not tip.complete:
        return "only its teaser is here; import the page with the full tip"
    if tip.state is TipState.RETIRED:
        return "it is retired"
    return f"it is passed over until it is fixed: {tip.problem}" if tip.problem else ""


def _other_date(tip: TipPlan, slot: date, chooser: TipChooser) -> str:
    """Why the tip must wait for another date: a pin, a season, or its months."""
    if tip.pin and chooser.is_kept_for_pin(tip, slot):
        return f"it is kept for {in_words(tip.pin)}, where it is pinned"
    if tip.season:
        return _out_of_season(tip, slot, chooser)
    if tip.months and slot.month not in tip.months:
        return f"it may run only in {months_in_words(tip.months)}"
    return ""


def _out_of_season(tip: TipPlan, slot: date, chooser: TipChooser) -> str:
    season = tip.season
    if season is None:
        return ""
    if not season.matches(slot, chooser.days):
        coming = season.next_slot(slot, chooser.days)
        when = f"it comes on {in_words(coming)}" if coming else "that is over"
        return f"it is seasonal ({season.words()}): {when}"
    if not chooser.is_in_season_again(tip, slot):
        return _no_more(tip) or f"it is in season, but was {last_sent(tip, slot)}"
    return ""


def _starter(tip: TipPlan, slot: date, chooser: TipChooser) -> str:
    """Why a starter tip waits for the owner's own tips."""
    waits = tip.starter and (tip.is_fresh or tip.season) and chooser.own_tip_waits(slot)
    return "it is a starter tip, and your own tips are sent first" if waits else ""


def _turn(tip: TipPlan, slot: date, chooser: TipChooser) -> str:
    """Why a tip without a date of its own is not next."""
    if tip.season:
        return ""
    if tip.series and chooser.series[tip.series][0] != tip.key:
        return _later_part(tip, slot, chooser)
    if not chooser.fits(tip.key, slot):
        return _waits_for_stretch(tip, slot, chooser)
    if tip.is_fresh:
        ahead = chooser.queue.index(tip.key)
        return f"{plural(ahead, 'tip')} before it in the queue" if ahead else ""
    until = chooser.rests_until(tip)
    if until is None:
        return _no_more(tip) or f"{last_sent(tip, slot)}, and nothing runs again in this newsletter"
    return f"{last_sent(tip, slot)}; it rests until {in_words(until)}" if until > slot else ""


def _no_more(tip: TipPlan) -> str:
    if not tip.runs:
        return ""
    if tip.rerun.never:
        return f"it runs only once, and did on {in_words(tip.last_run)}"
    if tip.rerun.at_most and len(tip.runs) >= tip.rerun.at_most:
        return f"it may have {plural(tip.rerun.at_most, 'run')} and has had them; the last was {in_words(tip.last_run)}"
    return ""


def _later_part(tip: TipPlan, slot: date, chooser: TipChooser) -> str:
    keys = chooser.series[tip.series]
    before = chooser.tips[keys[keys.index(tip.key) - 1]]
    words = chooser.part_words(tip)
    if chooser.next_part(tip.series) == tip.key:
        return ""
    return f"it is {words}, and follows “{before.title_on(slot)}”"


def _waits_for_stretch(tip: TipPlan, slot: date, chooser: TipChooser) -> str:
    count = len(chooser.series[tip.series])
    season = chooser.first_season(slot, count)
    if season is None:
        return ""
    other = chooser.tips[season[1]].title_on(season[0])
    return f"it begins a series of {count}, and “{other}” on {in_words(season[0])} would interrupt it"
