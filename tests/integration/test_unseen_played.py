"""Weeks of re-runs for random subscribers: nobody gets a tip twice within its rest, or two emails for one slot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.domain.calendar.substitutes import Shares
from newsletter.domain.tips.rerun_rule import parse_rerun
from newsletter.domain.tips.tip import TipRules, TipState, TipText, identity
from newsletter.testing import MemorySender
from tests.support.library import SLOT, TUESDAY, add_subscriber, add_subscribers
from tests.support.publishing import AppHarness, open_app_harness

WEEK = timedelta(days=7)
WEEKS = 14
REST = timedelta(weeks=4)


@dataclass(frozen=True)
class Crowd:
    """tips: their rules for re-runs. to_all: the newsletter's rule. come, leave: when subscribers join and unsubscribe, in weeks."""

    tips: list[str]
    to_all: bool
    come: list[int]
    leave: dict[int, int]


crowds = st.builds(
    Crowd,
    st.lists(st.sampled_from(["", "unseen", "everybody", "after 6 weeks, unseen", "never"]), min_size=3, max_size=8),
    st.booleans(),
    st.lists(st.integers(0, WEEKS - 1), min_size=1, max_size=6),
    st.dictionaries(st.integers(0, 5), st.integers(2, WEEKS - 1), max_size=3),
)


def fill(harness: AppHarness, crowd: Crowd) -> None:
    """One tip for each rule, and one that ran before this system."""
    texts = [TipText(f"Tip {n}", "Use it.", rules=TipRules(rerun=rule)) for n, rule in enumerate(crowd.tips)]
    texts.append(TipText("Old", "Use it.", published_on=SLOT - 9 * WEEK))
    with harness.store.write() as tx:
        for text in texts:
            state = TipState.ARCHIVE if text.published_on else TipState.FRESH
            tx.tips.add(
                text, identity(text.title, text.published_on), text.title.lower().replace(" ", "-"), state, TUESDAY
            )
    add_subscribers(harness.files, 1)


def turn(harness: AppHarness, crowd: Crowd, week: int) -> None:
    """One week: some subscribe, some unsubscribe, and the issue is sent."""
    harness.fake_clock.now = harness.schedule.starts_at(SLOT + week * WEEK)
    for number, joins in enumerate(crowd.come):
        if joins == week:
            add_subscriber(harness.files, f"crowd{number}@a.example")
        if crowd.leave.get(number) == week and joins < week:
            harness.subscribers.unsubscribe(f"crowd{number}@a.example")
    planned = harness.issues.next_shares()
    issue = harness.issues.publish_due()
    for number in harness.issues.unfinished():
        harness.round(number)
    if issue:
        _as_planned(harness, issue.number, planned or Shares(issue.audience, (), 0))


def _as_planned(harness: AppHarness, number: int, planned: Shares) -> None:
    issue = harness.issue(number)
    others = {key: readers for key, readers in issue.tips.items() if key != issue.tip_key}
    assert others == {share.key: share.readers for share in planned.others}
    assert issue.skipped_for.get("had_it", 0) == planned.had_it


def emails(harness: AppHarness) -> dict[str, list[tuple[date, str]]]:
    """The slots and tips that each address received."""
    found: dict[str, list[tuple[date, str]]] = {}
    with harness.store.read() as tx:
        for issue in tx.issues.each():
            for row in tx.issues.deliveries(issue.number, "sent"):
                assert row.slot
                found.setdefault(row.address, []).append((row.slot, row.tip))
    return found


def rests(crowd: Crowd, tip: str) -> timedelta:
    """How long until the same subscriber may get this tip again."""
    rule = parse_rerun(crowd.tips[int(tip[4:])] if tip != "old" else "")
    for_all = crowd.to_all if rule.unseen is None else not rule.unseen
    return (rule.after or REST) if for_all else timedelta.max


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(crowds)
def test_nobody_gets_a_tip_again_too_soon_and_the_forecast_of_shares_is_right(crowd: Crowd) -> None:
    with (
        TemporaryDirectory() as directory,
        open_app_harness(
            Path(directory), MemorySender(), rerun_after="4 weeks", rerun_to="everybody" if crowd.to_all else "unseen"
        ) as harness,
    ):
        fill(harness, crowd)
        for week in range(WEEKS):
            turn(harness, crowd, week)

        went = emails(harness)
        for had in went.values():
            assert len({slot for slot, _ in had}) == len(had), "one email for each slot"
            for (slot, tip), (other, again) in combinations(had, 2):
                assert tip != again or abs(other - slot) >= rests(crowd, tip)
        assert isinstance(harness.sender_override, MemorySender)
        assert len(harness.sender_override.emails) == sum(map(len, went.values()))
        assert harness.broken() == []
