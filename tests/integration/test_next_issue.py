"""What the forecast of the next issue says, held against what is then published; publishing itself has its own file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from newsletter.domain.delivery.issue import IssueEvent
from newsletter.testing import MemorySender
from tests.support.library import SLOT, TUESDAY, add_readers, add_tip
from tests.support.publishing import Newsroom, open_newsroom

WEEK = timedelta(days=7)
WINDOW = timedelta(hours=24)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    with open_newsroom(tmp_path, MemorySender()) as room:
        add_readers(room.files, 2)
        yield room


def test_the_forecast_says_what_then_happens_week_after_week(room: Newsroom) -> None:
    for title in ("One", "Two"):
        add_tip(room.files, title)
    seen: list[tuple[date, str | None, int]] = []
    for late_for in (timedelta(), timedelta(hours=5), timedelta(minutes=1), WINDOW, timedelta(hours=1)):
        room.hand.now = room.schedule.starts_at(SLOT + len(seen) * WEEK) + late_for
        said = room.next_issue()
        issue = room.publish_due()
        assert issue
        seen.append((said.slot, said.tip.key if said.tip else None, said.audience))
        assert seen[-1] == (issue.slot, issue.tip_key, issue.audience if issue.tip_key else 2)

    assert [tip for _, tip, _ in seen] == ["one", "two", None, None, None]


@pytest.mark.parametrize("minutes", [-1, 0, 60, 24 * 60, 24 * 60 + 1, 3 * 24 * 60])
@pytest.mark.parametrize("went_before", [True, False])
def test_the_forecast_is_due_exactly_when_something_is_sent(room: Newsroom, minutes: int, *, went_before: bool) -> None:
    for title in ("One", "Two"):
        add_tip(room.files, title)
    if went_before:
        room.hand.now = TUESDAY - WEEK
        room.publish_due()
    room.hand.now = TUESDAY + timedelta(minutes=minutes)
    said = room.next_issue()
    issue = room.publish_due()

    assert (said.due_at <= room.clock()) == (issue is not None)
    if issue:
        assert (said.slot, said.tip and said.tip.key, said.audience) == (issue.slot, issue.tip_key, issue.audience)
    else:
        assert said.due_at > room.clock()


def test_the_forecast_of_a_week_that_begins_with_a_change_of_the_clocks(room: Newsroom) -> None:
    add_tip(room.files, "One")
    room.hand.now = datetime(2024, 3, 8, tzinfo=UTC)  # America changes on the 10th
    said = room.next_issue()

    assert (said.slot, said.due_at) == (date(2024, 3, 12), datetime(2024, 3, 12, 12, 0, tzinfo=UTC))


def test_a_slot_that_is_bound_already_is_forecast_with_its_own_tip(room: Newsroom) -> None:
    add_tip(room.files, "One")
    key = add_tip(room.files, "Two")
    with room.store.write() as tx:  # as a process leaves it that dies while it compiles
        number = tx.issues.plan(SLOT, TUESDAY, TUESDAY).number
        tx.issues.change(number, IssueEvent.PREPARE, TUESDAY)
        tx.issues.bind(number, tx.tips.get(key).card.id)
    said = room.next_issue()
    room.publish_due()

    assert said.tip
    assert (said.tip.key, room.issue(number).tip_key) == (key, key)
