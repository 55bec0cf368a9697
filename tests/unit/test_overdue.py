"""When an issue that is being sent is too old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from newsletter.domain.calendar.schedule import Schedule
from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.delivery.overdue import End, Progress, end_of, finish_within
from newsletter.domain.slot_days import WEEK

DUE = datetime(2024, 3, 5, 13, 0, tzinfo=UTC)
TUESDAYS = Schedule.parse("tue 08:00", "UTC")
FINISH_WITHIN = finish_within(TUESDAYS)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SENDING, PAUSED = IssueState.SENDING, IssueState.PAUSED


@pytest.mark.parametrize(
    ("state", "reached", "quiet", "late", "end"),
    [
        (SENDING, False, None, DAY, None),
        (SENDING, False, None, DAY + HOUR, End.MISS),
        (PAUSED, False, None, 2 * DAY, None),  # the owner was asked
        (PAUSED, False, None, FINISH_WITHIN + HOUR, End.MISS),
        (SENDING, True, 2 * DAY, FINISH_WITHIN, None),
        (SENDING, True, 2 * DAY, FINISH_WITHIN + HOUR, End.GIVE_UP),
        (SENDING, True, HOUR, FINISH_WITHIN + HOUR, None),  # slow because of a rate limit
        (SENDING, True, HOUR, WEEK + HOUR, End.GIVE_UP),
        (PAUSED, True, 3 * DAY, FINISH_WITHIN + HOUR, End.GIVE_UP),
        (SENDING, True, None, FINISH_WITHIN + HOUR, End.GIVE_UP),  # in doubt only
        (SENDING, False, None, -DAY, None),  # sent early, or the clock was set back
    ],
)
def test_an_issue_ends_when_it_is_too_old(
    *,
    state: IssueState,
    reached: bool,
    quiet: timedelta | None,
    late: timedelta,
    end: End | None,
) -> None:
    now = DUE + late
    found = end_of(Progress(DUE, state, reached, None if quiet is None else now - quiet), now, DAY, TUESDAYS)

    assert found is end


def test_a_retried_issue_has_its_time_again() -> None:
    asked = Progress(DUE, SENDING, has_reached=False, is_retried=True)

    assert end_of(asked, DUE + 2 * DAY, DAY, TUESDAYS) is None
    assert end_of(asked, DUE + FINISH_WITHIN + HOUR, DAY, TUESDAYS) is End.GIVE_UP


def test_a_long_late_window_is_kept_and_nobody_gets_two_issues_within_the_gap() -> None:
    assert end_of(Progress(DUE, SENDING, has_reached=False), DUE + 4 * DAY, 5 * DAY, TUESDAYS) is None
    assert finish_within(TUESDAYS) + TUESDAYS.apart == WEEK
    assert finish_within(Schedule.parse("tue,thu 08:00", "UTC")) < timedelta(days=2)
