"""Extra issues: a tip that is pinned to any date and time, besides the weekly slots."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.errors import NotFound, Refused, UsageError
from newsletter.testing import MemorySender
from tests.support.library import SLOT, TUESDAY, add_subscribers, add_tip
from tests.support.publishing import AppHarness, open_app_harness, owner_emails, text_of

THURSDAY = date(2024, 3, 7)
AT = datetime(2024, 3, 8, 1, 30, tzinfo=UTC)  # Thursday, 20:30 in New York: Friday in UTC
WEEK = timedelta(days=7)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    """Four tips, two subscribers, and an extra issue on Thursday evening; the clock is on the Monday before the slot."""
    with open_app_harness(tmp_path, MemorySender()) as harness:
        for number in range(4):
            add_tip(harness.files, f"Tip number {number}")
        add_subscribers(harness.files, 2)
        harness.fake_clock.now = TUESDAY - timedelta(hours=20)
        assert harness.calendar.parse_pin("thu 8:30 pm") == (THURSDAY, AT)
        harness.tips.pin("tip-number-1", THURSDAY, AT)
        yield harness


def planned(harness: AppHarness, weeks: int = 3) -> list[tuple[date, str | None, datetime | None]]:
    return [(line.date, line.tip, line.at) for line in harness.calendar.forecast(weeks)]


def test_the_calendar_shows_it_between_the_slots_and_never_plans_its_tip_twice(harness: AppHarness) -> None:
    assert planned(harness) == [
        (SLOT, "tip-number-0", None),
        (THURSDAY, "tip-number-1", AT),
        (SLOT + WEEK, "tip-number-2", None),
        (SLOT + 2 * WEEK, "tip-number-3", None),
    ]
    line = harness.tips.why("tip-number-1").line
    assert line
    assert (line.date, line.at) == (THURSDAY, AT)
    assert harness.calendar.runway().fresh_weeks == 3


def test_it_is_sent_once_at_its_time_and_the_slots_are_not_touched(harness: AppHarness) -> None:
    harness.fake_clock.now = TUESDAY
    harness.send_due()
    harness.fake_clock.now = AT - timedelta(seconds=1)
    early = harness.issues.publish_due()
    harness.fake_clock.now = AT
    issue, again = harness.issues.publish_due(), harness.issues.publish_due()
    harness.round(2)

    assert (early, again) == (None, None)
    assert issue
    assert (issue.number, issue.slot, issue.day, issue.tip_key) == (2, None, THURSDAY, "tip-number-1")
    assert harness.issue(2).state is IssueState.DONE
    assert harness.tips.get("tip-number-1").card.last_sent_on == THURSDAY
    assert planned(harness, 2) == [(SLOT + WEEK, "tip-number-2", None), (SLOT + 2 * WEEK, "tip-number-3", None)]


def test_unpin_takes_it_back(harness: AppHarness) -> None:
    harness.tips.unpin("tip-number-1")
    harness.fake_clock.now = AT

    assert harness.calendar.forecast(1)[0].tip == "tip-number-0"
    assert [line for line in harness.calendar.forecast(3) if line.at] == []
    assert harness.issues.publish_due() is None or harness.issue().slot == SLOT


def test_too_late_for_the_window_the_owner_is_told_and_the_tip_is_back_in_the_queue(harness: AppHarness) -> None:
    harness.fake_clock.now = AT + timedelta(hours=25)
    issue = harness.issues.publish_due()
    alerts = [email for email in owner_emails(harness) if "extra issue" in str(email["Subject"])]
    again = [email for email in owner_emails(harness) if "extra issue" in str(email["Subject"])]

    assert issue is None
    assert [str(email["Subject"]) for email in alerts] == [
        "[Tip of the Week] An extra issue was not sent on March 7, 2024"
    ]
    assert "newsletter issues send --extra --tip tip-number-1" in " ".join(text_of(alerts[0]).split())
    assert again == []
    assert [tip for _, tip, _ in planned(harness, 2)] == ["tip-number-0", "tip-number-1"]


def test_a_retired_tip_is_not_sent(harness: AppHarness) -> None:
    harness.tips.retire("tip-number-1")
    harness.fake_clock.now = AT
    harness.issues.publish_due()

    assert "tip-number-1" not in [issue.tip_key for issue in harness.issues.list()]
    assert "tip-number-1" not in [tip for _, tip, _ in planned(harness)]


def test_a_change_in_a_dry_run_and_a_swap_leave_it_alone(harness: AppHarness) -> None:
    for change in ("unpin tip-number-1", "pin tip-number-1 March 12", "skip Mar 12 at the sea"):
        assert harness.calendar.forecast(3, [change])
    harness.calendar.swap(SLOT)

    assert planned(harness, 2) == [
        (SLOT, "tip-number-2", None),
        (THURSDAY, "tip-number-1", AT),
        (SLOT + WEEK, "tip-number-0", None),
    ]


def test_a_date_alone_on_another_day_is_refused_with_both_ways_out(harness: AppHarness) -> None:
    with pytest.raises(UsageError) as caught:
        harness.calendar.parse_pin("March 7")
    assert "Use March 5, 2024 or March 12, 2024; to send an extra issue that day, add a time" in str(caught.value)


def test_the_time_of_the_slot_is_the_slot_and_a_time_that_has_passed_is_refused(harness: AppHarness) -> None:
    assert harness.calendar.parse_pin("tue 08:00") == (SLOT, None)
    assert harness.calendar.parse_pin("tue 10:00") == (SLOT, datetime(2024, 3, 5, 15, tzinfo=UTC))
    with pytest.raises(UsageError, match="March 1, 2024 at 10:00 AM has passed"):
        harness.calendar.parse_pin("2024-03-01 10:00")


@pytest.mark.parametrize("name", ["tip-number-2", "Tip number 2", "“tip NUMBER 2”"])
def test_a_tip_is_found_by_its_title(harness: AppHarness, name: str) -> None:
    assert harness.tips.key_of(name) == "tip-number-2"


def test_an_unknown_tip_is_answered_with_the_nearest(harness: AppHarness) -> None:
    add_tip(harness.files, "Say the name")
    with pytest.raises(NotFound, match="Did you mean say-the-name"):
        harness.tips.get(harness.tips.key_of("Say a name"))


def test_a_tip_cannot_be_pinned_to_a_skipped_slot(harness: AppHarness) -> None:
    harness.calendar.skip(SLOT + WEEK)
    with pytest.raises(Refused, match=r"March 12, 2024 is skipped. .*calendar unskip 2024-03-12"):
        harness.tips.pin("tip-number-2", *harness.calendar.parse_pin("march 12 8:00"))


def test_unpin_says_whether_the_tip_was_pinned(harness: AppHarness) -> None:
    assert [harness.tips.unpin("tip-number-1")[1] for _ in range(2)] == [True, False]


def test_the_next_extra_issue_is_named_and_explained(harness: AppHarness) -> None:
    harness.calendar.skip(SLOT)
    found = harness.calendar.next_extra()
    assert found
    assert (found.tip, found.at) == ("tip-number-1", AT)
    assert harness.calendar.extra_on("thu") == "tip-number-1"
    with pytest.raises(UsageError, match="run: newsletter tips unpin tip-number-1"):
        harness.calendar.parse_slot("thu")
    harness.tips.unpin("tip-number-1")
    assert (harness.calendar.next_extra(), harness.calendar.extra_on("thu")) == (None, None)


def test_a_slot_that_has_passed_is_no_advice(harness: AppHarness) -> None:
    harness.fake_clock.now = TUESDAY + timedelta(hours=1)
    with pytest.raises(UsageError, match="Use March 12, 2024;") as refused:
        harness.calendar.parse_pin("friday")
    assert "March 5" not in str(refused.value)
