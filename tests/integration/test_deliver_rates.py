"""Rates are kept: by the hour, by recipient domain, and over a restart."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from newsletter.domain.delivery.rate_limit import Rate
from newsletter.testing import MemorySender
from tests.support.library import add_reader, add_readers, add_tip
from tests.support.publishing import Newsroom, open_newsroom

HOUR = timedelta(hours=1)


class RatedSender(MemorySender):
    """A memory sender with rates."""

    def __init__(self, *rates: Rate, connections: int = 1) -> None:
        super().__init__(connections=connections)
        self.rates = rates


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    with open_newsroom(tmp_path) as room:
        yield room


@pytest.mark.parametrize("connections", [1, 4])
def test_an_hour_takes_no_more_than_its_share_and_a_restart_forgets_nothing(room: Newsroom, connections: int) -> None:
    room.start(8)
    seen = []
    for minutes in (0, 30, 31, 31):
        room.hand.forward(minutes=minutes)
        sender = RatedSender(Rate(5, HOUR), connections=connections)
        room.way = sender
        room.round()  # every round is a life of its own: all it knows is in the ledger
        seen.append(len(sender.letters))

    assert seen == [5, 0, 3, 0]
    assert room.counts() == {"sent": 8}
    assert room.broken() == []


def test_one_domain_waits_in_line_while_the_others_get_their_letters(room: Newsroom) -> None:
    add_tip(room.files)
    add_readers(room.files, 4)  # all at a.example
    add_reader(room.files, "solo@b.example")
    room.publish_due()
    sender = RatedSender(Rate(2, timedelta(minutes=1), per_domain=True))
    room.way = sender
    room.round()
    first = [letter.envelope.recipient for letter in sender.letters]
    waiting = room.counts()
    room.hand.forward(minutes=1)
    room.round()

    assert first == ["reader1@a.example", "reader2@a.example", "solo@b.example"]
    assert waiting == {"sent": 3, "deferred": 2}
    assert room.counts() == {"sent": 5}


def test_waiting_for_its_turn_is_no_attempt(room: Newsroom) -> None:
    add_tip(room.files)
    add_readers(room.files, 2)
    room.publish_due()
    room.way = RatedSender(Rate(1, timedelta(minutes=1), per_domain=True))
    room.round()

    assert room.row("reader2@a.example").attempts == 0
