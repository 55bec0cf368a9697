"""No second issue and no old one, whatever changes: the schedule, the clock, or a newsletter that has just been set up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from newsletter.domain.calendar.schedule import Schedule
from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.errors import Refused
from newsletter.testing import MemorySender
from tests.support.library import SLOT, TUESDAY, add_subscribers, add_tip
from tests.support.publishing import AppHarness, open_app_harness, owner_emails

WEEK = timedelta(days=7)
DAY = timedelta(days=1)
ZONE = "America/New_York"


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    """Twelve tips and two subscribers, and a clock at the first slot."""
    with open_app_harness(tmp_path, MemorySender(), first_issue="351") as harness:
        for number in range(12):
            add_tip(harness.files, f"Tip number {number}")
        add_subscribers(harness.files, 2)
        yield harness


def send(harness: AppHarness) -> date | None:
    """Send what is due now; the slot of the issue."""
    issue = harness.issues.publish_due()
    if issue:
        harness.round(issue.number)
    return issue.slot if issue else None


def reschedule(harness: AppHarness, rule: str, zone: str = ZONE) -> None:
    harness.schedule = Schedule.parse(rule, zone)
    for made in ("rules", "issues", "calendar", "owner", "tips"):
        harness.__dict__.pop(made, None)


def coming(harness: AppHarness) -> list[date]:
    """The slots ahead as the calendar, the next issue, and an attempt to send agree on them."""
    slots = [line.date for line in harness.calendar.forecast(3)]
    assert harness.issues.next().slot == slots[0]
    return slots


# A Tuesday's issue was sent; the schedule is changed the next morning. Half a week apart or more, the slot counts.
@pytest.mark.parametrize(
    ("rule", "first"),
    [
        ("mon 08:00", date(2024, 3, 11)),
        ("tue 07:00", date(2024, 3, 12)),
        ("tue 18:00", date(2024, 3, 12)),
        ("wed 08:00", date(2024, 3, 13)),
        ("thu 08:00", date(2024, 3, 14)),
        ("fri 08:00", date(2024, 3, 15)),
        ("sat 08:00", date(2024, 3, 9)),
        ("sun 08:00", date(2024, 3, 10)),
    ],
)
def test_after_a_change_of_the_schedule_the_next_issue_is_about_a_week_later(
    harness: AppHarness, rule: str, first: date
) -> None:
    assert send(harness) == SLOT
    reschedule(harness, rule)
    for hours in range(24, 24 * int((first - SLOT).days), 3):
        harness.fake_clock.now = TUESDAY + timedelta(hours=hours)
        assert harness.issues.publish_due() is None
        assert coming(harness) == [first, first + WEEK, first + 2 * WEEK]
        assert harness.calendar.last_slot().ok
    harness.fake_clock.now = harness.schedule.starts_at(first)

    assert send(harness) == first


@pytest.mark.parametrize(("zone", "hours"), [("Asia/Tokyo", 1), ("Pacific/Honolulu", 1), ("America/Los_Angeles", 30)])
def test_another_zone_does_not_repeat_a_slot(harness: AppHarness, zone: str, hours: int) -> None:
    assert send(harness) == SLOT
    reschedule(harness, "tue 08:00", zone)
    harness.fake_clock.forward(hours=hours)

    assert harness.issues.publish_due() is None
    assert coming(harness)[0] == SLOT + WEEK


def test_a_clock_that_is_set_back_sends_nothing_again(harness: AppHarness) -> None:
    harness.calendar.skip(SLOT)
    harness.fake_clock.now = TUESDAY + WEEK
    assert send(harness) == SLOT + WEEK
    harness.fake_clock.now = TUESDAY + timedelta(hours=1)
    again = harness.issues.publish_due()
    harness.fake_clock.now = TUESDAY - 3 * WEEK
    earlier = harness.issues.publish_due()

    assert (again, earlier) == (None, None)
    assert coming(harness)[0] == SLOT + 2 * WEEK


def test_an_issue_far_ahead_of_the_clock_is_reported_with_what_follows(harness: AppHarness) -> None:
    harness.fake_clock.now = harness.schedule.starts_at(date(2031, 1, 7))
    send(harness)
    harness.fake_clock.now = TUESDAY
    silent, status = harness.issues.publish_due(), harness.calendar.last_slot()
    alerts = [str(email["Subject"]) for email in (*owner_emails(harness), *owner_emails(harness))]

    assert (silent, status.ok) == (None, False)
    assert "the clock of this computer is wrong" in status.words
    assert status.fix.endswith("the next issue goes out on January 14, 2031")
    assert [subject for subject in alerts if "clock" in subject] == [
        "[Tip of the Week] Check the clock of this computer"
    ]


def test_a_slot_before_the_newest_issue_can_no_longer_be_changed(harness: AppHarness) -> None:
    send(harness)
    reschedule(harness, "wed 08:00")
    with pytest.raises(Refused, match="the issue for March 5, 2024 was sent only 1 day earlier"):
        harness.calendar.skip(SLOT + DAY)


@pytest.mark.parametrize("hours", [1, 13])
def test_a_newsletter_that_was_set_up_after_the_slot_begins_a_week_later(tmp_path: Path, hours: int) -> None:
    with open_app_harness(tmp_path, MemorySender()) as harness:
        harness.fake_clock.forward(hours=hours)
        harness.files.close()
        for file in tmp_path.glob("newsletter.db*"):
            file.unlink()
        harness.database.upgrade()
        add_tip(harness.files)
        add_subscribers(harness.files, 2)
        at_once, alarms, status = harness.issues.publish_due(), owner_emails(harness), harness.calendar.last_slot()
        first = coming(harness)[0]
        harness.fake_clock.now = TUESDAY + WEEK
        assert send(harness) == first

    assert (at_once, first) == (None, SLOT + WEEK)
    assert (status.ok, status.words) == (True, "no issue has been due yet")
    assert not [email for email in alarms if "No issue" in str(email["Subject"])]


def test_the_first_subscriber_of_a_new_newsletter_waits_for_the_next_slot(tmp_path: Path) -> None:
    with open_app_harness(tmp_path, MemorySender()) as harness:
        add_tip(harness.files)
        harness.fake_clock.forward(hours=3)
        harness.subscribers.add("ada@a.example", confirmed_source="she asked for it")

        assert harness.issues.publish_due() is None
        assert coming(harness)[0] == SLOT + WEEK


def test_numbers_continue_those_of_an_earlier_newsletter_and_leave_missed_issues_out(harness: AppHarness) -> None:
    send(harness)
    harness.fake_clock.now = TUESDAY + WEEK + 2 * DAY  # the server was down for two days
    harness.issues.publish_due()
    harness.fake_clock.now = TUESDAY + 2 * WEEK
    send(harness)
    numbers = [(issue.number, issue.slot, issue.state) for issue in harness.issues.list()]

    assert numbers == [
        (352, SLOT + 2 * WEEK, IssueState.DONE),
        (-1, SLOT + WEEK, IssueState.MISSED),
        (351, SLOT, IssueState.DONE),
    ]


def test_a_higher_first_number_counts_from_there(harness: AppHarness) -> None:
    send(harness)
    harness.rules = replace(harness.rules, first_issue=400)
    harness.__dict__.pop("issues", None)
    harness.fake_clock.now = TUESDAY + WEEK
    send(harness)

    assert [issue.number for issue in harness.issues.list()] == [400, 351]
