"""Months of random newsletters through the real use cases: what was forecast is sent, once, and pins are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.domain.calendar.plan import Kind
from newsletter.domain.delivery.issue import IssueFacts, IssueState
from newsletter.domain.errors import IllegalTransition, NotFound, Refused
from newsletter.domain.tips.rerun_rule import parse_rerun
from newsletter.domain.tips.tip import TipRules, TipState, TipText, identity
from newsletter.testing import MemorySender
from tests.support.library import SLOT, TUESDAY, add_subscribers
from tests.support.publishing import AppHarness, open_app_harness

WEEK = timedelta(days=7)
WEEKS = 12
REST = timedelta(days=28)
PLAYED = settings(max_examples=12, suppress_health_check=list(HealthCheck))

rules = st.one_of(
    st.just(TipRules()),
    st.sampled_from(["12 March", "the week of Easter", "the first Tuesday of April"]).map(lambda s: TipRules(season=s)),
    st.sampled_from(["never", "after 5 weeks", "at most 2 runs"]).map(lambda r: TipRules(rerun=r)),
    st.sampled_from(["April", "March to May"]).map(lambda m: TipRules(months=m)),
    st.just(TipRules(fallback=True)),
)
slots = st.integers(0, WEEKS - 1).map(lambda week: SLOT + week * WEEK)


@dataclass(frozen=True)
class Scenario:
    """A library and its owner's overrides. series: how many parts one has. old: tips that ran before this system."""

    tips: list[TipRules]
    old: int
    series: int
    skips: set[date]
    pins: dict[int, date]


wishes = st.builds(
    Scenario,
    st.lists(rules, max_size=7),
    st.integers(0, 2),
    st.integers(0, 3),
    st.sets(slots, max_size=3),
    st.dictionaries(st.integers(0, 6), slots, max_size=3),
)


def fill(harness: AppHarness, scenario: Scenario) -> dict[str, date]:
    """Store the library and make the overrides; the pins that were accepted."""
    parts = [TipRules(series="A story", part=part + 1) for part in range(scenario.series)]
    texts = [TipText(f"Tip {place}", "Use it.", rules=found) for place, found in enumerate([*scenario.tips, *parts])]
    texts += [TipText(f"Old {n}", "Use it.", published_on=SLOT - (n + 1) * REST) for n in range(scenario.old)]
    with harness.store.write() as tx:
        for text in texts:
            state = TipState.ARCHIVE if text.published_on else TipState.FRESH
            key = text.title.lower().replace(" ", "-")
            tx.tips.add(text, identity(text.title, text.published_on), key, state, TUESDAY)
    for slot in scenario.skips:
        harness.calendar.skip(slot)
    pins: dict[str, date] = {}
    for place, slot in scenario.pins.items():
        if place < len(scenario.tips) and slot not in pins.values() and slot not in scenario.skips:
            harness.tips.pin(f"tip-{place}", slot)
            pins[f"tip-{place}"] = slot
    return pins


def issues(harness: AppHarness) -> list[IssueFacts]:
    with harness.store.read() as tx:
        return [issue for issue in reversed(tx.issues.each()) if issue.slot]


def play(harness: AppHarness) -> None:
    """What one timer run of the daemon does."""
    harness.issues.publish_due()
    for number in harness.issues.unfinished():
        harness.round(number)


@PLAYED
@given(wishes)
def test_what_was_forecast_for_months_is_what_was_then_sent(scenario: Scenario) -> None:
    with (
        TemporaryDirectory() as directory,
        open_app_harness(Path(directory), MemorySender(), rerun_after="4 weeks") as harness,
    ):
        add_subscribers(harness.files, 1)
        harness.fake_clock.now = TUESDAY - timedelta(days=1)
        pins = fill(harness, scenario)
        lines = harness.calendar.forecast(WEEKS)
        for week in range(WEEKS):
            harness.fake_clock.now = harness.schedule.starts_at(SLOT + week * WEEK)
            play(harness)
        went = {issue.slot: issue.tip_key for issue in issues(harness)}

        assert {line.date: line.tip for line in lines if line.kind is not Kind.SKIPPED} == went
        for key, slot in pins.items():
            assert went[slot] == key
        assert harness.broken() == []


steps = st.lists(
    st.one_of(
        st.integers(1, 24 * 8).map(lambda hours: timedelta(hours=hours)),  # time passes, or the daemon is down
        st.integers(1, 24 * 9).map(lambda hours: -timedelta(hours=hours)),  # the clock is set back
        st.sampled_from(["skip", "swap", "pin", "cancel", "hold", "approve"]),
    ),
    min_size=10,
    max_size=30,
)


def override(harness: AppHarness, what: str) -> None:
    """The owner changes the next slot; a refusal is fine."""
    slot = harness.issues.next().slot
    try:
        match what:
            case "skip":
                harness.calendar.skip(slot)
            case "hold":
                harness.calendar.hold(slot)
            case "approve":
                harness.calendar.approve(slot)
            case "swap":
                harness.calendar.swap(slot)
            case "pin":
                harness.tips.pin("tip-0", slot + WEEK)
            case "cancel":
                harness.issues.cancel(max((issue.number for issue in issues(harness)), default=0))
    except (Refused, NotFound, IllegalTransition):
        return


@PLAYED
@given(wishes, steps)
def test_whatever_the_owner_and_the_clock_do_a_slot_has_one_issue_and_no_tip_comes_too_soon(
    scenario: Scenario, story: list[timedelta | str]
) -> None:
    with (
        TemporaryDirectory() as directory,
        open_app_harness(Path(directory), MemorySender(), rerun_after="4 weeks") as harness,
    ):
        add_subscribers(harness.files, 1)
        harness.fake_clock.now = TUESDAY - timedelta(days=1)
        fill(harness, scenario)
        chosen: dict[date, Kind] = {}
        for step in story:
            if isinstance(step, str):
                override(harness, step)
                continue
            harness.fake_clock.now += step
            planned, line = harness.issues.next(), harness.calendar.forecast(1)[0]
            before = {issue.slot for issue in issues(harness) if issue.started_at}
            play(harness)
            for issue in issues(harness):
                if issue.slot and issue.started_at and issue.slot not in before:
                    assert (planned.slot, planned.tip and planned.tip.key, planned.waits) == (
                        issue.slot,
                        issue.tip_key,
                        "",
                    )
                    chosen[issue.slot] = line.kind

        went = [issue for issue in issues(harness) if issue.started_at and issue.counts["sent"]]
        assert len({issue.slot for issue in went}) == len(went)
        assert harness.broken() == []
        memory = harness.sender_override
        assert isinstance(memory, MemorySender)
        assert len(memory.emails) == len(went), "one email for each issue"
        for issue in went:
            if issue.slot and chosen[issue.slot] is Kind.RERUN:
                assert rested(harness, issue, went)


def rested(harness: AppHarness, issue: IssueFacts, went: list[IssueFacts]) -> bool:
    """Did the tip of a re-run rest as long as its rule or the newsletter's says?"""
    with harness.store.read() as tx:
        text = tx.tips.get(str(issue.tip_key)).text
    rest = parse_rerun(text.rules.rerun).after or timedelta(weeks=4)
    earlier = [other.slot for other in went if other.tip_key == issue.tip_key and other.number < issue.number]
    return all(issue.slot - slot >= rest for slot in earlier if issue.slot and slot and slot < issue.slot)


def test_an_outage_longer_than_the_late_window_costs_a_slot_and_no_tip() -> None:
    with TemporaryDirectory() as directory, open_app_harness(Path(directory), MemorySender()) as harness:
        add_subscribers(harness.files, 1)
        fill(harness, Scenario([TipRules()] * 3, 0, 0, set(), {}))
        play(harness)
        harness.fake_clock.now = TUESDAY + WEEK + timedelta(days=2)
        play(harness)
        harness.fake_clock.now = TUESDAY + 2 * WEEK
        play(harness)

        assert [(issue.state, issue.tip_key) for issue in issues(harness)] == [
            (IssueState.DONE, "tip-0"),
            (IssueState.MISSED, None),
            (IssueState.DONE, "tip-1"),
        ]
