"""An issue is stopped while it is sent: by a person, a crash, a wrong clock, or a database that is locked or full."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from itertools import repeat
from pathlib import Path

import pytest

from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.delivery.outcome import Outcome
from newsletter.domain.errors import Busy, NewsletterError, Refused
from newsletter.testing import MemorySender, SentEmail, answer
from tests.support.library import TUESDAY
from tests.support.publishing import (
    AppHarness,
    HookedSender,
    connection_of,
    open_app_harness,
    recipients,
    set_busy_timeout,
    subscriber_addresses,
    unlock,
)

ODD = "reader2@a.example"
LATER = "451 4.7.1 greylisted"


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    with open_app_harness(tmp_path, MemorySender()) as harness:
        yield harness


# -- stopped by a person -----------------------------------------------------------------------------


def test_a_stop_lets_emails_in_flight_finish_and_claims_no_more(harness: AppHarness) -> None:
    sender = HookedSender({5: harness.stop.set}, connections=3)
    harness.sender_override = sender
    harness.start(30)
    harness.round()

    assert 5 <= len(sender.emails) <= 7
    assert harness.counts() == {"sent": len(sender.emails), "pending": 30 - len(sender.emails)}
    harness.stop.clear()
    harness.round()
    assert recipients(sender.emails) == subscriber_addresses(30)


def test_a_pause_by_another_process_is_seen_by_the_next_claim(harness: AppHarness) -> None:
    with open_again(harness) as other:
        sender = HookedSender({3: lambda: other.issues.pause(1)})
        harness.sender_override = sender
        harness.start(6)
        harness.round()
        assert (len(sender.emails), harness.counts()) == (3, {"sent": 3, "pending": 3})
        harness.issues.resume(1)

    assert recipients(sender.emails) == subscriber_addresses(6)


def test_cancelling_while_sending_skips_every_open_delivery_with_its_reason(harness: AppHarness) -> None:
    with open_again(harness) as other:
        sender = HookedSender({3: lambda: other.issues.cancel(1)})
        harness.sender_override = sender
        harness.start(6)
        harness.round()
    issue = harness.issue()

    assert (len(sender.emails), harness.counts(), issue.skipped_for) == (3, {"sent": 3, "skipped": 3}, {"cancelled": 3})
    assert issue.state is IssueState.CANCELLED


def test_an_email_requeued_to_a_cancelled_issue_is_skipped(harness: AppHarness) -> None:
    class Cancelling(MemorySender):
        def take(self, email: SentEmail) -> Outcome:
            harness.issues.cancel(1)
            return super().take(email)

    harness.sender_override = Cancelling({"reader1@a.example": repeat(answer("rcpt", LATER), 1)})
    harness.start(2)
    harness.round()

    assert (harness.counts(), harness.broken()) == ({"skipped": 2}, [])


def test_an_email_that_a_crash_left_in_a_cancelled_issue_is_skipped(harness: AppHarness) -> None:
    harness.start(2)
    with harness.store.sending("a run that ends here", harness.clock()) as lock:
        lock.ledger.advance(1, [], 1, harness.clock())
        harness.issues.cancel(1)
    harness.round()

    assert (harness.counts(), harness.broken()) == ({"skipped": 2}, [])


def test_a_subscriber_who_unsubscribes_while_it_is_sent_gets_no_email(harness: AppHarness) -> None:
    with open_again(harness) as other:
        sender = HookedSender({2: lambda: other.subscribers.unsubscribe("reader3@a.example")})
        harness.sender_override = sender
        harness.start(4)
        harness.round()

    assert recipients(sender.emails) == ["reader1@a.example", "reader2@a.example", "reader4@a.example"]
    assert harness.issue().skipped_for == {"unsubscribed": 1}


def test_a_subscriber_who_unsubscribes_while_deferred_gets_no_second_attempt(harness: AppHarness) -> None:
    sender = harness.memory({ODD: repeat(answer("rcpt", LATER), 1)})
    harness.start(2)
    harness.round()
    harness.subscribers.unsubscribe(ODD)
    harness.fake_clock.forward(minutes=1)
    harness.round()

    assert recipients(sender.emails) == ["reader1@a.example"]
    assert (harness.issue().skipped_for, harness.issue().state) == ({"unsubscribed": 1}, IssueState.DONE)


# -- retried ---------------------------------------------------------------------------------------


def test_a_retry_by_a_person_requeues_failed_emails(harness: AppHarness) -> None:
    harness.memory({ODD: repeat(answer("rcpt", LATER), 100)})
    harness.start(2)
    with harness.store.sending("test", harness.clock()) as lock:
        while harness.issue().state is not IssueState.DONE:
            harness.delivery.deliver(lock, 1)
            harness.fake_clock.forward(hours=1)
    sender = harness.memory()
    reopened = harness.issues.retry_failed(1)
    harness.issues.resume(1)

    assert (reopened.state, reopened.counts["pending"]) == (IssueState.SENDING, 1)
    assert (recipients(sender.emails), harness.counts()) == ([ODD], {"sent": 2})


def test_nothing_of_a_cancelled_issue_is_retried(harness: AppHarness) -> None:
    harness.start(2)
    with harness.store.sending("a run", harness.clock(), hold_in_doubt=True) as lock:
        lock.ledger.advance(1, [], 1, harness.clock())
    with harness.store.sending("the next", harness.clock(), hold_in_doubt=True):
        harness.issues.cancel(1)
    with pytest.raises(Refused):
        harness.issues.retry_failed(1)

    assert harness.counts() == {"held": 1, "skipped": 1}


def test_a_future_time_written_by_a_wrong_clock_is_not_waited_for(harness: AppHarness) -> None:
    sender = harness.memory({ODD: repeat(answer("rcpt", LATER), 1)})
    harness.start(2)
    harness.fake_clock.forward(days=2000)
    harness.round()
    harness.fake_clock.now = TUESDAY + timedelta(hours=1)
    harness.round()
    harness.fake_clock.forward(hours=1)
    harness.round()

    assert recipients(sender.emails) == subscriber_addresses(2)


# -- a database that does not answer ---------------------------------------------------------------


def test_outcomes_that_a_locked_database_refused_are_written_once_it_is_free(harness: AppHarness) -> None:
    number = harness.start(5)
    other = sqlite3.connect(harness.files.path, isolation_level=None, check_same_thread=False)
    sender = HookedSender({2: lambda: other.execute("BEGIN IMMEDIATE")})
    harness.sender_override = sender

    with harness.store.sending("test", harness.clock()) as lock:
        set_busy_timeout(lock.ledger, 20)
        with pytest.raises(Busy):
            harness.delivery.deliver(lock, number, progress=lambda *_: unlock(other))
        in_doubt = harness.counts()
        harness.delivery.deliver(lock, number)
    other.close()

    assert in_doubt == {"sent": 1, "sending": 1, "pending": 3}
    assert recipients(sender.emails) == subscriber_addresses(5)
    assert (harness.counts(), harness.broken()) == ({"sent": 5}, [])


def test_outcomes_that_a_locked_database_refused_are_written_at_the_latest_when_the_sender_ends(
    harness: AppHarness,
) -> None:
    number = harness.start(5)
    other = sqlite3.connect(harness.files.path, isolation_level=None, check_same_thread=False)
    harness.sender_override = HookedSender({2: lambda: other.execute("BEGIN IMMEDIATE")})
    with harness.store.sending("test", harness.clock()) as lock:
        set_busy_timeout(lock.ledger, 20)
        with pytest.raises(Busy):
            harness.delivery.deliver(lock, number, progress=lambda *_: unlock(other))
    other.close()

    assert (harness.counts(), harness.broken()) == ({"sent": 2, "pending": 3}, [])


def test_a_full_disk_loses_nobody_and_is_reported(harness: AppHarness) -> None:
    number = harness.start(40)
    sender = harness.memory(
        {address: repeat(answer("rcpt", f"550 no {'x' * 400}"), 1) for address in subscriber_addresses(40)[::3]}
    )
    with harness.store.sending("test", harness.clock()) as lock:
        database = connection_of(lock.ledger)
        pages = database.execute("PRAGMA page_count").fetchone()[0]
        database.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(NewsletterError, match="disk"):
            harness.delivery.deliver(lock, number)
        got_before = len(sender.emails)
        database.execute("PRAGMA max_page_count = 1000000")
        harness.delivery.deliver(lock, number)

    assert got_before < len(sender.emails)
    assert recipients(sender.emails) == sorted(set(subscriber_addresses(40)) - set(subscriber_addresses(40)[::3]))
    assert (sum(harness.counts().values()), harness.issue().state, harness.broken()) == (40, IssueState.DONE, [])


def open_again(harness: AppHarness) -> closing[AppHarness]:
    """The same newsletter as another process sees it, over connections of its own."""
    return closing(AppHarness(harness.settings, harness.clock))
