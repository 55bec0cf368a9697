"""Failover remembers which sender does not work, so that its time-out is not paid again and again."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from newsletter.domain.delivery.outcome import Envelope, Outcome, Reply, Sent, Stage
from newsletter.domain.errors import SenderError
from newsletter.senders.failover import FailoverSender

ALICE = Envelope("bounce@news.example.org", "alice@example.org")


@dataclass
class Relay:
    """A sender. is_down: it opens no session. fails_at: where each email fails. tried: how often it was opened."""

    is_down: bool = False
    fails_at: Stage | None = None
    tried: int = 0
    sent: int = 0
    connections: int = 10

    def open(self) -> Relay:
        self.tried += 1
        if self.is_down:
            raise SenderError("no greeting in time")
        return self

    def send(self, envelope: Envelope, message: bytes) -> Outcome:
        del envelope, message
        if self.fails_at:
            error = SenderError("no reply in time")
            error.reply = Reply(self.fails_at, 0)
            raise error
        self.sent += 1
        return Sent(Reply(Stage.DOT, 250))

    def close(self) -> None:
        pass


@dataclass
class Play:
    """Two relays, and a clock that the test moves."""

    first: Relay
    second: Relay = field(default_factory=Relay)
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.sender = FailoverSender([self.first, self.second], lambda: self.now)

    def send(self) -> None:
        session = self.sender.open()
        session.send(ALICE, b"")
        session.close()


def test_a_sender_that_does_not_open_is_tried_again_after_1_2_4_8_and_10_minutes() -> None:
    play = Play(Relay(is_down=True))
    tries = []
    for minute in range(50):
        play.now = 1000.0 + 60 * minute
        before = play.first.tried
        for _ in range(3):
            play.send()
        if play.first.tried > before:
            tries.append(minute)
        assert play.first.tried <= before + 1
    assert tries == [0, 1, 3, 7, 15, 25, 35, 45]
    assert play.second.sent == 150


def test_a_sender_that_works_again_comes_first_again_and_its_next_failure_counts_as_its_first() -> None:
    play = Play(Relay(is_down=True))
    for minute in (0, 1, 3):
        play.now = 1000.0 + 60 * minute
        play.send()
    play.first.is_down = False
    play.now = 1000.0 + 60 * 7
    play.send()
    assert (play.first.sent, play.second.sent) == (1, 3)
    play.first.is_down = True
    play.send()
    play.first.is_down = False
    play.now += 60
    play.send()
    assert play.first.sent == 2


def test_a_sender_that_does_not_work_is_still_tried_if_the_others_do_not_work_either() -> None:
    play = Play(Relay(is_down=True))
    play.send()
    play.second.is_down, play.first.is_down = True, False
    play.send()
    assert play.first.sent == 1
    play.first.is_down = True
    with pytest.raises(SenderError, match="no greeting in time; no greeting in time"):
        play.send()


def test_ten_sessions_that_fail_together_count_once() -> None:
    play = Play(Relay(fails_at=Stage.MAIL))
    sessions = [play.sender.open() for _ in range(10)]
    for session in sessions:
        session.send(ALICE, b"")
    play.first.fails_at = None
    play.now += 60
    play.send()
    assert play.first.sent == 1


def test_a_sender_that_fails_at_one_recipient_is_not_left() -> None:
    play = Play(Relay(fails_at=Stage.RCPT))
    play.send()
    play.first.fails_at = None
    play.send()
    assert (play.first.sent, play.second.sent) == (1, 1)


def test_a_sender_that_fails_at_recipients_one_after_the_other_is_left() -> None:
    play = Play(Relay(fails_at=Stage.RCPT))
    for _ in range(5):
        play.send()
    assert (play.first.tried, play.second.sent) == (2, 5)


def test_a_sender_that_takes_no_more_connections_is_not_left() -> None:
    play = Play(Relay())
    session = play.sender.open()
    session.send(ALICE, b"")
    play.first.is_down = True
    play.send()
    play.first.is_down = False
    play.send()
    assert (play.first.sent, play.second.sent) == (2, 1)
    session.close()
