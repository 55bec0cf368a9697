"""Transactional emails in doubt, and one that is in trouble: nobody gets many copies, and nobody waits for another one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from newsletter.domain.delivery.outcome import InDoubt, Reply, Stage
from newsletter.domain.errors import RelayRefusal, SenderError
from newsletter.testing import MemorySender, answer
from tests.support.faulty_smtp import STALL, Fault, FaultySmtp
from tests.support.publishing import AppHarness, open_app_harness

LOST = InDoubt(Reply(Stage.DOT, 0, "", "to the dot: it gave no reply in time"))
LATER = answer("rcpt", "450 4.2.0 greylisted")


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    with open_app_harness(tmp_path) as harness:
        yield harness


def sign_up(harness: AppHarness, number: int) -> None:
    for n in range(number):
        harness.signup.subscribe(f"new{n}@a{n}.example", "", form="page/1", origin=f"192.0.{n}.1")


def rows(harness: AppHarness) -> list[tuple[str, str]]:
    """State and last reply of each confirmation."""
    with sqlite3.connect(harness.settings.database_url.removeprefix("sqlite:///")) as db:
        return db.execute("SELECT state, reply FROM notice WHERE kind = 'confirm' ORDER BY id").fetchall()


def send_for_days(harness: AppHarness, days: int = 3) -> None:
    for _ in range(24 * days):
        with suppress(SenderError):
            harness.transactional.send()
        harness.fake_clock.forward(hours=1)


def test_a_relay_that_never_says_that_it_has_a_confirmation_gets_it_twice(harness: AppHarness) -> None:
    sign_up(harness, 1)
    harness.sender_override = relay = MemorySender([LOST, LATER, LOST] + [LOST] * 97)
    send_for_days(harness)

    assert len(relay.tried) == 3
    [(state, reply)] = rows(harness)
    assert (state, reply.split(":")[0]) == ("failed", "it may have arrived")


def test_a_lost_reply_and_a_crash_are_enough_as_well(harness: AppHarness) -> None:
    sign_up(harness, 1)
    harness.sender_override = relay = MemorySender([LOST] * 99)
    harness.transactional.send()
    harness.fake_clock.forward(hours=1)
    with harness.store.write() as tx:  # claimed, and then the program is killed
        assert tx.transactional.due(harness.clock(), 1)
    send_for_days(harness)

    assert len(relay.tried) == 1
    assert rows(harness)[0][0] == "failed"


def test_a_crash_alone_does_not_keep_a_confirmation_from_being_sent(harness: AppHarness) -> None:
    sign_up(harness, 1)
    for _ in range(2):
        with harness.store.write() as tx:
            assert tx.transactional.due(harness.clock(), 1)
        harness.fake_clock.forward(hours=1)
    relay = harness.memory()
    send_for_days(harness, 1)

    assert len(relay.emails) == 1


def test_after_a_run_of_lost_replies_the_queue_waits(harness: AppHarness) -> None:
    sign_up(harness, 5)
    harness.sender_override = relay = MemorySender([LOST] * 99)
    with pytest.raises(RelayRefusal, match="did not say whether"):
        harness.transactional.send()
    harness.fake_clock.forward(minutes=4)
    assert harness.transactional.send() == 0
    assert len(relay.tried) == 3

    send_for_days(harness)
    assert len(relay.tried) == 10
    assert {state for state, _ in rows(harness)} == {"failed"}


def test_a_recipient_at_which_the_relay_stalls_costs_the_others_less_than_the_limit_for_replies(tmp_path: Path) -> None:
    with (
        FaultySmtp([Fault("rcpt", STALL, to="new1@*")]) as relay,
        open_app_harness(tmp_path, sender_url=relay.url("recipient_timeout=0.3s", "reply_timeout=10m")) as harness,
    ):
        sign_up(harness, 3)
        for _ in range(2):
            with suppress(SenderError):
                harness.transactional.send()
            harness.fake_clock.forward(seconds=2)

        assert [state for state, _ in rows(harness)] == ["sent", "deferred", "sent"]


def test_one_recipient_at_which_the_relay_hangs_up_keeps_nobody_waiting(harness: AppHarness) -> None:
    sign_up(harness, 5)
    hangs_up = SenderError("it closed the connection")
    harness.sender_override = relay = MemorySender({"new1@a1.example": [hangs_up] * 99})
    for _ in range(2):  # two rounds of the daemon, two seconds apart
        with suppress(SenderError):
            harness.transactional.send()
        harness.fake_clock.forward(seconds=2)

    assert len(relay.emails) == 4
    assert [state for state, _ in rows(harness)] == ["sent", "deferred", "sent", "sent", "sent"]
