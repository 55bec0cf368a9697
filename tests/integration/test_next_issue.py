"""The forecast of the next issue, compared with what is then published."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from newsletter.domain.delivery.issue import IssueEvent
from newsletter.testing import MemorySender
from tests.support.library import SLOT, TUESDAY, add_subscribers, add_tip
from tests.support.publishing import AppHarness, open_app_harness

WEEK = timedelta(days=7)
WINDOW = timedelta(hours=24)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    with open_app_harness(tmp_path, MemorySender()) as harness:
        add_subscribers(harness.files, 2)
        yield harness


def test_the_forecast_matches_what_is_published_week_after_week(harness: AppHarness) -> None:
    for title in ("One", "Two"):
        add_tip(harness.files, title)
    seen: list[tuple[date, str | None, int]] = []
    for late_for in (timedelta(), timedelta(hours=5), timedelta(minutes=1), WINDOW, timedelta(hours=1)):
        harness.fake_clock.now = harness.schedule.starts_at(SLOT + len(seen) * WEEK) + late_for
        said = harness.issues.next()
        issue = harness.send_due()
        assert issue
        seen.append((said.slot, said.tip.key if said.tip else None, said.audience))
        assert seen[-1] == (issue.slot, issue.tip_key, issue.audience if issue.tip_key else 2)

    assert [tip for _, tip, _ in seen] == ["one", "two", None, None, None]


@pytest.mark.parametrize("minutes", [-1, 0, 60, 24 * 60, 24 * 60 + 1, 3 * 24 * 60])
@pytest.mark.parametrize("went_before", [True, False])
def test_the_forecast_is_due_exactly_when_an_issue_is_published(
    harness: AppHarness, minutes: int, *, went_before: bool
) -> None:
    for title in ("One", "Two"):
        add_tip(harness.files, title)
    if went_before:
        harness.fake_clock.now = TUESDAY - WEEK
        harness.send_due()
    harness.fake_clock.now = TUESDAY + timedelta(minutes=minutes)
    said = harness.issues.next()
    issue = harness.issues.publish_due()

    assert (said.due_at <= harness.clock()) == (issue is not None)
    if issue:
        assert (said.slot, said.tip and said.tip.key, said.audience) == (issue.slot, issue.tip_key, issue.audience)
    else:
        assert said.due_at > harness.clock()


def test_the_forecast_is_right_in_the_week_when_daylight_saving_time_begins(harness: AppHarness) -> None:
    add_tip(harness.files, "One")
    harness.fake_clock.now = datetime(2024, 3, 8, tzinfo=UTC)  # America changes on the 10th
    said = harness.issues.next()

    assert (said.slot, said.due_at) == (date(2024, 3, 12), datetime(2024, 3, 12, 12, 0, tzinfo=UTC))


def test_a_slot_with_a_bound_tip_is_forecast_with_that_tip(harness: AppHarness) -> None:
    add_tip(harness.files, "One")
    key = add_tip(harness.files, "Two")
    with harness.store.write() as tx:  # the state after a process died while compiling
        number = tx.issues.plan(SLOT, TUESDAY, TUESDAY).number
        tx.issues.change(number, IssueEvent.PREPARE, TUESDAY)
        tx.issues.bind(number, tx.tips.get(key).card.id)
    said = harness.issues.next()
    harness.issues.publish_due()

    assert said.tip
    assert (said.tip.key, harness.issue(number).tip_key) == (key, key)
