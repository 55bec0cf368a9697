"""Starter tips, which came with the program, wait for the owner's own tips."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from newsletter.domain.calendar.choose import TipChooser, choose
from newsletter.domain.calendar.plan import Plan, TipPlan
from newsletter.domain.calendar.why_not import why_not
from tests.unit.test_choose import CHRISTMAS, CHRISTMAS_SLOT, play, series, tips


def test_own_tips_go_before_starter_tips_whatever_their_positions() -> None:
    starters = [replace(tip, starter=True) for tip in tips("s1", "s2")]
    own = [TipPlan("own", "Own", 90), *series("Own series", 3, 91)]
    seasonal = TipPlan("christmas", "C", 1, season=CHRISTMAS, starter=True)
    first = Plan((*starters, *own, seasonal))

    assert play(first, CHRISTMAS_SLOT, 6) == ["own", "Own series1", "Own series2", "Own series3", "s1", "s2"]


def test_a_seasonal_starter_tip_runs_when_no_own_tip_is_fresh() -> None:
    seasonal = TipPlan("christmas", "C", 1, season=CHRISTMAS, starter=True)
    later = TipPlan("pinned", "P", 2, pin=CHRISTMAS_SLOT + timedelta(weeks=1))

    assert choose(CHRISTMAS_SLOT, Plan((seasonal, later))).tip == "christmas"
    assert choose(CHRISTMAS_SLOT, Plan((seasonal, replace(later, pin=None)))).tip == "pinned"
    waits = TipChooser(Plan((seasonal, replace(later, pin=None))))
    assert why_not("christmas", CHRISTMAS_SLOT, waits) == "it is a starter tip, and your own tips are sent first"
