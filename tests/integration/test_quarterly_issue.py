"""The quarterly issue: who gets it, only once, with its own unsubscribe link, and without an effect on the calendar."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from newsletter.domain.delivery.issue import IssueFacts
from newsletter.domain.subscribers.subscription import Status
from tests.support.web import WebHarness, add_tip, open_web_harness, text_of

ANNA, BOB, CARL, DORA = (f"{name}@host.example" for name in ("anna", "bob", "carl", "dora"))
SPRING = datetime(2025, 5, 6, 12, 1, tzinfo=UTC)  # Tuesday, 08:01 in New York
SUMMER = datetime(2025, 7, 1, 12, 1, tzinfo=UTC)  # the first Tuesday of the third quarter
AUTUMN = datetime(2025, 10, 7, 12, 1, tzinfo=UTC)
PLAIN, LOVED = "a-plain-tip", "a-loved-tip"


@pytest.fixture
def web_harness(tmp_path: Path) -> Iterator[WebHarness]:
    """Two issues in spring, the first found useful; some subscribers unsubscribed after the second. It is summer now."""
    with open_web_harness(tmp_path, owner="owner@tips.example") as web_harness:
        for title in ("A loved tip", "A plain tip", "A summer tip", "An autumn tip"):
            add_tip(web_harness.app, title, None)
        web_harness.clock.now = SPRING - timedelta(hours=1)  # before the slot, so that it is theirs
        for address in (ANNA, BOB):
            join(web_harness, address)
        web_harness.clock.now = SPRING
        web_harness.app.issues.send()
        for address in (ANNA, BOB):
            assert web_harness.http.post(f"{web_harness.feedback_path(address, 1)}/yes").status_code == 200
        web_harness.clock.forward(days=1)
        for address in (CARL, DORA):
            join(web_harness, address)
        web_harness.clock.forward(days=6)
        web_harness.app.issues.send()
        for address in (CARL, DORA):
            leave_and_ask(web_harness, address)
        web_harness.clock.now = SUMMER
        yield web_harness


def join(web_harness: WebHarness, address: str) -> None:
    web_harness.app.subscribers.add(address, confirmed_source="a list")


def leave_and_ask(web_harness: WebHarness, address: str) -> None:
    path = web_harness.unsubscribe_path(address)
    web_harness.http.post(path)
    web_harness.http.post(f"{path}/why", data={"season": "save", "quarterly": "yes"})
    assert web_harness.subscriber(address).quarterly_at


def quarterly_emails(web_harness: WebHarness) -> list[EmailMessage]:
    """The emails of quarterly issues."""
    return [
        email for email in web_harness.emails() if "Best tip of the quarter" in text_of(email) and "Precedence" in email
    ]


def quarter(web_harness: WebHarness, name: str = "2025-Q3") -> IssueFacts:
    with web_harness.app.store.read() as tx:
        found = tx.issues.for_quarter(name)
        assert found
        return tx.issues.get(found.number)


def test_the_most_useful_tip_is_sent_to_those_who_unsubscribed_and_asked_for_it_and_to_nobody_else(
    web_harness: WebHarness,
) -> None:
    web_harness.app.issues.send()

    emails = quarterly_emails(web_harness)
    assert sorted(email["To"] for email in emails) == [CARL, DORA]
    assert {email["Subject"] for email in emails} == {"A loved tip"}
    assert "You unsubscribed from our tips and asked for the best one" in text_of(emails[0])
    assert "because you signed up" not in text_of(emails[0])
    assert ":quarterly:" in emails[0]["Feedback-ID"]
    assert emails[0]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert [email["To"] for email in web_harness.emails() if email["Subject"] == "A summer tip"] == [ANNA, BOB]


def test_it_is_sent_once_a_quarter_however_often_the_timer_runs(web_harness: WebHarness) -> None:
    for _ in range(3):
        web_harness.app.issues.send()
        web_harness.clock.forward(days=7)
    assert len(quarterly_emails(web_harness)) == 2

    web_harness.clock.now = AUTUMN
    web_harness.app.issues.send()
    assert len(quarterly_emails(web_harness)) == 4
    assert quarter(web_harness, "2025-Q4").tip_key == "an-autumn-tip", "it ran last of those without a vote"
    with web_harness.app.store.read() as tx:
        assert tx.issues.broken_invariants() == []


def test_the_calendar_does_not_change(web_harness: WebHarness) -> None:
    def standing() -> list[object]:
        with web_harness.app.store.read() as tx:
            card = tx.tips.get(LOVED).card
            return [card.state, card.last_sent_on, [plan.runs for plan in tx.calendar.plans() if plan.key == LOVED]]

    before = standing()
    web_harness.app.issues.send()
    assert standing() == before
    assert quarter(web_harness).slot is None


def test_anyone_who_asked_too_late_waits_for_the_next_one(web_harness: WebHarness) -> None:
    web_harness.clock.now = datetime(2025, 6, 20, tzinfo=UTC)
    leave_and_ask(web_harness, BOB)
    web_harness.clock.now = SUMMER
    web_harness.app.issues.send()
    assert BOB not in [email["To"] for email in quarterly_emails(web_harness)]

    web_harness.clock.now = AUTUMN
    web_harness.app.issues.send()
    assert BOB in [email["To"] for email in quarterly_emails(web_harness)]


def test_anyone_who_has_received_the_tip_does_not_get_it_again(web_harness: WebHarness) -> None:
    web_harness.clock.now = datetime(2025, 5, 20, tzinfo=UTC)
    leave_and_ask(web_harness, ANNA)  # she received it in spring
    web_harness.clock.now = SUMMER
    web_harness.app.issues.send()
    assert sorted(email["To"] for email in quarterly_emails(web_harness)) == [CARL, DORA]


def test_after_the_freeze_everyone_may_still_change_their_mind(web_harness: WebHarness) -> None:
    addresses = [f"reader{number}@host.example" for number in range(5)]
    web_harness.clock.now = datetime(2025, 5, 20, tzinfo=UTC)
    for address in addresses:
        join(web_harness, address)
        leave_and_ask(web_harness, address)
    back, bounced, gone, over, stays = addresses
    web_harness.clock.now = SUMMER
    web_harness.app.issues.publish_due()
    web_harness.http.post("/subscribe", data={"email": back})
    web_harness.http.post(web_harness.confirm_path(back))
    web_harness.app.suppressions.add(bounced)
    web_harness.app.subscribers.erase(gone)
    web_harness.http.post(f"{web_harness.unsubscribe_path(over)}/why", data={"season": "save"})
    web_harness.app.issues.send()

    assert sorted(email["To"] for email in quarterly_emails(web_harness)) == sorted([CARL, DORA, stays])
    assert quarter(web_harness).skipped_for == {"subscribed": 1, "suppressed": 1, "erased": 1, "unsubscribed": 1}


def test_its_link_ends_that_consent_and_explains_so_first(web_harness: WebHarness) -> None:
    web_harness.app.issues.send()
    (email,) = [email for email in quarterly_emails(web_harness) if email["To"] == CARL]
    path = urlsplit(email["List-Unsubscribe"].split(">")[0].strip("<")).path
    page = web_harness.http.get(path)
    assert "we will stop sending the quarterly tip to" in page.text
    assert web_harness.subscriber(CARL).quarterly_at

    for already in (False, True):
        answer = web_harness.http.post(path, data={"List-Unsubscribe": "One-Click"})
        assert (answer.status_code, "You’re already unsubscribed" in answer.text) == (200, already)
    assert web_harness.subscriber(CARL).quarterly_at is None
    with web_harness.app.store.read() as tx:
        entries = [(entry.what, entry.proof) for entry in tx.subscribers.consents(web_harness.subscriber(CARL).id)]
    assert entries[-1] == ("no-quarterly", f"issue {quarter(web_harness).number}, one-click")
    assert web_harness.subscriber(DORA).quarterly_at

    web_harness.clock.now = AUTUMN
    web_harness.app.issues.send()
    assert [email["To"] for email in quarterly_emails(web_harness)[2:]] == [DORA]


def test_the_link_of_a_weekly_issue_used_again_does_not_end_that_consent(web_harness: WebHarness) -> None:
    with web_harness.app.store.read() as tx:
        number = tx.issues.last_number()
    assert number == 2
    web_harness.http.post(web_harness.unsubscribe_path(CARL, issue="2"), data={"List-Unsubscribe": "One-Click"})
    assert web_harness.subscriber(CARL).quarterly_at


def test_after_a_resubscribe_the_old_quarterly_link_unsubscribes_from_the_weekly_issue(web_harness: WebHarness) -> None:
    web_harness.app.issues.send()
    web_harness.http.post("/subscribe", data={"email": CARL})
    web_harness.http.post(web_harness.confirm_path(CARL))
    path = web_harness.unsubscribe_path(CARL, issue=str(quarter(web_harness).number))
    assert "we will stop sending the tips to" in web_harness.http.get(path).text

    web_harness.http.post(path)
    assert web_harness.subscriber(CARL).status is Status.UNSUBSCRIBED


def test_a_quarterly_issue_that_is_a_month_late_is_left_out(web_harness: WebHarness) -> None:
    web_harness.clock.forward(days=31)
    web_harness.app.issues.send()
    assert quarterly_emails(web_harness) == []
    assert str(web_harness.app.issues.next_quarterly().quarter) == "2025-Q4"


def test_a_crash_between_the_choice_and_the_freeze_is_recovered(web_harness: WebHarness) -> None:
    with web_harness.app.store.write() as tx:
        tip_id = tx.tips.get(PLAIN).card.id
        tx.issues.plan_quarter("2025-Q3", tip_id, SUMMER, SUMMER)
    web_harness.app.issues.send()
    assert quarter(web_harness).tip_key == PLAIN
    assert quarter(web_harness).state.value == "done"


def test_the_owner_sees_it_in_the_calendar_and_gets_a_report(web_harness: WebHarness) -> None:
    web_harness.clock.now = datetime(2025, 6, 25, tzinfo=UTC)
    coming = web_harness.app.issues.next_quarterly()
    assert (str(coming.quarter), coming.tip and coming.tip.key, coming.audience, coming.asked) == (
        "2025-Q3",
        LOVED,
        2,
        2,
    )

    web_harness.clock.now = SUMMER
    web_harness.app.issues.send()
    web_harness.clock.forward(minutes=2)
    web_harness.app.owner.notify()
    web_harness.app.transactional.send()
    reports = [text_of(email) for email in web_harness.emails() if email["To"] == "owner@tips.example"]
    (report,) = [text for text in reports if "the quarterly email for 2025-Q3" in " ".join(text.split())]
    assert "Sent            2 of 2" in report


def test_when_nobody_asked_nothing_is_written(tmp_path: Path) -> None:
    with open_web_harness(tmp_path) as web_harness:
        add_tip(web_harness.app, "A plain tip", None)
        join(web_harness, ANNA)
        web_harness.clock.now = SPRING
        web_harness.app.issues.send()
        web_harness.clock.now = SUMMER
        web_harness.app.issues.send()
        with web_harness.app.store.read() as tx:
            assert tx.issues.for_quarter("2025-Q3") is None
