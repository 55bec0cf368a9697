"""The memory sender follows its script as a real mail server would."""

from __future__ import annotations

import pytest

from newsletter.domain.delivery.outcome import Cause, Deferred, Envelope, InDoubt, Outcome, Rejected, Reply, Sent, Stage
from newsletter.domain.errors import SenderError
from newsletter.testing import MemorySender, answer, make_message

MESSAGE = make_message("Say their name.\n")


def to(name: str) -> Envelope:
    return Envelope("bounce@news.example.org", f"{name}@example.org")


def send(sender: MemorySender, *names: str) -> list[Outcome]:
    session = sender.open()
    outcomes = [session.send(to(name), MESSAGE) for name in names]
    session.close()
    return outcomes


def test_everything_is_accepted_when_the_script_is_used_up() -> None:
    sender = MemorySender([answer("rcpt", "450 4.2.1 later"), InDoubt(Reply(Stage.DOT, 0))])
    assert [type(outcome) for outcome in send(sender, "a", "b", "c")] == [Deferred, InDoubt, Sent]
    assert [email.envelope for email in sender.emails] == [to("c")]
    assert [email.envelope for email in sender.tried] == [to("a"), to("b"), to("c")]


def test_a_script_for_one_recipient_does_not_affect_the_others() -> None:
    sender = MemorySender({"b@example.org": [answer("rcpt", "550 5.1.1 no such user")]})
    first, second, third = send(sender, "a", "b", "b")
    assert isinstance(second, Rejected)
    assert second.cause is Cause.BAD_ADDRESS
    assert (type(first), type(third)) == (Sent, Sent)


def test_an_error_closes_the_session_and_the_next_session_works() -> None:
    sender = MemorySender(fail_at=[2])
    session = sender.open()
    session.send(to("a"), MESSAGE)
    with pytest.raises(SenderError, match="email 2"):
        session.send(to("b"), MESSAGE)
    with pytest.raises(SenderError, match="closed"):
        session.send(to("b"), MESSAGE)
    assert [type(outcome) for outcome in send(sender, "b")] == [Sent]
    assert sender.open_sessions == 0


def test_a_reply_about_the_connection_is_raised() -> None:
    with pytest.raises(SenderError, match="421"):
        send(MemorySender([answer("rcpt", "421 4.3.2 going down")]), "a")


def test_sessions_can_be_refused() -> None:
    sender = MemorySender(refuses_sessions=1)
    with pytest.raises(SenderError):
        sender.open()
    assert [type(outcome) for outcome in send(sender, "a")] == [Sent]
