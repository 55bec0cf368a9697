"""Simulated years of subscribers and issues, compared with what can be counted by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from newsletter.domain.calendar.forecast import forecast
from newsletter.domain.calendar.plan import Kind, Plan, Policy, TipPlan
from newsletter.domain.calendar.simulation import simulate
from tests.support.slots import weekly

FIRST = date(2026, 12, 1)


def library(count: int, *, rest: int | None = 364) -> Plan:
    tips = tuple(TipPlan(f"t{n}", f"T{n}", n) for n in range(count))
    return Plan(tips, Policy(rerun_after=None if rest is None else timedelta(days=rest)))


def test_fifty_two_tips_that_rest_a_year_never_run_dry() -> None:
    result = simulate(library(52), FIRST, years=10, subscribers=500, churn=0.2)

    assert (result.slots, result.issues, result.empty) == (522, 522, ())
    assert result.longest_gap == timedelta(days=7)
    assert result.reruns_begin == date(2027, 11, 30)
    assert result.soonest_repeat == timedelta(days=364)


def test_weeks_without_a_tip_are_named_and_make_a_gap() -> None:
    result = simulate(library(51), FIRST, years=2, subscribers=1, churn=0)

    assert result.empty == (date(2027, 11, 23), date(2028, 11, 21))
    assert result.longest_gap == timedelta(days=14)


def test_skipped_weeks_are_not_empty_ones() -> None:
    plan = library(200).with_change("skip 2026-12-29 away")
    result = simulate(plan, FIRST, years=1, subscribers=1, churn=0)

    assert (result.skipped, result.empty, result.issues) == (1, (), 51)
    assert result.longest_gap == timedelta(days=14)


def test_subscribers_who_stay_get_every_re_run_and_those_who_unsubscribe_get_hardly_any() -> None:
    loyal = simulate(library(52), FIRST, years=2, subscribers=10, churn=0)
    fickle = simulate(library(52), FIRST, years=2, subscribers=10, churn=0.999999)

    assert (loyal.subscribers, loyal.subscribers_with_repeats, loyal.most_repeats, loyal.repeats) == (10, 10, 52, 520)
    assert fickle.subscribers > 100
    assert fickle.repeats < 50


def test_churn_is_the_share_that_unsubscribes_in_a_year() -> None:
    result = simulate(library(600), FIRST, years=10, subscribers=500, churn=0.2)
    left = (result.subscribers - 500) / 10 / 500

    assert 0.20 < left < 0.25  # those who replace others unsubscribe as well: -ln(1 - 0.2) = 0.223
    assert result.repeats == 0


def test_the_same_seed_gives_the_same_result_and_another_seed_another() -> None:
    first, again, other = (
        simulate(library(52), FIRST, years=3, subscribers=50, churn=0.3, seed=seed) for seed in (1, 1, 2)
    )

    assert first == again
    assert replace(first, subscribers=0) != replace(other, subscribers=0)


def test_the_simulation_uses_the_same_forecast() -> None:
    result = simulate(library(80), FIRST, years=3, subscribers=0, churn=0)
    lines = forecast(weekly(FIRST, 157), library(80))

    assert result.kinds == {kind: sum(line.kind is kind for line in lines) for kind in result.kinds}
    assert result.kinds[Kind.FRESH] == 80
