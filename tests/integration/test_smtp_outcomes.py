"""Every stage of an SMTP transaction x every way it can fail, against a real server, with both drivers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import pytest

from newsletter.domain.delivery.outcome import Cause, Deferred, Envelope, InDoubt, Outcome, Rejected, Sent, Stage
from newsletter.domain.errors import SenderError
from newsletter.ports.sending import MultiplexSender, MultiplexSession, Session
from newsletter.senders import make_sender
from tests.support.faulty_smtp import DROP, STALL, Fault, FaultySmtp, ServerBehavior
from tests.support.sessions import SteppedSession

SENDER = "bounce@news.example.org"
ALICE = Envelope(SENDER, "alice@example.org")
BOB = Envelope(SENDER, "bob@example.org")
MESSAGE = b"Message-ID: <1@news.example.org>\r\nSubject: A tip\r\n\r\nSay their name.\r\n"
PATIENT, HURRIED = "20s", "0.4s"
BEFORE_THE_MESSAGE, AFTER_THE_DOT = ("mail", "rcpt", "data"), ("dot", "accepted")
BEFORE_THE_DOT = (*BEFORE_THE_MESSAGE, "body")

pytestmark = pytest.mark.parametrize(
    ("pipelining", "nonblocking"),
    [(True, False), (False, False), (True, True)],
    ids=["pipelined", "step-by-step", "nonblocking"],
)
Connect = Callable[..., tuple[FaultySmtp, Session]]


@pytest.fixture
def connect(*, pipelining: bool, nonblocking: bool) -> Iterator[Connect]:
    """Start a server with these faults and open a session with it."""
    started: list[tuple[FaultySmtp, Session]] = []

    def start(*faults: Fault, behavior: ServerBehavior | None = None) -> tuple[FaultySmtp, Session]:
        behavior = behavior or ServerBehavior()
        behavior.pipelining = pipelining
        server = FaultySmtp(faults, behavior)
        stalls = {fault.stage for fault in faults if fault.does == STALL}
        reply, final = (HURRIED if stalls & set(stages) else PATIENT for stages in (BEFORE_THE_DOT, AFTER_THE_DOT))
        url = server.url(f"reply_timeout={reply}", f"final_timeout={final}")
        sender = make_sender(url, hostname="client.example")
        session = sender.open()
        if nonblocking:
            session = SteppedSession(cast("MultiplexSender", sender), cast("MultiplexSession", session))
        started.append((server, session))
        return server, session

    yield start
    for server, session in started:
        server.release()
        session.close()
        server.stop()


def taken_by(server: FaultySmtp) -> list[str]:
    return [email.recipient for email in server.emails]


REFUSALS = [
    ("rcpt", "450 4.2.1 greylisted", Deferred, None),
    ("rcpt", "550 5.1.1 no such user", Rejected, Cause.BAD_ADDRESS),
    ("rcpt", "550-5.1.1 no such user|550-5.1.1 at all|550 5.1.1 here", Rejected, Cause.BAD_ADDRESS),
    ("rcpt", "552 5.2.2 mailbox full", Rejected, Cause.MAILBOX_FULL),
    ("rcpt", "554 5.7.1 blocked", Rejected, Cause.POLICY),
    ("data", "451 4.3.0 later", Deferred, None),
    ("data", "554 5.7.1 blocked", Rejected, Cause.POLICY),
    ("dot", "451 4.7.0 later", Deferred, None),
    ("dot", "554 5.6.0 not like this", Rejected, Cause.OTHER),
    ("dot", "554-5.7.1 we do not|554 5.7.1 like you", Rejected, Cause.POLICY),
]


@pytest.mark.parametrize(("stage", "reply", "kind", "cause"), REFUSALS)
def test_a_refusal_is_an_outcome_and_the_next_message_uses_the_same_connection(
    connect: Connect, stage: str, reply: str, kind: type[Outcome], cause: Cause | None
) -> None:
    server, session = connect(Fault(stage, reply, to="alice@*"))
    outcome = session.send(ALICE, MESSAGE)
    assert type(outcome) is kind
    assert (outcome.reply.stage, outcome.reply.code) == (Stage(stage), int(reply[:3]))
    assert getattr(outcome, "cause", None) is cause
    assert isinstance(session.send(BOB, MESSAGE), Sent)
    assert taken_by(server) == ["bob@example.org"]
    assert server.connections == 1


def test_the_lines_of_a_reply_are_kept_whole(connect: Connect) -> None:
    _, session = connect(Fault("rcpt", "550-5.1.1 no such user|550-5.1.1 in this house|550 5.1.1 ask the porter"))
    outcome = session.send(ALICE, MESSAGE)
    assert str(outcome.reply) == "550 5.1.1 no such user in this house ask the porter"


@pytest.mark.parametrize("reply", ["451 4.3.2 slow down", "550 5.7.1 not you", "421 4.3.2 too busy"])
def test_a_refused_envelope_sender_is_trouble_and_not_about_the_subscriber(connect: Connect, reply: str) -> None:
    server, session = connect(Fault("mail", reply))
    with pytest.raises(SenderError, match=reply[:3]):
        session.send(ALICE, MESSAGE)
    assert not server.emails


LOSSES = [(stage, does) for stage in BEFORE_THE_MESSAGE for does in (DROP, STALL, "421 4.3.2 going down", "garbage")]


@pytest.mark.parametrize(
    ("stage", "does"), [*LOSSES, ("data", "250 2.0.0 out of step"), ("dot", "421 4.3.0 disk full")]
)
def test_a_connection_lost_before_acceptance_is_trouble_and_the_session_is_over(
    connect: Connect, stage: str, does: str
) -> None:
    server, session = connect(Fault(stage, does))
    with pytest.raises(SenderError):
        session.send(ALICE, MESSAGE)
    with pytest.raises(SenderError, match="closed"):
        session.send(BOB, MESSAGE)
    assert not server.emails


@pytest.mark.parametrize("stage", AFTER_THE_DOT)
@pytest.mark.parametrize("does", [DROP, STALL, "garbage", "354 go on"])
def test_no_reply_to_the_dot_is_doubt_whether_or_not_the_message_was_accepted(
    connect: Connect, stage: str, does: str
) -> None:
    server, session = connect(Fault(stage, does, times=1))
    outcome = session.send(ALICE, MESSAGE)
    assert isinstance(outcome, InDoubt)
    assert outcome.reply.stage is Stage.DOT
    assert taken_by(server) == (["alice@example.org"] if stage == "accepted" else [])
    assert isinstance(session.send(BOB, MESSAGE), Sent)
    assert server.connections == 2


@pytest.mark.parametrize("does", [DROP, STALL])
def test_a_connection_lost_in_the_middle_of_a_message_is_trouble(connect: Connect, does: str) -> None:
    server, session = connect(Fault("body", does))
    with pytest.raises(SenderError):
        session.send(ALICE, MESSAGE + b"One more line.\r\n" * 500_000)
    assert not server.emails


def test_a_refusal_in_the_middle_of_a_message_is_read_although_the_server_hangs_up(connect: Connect) -> None:
    server, session = connect(Fault("body", "552 5.3.4 too long for us"))
    outcome = session.send(ALICE, MESSAGE + b"One more line.\r\n" * 500_000)
    assert isinstance(outcome, Rejected)
    assert str(outcome.reply) == "552 5.3.4 too long for us"
    assert not server.emails


def test_a_server_that_replies_354_although_it_accepted_no_recipient_gets_a_lone_dot(
    connect: Connect, *, pipelining: bool
) -> None:
    server, session = connect(
        Fault("rcpt", "550 5.1.1 no", to="alice@*"), behavior=ServerBehavior(data_without_recipients=True)
    )
    outcome = session.send(ALICE, MESSAGE)
    assert isinstance(outcome, Rejected)
    assert outcome.reply.stage is Stage.RCPT
    assert isinstance(session.send(BOB, MESSAGE), Sent)
    assert [email.message for email in server.emails] == [MESSAGE]
    assert server.connections == 1
    assert ("RSET" in server.commands) is not pipelining


def test_a_refusal_stands_when_the_server_drops_the_connection_at_the_reset(connect: Connect) -> None:
    server, session = connect(Fault("rcpt", "550 5.1.1 no", to="alice@*"), Fault("rset", DROP, times=1))
    assert isinstance(session.send(ALICE, MESSAGE), Rejected)
    assert isinstance(session.send(BOB, MESSAGE), Sent)
    assert server.connections == 2


def test_a_refusal_stands_when_the_server_hangs_up_right_after_it(connect: Connect) -> None:
    server, session = connect(Fault("rcpt", "550 5.1.1 no", to="alice@*", disconnect=True))
    assert isinstance(session.send(ALICE, MESSAGE), Rejected)
    assert isinstance(session.send(BOB, MESSAGE), Sent)
    assert server.connections == 2


def test_replies_in_small_pieces_and_of_many_lines_are_read_whole(connect: Connect) -> None:
    server, session = connect(behavior=ServerBehavior(split=1, multiline=True))
    assert [type(session.send(to, MESSAGE)) for to in (ALICE, BOB, ALICE)] == [Sent] * 3
    assert len(server.emails) == 3


@pytest.mark.parametrize("reply", ["421 4.7.0 enough for one connection", DROP])
def test_a_server_that_hangs_up_after_some_messages_gets_a_new_connection_silently(
    connect: Connect, reply: str
) -> None:
    server, session = connect(Fault("mail", reply, first=2, every=2))
    outcomes = [session.send(to, MESSAGE) for to in (ALICE, BOB, ALICE, BOB, ALICE, BOB)]
    assert [type(outcome) for outcome in outcomes] == [Sent] * 6
    assert len(server.emails) == 6
    assert server.connections > 1


def test_a_421_to_the_dot_is_trouble_and_not_doubt(connect: Connect) -> None:
    server, session = connect(Fault("dot", "421 4.3.0 out of disk"))
    with pytest.raises(SenderError, match="out of disk"):
        session.send(ALICE, MESSAGE)
    assert not server.emails


def test_a_server_that_died_between_two_messages_is_trouble(connect: Connect) -> None:
    server, session = connect()
    assert isinstance(session.send(ALICE, MESSAGE), Sent)
    server.stop()
    with pytest.raises(SenderError, match="Connection refused"):
        session.send(BOB, MESSAGE)


def test_commands_are_pipelined_only_if_the_server_offers_it(connect: Connect, *, pipelining: bool) -> None:
    server, session = connect()
    session.send(ALICE, MESSAGE)
    session.close()
    assert server.uninvited == 0
    assert server.commands[1:] == [
        f"MAIL FROM:<{SENDER}> SIZE={len(MESSAGE)}",
        "RCPT TO:<alice@example.org>",
        "DATA",
        "QUIT",
    ]
