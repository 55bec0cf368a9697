"""A watchdog elsewhere is called for each slot that went, again when it does not answer, and not for ever."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from newsletter.actions.doctor import Check
from newsletter.actions.heartbeat import AGAIN_AFTER, TRIES, claim_heartbeat
from newsletter.ports.calendar import HeartbeatCall
from newsletter.testing import MemorySender
from tests.support.library import SLOT, TUESDAY
from tests.support.publishing import AppHarness, open_app_harness

WEEK = timedelta(days=7)


@dataclass
class Watchdog:
    """A server that notes who calls; status: what it answers."""

    url: str
    calls: list[str] = field(default_factory=list)
    status: int = 200


@pytest.fixture
def watchdog() -> Iterator[Watchdog]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.calls.append(self.path)
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    found = Watchdog(f"http://127.0.0.1:{server.server_port}/secret-beat")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def harness(tmp_path: Path, watchdog: Watchdog) -> Iterator[AppHarness]:
    """A newsletter whose first issue went."""
    with open_app_harness(tmp_path, MemorySender(), ping_url=watchdog.url) as harness:
        number = harness.start()
        assert harness.owner.send_heartbeat() is None, "nothing went yet"
        harness.round(number)
        yield harness


def check(harness: AppHarness) -> Check:
    return {check.id: check for check in harness.doctor.check()}["watchdog"]


def test_it_is_called_once_for_each_slot_that_went_or_was_skipped(harness: AppHarness, watchdog: Watchdog) -> None:
    unknown = check(harness)
    for _ in range(3):
        harness.owner.send_heartbeat()
    after = len(watchdog.calls)
    harness.calendar.skip(SLOT + WEEK)
    harness.fake_clock.now = TUESDAY + WEEK
    harness.owner.send_heartbeat()

    assert (after, len(watchdog.calls)) == (1, 2)
    assert (unknown.ok, check(harness).ok, check(harness).message) == (
        True,
        True,
        "the heartbeat for 2024-03-12 was sent",
    )


def test_one_that_does_not_answer_is_called_again_later_and_later_and_then_no_more(
    harness: AppHarness, watchdog: Watchdog
) -> None:
    watchdog.status = 500
    first = harness.owner.send_heartbeat()
    waiting = check(harness)
    for after in AGAIN_AFTER:
        harness.fake_clock.now += after - timedelta(seconds=1)
        assert harness.owner.send_heartbeat() is None, "too early"
        harness.fake_clock.forward(seconds=1)
        last = harness.owner.send_heartbeat()
    harness.fake_clock.forward(hours=5)

    assert first
    assert (first.attempts, first.done_at, first.reply) == (1, None, "127.0.0.1: HTTP Error 500: Internal Server Error")
    assert (waiting.level, "it will be retried" in waiting.message) == ("hint", True)
    assert last
    assert (last.attempts, last.next_attempt_at) == (TRIES, None)
    assert harness.owner.send_heartbeat() is None
    assert len(watchdog.calls) == TRIES
    assert (check(harness).ok, "secret" in check(harness).message) == (False, False)


def test_one_that_answers_at_last_is_called_no_more(harness: AppHarness, watchdog: Watchdog) -> None:
    watchdog.status = 503
    harness.owner.send_heartbeat()
    watchdog.status = 200
    harness.fake_clock.now += AGAIN_AFTER[0]
    done = harness.owner.send_heartbeat()
    harness.fake_clock.forward(hours=5)

    assert done == HeartbeatCall(SLOT, 2, None, TUESDAY + AGAIN_AFTER[0], "")
    assert harness.owner.send_heartbeat() is None


def test_a_call_that_a_crash_cut_off_is_made_again(harness: AppHarness, watchdog: Watchdog) -> None:
    assert claim_heartbeat(harness.store, harness.rules, harness.clock()) == SLOT  # and then the program is killed
    assert check(harness).message.endswith("the program ended meanwhile; it will be retried")
    harness.fake_clock.now += AGAIN_AFTER[0]
    assert harness.owner.send_heartbeat()
    assert len(watchdog.calls) == 1


def test_without_an_address_nobody_is_called_and_doctor_does_not_ask(tmp_path: Path) -> None:
    with open_app_harness(tmp_path, MemorySender()) as harness:
        harness.round(harness.start())
        assert harness.owner.send_heartbeat() is None
        assert "watchdog" not in {check.id for check in harness.doctor.check()}
