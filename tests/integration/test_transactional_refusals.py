"""Transactional emails that the relay refuses: as careful as an issue, and seen by the log, doctor, and the owner."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from newsletter.actions.heartbeat import fail_url
from newsletter.domain.errors import RelayRefusal, SenderError
from newsletter.testing import MemorySender, answer
from tests.support.publishing import AppHarness, open_app_harness

POLICY = answer("rcpt", "550 5.7.1 Sender address rejected: not owned by user")
GONE = answer("rcpt", "550 5.1.1 no such user")


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    with open_app_harness(tmp_path, ping_url="https://ping.example/abc?x=1") as harness:
        yield harness


def sign_up(harness: AppHarness, number: int) -> None:
    for n in range(number):
        harness.signup.subscribe(f"new{n}@a{n}.example", "", form="page/1", origin=f"192.0.{n}.1")


def states(harness: AppHarness, kind: str = "confirm") -> list[str]:
    with sqlite3.connect(harness.settings.database_url.removeprefix("sqlite:///")) as db:
        return [state for (state,) in db.execute("SELECT state FROM notice WHERE kind = ? ORDER BY id", (kind,))]


def told(harness: AppHarness) -> int:
    """How many alerts about unsent emails were queued for the owner."""
    with sqlite3.connect(harness.settings.database_url.removeprefix("sqlite:///")) as db:
        found = db.execute("SELECT count(*) FROM notice WHERE kind = 'alert' AND data LIKE '%could not be sent%'")
        return int(found.fetchone()[0])


def notices(harness: AppHarness) -> tuple[str, str]:
    """Level and message of the check of doctor."""
    return next((check.level, check.message) for check in harness.doctor.check() if check.id == "notices")


def test_a_confirmation_that_is_refused_because_of_us_is_sent_later(
    harness: AppHarness, caplog: pytest.LogCaptureFixture
) -> None:
    sign_up(harness, 1)
    harness.sender_override = MemorySender([POLICY])
    harness.transactional.send()

    assert states(harness) == ["deferred"]
    assert "not owned by user" in caplog.text
    level, message = notices(harness)
    assert (level, message.split(":")[0]) == ("warning", "1 confirmation email waits after a failed attempt")
    harness.owner.notify()
    harness.owner.notify()
    assert told(harness) == 1

    harness.fake_clock.forward(minutes=2)
    harness.transactional.send()
    assert states(harness) == ["sent"]
    assert notices(harness)[0] == "ok"


def test_after_two_days_it_fails_and_is_seen(harness: AppHarness) -> None:
    sign_up(harness, 1)
    harness.sender_override = MemorySender([POLICY] * 99)
    for _ in range(60):
        harness.transactional.send()
        harness.fake_clock.forward(hours=1)

    assert states(harness) == ["failed"]
    assert "1 confirmation email could not be sent" in notices(harness)[1]


def test_many_refusals_stop_the_queue_for_a_while(harness: AppHarness) -> None:
    sign_up(harness, 5)
    memory = harness.memory()
    harness.sender_override = MemorySender([POLICY] * 99)
    with pytest.raises(RelayRefusal, match="not owned by user"):
        harness.transactional.send()
    assert states(harness) == ["deferred"] * 3 + ["pending"] * 2

    harness.sender_override = memory
    harness.fake_clock.forward(minutes=4)
    assert harness.transactional.send() == 0
    harness.fake_clock.forward(minutes=2)
    assert harness.transactional.send() == 5


def test_a_relay_that_knows_nobody_suppresses_nobody(harness: AppHarness) -> None:
    sign_up(harness, 12)
    harness.sender_override = MemorySender([GONE] * 99)
    with pytest.raises(RelayRefusal, match="no such user"):
        harness.transactional.send()

    assert states(harness) == ["deferred"] * 10 + ["pending"] * 2
    assert harness.suppressed() == []


def test_a_typo_is_no_news(harness: AppHarness) -> None:
    sign_up(harness, 1)
    harness.sender_override = MemorySender([GONE])
    harness.transactional.send()
    harness.owner.notify()

    assert (states(harness), told(harness)) == (["rejected"], 0)
    assert "confirmation" not in notices(harness)[1]
    assert harness.suppressed() == []


def test_greylisting_is_no_news_within_an_hour(harness: AppHarness) -> None:
    sign_up(harness, 1)
    harness.sender_override = MemorySender([answer("rcpt", "450 4.7.1 greylisted, try again later")] * 2)
    harness.transactional.send()
    assert "greylisted" not in notices(harness)[1]
    harness.fake_clock.forward(hours=2)
    assert "greylisted" in notices(harness)[1]


def test_an_alert_that_cannot_leave_reaches_the_log_doctor_and_the_dead_mans_switch(
    harness: AppHarness, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[str] = []
    answers = ["no route", "", ""]

    def request(url: str) -> str:
        calls.append(url)
        return answers[len(calls) - 1]

    object.__setattr__(harness.heartbeat, "request", request)
    assert harness.heartbeat.send_failure() == ""
    harness.owner.alert("The issue could not be sent", ["It is too late."], "Run newsletter doctor")
    harness.sender_override = MemorySender(refuses_sessions=1)
    with pytest.raises(SenderError), caplog.at_level(logging.ERROR):
        harness.transactional.send()

    assert "alert: The issue could not be sent" in caplog.text
    assert notices(harness)[0] == "error"
    for expected in ("could not be reported", "1 alert email waits", ""):
        assert expected in harness.heartbeat.send_failure()
    assert calls == ["https://ping.example/abc/fail?x=1"] * 2
    harness.fake_clock.now += timedelta(minutes=2)
    harness.transactional.send()
    assert notices(harness)[0] == "ok"


def test_the_failure_url_has_fail_at_the_end_of_its_path() -> None:
    assert fail_url("https://hc.example/ping/1/") == "https://hc.example/ping/1/fail"
