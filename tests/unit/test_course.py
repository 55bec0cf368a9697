"""A course: who gets which tip next, and what the owner sees of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain.calendar.choose import TipChooser
from newsletter.domain.calendar.course import START, Course, CourseRules, Step, busiest, simulate_course
from newsletter.domain.calendar.forecast import forecast, runway
from newsletter.domain.calendar.plan import Kind, Plan, Policy, TipPlan
from newsletter.domain.tips.season_rule import parse_rule
from tests.support.course import Learner, Library

SLOT = date(2026, 12, 1)
WEEK = timedelta(weeks=1)


def course(order: str = "abcd", out: str = "", again_since: date | None = None) -> Course:
    return Course(tuple(Step(key, key not in out) for key in order), again_since)


def plan(order: str = "abc", places: dict[str, int] | None = None, **more: object) -> Plan:
    tips = tuple(TipPlan(key, key.upper(), place) for place, key in enumerate(order, start=1))
    return replace(Plan(tips, course=CourseRules(), places=places or {}), **more)  # type: ignore[arg-type]


# -- the next tip --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "at", "received", "then"),
    [
        ("abcd", START, "", "a"),
        ("abcd", "b", "ab", "c"),
        ("abcd", "d", "abcd", None),
        ("axbcd", "b", "ab", "c"),  # put in front of the place: not sent backwards
        ("abxcd", "b", "ab", "x"),
        ("bacd", "b", "ab", "c"),  # received already, and put behind the place
        ("bcad", "b", "ab", "c"),
        ("bcd", "gone", "b", "c"),  # a place that is not in the course: the first one that was not received
    ],
)
def test_the_next_tip_is_the_first_one_behind_the_place_that_was_not_received(
    order: str, at: str, received: str, then: str | None
) -> None:
    assert course(order).next_tip(at, dict.fromkeys(received, SLOT - WEEK)) == then


def test_a_tip_that_cannot_be_sent_is_passed_over_and_still_a_place() -> None:
    found = course("abcd", out="bc")

    assert found.next_tip("a", {}) == "d"
    assert found.next_tip("b", {}) == "d"


def test_a_tip_is_sent_again_only_after_its_rest() -> None:
    step = Step("a", since=SLOT - 2 * WEEK)

    assert step.is_resting(SLOT - WEEK)
    assert not step.is_resting(SLOT - 2 * WEEK)
    assert not step.is_resting(None)
    assert Step("a").is_resting(date(2000, 1, 1))


def test_a_course_begins_again_once_its_last_tip_is_old_enough() -> None:
    found = Course(tuple(Step(key, since=SLOT - 10 * WEEK) for key in "ab"), SLOT - 10 * WEEK)

    assert found.next_tip("b", {"a": SLOT - 10 * WEEK, "b": SLOT - 9 * WEEK}) is None
    assert found.next_tip("b", {"a": SLOT - 11 * WEEK, "b": SLOT - 10 * WEEK}) == "a"


def test_who_is_at_a_tip_that_moves_stays_where_it_was() -> None:
    assert course("abcd").in_front_of("c") == "b"
    assert course("abcd").in_front_of("a") == START


# -- what the owner sees -------------------------------------------------------------------------------


def test_the_spread_says_how_many_get_which_tip() -> None:
    places = {START: 5, "a": 3, "b": 4, "d": 2}
    shares = course("abcd", out="b").shares(places)

    assert shares == {"a": 5, "c": 7}
    assert busiest(shares) == "c"
    assert course("abcd", out="b").done(places) == 2
    assert course("abcd").end() == "d"
    assert course("abcd", out="d").end() == "c"


def test_the_calendar_plays_a_course_forward_until_everybody_has_had_the_last_tip() -> None:
    lines = forecast([SLOT + n * WEEK for n in range(4)], plan("abc", {START: 2, "a": 1}))

    assert [line.tip for line in lines] == ["a", "b", "c", None]
    assert [dict(line.shares) for line in lines] == [{"a": 2, "b": 1}, {"b": 2, "c": 1}, {"c": 2}, {}]
    assert lines[0].reason == "3 subscribers of the course get 2 tips, most of them this one"
    assert lines[2].reason == "2 subscribers of the course get it"
    assert lines[3].reason == "nobody is in the course by then; new subscribers begin with its first tip"
    assert {line.kind for line in lines} == {Kind.COURSE}
    assert runway(lines).with_reruns is None  # there is a tip for every subscriber who may come


def test_a_course_without_a_tip_has_nothing_to_send() -> None:
    tips = (TipPlan("a", "A", 1, complete=False),)

    assert forecast([SLOT], plan(places={START: 1}, tips=tips))[0].kind is Kind.NONE


def test_pinned_and_seasonal_tips_go_to_everybody_and_the_course_goes_on_afterwards() -> None:
    tips = (
        TipPlan("a", "A", 1),
        TipPlan("fair", "Fair", 2, pin=SLOT),
        TipPlan("b", "B", 3),
        TipPlan("yule", "Yule", 4, season=parse_rule("the Tuesday on or before 8 December")),
    )
    lines = forecast([SLOT + n * WEEK for n in range(-1, 4)], plan(places={START: 3}, tips=tips))

    assert [line.tip for line in lines] == ["a", "fair", "yule", "b", None]
    assert [line.kind for line in lines[1:3]] == [Kind.PINNED, Kind.SEASONAL]


def test_a_tip_waits_for_its_pin_and_is_part_of_the_course_afterwards() -> None:
    tips = (TipPlan("a", "A", 1, pin=SLOT), TipPlan("b", "B", 2))
    chooser = TipChooser(plan(tips=tips))

    assert chooser.course_at(SLOT - WEEK).next_tip(START, {}) == "b"
    assert chooser.course_at(SLOT + WEEK).next_tip(START, {}) == "a"


def test_the_rest_of_the_course_is_the_one_for_tips_without_a_rule() -> None:
    again = CourseRules(again_after=10 * WEEK)
    found = TipChooser(plan("ab", course=again, policy=Policy(rerun_after=99 * WEEK))).course_at(SLOT)

    assert {step.since for step in found.steps} == {SLOT - 10 * WEEK}
    assert found.again_since == SLOT - 10 * WEEK
    assert TipChooser(plan("ab", policy=Policy(rerun_after=None))).course_at(SLOT).steps[0].since is None


def test_a_change_of_the_calendar_shows_what_it_would_do_to_a_course() -> None:
    changed = plan("abc", {START: 1}).with_change("retire a")

    assert TipChooser(changed).choose(SLOT).tip == "b"


def test_a_simulation_counts_who_came_who_finished_and_who_unsubscribed() -> None:
    loyal = simulate_course([course("abc")] * 10, {START: 4}, joining=1, leaving=0, random=iter([0.5] * 999))
    fickle = simulate_course([course("abc")] * 10, {START: 4}, joining=1, leaving=1, random=iter([0.5] * 999))

    assert (loyal.subscribers, loyal.finished, loyal.unsubscribed, loyal.emails) == (14, 11, 0, 12 + 10 * 3 - 3)
    assert (loyal.busiest, loyal.most_tips) == (7, 3)
    assert loyal.places == {"a": 1, "b": 1, "c": 1}
    assert (fickle.finished, fickle.unsubscribed, fickle.emails, fickle.places) == (0, 14, 14, {})


def test_a_slot_that_moves_nobody_only_lets_new_subscribers_come() -> None:
    result = simulate_course([None, course("ab")], {}, joining=0.5, leaving=0, random=iter([0.5]))

    assert (result.slots, result.subscribers, result.places) == (2, 1, {"a": 1})


# -- whatever happens ------------------------------------------------------------------------------------

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            ["slot", "slot", "slot", "insert", "move", "retire", "unretire", "leave", "pause", "wake", "fail"]
        ),
        st.integers(0, 99),
        st.integers(0, 99),
    ),
    max_size=40,
)


@given(EVENTS)
def test_no_tip_comes_twice_within_its_rest_and_none_that_was_ahead_is_skipped(
    events: list[tuple[str, int, int]],
) -> None:
    library, learner, day = Library(list("abcdef")), Learner(), SLOT
    for what, one, two in events:
        match what:
            case "slot" | "fail":
                day += WEEK
                learner.slot(library, day, arrives=what == "slot")
            case "leave" | "pause":  # who comes back goes on where they were
                learner.gets_issues = False
            case "wake":
                learner.gets_issues = True
            case _:
                library.change(what, one, two, [learner])

    for key, days in learner.received.items():
        apart = [later - earlier for earlier, later in pairwise(days)]
        assert all(rest >= Library.REST for rest in apart), key
    assert not learner.missed
