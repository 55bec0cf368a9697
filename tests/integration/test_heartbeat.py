"""Heartbeats to a dead man's switch: one for each slot that was sent, with a limited number of retries."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from newsletter.actions.check import Check
from newsletter.actions.heartbeat import RETRY_AFTER, TRIES
from newsletter.domain.delivery.heartbeat import HeartbeatCall
from newsletter.testing import MemorySender
from tests.support.library import SLOT, TUESDAY
from tests.support.publishing import AppHarness, open_app_harness

WEEK = timedelta(days=7)


@dataclass
class DeadMansSwitch:
    """A server that records requests. status: its answer."""

    url: str
    calls: list[str] = field(default_factory=list)
    status: int = 200


@pytest.fixture
def switch() -> Iterator[DeadMansSwitch]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.calls.append(self.path)
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    found = DeadMansSwitch(f"http://127.0.0.1:{server.server_port}/secret-heartbeat")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def harness(tmp_path: Path, switch: DeadMansSwitch) -> Iterator[AppHarness]:
    """A newsletter whose first issue was sent."""
    with open_app_harness(tmp_path, MemorySender(), ping_url=switch.url) as harness:
        number = harness.start()
        assert harness.heartbeat.send() is None, "nothing was sent yet"
        harness.round(number)
        yield harness


def check(harness: AppHarness) -> Check:
    return {check.id: check for check in harness.doctor.check()}["watchdog"]


def test_there_is_one_heartbeat_for_each_slot_that_was_sent_or_skipped(
    harness: AppHarness, switch: DeadMansSwitch
) -> None:
    unknown = check(harness)
    for _ in range(3):
        harness.heartbeat.send()
    after = len(switch.calls)
    harness.calendar.skip(SLOT + WEEK)
    harness.fake_clock.now = TUESDAY + WEEK
    harness.heartbeat.send()

    assert (after, len(switch.calls)) == (1, 2)
    assert (unknown.ok, check(harness).ok, check(harness).message) == (
        True,
        True,
        "the heartbeat for 2024-03-12 was sent",
    )


def test_a_failed_heartbeat_is_retried_at_growing_intervals_and_then_given_up(
    harness: AppHarness, switch: DeadMansSwitch
) -> None:
    switch.status = 500
    first = harness.heartbeat.send()
    waiting = check(harness)
    for after in RETRY_AFTER:
        harness.fake_clock.now += after - timedelta(seconds=1)
        assert harness.heartbeat.send() is None, "too early"
        harness.fake_clock.forward(seconds=1)
        last = harness.heartbeat.send()
    harness.fake_clock.forward(hours=5)

    assert first
    assert (first.attempts, first.done_at, first.reply) == (1, None, "127.0.0.1: HTTP Error 500: Internal Server Error")
    assert (waiting.level, "it will be retried" in waiting.message) == ("hint", True)
    assert last
    assert (last.attempts, last.next_attempt_at) == (TRIES, None)
    assert harness.heartbeat.send() is None
    assert len(switch.calls) == TRIES
    assert (check(harness).ok, "secret" in check(harness).message) == (False, False)


def test_a_heartbeat_that_succeeds_is_not_retried(harness: AppHarness, switch: DeadMansSwitch) -> None:
    switch.status = 503
    harness.heartbeat.send()
    switch.status = 200
    harness.fake_clock.now += RETRY_AFTER[0]
    done = harness.heartbeat.send()
    harness.fake_clock.forward(hours=5)

    assert done == HeartbeatCall(SLOT, 2, None, TUESDAY + RETRY_AFTER[0], "")
    assert harness.heartbeat.send() is None


def test_a_heartbeat_that_a_crash_interrupted_is_retried(harness: AppHarness, switch: DeadMansSwitch) -> None:
    assert harness.heartbeat.claim() == SLOT  # and then the program is killed
    assert check(harness).message.endswith("the program ended before an answer came; it will be retried")
    harness.fake_clock.now += RETRY_AFTER[0]
    assert harness.heartbeat.send()
    assert len(switch.calls) == 1


def test_without_a_url_there_is_no_heartbeat_and_no_doctor_check(tmp_path: Path) -> None:
    with open_app_harness(tmp_path, MemorySender()) as harness:
        harness.round(harness.start())
        assert harness.heartbeat.send() is None
        assert "watchdog" not in {check.id for check in harness.doctor.check()}
