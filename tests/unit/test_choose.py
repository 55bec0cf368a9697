"""The choice for one slot: the order of kinds, series, seasons, re-runs, and why a tip was not chosen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from newsletter.domain.calendar.choose import TipChooser, choose
from newsletter.domain.calendar.forecast import played_until
from newsletter.domain.calendar.plan import Choice, Kind, Plan, Policy, TipPlan
from newsletter.domain.calendar.why_not import why_not
from newsletter.domain.errors import NotFound
from newsletter.domain.tips.rerun_rule import Rerun, months_in_words, parse_months, parse_rerun
from newsletter.domain.tips.season_rule import parse_rule
from newsletter.domain.tips.tip import TipState
from tests.support.slots import weekly

SLOT = date(2026, 12, 1)
CHRISTMAS = parse_rule("the Tuesday on or before 25 December")
CHRISTMAS_SLOT, LONG_AGO = date(2026, 12, 22), date(2024, 1, 2)


def tips(*keys: str, **rules: Any) -> list[TipPlan]:
    """Fresh tips in queue order, with the same rules."""
    return [TipPlan(key, f"Tip {key}", place, **rules) for place, key in enumerate(keys)]


def sent(key: str, *runs: date, **rules: Any) -> TipPlan:
    return TipPlan(key, f"Tip {key}", 50, state=TipState.SENT, runs=runs, **rules)


def series(name: str, count: int, position: int = 0) -> list[TipPlan]:
    return [
        TipPlan(f"{name}{part}", f"{name}, part {part}", position + part, series=name, part=part)
        for part in range(1, count + 1)
    ]


def play(plan: Plan, first: date, weeks: int) -> list[str | None]:
    chooser, keys = TipChooser(plan), list[str | None]()
    for slot in weekly(first, weeks):
        choice = chooser.choose(slot)
        keys.append(choice.tip)
        if choice.tip:
            chooser.record(slot, choice.tip)
    return keys


def plan(*groups: Iterable[TipPlan] | TipPlan, **rest: Any) -> Plan:
    flat = [tip for group in groups for tip in ([group] if isinstance(group, TipPlan) else group)]
    return Plan(tuple(flat), **rest)


# -- the order ---------------------------------------------------------------------------------------


def test_the_kinds_are_tried_in_their_order() -> None:
    library = {
        Kind.PINNED: TipPlan("pinned", "P", 9, pin=CHRISTMAS_SLOT),
        Kind.SEASONAL: TipPlan("seasonal", "S", 8, season=CHRISTMAS),
        Kind.SERIES: TipPlan("part2", "Two", 7, series="A", part=2),
        Kind.FRESH: TipPlan("fresh", "F", 6),
        Kind.RERUN: sent("again", LONG_AGO),
        Kind.FALLBACK: sent("best", date(2026, 11, 3), fallback=True),
    }
    begun = sent("part1", date(2026, 12, 15), series="A", part=1, rerun=Rerun(never=True))
    kinds = []
    while library:
        choice = choose(CHRISTMAS_SLOT, plan(begun, library.values()))
        kinds.append(choice.kind)
        assert choice.tip == library.pop(choice.kind).key

    assert kinds == [Kind.PINNED, Kind.SEASONAL, Kind.SERIES, Kind.FRESH, Kind.RERUN, Kind.FALLBACK]
    assert choose(CHRISTMAS_SLOT, plan(begun)).kind is Kind.NONE


def test_every_choice_has_a_reason_in_plain_words() -> None:
    library = plan(tips("a", "b", "c"))

    assert choose(SLOT, library).reason == "next in the queue, 2 more behind it"
    assert choose(SLOT, plan(tips("a"))).reason == "next in the queue, the last fresh tip"
    assert choose(SLOT, library.with_change("pin c 2026-12-01")) == Choice("c", Kind.PINNED, "pinned to this date")
    assert (
        choose(CHRISTMAS_SLOT, plan(tips("x", season=CHRISTMAS))).reason
        == "seasonal: the Tuesday on or before December 25"
    )
    assert (
        choose(SLOT, plan(series("A first month", 3))).reason
        == "next in the queue: part 1 of 3 of A first month, 2 more behind it"
    )
    assert (
        choose(date(2028, 9, 5), plan(sent("a", date(2027, 3, 2)))).reason
        == "runs again: last sent March 2, 2027, 18 months ago"
    )
    assert choose(SLOT, plan(sent("a", date(2026, 1, 6)))).reason == (
        "no fresh tips are left, and the next one that may run again rests until July 8, 2027"
    )
    assert choose(SLOT, plan()).reason == "no fresh tips are left, and none may run again"
    assert choose(SLOT, plan(tips("a"), skips={SLOT: "the office is closed"})).reason == "skipped: the office is closed"


def test_a_teaser_and_a_retired_tip_never_go_out() -> None:
    teaser = TipPlan("t", "T", 1, complete=False, pin=SLOT, fallback=True)
    retired = TipPlan("r", "R", 2, state=TipState.RETIRED, pin=SLOT, fallback=True, runs=(LONG_AGO,))

    assert choose(SLOT, plan(teaser, retired)).kind is Kind.NONE


def test_a_pinned_tip_is_kept_for_its_date_and_back_in_the_queue_when_that_has_passed() -> None:
    library = plan(tips("a", "b", "c", "d")).with_change("pin a 2026-12-15")

    assert play(library, SLOT, 4) == ["b", "c", "a", "d"]
    assert choose(date(2026, 12, 22), library).tip == "a"


def test_a_pin_brings_back_even_a_tip_that_ran_last_week() -> None:
    assert choose(SLOT, plan(sent("a", date(2026, 11, 24), pin=SLOT), tips("b"))).tip == "a"


def test_a_skip_wins_over_a_pin_and_uses_up_no_tip() -> None:
    library = plan(tips("a", "b")).with_change("pin a 2026-12-08").with_change("skip 2026-12-08 moving house")

    assert play(library, SLOT, 3) == ["b", None, "a"]
    assert library.skips == {date(2026, 12, 8): "moving house"}
    assert play(library.with_change("unskip 2026-12-08"), SLOT, 2) == ["b", "a"]


# -- seasons -----------------------------------------------------------------------------------------


def test_a_seasonal_tip_waits_for_its_season_and_comes_back_each_year_but_never_in_january() -> None:
    library = plan(tips("x", season=CHRISTMAS), tips(*(f"f{n:03}" for n in range(130))))
    keys = play(library, SLOT, 120)
    slots = [slot for slot, key in zip(weekly(SLOT, 120), keys, strict=True) if key == "x"]

    assert slots == [date(2026, 12, 22), date(2027, 12, 21), date(2028, 12, 19)]


def test_a_missed_season_waits_for_the_next_year() -> None:
    library = plan(tips("x", season=CHRISTMAS), tips("a")).with_change("skip 2026-12-22")

    assert play(library, date(2026, 12, 22), 2) == [None, "a"]
    assert choose(date(2027, 12, 21), library).tip == "x"


def test_several_tips_of_one_season_take_turns() -> None:
    library = plan(tips("x", "y", season=CHRISTMAS), sent("z", date(2023, 12, 19), season=CHRISTMAS))
    chosen = []
    for slot in (date(2026, 12, 22), date(2027, 12, 21), date(2028, 12, 19), date(2029, 12, 25)):
        key = choose(slot, library).tip
        chosen.append(key)
        library = replace(library, tips=tuple(tip.sent_on(slot) if tip.key == key else tip for tip in library.tips))

    assert chosen == ["x", "y", "z", "x"]


def test_a_seasonal_tip_obeys_its_own_rule_for_runs() -> None:
    last_year = date(2025, 12, 23)

    assert choose(CHRISTMAS_SLOT, plan(sent("x", last_year, season=CHRISTMAS, rerun=Rerun(never=True)))).tip is None
    assert choose(CHRISTMAS_SLOT, plan(sent("x", last_year, season=CHRISTMAS, rerun=Rerun(at_most=1)))).tip is None
    two_years = parse_rerun("after 2 years")
    assert choose(CHRISTMAS_SLOT, plan(sent("x", last_year, season=CHRISTMAS, rerun=two_years))).tip is None
    assert choose(date(2027, 12, 21), plan(sent("x", last_year, season=CHRISTMAS, rerun=two_years))).tip == "x"


def test_a_seasonal_tip_that_a_pin_made_run_early_does_not_come_twice_in_one_season() -> None:
    assert choose(CHRISTMAS_SLOT, plan(sent("x", date(2026, 12, 8), season=CHRISTMAS), tips("a"))).tip == "a"


def test_the_year_in_a_title_is_the_year_of_the_season() -> None:
    tip = TipPlan("n", "Hello {{ year }}", 1, season=parse_rule("New Year's Day"))

    assert tip.title_on(date(2026, 12, 29)) == "Hello 2027"
    assert tip.title_on(date(2026, 6, 2)) == "Hello 2026"


# -- series ------------------------------------------------------------------------------------------


def test_a_series_begins_in_its_turn_and_runs_in_consecutive_slots() -> None:
    assert play(plan(series("A", 3, position=1), TipPlan("first", "F", 0), TipPlan("last", "L", 9)), SLOT, 5) == [
        "first", "A1", "A2", "A3", "last",
    ]  # fmt: skip


def test_only_a_pinned_date_comes_between_two_parts() -> None:
    library = plan(series("A", 3), TipPlan("p", "P", 9, pin=date(2026, 12, 8)), TipPlan("other", "O", 10))

    assert play(library, SLOT, 5) == ["A1", "p", "A2", "A3", "other"]


def test_a_later_part_never_goes_first_even_if_it_is_first_in_the_queue() -> None:
    one, two = series("A", 2)

    assert play(plan(replace(two, position=0), replace(one, position=5), TipPlan("x", "X", 3)), SLOT, 3) == [
        "x",
        "A1",
        "A2",
    ]


def test_a_series_waits_until_no_season_comes_between_its_parts() -> None:
    library = plan(series("A", 3), TipPlan("x", "X", 30, season=CHRISTMAS), tips("b", "c", "d"))
    late = plan(library.tips[:4], [replace(tip, position=20) for tip in library.tips[4:]])

    assert play(late, date(2026, 12, 1), 3) == ["A1", "A2", "A3"]
    assert play(late, date(2026, 12, 8), 6) == ["b", "c", "x", "A1", "A2", "A3"]


def test_a_series_begins_before_a_season_when_nothing_else_is_fresh() -> None:
    library = plan(series("A", 3), TipPlan("x", "X", 30, season=CHRISTMAS))

    assert play(library, date(2026, 12, 8), 4) == ["A1", "A2", "x", "A3"]


def test_a_series_too_long_for_any_gap_between_seasons_does_not_wait_forever() -> None:
    monthly = [
        TipPlan(f"m{month}", "M", 40, season=parse_rule(f"the first Tuesday of {name}"))
        for month, name in enumerate(months_in_words(range(1, 13)).replace(" and ", ", ").split(", "), start=1)
    ]

    assert play(plan(series("A", 6), monthly, TipPlan("b", "B", 20)), date(2026, 12, 8), 7) == [
        "A1",
        "A2",
        "A3",
        "A4",
        "m1",
        "A5",
        "A6",
    ]


def test_parts_that_cannot_be_sent_are_left_out() -> None:
    one, two, three = series("A", 3)

    assert play(plan(one, replace(two, complete=False), three), SLOT, 2) == ["A1", "A3"]
    assert play(plan(replace(one, state=TipState.RETIRED), two, three), SLOT, 2) == ["A2", "A3"]


def test_a_part_that_ran_before_its_series_began_is_not_repeated() -> None:
    one, two, three = series("A", 3)
    library = plan(one, replace(two, pin=SLOT), three, TipPlan("b", "B", 20))

    assert play(library, SLOT, 4) == ["A2", "A1", "A3", "b"]
    assert choose(date(2029, 1, 2), plan(sent("b", LONG_AGO), [tip.sent_on(day) for tip, day in zip((two, one, three), weekly(SLOT, 3), strict=True)])).tip == "b"  # fmt: skip


def test_a_part_overtaken_by_a_pinned_one_still_goes_out() -> None:
    one, two, three = series("A", 3)

    assert play(plan(one, two, replace(three, pin=date(2026, 12, 8)), TipPlan("b", "B", 9)), SLOT, 4) == [
        "A1",
        "A3",
        "A2",
        "b",
    ]


def test_tips_that_need_no_rest_run_in_a_cycle() -> None:
    library = plan(tips("a", "b"), policy=Policy(rerun_after=timedelta(0)))

    assert play(library, SLOT, 5) == ["a", "b", "a", "b", "a"]


def test_a_series_runs_again_as_a_whole_when_all_its_parts_have_rested() -> None:
    parts = [tip.sent_on(slot) for tip, slot in zip(series("A", 3), weekly(date(2025, 1, 7), 3), strict=True)]
    rested = date(2026, 7, 28)  # 548 days after the last part are over on 23 July

    assert choose(rested - timedelta(days=7), plan(parts)).tip is None
    assert play(plan(parts), rested, 4) == ["A1", "A2", "A3", None]
    assert choose(rested, plan(parts)).reason.startswith("runs again: part 1 of 3 of A, last sent January 7, 2025")


def test_of_two_series_that_have_begun_the_older_one_ends_first() -> None:
    one, two = series("A", 2), series("B", 2)
    library = plan(one[0].sent_on(date(2026, 11, 24)), one[1], two[0].sent_on(date(2026, 11, 17)), two[1])

    assert play(library, SLOT, 2) == ["B2", "A2"]


# -- re-runs and fallbacks ---------------------------------------------------------------------------


def test_the_tip_that_has_rested_longest_runs_again_first() -> None:
    library = plan(sent("b", date(2025, 1, 14)), sent("a", date(2025, 1, 7)), sent("old", date(2020, 1, 7)))

    assert play(library, date(2026, 12, 1), 4) == ["old", "a", "b", None]


@pytest.mark.parametrize(
    ("rule", "runs_again"),
    [
        (Rerun(), True),
        (Rerun(never=True), False),
        (parse_rerun("after 1 year"), True),
        (parse_rerun("after 3 years"), False),
        (parse_rerun("at most 2 runs"), False),
        (parse_rerun("at most 3 runs"), True),
    ],
)
def test_a_tips_own_rule_decides_whether_it_runs_again(rule: Rerun, *, runs_again: bool) -> None:
    library = plan(sent("a", date(2023, 1, 3), date(2025, 1, 7), rerun=rule))

    assert (choose(SLOT, library).tip == "a") is runs_again


def test_nothing_runs_again_in_a_newsletter_without_re_runs_except_where_a_tip_says_so() -> None:
    policy = Policy(rerun_after=None)

    assert choose(SLOT, plan(sent("a", LONG_AGO), policy=policy)).tip is None
    assert choose(SLOT, plan(sent("a", LONG_AGO, rerun=parse_rerun("after 1 year")), policy=policy)).tip == "a"


def test_a_tip_for_some_months_runs_only_in_them_fresh_or_again() -> None:
    summer = parse_months("June to August")

    assert choose(SLOT, plan(tips("s", months=summer), tips("b"))).tip == "b"
    assert choose(SLOT, plan(sent("s", LONG_AGO, months=summer))).tip is None
    assert choose(date(2027, 6, 1), plan(sent("s", LONG_AGO, months=summer))).tip == "s"


def test_a_tip_that_ran_before_this_system_on_an_unknown_date_runs_again_first() -> None:
    choice = choose(SLOT, plan(sent("a", LONG_AGO), TipPlan("u", "U", 99, state=TipState.ARCHIVE)))

    assert (choice.tip, choice.reason) == ("u", "runs again: it ran before it was imported")


def test_a_fallback_rests_so_that_nobody_gets_it_twice_in_a_row() -> None:
    library = plan(sent("f", date(2026, 11, 3), fallback=True), sent("g", date(2026, 11, 10), fallback=True))

    assert play(library, SLOT, 6) == ["f", "g", None, None, "f", "g"]


# -- why not -----------------------------------------------------------------------------------------


def why(key: str, slot: date, library: Plan, first: date = SLOT) -> str:
    return why_not(key, slot, played_until(slot, weekly(first, 520), library))


def test_every_tip_has_a_reason_why_it_was_not_chosen() -> None:
    library = plan(
        tips("a", "b"),
        TipPlan("teaser", "T", 3, complete=False),
        TipPlan("gone", "G", 4, state=TipState.RETIRED),
        TipPlan("xmas", "X", 5, season=CHRISTMAS),
        TipPlan("pin", "P", 6, pin=date(2026, 12, 15)),
        TipPlan("summer", "S", 7, months=parse_months("June")),
        sent("rests", date(2026, 1, 6)),
        sent("never", LONG_AGO, rerun=Rerun(never=True)),
        sent("twice", LONG_AGO, date(2025, 1, 7), rerun=Rerun(at_most=2)),
        sent("ready", LONG_AGO),
    )

    assert why("a", SLOT, library) == ""
    assert why("b", SLOT, library) == "1 tip before it in the queue"
    assert why("teaser", SLOT, library) == "only its teaser is here; import the page with the full tip"
    assert why("gone", SLOT, library) == "it is retired"
    assert (
        why("xmas", SLOT, library)
        == "it is seasonal (the Tuesday on or before December 25): it comes on December 22, 2026"
    )
    assert why("pin", SLOT, library) == "it is kept for December 15, 2026, where it is pinned"
    assert why("summer", SLOT, library) == "it may run only in June"
    assert why("rests", SLOT, library) == "last sent January 6, 2026, 11 months ago; it rests until July 8, 2027"
    assert why("never", SLOT, library) == "it runs only once, and did on January 2, 2024"
    assert why("twice", SLOT, library) == "it may have 2 runs and has had them; the last was January 7, 2025"
    assert why("ready", SLOT, library) == "“Tip a” comes before it: next in the queue, 3 more behind it"
    assert (
        why("a", SLOT, library.with_change("skip 2026-12-01 closed"))
        == "no issue goes out on this date: skipped: closed"
    )
    assert why("xmas", CHRISTMAS_SLOT, library) == ""
    assert why("xmas", date(2026, 12, 29), library).endswith("it comes on December 21, 2027")
    assert why("a", date(2026, 12, 8), library).startswith("last sent December 1, 2026, 1 week ago; it rests until")
    with pytest.raises(NotFound):
        why("nobody", SLOT, library)


def test_the_reason_of_a_waiting_part_or_series_names_what_it_waits_for() -> None:
    library = plan(series("A", 3), TipPlan("x", "Closed doors", 30, season=CHRISTMAS), TipPlan("b", "B", 9))
    eighth = date(2026, 12, 8)

    assert why("A2", eighth, library, eighth) == "it is part 2 of 3 of A, and follows “A, part 1”"
    waits = "it begins a series of 3, and “Closed doors” on December 22, 2026 would interrupt it"
    assert why("A1", eighth, library, eighth) == waits
    first = library.with_change("skip 2026-12-08").with_change("skip 2026-12-15")
    assert why("A1", SLOT, first) == waits


def test_the_reason_of_a_season_of_one_year_is_that_it_is_over() -> None:
    library = plan(TipPlan("x", "X", 1, season=parse_rule("2 March 2027")), tips("a"))

    assert why("x", date(2027, 3, 9), library).endswith("(March 2, 2027): that is over")
