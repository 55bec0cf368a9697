"""A mail server that defers everybody, for long: few attempts, one connection, one alert, and full speed afterward."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pytest

from newsletter.domain.delivery.deferral_run import MOST_IN_A_ROW, MOST_WHEN_SLOWED
from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.delivery.outcome import Outcome
from newsletter.testing import MemorySender, SentEmail, answer
from tests.support.library import add_subscriber
from tests.support.publishing import AppHarness, open_app_harness, owner_emails, text_of

SLOW_DOWN = "450 4.7.1 too many connections, slow down"
MANY = 300


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    with open_app_harness(tmp_path, MemorySender()) as harness:
        yield harness


def start(harness: AppHarness, number: int = MANY) -> None:
    """An issue to subscribers of many domains."""
    for place in range(number):
        add_subscriber(harness.files, f"reader@d{place}.example")
    harness.start(0)


def deferring(harness: AppHarness, *, connections: int = 4) -> MemorySender:
    sender = MemorySender(repeat(answer("rcpt", SLOW_DOWN), 5000), connections=connections)
    harness.sender_override = sender
    return sender


def test_everybody_deferred_costs_few_attempts_and_then_fewer_until_the_mail_server_recovers(
    harness: AppHarness,
) -> None:
    start(harness)
    sender = deferring(harness)
    first = harness.round()
    tried = len(sender.tried)
    harness.fake_clock.forward(minutes=1)
    sender = deferring(harness)
    harness.round()
    again, opened = len(sender.tried), sender.open_sessions
    working = harness.memory(connections=4)
    harness.fake_clock.forward(minutes=5)
    done = harness.round()

    assert "defers every email: 450 4.7.1 too many connections" in first.trouble
    assert (MOST_IN_A_ROW <= tried < MOST_IN_A_ROW + 4, again, opened) == (True, MOST_WHEN_SLOWED, 0)
    assert (done.trouble, len(working.emails), harness.issue().state) == ("", MANY, IssueState.DONE)


def test_nothing_is_tried_twice_in_one_command_however_long_it_takes(harness: AppHarness) -> None:
    class Slow(MemorySender):
        """Each email takes a minute, so the first ones are due again before the last ones were tried."""

        def take(self, email: SentEmail) -> Outcome:
            harness.fake_clock.forward(minutes=1)
            return super().take(email)

    start(harness, 30)
    sender = Slow(repeat(answer("rcpt", SLOW_DOWN), 5000))
    harness.sender_override = sender
    harness.round()

    assert len(sender.tried) == 30
    assert harness.counts() == {"deferred": 30}


def test_the_owner_is_told_once_with_the_words_of_the_mail_server(harness: AppHarness) -> None:
    start(harness, 30)
    deferring(harness)
    harness.round()
    harness.fake_clock.forward(minutes=59)
    early = [mail["Subject"] for mail in owner_emails(harness)]
    harness.fake_clock.forward(minutes=2)
    alerts = [mail for mail in owner_emails(harness) if "waits for the mail server" in mail["Subject"]]
    text = " ".join(text_of(alerts[0]).split())
    harness.fake_clock.forward(hours=2)
    again = [mail["Subject"] for mail in owner_emails(harness)]

    assert not any("waits for" in subject for subject in (*early, *again))
    assert "has accepted 0 of 30 emails. The mail server asks us to wait with 30 emails." in text
    assert "450 4.7.1 too many connections, slow down" in text
    assert "newsletter issues deliveries 1 --state deferred" in text
