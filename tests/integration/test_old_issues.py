"""A relay that is down for weeks: what is too old is not sent when it comes back, and the owner is told once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from newsletter.domain.delivery.issue import IssueEvent, IssueState
from newsletter.domain.errors import Refused, SenderError
from newsletter.testing import MemorySender, answer
from tests.support.library import add_tip
from tests.support.publishing import AppHarness, open_app_harness, owner_emails, recipients, text_of

DOWN = 10_000


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    with open_app_harness(tmp_path) as harness:
        yield harness


def tick(harness: AppHarness) -> None:
    """What the daemon does when its timers run."""
    harness.issues.publish_due()
    for number in harness.issues.unfinished():
        with suppress(SenderError):
            harness.round(number)
    harness.owner.notify()
    with suppress(SenderError):
        harness.transactional.send()


def states(harness: AppHarness) -> list[tuple[str, str | None]]:
    return [(issue.state.value, issue.tip_key) for issue in reversed(harness.issues.list())]


def test_a_relay_that_was_down_for_three_weeks_sends_one_issue_and_one_alert(harness: AppHarness) -> None:
    for n in range(2, 6):
        add_tip(harness.files, f"Tip {n}")
    harness.start(3)
    harness.memory(refuses_sessions=DOWN)
    for _ in range(43):
        tick(harness)
        harness.fake_clock.forward(hours=12)
    memory = harness.memory()
    tick(harness)

    assert [state for state, _ in states(harness)] == ["missed", "missed", "missed", "sending"] or [
        state for state, _ in states(harness)
    ] == ["missed", "missed", "missed", "done"]
    readers = [to for to in recipients(memory.emails) if to.startswith("reader")]
    assert sorted(set(readers)) == sorted(readers) == [f"reader{n}@a.example" for n in (1, 2, 3)]
    assert {tip for _, tip in states(harness)} == {states(harness)[0][1]}, "its tip returned to the queue each time"
    alerts = [email for email in memory.emails if b"alerts could not be sent" in email.message]
    assert len(alerts) == 1
    assert len([email for email in memory.emails if email.envelope.recipient == "owner@tips.example"]) <= 3
    assert harness.broken() == []


def test_an_issue_that_was_partly_sent_ends_before_the_next_one_is_close(harness: AppHarness) -> None:
    add_tip(harness.files, "Tip 2")
    harness.start(5)
    harness.sender_override = MemorySender(fail_at=range(3, DOWN))
    harness.round()
    harness.memory(refuses_sessions=DOWN)
    harness.fake_clock.forward(days=2)
    tick(harness)
    assert harness.counts() == {"sent": 2, "pending": 3}, "there is still time"
    harness.fake_clock.forward(days=1, hours=1)
    tick(harness)

    assert (harness.issue().state, harness.counts()) == (IssueState.DONE, {"sent": 2, "failed": 3})
    assert harness.row("reader5@a.example").reason == "too_late"
    (alert,) = [email for email in owner_emails(harness) if "did not reach" in str(email["Subject"])]
    assert str(alert["Subject"]).endswith("Issue 1 did not reach 3 subscribers")
    assert "2 of 5 subscribers received" in " ".join(text_of(alert).split())

    harness.issues.retry_failed(1)
    tick(harness)
    assert harness.counts() == {"sent": 5}, "the owner asked for it"
    assert harness.broken() == []


def test_nobody_gets_a_retried_issue_days_after_a_newer_one(harness: AppHarness) -> None:
    add_tip(harness.files, "Tip 2")
    harness.start(2)
    harness.memory({"reader1@a.example": [answer("rcpt", "552 5.2.2 mailbox full")]})
    harness.round()
    harness.fake_clock.forward(days=7)
    tick(harness)
    harness.fake_clock.forward(days=1)
    with pytest.raises(Refused, match="a newer one was sent less than 4 days ago") as refusal:
        harness.issues.retry_failed(1)
    assert "March 16, 2024" in refusal.value.fix
    harness.fake_clock.forward(days=3)
    assert harness.issues.retry_failed(1).counts["pending"] == 1


@pytest.mark.parametrize("sent", [0, 2])
def test_an_issue_that_the_owner_paused_for_long_is_over(harness: AppHarness, sent: int) -> None:
    harness.start(4)
    harness.sender_override = MemorySender(fail_at=range(sent + 1, DOWN))
    harness.round()
    harness.issues.pause(1)
    harness.memory()
    harness.fake_clock.forward(days=2)
    harness.issues.end_overdue()
    assert harness.issue().state is IssueState.PAUSED
    harness.fake_clock.forward(days=20)
    with pytest.raises(Refused, match="cannot be resumed"):
        harness.issues.resume(1)

    assert harness.issue().state is (IssueState.DONE if sent else IssueState.MISSED)
    assert harness.counts() == ({"sent": 2, "failed": 2} if sent else {"skipped": 4})
    assert harness.broken() == []


def test_an_extra_issue_that_was_being_prepared_weeks_ago_is_missed(harness: AppHarness) -> None:
    harness.start(1)
    harness.round()
    key = add_tip(harness.files, "Tip 2")
    with harness.store.write() as tx:
        now = harness.clock()
        issue = tx.issues.plan(None, now, now, day=now.date())
        tx.issues.change(issue.number, IssueEvent.PREPARE, now)
        tx.issues.bind(issue.number, tx.tips.get(key).card.id)
    harness.fake_clock.forward(days=13)
    memory = harness.memory()
    tick(harness)

    assert recipients(memory.emails).count("reader1@a.example") == 0
    assert ("missed", key) in states(harness)


def test_deferred_deliveries_do_not_survive_their_issue(harness: AppHarness) -> None:
    harness.start(3)
    harness.memory({"reader1@a.example": [answer("rcpt", "451 4.7.1 later")] * 9})
    harness.round()
    harness.fake_clock.forward(days=21)
    memory = harness.memory()
    tick(harness)

    assert harness.counts() == {"sent": 2, "failed": 1}
    assert "reader1@a.example" not in recipients(memory.emails)


def test_old_transactional_emails_are_dropped_by_name_and_confirmations_with_a_valid_link_are_sent(
    harness: AppHarness, tmp_path: Path
) -> None:
    harness.signup.subscribe("new@b.example", "", form="page/1", origin="192.0.2.1")
    with harness.store.write() as tx:
        now = harness.clock()
        tx.transactional.add("report", "owner@tips.example", {"number": 1}, now)
        tx.transactional.add("preview", "owner@tips.example", {"slot": "2024-03-05"}, now)
        tx.transactional.add("manage_link", "new@b.example", {"subscriber_key": "x"}, now)
        for n in range(40):
            tx.transactional.add(
                "alert", "owner@tips.example", {"headline": f"Alert {n}", "lines": [], "next_step": "Look"}, now
            )
    harness.fake_clock.forward(days=15)
    memory = harness.memory()
    harness.transactional.send()

    assert recipients(memory.emails) == ["new@b.example", "owner@tips.example"]
    assert b"40 alerts could not be sent until now" in memory.emails[1].message
    with sqlite3.connect(tmp_path / "newsletter.db") as db:
        dropped = db.execute("SELECT kind, reply FROM notice WHERE state = 'skipped' AND kind <> 'alert' ORDER BY kind")
        assert dropped.fetchall() == [(kind, "too old to be of use") for kind in ("manage_link", "preview", "report")]
