"""Emails to the owner: what is sent and when, each once; and what the four links of a preview do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from newsletter.domain.delivery.issue import IssueEvent, IssueState
from newsletter.domain.tips.tip import TipState, TipText, identity
from newsletter.testing import MemorySender, answer
from newsletter.web import make_web
from newsletter.web.server import WebServer
from tests.support.library import SLOT, TUESDAY, add_subscribers, add_tip
from tests.support.publishing import AppHarness, open_app_harness, owner_emails, text_of

WEEK = timedelta(days=7)
DAY = timedelta(days=1)
BLOCKED = "550 5.7.1 blocked by our list"
BODY = "Say the name of the person you talk to, once and early, and mean it. " * 6


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    """Two subscribers, a dozen tips, and a clock a day and a half before the slot, outside the hours of the nightly check."""
    with open_app_harness(tmp_path, MemorySender()) as harness:
        add_subscribers(harness.files, 2)
        for number in range(12):
            add_tip(harness.files, f"Tip number {number}", body=f"{BODY} {number}")
        harness.fake_clock.now = TUESDAY - timedelta(hours=36)
        yield harness


def subjects(harness: AppHarness) -> list[str]:
    return [str(email["Subject"]) for email in owner_emails(harness)]


def links(email: EmailMessage) -> dict[str, str]:
    """The four links of a preview, by what they do."""
    found = re.findall(r"https://tips\.example(/owner/(\w+)\.\S+)", text_of(email))
    return {action: path for path, action in found}


def preview(harness: AppHarness) -> EmailMessage:
    harness.fake_clock.now = TUESDAY - timedelta(hours=20)
    return next(email for email in owner_emails(harness) if "preview" in text_of(email).casefold())


def test_the_day_before_the_owner_gets_one_preview_with_what_comes_next(harness: AppHarness) -> None:
    early = subjects(harness)
    email = preview(harness)
    again = subjects(harness)
    text = " ".join(text_of(email).split())

    assert (early, again) == ([], [])
    assert email["Subject"] == "Preview: goes out tomorrow – Tip number 0"
    assert "If you do nothing, it is sent automatically" in text
    assert "Say the name of the person you talk to" in text
    assert (
        "Why this tip: next in the queue, 11 more behind it. Coming next: March 12, 2024: Tip number 1 March 19" in text
    )
    assert set(links(email)) == {"approve", "skip", "swap", "hold"}


def test_a_changed_plan_is_previewed_again(harness: AppHarness) -> None:
    preview(harness)
    harness.calendar.swap(SLOT)
    assert subjects(harness) == ["Preview: goes out tomorrow – Tip number 1"]


def test_after_the_issue_the_owner_gets_a_report(harness: AppHarness) -> None:
    harness.fake_clock.now = TUESDAY
    harness.issues.publish_due()
    during = subjects(harness)
    harness.memory({"reader2@a.example": [answer("rcpt", "550 5.1.1 no such user")]})
    harness.round()
    harness.subscribers.unsubscribe("reader1@a.example")
    email = next(email for email in owner_emails(harness) if "No. 1" in str(email["Subject"]))
    text = " ".join(text_of(email).split())

    assert during == []
    assert email["Subject"] == "[Tip of the Week] No. 1: 1 of 2 sent"
    assert "Sent 1 of 2 Rejected 1 Subscribed 2 Unsubscribed 1" in text
    assert "reader2@a.example: 550 5.1.1 no such user" in text
    assert "March 12, 2024: Tip number 1" in text
    assert "There are fresh tips for 11 weeks, until May 21, 2024." in text
    assert subjects(harness) == []


@pytest.mark.parametrize(
    ("started", "reported"), [("08:00", "12:00"), ("11:30", "15:30"), ("15:00", "19:00"), ("10:59", "12:00")]
)
def test_an_issue_with_deferred_deliveries_is_reported_on_by_noon(
    harness: AppHarness, started: str, reported: str
) -> None:
    def today(clock: str) -> datetime:
        return datetime.combine(SLOT, time.fromisoformat(clock), harness.schedule.zone)

    harness.fake_clock.now = today(started)
    harness.issues.publish_due()
    harness.memory({"reader2@a.example": [answer("rcpt", "451 4.7.1 later")] * 9})
    harness.round()
    harness.fake_clock.now = today(reported) - timedelta(seconds=1)
    assert [subject for subject in subjects(harness) if "No. 1" in subject] == []
    harness.fake_clock.now = today(reported)
    email = next(email for email in owner_emails(harness) if "No. 1" in str(email["Subject"]))

    text = " ".join(text_of(email).split())
    assert "Waiting 1" in text
    assert "reader2@a.example: 451 4.7.1 later" in text
    assert "newsletter issues deliveries 1" in text
    assert f"{SLOT:%B} {SLOT.day}, {SLOT.year}:" not in text, "what is coming up is the issue after this one"


def test_the_report_does_not_say_sent_while_nothing_was_accepted(harness: AppHarness) -> None:
    harness.fake_clock.now = datetime.combine(SLOT, time(8), harness.schedule.zone)
    harness.issues.publish_due()
    harness.memory({f"reader{n}@a.example": [answer("rcpt", "451 4.7.1 later")] * 9 for n in range(9)})
    harness.round()
    harness.fake_clock.now = datetime.combine(SLOT, time(12), harness.schedule.zone)
    (email,) = [email for email in owner_emails(harness) if "ssue 1" in str(email["Subject"])]

    assert str(email["Subject"]).endswith("Issue 1 has not reached anyone yet")
    text = " ".join(text_of(email).split())
    assert "451 4.7.1 later" in text
    assert "was sent" not in text
    assert owner_emails(harness) == []
    harness.round()
    assert "No. 1: 2 of 2 sent" in str(owner_emails(harness)[-1]["Subject"])


def test_a_tuesday_without_an_issue_causes_one_alert(harness: AppHarness) -> None:
    harness.fake_clock.now = TUESDAY
    harness.issues.publish_due()
    harness.round()
    owner_emails(harness)
    harness.fake_clock.now = harness.schedule.starts_at(SLOT + WEEK) + timedelta(minutes=10)
    patient = [subject for subject in subjects(harness) if "No issue" in subject]
    harness.fake_clock.forward(minutes=10)
    alert = [subject for subject in subjects(harness) if "No issue" in subject]
    harness.fake_clock.forward(hours=5)
    again = [subject for subject in subjects(harness) if "No issue" in subject]
    harness.fake_clock.now = TUESDAY + WEEK + 2 * DAY
    harness.issues.publish_due()
    missed = [subject for subject in subjects(harness) if "No issue" in subject]

    assert (patient, again) == ([], [])
    assert alert == missed == ["[Tip of the Week] No issue was sent on March 12, 2024"]


def test_a_pause_before_a_crash_is_reported_at_the_next_timer_run(harness: AppHarness) -> None:
    harness.fake_clock.now = TUESDAY
    harness.issues.publish_due()
    with harness.store.write() as tx:  # and then the program is killed before it can notify the owner
        tx.issues.change(1, IssueEvent.PAUSE, TUESDAY, reason=BLOCKED)
    first, again = owner_emails(harness), owner_emails(harness)
    text = " ".join(text_of(first[0]).split())

    assert [str(email["Subject"]) for email in first] == ["[Tip of the Week] Issue 1 is paused"]
    assert "blocked by our list" in text
    assert "newsletter issues resume 1" in text
    assert again == []


def test_each_pause_is_reported_once_and_a_pause_by_the_owner_not_at_all(tmp_path: Path) -> None:
    with open_app_harness(tmp_path, MemorySender()) as harness:
        harness.start(8)
        harness.issues.pause(1)
        by_hand = subjects(harness)
        harness.memory({f"reader{n}@a.example": [answer("rcpt", BLOCKED)] * 3 for n in range(1, 9)})
        harness.issues.resume(1)
        first, again = subjects(harness), subjects(harness)
        harness.memory({f"reader{n}@a.example": [answer("rcpt", BLOCKED)] * 3 for n in range(1, 9)})
        harness.issues.resume(1)
        second = subjects(harness)

        assert harness.issue().state is IssueState.PAUSED
        assert not [subject for subject in [*by_hand, *again] if "paused" in subject]
        assert [subject for subject in first if "paused" in subject] == ["[Tip of the Week] Issue 1 is paused"]
        assert second == ["[Tip of the Week] Issue 1 is paused"]


@pytest.mark.parametrize("what", ["skip", "done"])
def test_a_slot_that_was_skipped_or_sent_causes_no_alert(harness: AppHarness, what: str) -> None:
    harness.fake_clock.now = TUESDAY
    harness.issues.publish_due()
    harness.round()
    if what == "skip":
        harness.calendar.skip(SLOT + WEEK)
    harness.fake_clock.now = TUESDAY + WEEK
    harness.issues.publish_due()
    for number in harness.issues.unfinished():
        harness.round(number)
    harness.fake_clock.forward(hours=20)

    assert not [subject for subject in subjects(harness) if "No issue" in subject]
    assert harness.calendar.last_slot().ok


def test_a_week_without_a_tip_is_reported_the_day_before(harness: AppHarness) -> None:
    for number in range(12):
        harness.tips.retire(f"tip-number-{number}")
    harness.fake_clock.now = TUESDAY - timedelta(hours=20)
    assert "[Tip of the Week] There is nothing to send on March 5, 2024" in subjects(harness)


def test_the_owner_is_warned_at_eight_four_and_two_weeks_and_again_after_a_refill(harness: AppHarness) -> None:
    def warned(weeks_gone: int, day: int) -> list[str]:
        for number in range(weeks_gone):
            harness.tips.retire(f"tip-number-{number}")
        harness.fake_clock.now = TUESDAY - 6 * DAY + day * DAY - timedelta(hours=1)
        return [subject for subject in subjects(harness) if "Fresh tips" in subject]

    seen = [warned(3, -30), warned(4, -29), warned(5, -28), warned(8, -27), warned(10, -26)]
    for number in range(12, 24):
        add_tip(harness.files, f"Tip number {number}", body=f"{BODY} {number}")
    full, again = warned(0, -25), warned(18, -24)

    weeks = [[subject.rpartition(" for ")[2] for subject in subjects] for subjects in seen]
    assert weeks == [[], ["8 weeks"], [], ["4 weeks"], ["2 weeks"]]
    assert full == []
    assert again == ["[Tip of the Week] Fresh tips for 6 weeks"]


def test_lint_findings_in_the_next_eight_issues_are_reported_once_at_night(harness: AppHarness) -> None:
    stale = TipText("Stale", f"Recently we saw it happen. {BODY}")
    late = TipText("Far away", "Nowadays we see it happen. " + "Another thing altogether, told at length. " * 12)
    with harness.store.write() as tx:
        tx.tips.add(stale, identity("Stale", None), "stale", TipState.FRESH, TUESDAY)
        tx.tips.move("stale", first=True)
        tx.tips.add(late, identity("Far away", None), "far-away", TipState.FRESH, TUESDAY)
    harness.fake_clock.now = TUESDAY - timedelta(days=5)
    evening = owner_emails(harness)
    harness.fake_clock.now += DAY
    next_day = owner_emails(harness)
    text = " ".join(text_of(evening[-1]).split())

    assert next_day == []
    assert "“Stale”, March 5, 2024, body, line 1" in text
    assert "Far away" not in text


# -- the links -------------------------------------------------------------------------------------


@contextmanager
def pages(harness: AppHarness) -> Iterator[httpx.Client]:
    server = WebServer(make_web(harness), "127.0.0.1", 0)
    server.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
        yield client
    server.stop()


@pytest.fixture
def visit(harness: AppHarness) -> Iterator[httpx.Client]:
    with pages(harness) as client:
        yield client


def test_a_get_changes_nothing_and_the_button_does(harness: AppHarness, visit: httpx.Client) -> None:
    path = links(preview(harness))["skip"]
    seen = visit.get(path)
    planned = harness.issues.next().slot
    done = visit.post(path)
    twice = visit.post(path)

    assert (seen.status_code, planned) == (200, SLOT)
    assert "Yes, skip this week" in seen.text
    assert seen.headers["cache-control"] == "no-store"
    assert (done.status_code, twice.status_code) == (200, 200)
    assert "This week will be skipped" in done.text
    assert harness.issues.next().slot == SLOT + WEEK


def test_swapping_by_a_link_twice_swaps_once(harness: AppHarness, visit: httpx.Client) -> None:
    path = links(preview(harness))["swap"]
    done, twice = visit.post(path), visit.post(path)

    assert "The tips have been swapped" in done.text
    assert "The plan has changed since that email was sent" in twice.text
    assert [line.tip for line in harness.calendar.forecast(2)] == ["tip-number-1", "tip-number-0"]


def test_an_issue_on_hold_is_sent_after_an_approval(harness: AppHarness, visit: httpx.Client) -> None:
    found = links(preview(harness))
    visit.post(found["hold"])
    harness.fake_clock.now = TUESDAY
    held = harness.issues.publish_due()
    approved = visit.post(found["approve"])
    issue = harness.issues.publish_due()

    assert held is None
    assert "This issue is approved" in approved.text
    assert issue
    assert issue.state is IssueState.SENDING


def test_an_approval_of_a_tip_that_is_no_longer_planned_approves_nothing(tmp_path: Path) -> None:
    with open_app_harness(tmp_path, MemorySender(), approval="required") as harness:
        add_subscribers(harness.files, 1)
        for number in range(12):
            add_tip(harness.files, f"Tip number {number}", body=f"{BODY} {number}")
        email = preview(harness)
        with harness.store.write() as tx:
            tx.tips.move("tip-number-5", first=True)
        with pages(harness) as visit:
            page = visit.post(links(email)["approve"])
        harness.fake_clock.now = TUESDAY

        assert "It is waiting for your approval" in " ".join(text_of(email).split())
        assert "The plan has changed since that email was sent" in page.text
        assert harness.issues.publish_due() is None


def test_no_button_works_on_an_issue_that_is_being_sent(harness: AppHarness, visit: httpx.Client) -> None:
    found = links(preview(harness))
    harness.fake_clock.now = TUESDAY
    harness.issues.publish_due()
    for path in found.values():
        assert "There is nothing left to decide" in visit.get(path).text
        assert visit.post(path).status_code == 409
    assert harness.issue().state is IssueState.SENDING


@pytest.mark.parametrize(
    "change", [lambda path: path + "x", lambda path: path.replace("skip", "hold"), lambda _: "/owner/x"]
)
def test_a_link_that_was_changed_does_nothing(harness: AppHarness, visit: httpx.Client, change: object) -> None:
    assert callable(change)
    path = change(links(preview(harness))["skip"])
    assert visit.get(path).status_code == visit.post(path).status_code == 400
    assert harness.issues.next().slot == SLOT


def test_readyz_reports_a_slot_without_an_explanation(harness: AppHarness, visit: httpx.Client) -> None:
    new = visit.get("/readyz").status_code
    with harness.store.write() as tx:
        issue = tx.issues.plan(SLOT - WEEK, TUESDAY - WEEK, TUESDAY - WEEK)
        tx.issues.change(issue.number, IssueEvent.MISS, TUESDAY - WEEK)
    harness.fake_clock.now = TUESDAY + timedelta(hours=1)
    silent = visit.get("/readyz")
    harness.issues.publish_due()

    assert new == 200
    assert (silent.status_code, silent.text) == (503, "nothing was sent on March 5, 2024, and the reason is unknown\n")
    assert visit.get("/readyz").status_code == 200
