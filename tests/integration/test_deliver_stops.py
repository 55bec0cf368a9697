"""One issue on its way that somebody or something stops: a person, a crash, a wrong clock, a database that is locked or full."""

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
from newsletter.testing import Letter, MemorySender, answer
from tests.support.library import TUESDAY
from tests.support.publishing import (
    HookedSender,
    Newsroom,
    connection_of,
    open_newsroom,
    patience,
    readers,
    recipients,
    unlock,
)

ODD = "reader2@a.example"
LATER = "451 4.7.1 greylisted"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    with open_newsroom(tmp_path, MemorySender()) as room:
        yield room


# -- somebody stops it -----------------------------------------------------------------------------


def test_a_stop_lets_the_letters_in_flight_end_and_claims_no_more(room: Newsroom) -> None:
    sender = HookedSender({5: room.stop.set}, connections=3)
    room.way = sender
    room.start(30)
    room.round()

    assert 5 <= len(sender.letters) <= 7
    assert room.counts() == {"sent": len(sender.letters), "pending": 30 - len(sender.letters)}
    room.stop.clear()
    room.round()
    assert recipients(sender.letters) == readers(30)


def test_a_pause_by_another_process_is_seen_by_the_very_next_claim(room: Newsroom) -> None:
    with open_again(room) as other:
        sender = HookedSender({3: lambda: other.pause(1)})
        room.way = sender
        room.start(6)
        room.round()
        assert (len(sender.letters), room.counts()) == (3, {"sent": 3, "pending": 3})
        room.resume(1)

    assert recipients(sender.letters) == readers(6)


def test_a_cancel_in_the_middle_sends_no_more_and_says_so_on_every_row(room: Newsroom) -> None:
    with open_again(room) as other:
        sender = HookedSender({3: lambda: other.cancel(1)})
        room.way = sender
        room.start(6)
        room.round()
    issue = room.issue()

    assert (len(sender.letters), room.counts(), issue.skipped_for) == (3, {"sent": 3, "skipped": 3}, {"cancelled": 3})
    assert issue.state is IssueState.CANCELLED


def test_a_letter_that_comes_back_to_a_cancelled_issue_waits_no_more(room: Newsroom) -> None:
    class Cancelling(MemorySender):
        def take(self, letter: Letter) -> Outcome:
            room.cancel(1)
            return super().take(letter)

    room.way = Cancelling({"reader1@a.example": repeat(answer("rcpt", LATER), 1)})
    room.start(2)
    room.round()

    assert (room.counts(), room.broken()) == ({"skipped": 2}, [])


def test_a_letter_that_a_crash_left_in_a_cancelled_issue_waits_no_more(room: Newsroom) -> None:
    room.start(2)
    with room.store.sending("a life that ends here", room.clock()) as right:
        right.ledger.advance(1, [], 1, room.clock())
        room.cancel(1)
    room.round()

    assert (room.counts(), room.broken()) == ({"skipped": 2}, [])


def test_who_leaves_in_the_middle_gets_no_letter(room: Newsroom) -> None:
    with open_again(room) as other:
        sender = HookedSender({2: lambda: other.unsubscribe("reader3@a.example")})
        room.way = sender
        room.start(4)
        room.round()

    assert recipients(sender.letters) == ["reader1@a.example", "reader2@a.example", "reader4@a.example"]
    assert room.issue().skipped_for == {"unsubscribed": 1}


def test_who_leaves_while_their_letter_is_deferred_gets_no_second_try(room: Newsroom) -> None:
    sender = room.memory({ODD: repeat(answer("rcpt", LATER), 1)})
    room.start(2)
    room.round()
    room.unsubscribe(ODD)
    room.hand.forward(minutes=1)
    room.round()

    assert recipients(sender.letters) == ["reader1@a.example"]
    assert (room.issue().skipped_for, room.issue().state) == ({"unsubscribed": 1}, IssueState.DONE)


# -- once more -------------------------------------------------------------------------------------


def test_failed_letters_get_another_chance_when_a_person_says_so(room: Newsroom) -> None:
    room.memory({ODD: repeat(answer("rcpt", LATER), 100)})
    room.start(2)
    with room.store.sending("test", room.clock()) as right:
        while room.issue().state is not IssueState.DONE:
            room.deliver(right, 1)
            room.hand.forward(hours=1)
    sender = room.memory()
    reopened = room.retry_failed(1)
    room.resume(1)

    assert (reopened.state, reopened.counts["pending"]) == (IssueState.SENDING, 1)
    assert (recipients(sender.letters), room.counts()) == ([ODD], {"sent": 2})


def test_nothing_of_a_cancelled_issue_is_tried_again(room: Newsroom) -> None:
    room.start(2)
    with room.store.sending("a life", room.clock(), hold_in_doubt=True) as right:
        right.ledger.advance(1, [], 1, room.clock())
    with room.store.sending("the next", room.clock(), hold_in_doubt=True):
        room.cancel(1)
    with pytest.raises(Refused):
        room.retry_failed(1)

    assert room.counts() == {"held": 1, "skipped": 1}


def test_a_time_to_come_written_by_a_wrong_clock_is_not_waited_for(room: Newsroom) -> None:
    sender = room.memory({ODD: repeat(answer("rcpt", LATER), 1)})
    room.start(2)
    room.hand.forward(days=2000)
    room.round()
    room.hand.now = TUESDAY + timedelta(hours=1)
    room.round()
    room.hand.forward(hours=1)
    room.round()

    assert recipients(sender.letters) == readers(2)


# -- a database that does not answer ---------------------------------------------------------------


def test_outcomes_that_a_locked_database_would_not_take_are_written_when_it_does(room: Newsroom) -> None:
    number = room.start(5)
    other = sqlite3.connect(room.files.path, isolation_level=None, check_same_thread=False)
    sender = HookedSender({2: lambda: other.execute("BEGIN IMMEDIATE")})
    room.way = sender

    with room.store.sending("test", room.clock()) as right:
        patience(right.ledger, 20)
        with pytest.raises(Busy):
            room.deliver(right, number, progress=lambda *_: unlock(other))
        in_doubt = room.counts()
        room.deliver(right, number)
    other.close()

    assert in_doubt == {"sent": 1, "sending": 1, "pending": 3}
    assert recipients(sender.letters) == readers(5)
    assert (room.counts(), room.broken()) == ({"sent": 5}, [])


def test_outcomes_that_a_locked_database_would_not_take_are_written_at_the_latest_when_the_sender_ends(
    room: Newsroom,
) -> None:
    number = room.start(5)
    other = sqlite3.connect(room.files.path, isolation_level=None, check_same_thread=False)
    room.way = HookedSender({2: lambda: other.execute("BEGIN IMMEDIATE")})
    with room.store.sending("test", room.clock()) as right:
        patience(right.ledger, 20)
        with pytest.raises(Busy):
            room.deliver(right, number, progress=lambda *_: unlock(other))
    other.close()

    assert (room.counts(), room.broken()) == ({"sent": 2, "pending": 3}, [])


def test_a_full_disk_loses_nobody_and_says_so(room: Newsroom) -> None:
    number = room.start(40)
    sender = room.memory({address: repeat(answer("rcpt", f"550 no {'x' * 400}"), 1) for address in readers(40)[::3]})
    with room.store.sending("test", room.clock()) as right:
        database = connection_of(right.ledger)
        pages = database.execute("PRAGMA page_count").fetchone()[0]
        database.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(NewsletterError, match="disk"):
            room.deliver(right, number)
        got_before = len(sender.letters)
        database.execute("PRAGMA max_page_count = 1000000")
        room.deliver(right, number)

    assert got_before < len(sender.letters)
    assert recipients(sender.letters) == sorted(set(readers(40)) - set(readers(40)[::3]))
    assert (sum(room.counts().values()), room.issue().state, room.broken()) == (40, IssueState.DONE, [])


def open_again(room: Newsroom) -> closing[Newsroom]:
    """The same newsletter as another process has it: connections of its own."""
    return closing(Newsroom(room.settings, room.clock))
