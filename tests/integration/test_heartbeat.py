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
from newsletter.actions.heartbeat import AGAIN_AFTER, TRIES, take_call
from newsletter.ports.calendar import Call
from newsletter.testing import MemorySender
from tests.support.library import SLOT, TUESDAY
from tests.support.publishing import Newsroom, open_newsroom

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
def room(tmp_path: Path, watchdog: Watchdog) -> Iterator[Newsroom]:
    """A newsletter whose first issue went."""
    with open_newsroom(tmp_path, MemorySender(), ping_url=watchdog.url) as room:
        number = room.start()
        assert room.call_watchdog() is None, "nothing went yet"
        room.round(number)
        yield room


def check(room: Newsroom) -> Check:
    return {check.id: check for check in room.doctor()}["watchdog"]


def test_it_is_called_once_for_each_slot_that_went_or_was_skipped(room: Newsroom, watchdog: Watchdog) -> None:
    unknown = check(room)
    for _ in range(3):
        room.call_watchdog()
    after = len(watchdog.calls)
    room.skip_slot(SLOT + WEEK)
    room.hand.now = TUESDAY + WEEK
    room.call_watchdog()

    assert (after, len(watchdog.calls)) == (1, 2)
    assert (unknown.ok, check(room).ok, check(room).message) == (True, True, "the watchdog was called for 2024-03-12")


def test_one_that_does_not_answer_is_called_again_later_and_later_and_then_no_more(
    room: Newsroom, watchdog: Watchdog
) -> None:
    watchdog.status = 500
    first = room.call_watchdog()
    waiting = check(room)
    for after in AGAIN_AFTER:
        room.hand.now += after - timedelta(seconds=1)
        assert room.call_watchdog() is None, "too early"
        room.hand.forward(seconds=1)
        last = room.call_watchdog()
    room.hand.forward(hours=5)

    assert first
    assert (first.attempts, first.done_at, first.reply) == (1, None, "127.0.0.1: HTTP Error 500: Internal Server Error")
    assert (waiting.level, "it is tried again" in waiting.message) == ("hint", True)
    assert last
    assert (last.attempts, last.next_attempt_at) == (TRIES, None)
    assert room.call_watchdog() is None
    assert len(watchdog.calls) == TRIES
    assert (check(room).ok, "secret" in check(room).message) == (False, False)


def test_one_that_answers_at_last_is_called_no_more(room: Newsroom, watchdog: Watchdog) -> None:
    watchdog.status = 503
    room.call_watchdog()
    watchdog.status = 200
    room.hand.now += AGAIN_AFTER[0]
    done = room.call_watchdog()
    room.hand.forward(hours=5)

    assert done == Call(SLOT, 2, None, TUESDAY + AGAIN_AFTER[0], "")
    assert room.call_watchdog() is None


def test_a_call_that_a_crash_cut_off_is_made_again(room: Newsroom, watchdog: Watchdog) -> None:
    assert take_call(room.store, room.rules, room.clock()) == SLOT  # and then the program is killed
    assert check(room).message.endswith("the program ended meanwhile; it is tried again")
    room.hand.now += AGAIN_AFTER[0]
    assert room.call_watchdog()
    assert len(watchdog.calls) == 1


def test_without_an_address_nobody_is_called_and_doctor_does_not_ask(tmp_path: Path) -> None:
    with open_newsroom(tmp_path, MemorySender()) as room:
        room.round(room.start())
        assert room.call_watchdog() is None
        assert "watchdog" not in {check.id for check in room.doctor()}
