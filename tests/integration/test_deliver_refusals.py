"""Short lists and relays that refuse everything: nobody is lost because of us, and the owner learns why."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.errors import Refused
from newsletter.store.copy_guard import path_of
from newsletter.testing import answer
from tests.support.faulty_smtp import Fault, FaultySmtp
from tests.support.publishing import AppHarness, open_app_harness, owner_emails, subscriber_addresses

FIVE = subscriber_addresses(5)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    with open_app_harness(tmp_path) as harness:
        harness.start(5)
        yield harness


def refuse_all(harness: AppHarness, reply: str, addresses: list[str] = FIVE, stage: str = "rcpt") -> None:
    harness.memory({address: [answer(stage, reply)] * 9 for address in addresses})


@pytest.mark.parametrize(
    "reply",
    [
        "550 5.1.0 <tips@tips.example> sender rejected",
        "550 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using Spamhaus",
        "550 5.7.26 Unauthenticated email is not accepted",
        "550 5.1.1 relay not permitted",
        "554 transaction failed",
        "550 5.1.1 no such user",
    ],
)
def test_a_relay_that_refuses_a_list_of_five_pauses_the_issue_and_loses_nobody(harness: AppHarness, reply: str) -> None:
    refuse_all(harness, reply)
    done = harness.round()

    assert reply.split(" ", 2)[2][:10] in done.paused
    assert harness.issue().state is IssueState.PAUSED
    assert set(harness.counts()) <= {"pending", "deferred"}
    assert harness.suppressed() == []
    assert any("paused" in str(email["Subject"]).lower() for email in owner_emails(harness))

    harness.memory()
    harness.issues.resume(1)
    assert (harness.issue().state, harness.counts()) == (IssueState.DONE, {"sent": 5})
    assert harness.broken() == []


@pytest.mark.parametrize(
    "reply",
    [
        "550 5.4.5 Daily user sending quota exceeded",
        "550 5.1.90 You've reached your daily limit for message recipients",
        "550 Domain tips.example has exceeded the max emails per hour (5/5 (100%)) allowed. Message discarded.",
    ],
)
def test_a_quota_defers_and_does_not_pause(harness: AppHarness, reply: str) -> None:
    refuse_all(harness, reply)
    done = harness.round()

    assert done.paused == ""
    assert (harness.issue().state, harness.counts()) == (IssueState.SENDING, {"deferred": 5})
    assert harness.suppressed() == []
    harness.memory()
    harness.fake_clock.forward(minutes=2)
    harness.round()
    assert harness.counts() == {"sent": 5}


def test_one_domain_that_refuses_us_for_days_pauses_nothing_and_fails_by_name(tmp_path: Path) -> None:
    """A paused issue that pauses again after each resume would be a dead end."""
    with open_app_harness(tmp_path) as harness:
        harness.start(30)
        few = subscriber_addresses(30)[::6]
        harness.memory({address: [answer("rcpt", "550 5.7.1 blocked using Spamhaus")] * 99 for address in few})
        harness.round()
        if harness.issue().state is IssueState.PAUSED:
            harness.issues.resume(1)
        for _ in range(60):
            harness.fake_clock.forward(hours=1)
            harness.round()

        assert harness.issue().state is IssueState.DONE
        assert harness.counts() == {"sent": 25, "failed": 5}
        assert harness.suppressed() == []


def test_a_long_list_is_not_tried_to_its_end_against_a_quota(tmp_path: Path) -> None:
    with open_app_harness(tmp_path) as harness:
        harness.start(30)
        refuse_all(harness, "550 5.4.5 Daily user sending quota exceeded", subscriber_addresses(30))
        done = harness.round()

        assert "Daily user sending quota exceeded" in done.trouble
        assert harness.counts() == {"deferred": 10, "pending": 20}


@pytest.mark.parametrize(
    ("reply", "suppressed"),
    [
        ("550 5.1.1 user unknown", True),
        ("550 No Such User Here", True),
        ("550 Requested action not taken: mailbox unavailable", True),
        ("552 5.2.2 mailbox full", False),
        ("550 5.2.1 The email account that you tried to reach is disabled.", False),
    ],
)
def test_one_mailbox_among_five_is_rejected(harness: AppHarness, reply: str, *, suppressed: bool) -> None:
    refuse_all(harness, reply, FIVE[:1])
    harness.round()

    assert (harness.issue().state, harness.counts()) == (IssueState.DONE, {"sent": 4, "rejected": 1})
    assert harness.suppressed() == FIVE[:1] * suppressed
    harness.issues.retry_failed(1)
    assert harness.counts() == {"sent": 4, ("rejected" if suppressed else "pending"): 1}


def test_an_issue_that_is_resumed_while_nothing_arrives_pauses_again(harness: AppHarness) -> None:
    refuse_all(harness, "550 5.1.1 no such user")
    harness.round()
    harness.issues.resume(1)

    assert (harness.issue().state, harness.counts()) == (IssueState.PAUSED, {"pending": 5})
    assert harness.suppressed() == []


def test_a_refused_envelope_sender_pauses_the_issue(tmp_path: Path) -> None:
    fault = Fault("mail", "553 5.7.1 Sender address rejected: not owned by user anna")
    with (
        FaultySmtp([fault]) as server,
        open_app_harness(tmp_path, sender_url=f"smtp://127.0.0.1:{server.port}") as harness,
    ):
        harness.start(2)
        done = harness.round()

        assert "not owned by user anna" in done.paused
        assert "NEWSLETTER_ENVELOPE=plain" in done.paused
        assert harness.counts() == {"pending": 2}
        server.faults.clear()
        harness.issues.resume(1)
        assert harness.counts() == {"sent": 2}


def test_retry_failed_brings_back_what_was_not_about_the_mailbox(harness: AppHarness, tmp_path: Path) -> None:
    harness.round()
    with sqlite3.connect(tmp_path / "newsletter.db") as db:  # as an older version left it
        for number, reply in enumerate(("550 5.1.90 daily limit reached", "550 5.1.1 user unknown", "554 failed"), 1):
            db.execute(
                "UPDATE delivery SET state = 'rejected', reply = ? WHERE subscriber_id = ?", (f"rcpt {reply}", number)
            )
            db.execute(
                "INSERT INTO suppression (address_key, reason, source, at, issue_id)"
                " SELECT address_key, 'hard_bounce', '', '2026-01-01', 1 FROM subscriber WHERE id = ?",
                (number,),
            )
    would = harness.issues.retry_failed(1, dry_run=True)
    assert (would.counts["pending"], would.state) == (2, IssueState.SENDING)
    assert (harness.counts(), harness.issue().state) == ({"sent": 2, "rejected": 3}, IssueState.DONE)
    assert len(harness.suppressed()) == 3
    harness.issues.retry_failed(1)

    assert harness.counts() == {"sent": 2, "pending": 2, "rejected": 1}
    assert harness.suppressed() == [FIVE[1]]
    harness.round()
    assert harness.counts() == {"sent": 4, "rejected": 1}


def test_a_database_on_hold_freezes_no_issue(tmp_path: Path) -> None:
    with open_app_harness(tmp_path) as harness:
        harness.start(1)
        harness.round()
        path_of(tmp_path / "newsletter.db").unlink()
        harness.fake_clock.forward(days=7)
        with pytest.raises(Refused, match="on hold"):
            harness.issues.send(early=True)
        with pytest.raises(Refused, match="newsletter db adopt"):
            harness.issues.refuse_on_hold()
        assert [issue.number for issue in harness.issues.list()] == [1]
