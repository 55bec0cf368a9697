"""The forecast: what always holds for random libraries, dry runs, the runway, and the iCalendar file."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.domain.calendar.choose import choose
from newsletter.domain.calendar.forecast import ForecastSlot, changes, forecast, ics, played_until, runway
from newsletter.domain.calendar.plan import Kind, Plan, Policy, TipPlan
from newsletter.domain.calendar.why_not import why_not
from newsletter.domain.errors import NotFound, UsageError
from newsletter.domain.tips.rerun_rule import Rerun
from newsletter.domain.tips.season_rule import parse_rule
from newsletter.domain.tips.tip import TipState
from tests.support.slots import weekly

FIRST = date(2026, 12, 1)
WEEKS = 120
LAW = settings(max_examples=settings().max_examples // 2)  # a forecast of two years each
SLOTS = st.integers(0, WEEKS - 1).map(lambda week: FIRST + timedelta(weeks=week))
SEASONS = [
    parse_rule(words)
    for words in (
        "25 December",
        "the first Tuesday of January",
        "the Tuesday after Easter",
        "March 2, 2027",
        "the week before Easter",
    )
]


@st.composite
def library_tips(draw: st.DrawFn, number: int) -> TipPlan:
    """One tip with any of the rules a tip can have."""
    state = draw(st.sampled_from([TipState.FRESH, TipState.FRESH, *TipState]))
    runs = draw(st.lists(st.integers(1, 200), max_size=2)) if state is not TipState.FRESH else []
    name = draw(st.sampled_from(["", "", "A", "B"]))
    return TipPlan(
        key=f"t{number}",
        title=f"T{number}",
        position=draw(st.integers(0, 20)),
        complete=draw(st.integers(0, 9)) > 0,
        state=state,
        season=draw(st.none() | st.none() | st.sampled_from(SEASONS)),
        series=name,
        part=draw(st.integers(1, 4)) if name else 0,
        pin=draw(st.none() | st.none() | SLOTS),
        rerun=draw(st.sampled_from([Rerun(), Rerun(never=True), Rerun(after=timedelta(weeks=20)), Rerun(at_most=2)])),
        months=draw(st.sampled_from([frozenset[int](), frozenset[int](), frozenset({12, 1}), frozenset(range(3, 10))])),
        fallback=draw(st.integers(0, 5)) == 0,
        runs=tuple(sorted(FIRST - timedelta(weeks=week) for week in runs)),
    )


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    tips = tuple(draw(library_tips(number)) for number in range(draw(st.integers(0, 25))))
    policy = Policy(draw(st.sampled_from([None, timedelta(weeks=10), timedelta(weeks=52)])))
    return Plan(tips, policy, dict.fromkeys(draw(st.sets(SLOTS, max_size=4)), "away"))


def look(plan: Plan, weeks: int = WEEKS) -> list[ForecastSlot]:
    return forecast(weekly(FIRST, weeks), plan)


@LAW
@given(plans(), st.integers(0, WEEKS))
def test_a_shorter_forecast_is_the_beginning_of_a_longer_one(plan: Plan, weeks: int) -> None:
    assert look(plan, weeks) == look(plan)[:weeks]


@LAW
@given(plans())
def test_the_forecast_is_what_is_chosen_when_each_week_is_computed_again(plan: Plan) -> None:
    """As the daemon does: a new chooser each Tuesday, from the tips as they are then."""
    for line in look(plan):
        choice = choose(line.date, plan)
        assert (choice.tip, choice.kind, choice.reason) == (line.tip, line.kind, line.reason)
        plan = replace(plan, tips=tuple(tip.sent_on(line.date) if tip.key == choice.tip else tip for tip in plan.tips))


@LAW
@given(plans())
def test_pinned_dates_are_kept_and_skipped_dates_are_empty(plan: Plan) -> None:
    for line in look(plan):
        pinned = {tip.key for tip in plan.tips if tip.pin == line.date and tip.is_sendable}
        assert (line.tip is None and line.skip_reason == "away") == (line.date in plan.skips)
        assert line.date in plan.skips or not pinned or line.tip in pinned


@LAW
@given(plans())
def test_nothing_is_sent_that_may_not_be_sent(plan: Plan) -> None:
    tips = {tip.key: tip for tip in plan.tips}
    for line in look(plan):
        tip = tips.get(line.tip or "")
        if tip is None or line.kind is Kind.PINNED:
            continue
        assert tip.is_sendable
        assert tip.pin is None or tip.pin < line.date or tip.pin in plan.skips or tip.pin == line.date
        assert tip.season is None or (tip.season.matches(line.date, plan.days) and line.kind is Kind.SEASONAL)
        assert line.kind in (Kind.SERIES, Kind.SEASONAL) or not tip.months or line.date.month in tip.months


@LAW
@given(plans())
def test_no_tip_comes_back_before_it_has_rested_or_more_often_than_it_may(plan: Plan) -> None:
    tips, runs = {tip.key: tip for tip in plan.tips}, {tip.key: list(tip.runs) for tip in plan.tips}
    fresh = {tip.key for tip in plan.tips if tip.state is TipState.FRESH}
    for line in look(plan):
        if line.tip is None:
            continue
        tip, before = tips[line.tip], runs[line.tip]
        if before and line.kind is not Kind.PINNED:
            assert not tip.rerun.never
            assert tip.rerun.at_most is None or len(before) < tip.rerun.at_most
            rest = {Kind.FALLBACK: plan.policy.fallback_rest, Kind.SEASONAL: timedelta(days=182)}.get(
                line.kind, plan.policy.rest_of(tip)
            )
            assert rest is not None
            assert line.date - before[-1] >= rest
        assert (line.kind is Kind.FRESH) <= (line.tip in fresh)
        before.append(line.date)
        fresh.discard(line.tip)


@LAW
@given(plans())
def test_parts_of_a_series_come_in_order_and_the_first_part_before_them(plan: Plan) -> None:
    for name in ("A", "B"):
        keys = {tip.key: tip.part for tip in plan.tips if tip.series == name and not tip.season}
        if any(tip.pin or tip.runs or tip.state is not TipState.FRESH for tip in plan.tips if tip.key in keys):
            continue
        first: dict[str, int] = {}
        for place, line in enumerate(look(plan)):
            if line.tip in keys:
                first.setdefault(line.tip or "", place)
        parts = [keys[key] for key in first]
        assert parts == sorted(parts)


@LAW
@given(plans())
def test_only_pins_seasons_and_skips_come_between_two_parts_of_a_series(plan: Plan) -> None:
    alone = replace(
        plan,
        tips=tuple(tip for tip in plan.tips if tip.series != "B" and (not tip.series or not (tip.runs or tip.pin))),
    )
    lines = look(alone)
    series = {tip.key for tip in alone.tips if tip.series == "A" and not tip.season}
    places = [place for place, line in enumerate(lines) if line.tip in series]
    for before, after in pairwise(places):
        if lines[after].kind is Kind.SERIES:
            between = {line.kind for line in lines[before + 1 : after]}
            assert between <= {Kind.PINNED, Kind.SEASONAL, Kind.SKIPPED}


@LAW
@given(plans(), SLOTS)
def test_every_tip_but_the_chosen_one_has_a_reason_why_it_was_not_chosen(plan: Plan, slot: date) -> None:
    chooser = played_until(slot, weekly(FIRST, WEEKS), plan)

    for tip in plan.tips:
        assert (why_not(tip.key, slot, chooser) == "") == (chooser.choose(slot).tip == tip.key)


@LAW
@given(plans(), st.randoms())
def test_the_order_in_which_the_library_is_read_does_not_matter(plan: Plan, lots: object) -> None:
    shuffled = list(plan.tips)
    lots.shuffle(shuffled)  # type: ignore[attr-defined]

    assert [line.tip for line in look(replace(plan, tips=tuple(shuffled)))] == [line.tip for line in look(plan)]


def test_ten_years_of_a_thousand_tips_are_fast() -> None:
    tips = []
    for number in range(1000):
        match number % 10:
            case 0:
                rules: dict[str, object] = {"season": SEASONS[number // 10 % 5]}
            case 1 | 2 | 3:
                rules = {"series": f"S{number // 10}", "part": number % 10}
            case 4 | 5 | 6:
                rules = {"state": TipState.SENT, "runs": (FIRST - timedelta(weeks=number),)}
            case _:
                rules = {"months": frozenset({number % 12 + 1}), "fallback": number % 2 == 0}
        tips.append(TipPlan(f"t{number}", f"T{number}", number, **rules))  # type: ignore[arg-type]
    started = time.process_time()
    lines = look(Plan(tuple(tips)), 520)

    assert time.process_time() - started < 2
    assert all(line.tip for line in lines)


# -- dry runs -----------------------------------------------------------------------------------------


def fresh(count: int) -> Plan:
    return Plan(tuple(TipPlan(f"t{n}", f"T{n}", n) for n in range(count)), Policy(rerun_after=timedelta(weeks=20)))


def test_a_dry_run_shows_the_slots_that_differ() -> None:
    plan = fresh(9)
    differ = changes(look(plan, 4), look(plan.with_change("pin t3 2026-12-08"), 4))

    assert [(old.tip, new.tip) for old, new in differ] == [("t1", "t3"), ("t2", "t1"), ("t3", "t2")]


@pytest.mark.parametrize("change", ["", "skip", "skip yesterday", "pin t0", "pin t0 2026-13-01", "drop t0"])
def test_an_invalid_change_is_refused(change: str) -> None:
    with pytest.raises(UsageError):
        fresh(1).with_change(change)


def test_a_change_to_an_unknown_tip_is_refused() -> None:
    with pytest.raises(NotFound):
        fresh(1).with_change("pin b 2026-12-01")


@pytest.mark.parametrize("name", ["t3", "A Question of Tone"])
def test_a_change_names_a_tip_by_its_key_or_its_title(name: str) -> None:
    plan = fresh(5)
    titled = tuple(replace(tip, title="A question of tone") if tip.key == "t3" else tip for tip in plan.tips)
    found = look(replace(plan, tips=titled).with_change(f"pin {name} 2026-12-08").with_change("retire t0"), 2)

    assert [line.tip for line in found] == ["t1", "t3"]


def test_the_pin_of_a_skipped_slot_moves_on_to_the_next_free_slot() -> None:
    plan = fresh(5).with_change("pin t3 2026-12-08").with_change("pin t4 2026-12-15")
    skipped = plan.with_change("skip 2026-12-08").with_change("skip 2026-12-22")
    by_hand = FIRST + timedelta(days=9)
    sent = tuple(tip.sent_on(by_hand) if tip.key == "t3" else tip for tip in skipped.tips)

    assert [line.tip for line in look(skipped, 5)] == ["t0", None, "t4", None, "t3"]
    assert [line.tip for line in look(skipped.with_change("unskip 2026-12-08"), 2)] == ["t0", "t3"]
    assert "t3" not in [line.tip for line in look(replace(skipped, tips=sent), 5)]


# -- runway ------------------------------------------------------------------------------------------


def test_the_runway_counts_the_weeks_until_the_first_re_run_and_until_nothing_is_left() -> None:
    found = runway(look(fresh(9), 60))

    assert (found.fresh_weeks, found.fresh_until, found.with_reruns) == (9, date(2027, 1, 26), 9)
    assert runway(look(fresh(30), 60)).with_reruns is None
    assert runway(look(fresh(0), 60)).fresh_until is None


def test_a_skipped_week_is_covered_and_a_season_lengthens_the_runway() -> None:
    plan = fresh(3).with_change("skip 2026-12-08")
    plan = replace(plan, tips=(*plan.tips, TipPlan("x", "X", 9, season=SEASONS[0])))

    assert runway(look(plan, 60)).fresh_until == date(2026, 12, 29)


def test_the_owner_is_warned_at_eight_four_and_two_weeks() -> None:
    levels = defaultdict(list)
    for count in range(11):
        levels[runway(look(fresh(count), 60)).level].append(count)

    assert levels == {2: [0, 1, 2], 4: [3, 4], 8: [5, 6, 7, 8], None: [9, 10]}
    assert runway(look(fresh(9), 60)).warning() == ""
    assert (
        runway(look(fresh(2), 60)).warning()
        == "fresh tips are left for 2 weeks, until December 8, 2026; then there is nothing to send"
    )
    assert runway(look(fresh(0), 60)).warning() == "no fresh tips are left, and there is nothing to send"
    assert runway(look(fresh(2), 2)).warning().endswith("; then earlier tips run again")


# -- iCalendar ---------------------------------------------------------------------------------------


def unfolded(text: str) -> list[str]:
    return text.replace("\r\n ", "").split("\r\n")


def calendar(*lines: ForecastSlot) -> str:
    return ics(lines, name="Tips; weekly", domain="tips.example", stamp=datetime(2026, 11, 30, 8, tzinfo=UTC))


def test_a_calendar_file_is_complete_and_escaped() -> None:
    text = calendar(ForecastSlot(FIRST, "a", "Wait, then; act\\stay\nstill", Kind.FRESH, "next in the queue"))

    assert unfolded(text) == [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Tip of the Week//Calendar//EN", "METHOD:PUBLISH",
        "X-WR-CALNAME:Tips\\; weekly", "BEGIN:VEVENT", "UID:slot-20261201@tips.example", "DTSTAMP:20261130T080000Z",
        "DTSTART;VALUE=DATE:20261201", "DTEND;VALUE=DATE:20261202", "SUMMARY:Wait\\, then\\; act\\\\stay\\nstill",
        "DESCRIPTION:next in the queue", "TRANSP:TRANSPARENT", "END:VEVENT", "END:VCALENDAR", "",
    ]  # fmt: skip


def test_a_slot_without_a_tip_is_in_the_calendar_too() -> None:
    text = calendar(
        ForecastSlot(FIRST, None, "", Kind.NONE, "no fresh tips are left"),
        ForecastSlot(FIRST + timedelta(days=7), None, "", Kind.SKIPPED, "skipped: away", "away"),
    )

    assert [line for line in unfolded(text) if line.startswith("SUMMARY")] == [
        "SUMMARY:No tip to send",
        "SUMMARY:No issue",
    ]


@LAW
@given(st.text(max_size=300))
def test_lines_are_folded_at_75_octets_and_no_title_can_break_out(title: str) -> None:
    text = calendar(ForecastSlot(FIRST, "a", title or "x", Kind.FRESH, title))

    assert all(len(line.encode("utf-8", "surrogatepass")) <= 75 for line in text.split("\r\n"))
    assert "\n" not in text.replace("\r\n", "")
    assert "\r" not in text.replace("\r\n", "")
    assert [line for line in unfolded(text) if line.startswith(("BEGIN", "END"))] == [
        "BEGIN:VCALENDAR", "BEGIN:VEVENT", "END:VEVENT", "END:VCALENDAR",
    ]  # fmt: skip
