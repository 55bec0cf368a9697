"""Rate limits hold: per hour, per recipient domain, and across a restart."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from newsletter.domain.delivery.rate_limit import Rate
from newsletter.testing import MemorySender
from tests.support.library import add_subscriber, add_subscribers, add_tip
from tests.support.publishing import AppHarness, open_app_harness

HOUR = timedelta(hours=1)


class RatedSender(MemorySender):
    """A memory sender with rates."""

    def __init__(self, *rates: Rate, connections: int = 1) -> None:
        super().__init__(connections=connections)
        self.rates = rates


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    with open_app_harness(tmp_path) as harness:
        yield harness


@pytest.mark.parametrize("connections", [1, 4])
def test_an_hourly_limit_holds_across_restarts(harness: AppHarness, connections: int) -> None:
    harness.start(8)
    seen = []
    for minutes in (0, 30, 31, 31):
        harness.fake_clock.forward(minutes=minutes)
        sender = RatedSender(Rate(5, HOUR), connections=connections)
        harness.sender_override = sender
        harness.round()  # every batch is a sender of its own: all it knows is in the ledger
        seen.append(len(sender.emails))

    assert seen == [5, 0, 3, 0]
    assert harness.counts() == {"sent": 8}
    assert harness.broken() == []


def test_one_domain_waits_while_the_others_get_their_emails(harness: AppHarness) -> None:
    add_tip(harness.files)
    add_subscribers(harness.files, 4)  # all at a.example
    add_subscriber(harness.files, "solo@b.example")
    harness.issues.publish_due()
    sender = RatedSender(Rate(2, timedelta(minutes=1), per_domain=True))
    harness.sender_override = sender
    harness.round()
    first = [email.envelope.recipient for email in sender.emails]
    waiting = harness.counts()
    harness.fake_clock.forward(minutes=1)
    harness.round()

    assert first == ["reader1@a.example", "reader2@a.example", "solo@b.example"]
    assert waiting == {"sent": 3, "deferred": 2}
    assert harness.counts() == {"sent": 5}


def test_waiting_for_a_rate_limit_does_not_count_as_an_attempt(harness: AppHarness) -> None:
    add_tip(harness.files)
    add_subscribers(harness.files, 2)
    harness.issues.publish_due()
    harness.sender_override = RatedSender(Rate(1, timedelta(minutes=1), per_domain=True))
    harness.round()

    assert harness.row("reader2@a.example").attempts == 0
