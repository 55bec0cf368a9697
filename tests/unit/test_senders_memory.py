"""The memory sender does what its script says, as a real next hop would."""

from __future__ import annotations

import pytest

from newsletter.domain.delivery.outcome import Cause, Deferred, Envelope, InDoubt, Outcome, Rejected, Reply, Sent, Stage
from newsletter.domain.errors import SenderError
from newsletter.testing import MemorySender, answer, make_message

LETTER = make_message("Say their name.\n")


def to(name: str) -> Envelope:
    return Envelope("bounce@news.example.org", f"{name}@example.org")


def send(sender: MemorySender, *names: str) -> list[Outcome]:
    session = sender.open()
    outcomes = [session.send(to(name), LETTER) for name in names]
    session.close()
    return outcomes


def test_a_script_in_turn_is_used_up_and_then_everything_is_accepted() -> None:
    sender = MemorySender([answer("rcpt", "450 4.2.1 later"), InDoubt(Reply(Stage.DOT, 0))])
    assert [type(outcome) for outcome in send(sender, "a", "b", "c")] == [Deferred, InDoubt, Sent]
    assert [letter.envelope for letter in sender.emails] == [to("c")]
    assert [letter.envelope for letter in sender.tried] == [to("a"), to("b"), to("c")]


def test_a_script_by_recipient_leaves_the_others_alone() -> None:
    sender = MemorySender({"b@example.org": [answer("rcpt", "550 5.1.1 no such user")]})
    first, second, third = send(sender, "a", "b", "b")
    assert isinstance(second, Rejected)
    assert second.cause is Cause.BAD_ADDRESS
    assert (type(first), type(third)) == (Sent, Sent)


def test_trouble_at_a_letter_ends_the_session_and_the_next_one_works() -> None:
    sender = MemorySender(fail_at=[2])
    session = sender.open()
    session.send(to("a"), LETTER)
    with pytest.raises(SenderError, match="letter 2"):
        session.send(to("b"), LETTER)
    with pytest.raises(SenderError, match="closed"):
        session.send(to("b"), LETTER)
    assert [type(outcome) for outcome in send(sender, "b")] == [Sent]
    assert sender.open_sessions == 0


def test_a_reply_that_is_trouble_of_the_connection_is_raised() -> None:
    with pytest.raises(SenderError, match="421"):
        send(MemorySender([answer("rcpt", "421 4.3.2 going down")]), "a")


def test_sessions_can_be_refused() -> None:
    sender = MemorySender(refuses_sessions=1)
    with pytest.raises(SenderError):
        sender.open()
    assert [type(outcome) for outcome in send(sender, "a")] == [Sent]
