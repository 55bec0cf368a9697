"""The blocking and the nonblocking driver give the same outcomes and send the same commands, whatever the server does."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple, cast

import pytest

from newsletter.domain.delivery.outcome import Envelope, Sent
from newsletter.domain.errors import SenderError
from newsletter.ports.sending import MultiplexSender, MultiplexSession, Session
from newsletter.senders import make_sender
from newsletter.senders.smtp.connect import connect
from newsletter.senders.smtp.options import SmtpOptions
from newsletter.senders.url import parse_sender_urls
from tests.support.faulty_smtp import DROP, STALL, Fault, FaultySmtp, ServerBehavior
from tests.support.sessions import SteppedSession

ALICE, BOB = (Envelope("bounce@news.example.org", f"{name}@example.org") for name in ("alice", "bob"))
MESSAGE = b"Message-ID: <1@news.example.org>\r\nSubject: A tip\r\n\r\nSay their name.\r\n"
LONG = MESSAGE + b"One more line.\r\n" * 500_000


class Seen(NamedTuple):
    """What came of sending to Alice, Bob and Alice again."""

    results: list[str]
    commands: list[str]
    accepted: list[str]
    connections: int


def watch(*faults: Fault, behavior: ServerBehavior, blocking: bool) -> Seen:
    message = LONG if any(fault.stage == "body" for fault in faults) else MESSAGE
    limits = [f"{name}_timeout={'0.5s' if stages & stalled(faults) else '20s'}" for name, stages in LIMITS.items()]
    with FaultySmtp([replace(fault) for fault in faults], replace(behavior)) as server:
        sender = make_sender(server.url(*limits), hostname="client.example")
        session: Session = sender.open()
        if not blocking:
            session = SteppedSession(cast("MultiplexSender", sender), cast("MultiplexSession", session))
        results = []
        for envelope in (ALICE, BOB, ALICE):
            try:
                results.append(repr(session.send(envelope, message)))
            except SenderError as trouble:
                results.append(f"{type(trouble).__name__}: {trouble}")
        server.release()
        session.close()
    # How the system reports that the other end is gone depends on which of the two was faster.
    plain = [re.sub(r"\[Errno \d+\] [\w ]+", "gone", result.replace(f":{server.port}", "")) for result in results]
    return Seen(plain, server.commands, [taken.recipient for taken in server.emails], server.connections)


def stalled(faults: Iterable[Fault]) -> set[str]:
    return {fault.stage for fault in faults if fault.does == STALL}


LIMITS = {"reply": {"mail", "rcpt", "data", "body", "rset"}, "final": {"dot", "accepted"}}
REPLIES = (
    "421 4.3.2 closing",
    "451 4.3.0 later",
    "550-5.1.1 no|550 5.1.1 user",
    "554 5.7.1 no",
    "250 ok",
    "354 go",
    "junk",
)
REFUSED = Fault("rcpt", "550-5.1.1 no such user|550 5.1.1 here", to="alice@*")
FAULTS = [
    *([Fault(stage, does, times=1)] for stage in ("mail", "rcpt", "data", "body", "dot", "accepted") for does in (DROP, STALL, *REPLIES)),
    *([Fault(stage, does, times=1, first=1)] for stage in ("mail", "rcpt", "data", "dot", "accepted") for does in (DROP, *REPLIES)),
    *([REFUSED, Fault("rset", does, times=1)] for does in (DROP, STALL, *REPLIES)),
    *([REFUSED, Fault("data", does, times=1)] for does in (DROP, STALL, *REPLIES)),
]  # fmt: skip


@pytest.mark.parametrize(
    "faults", FAULTS, ids=lambda faults: f"{faults[-1].stage}-{faults[-1].does}-{len(faults)}-{faults[-1].first}"
)
def test_both_drivers_see_the_same_in_every_fault(faults: list[Fault]) -> None:
    behavior = ServerBehavior(
        data_without_recipients=faults[-1].stage == "data"
    )  # otherwise a DATA without recipients never gets that far
    assert watch(*faults, behavior=behavior, blocking=True) == watch(*faults, behavior=behavior, blocking=False)


@pytest.mark.parametrize("split", [0, 1, 7])
@pytest.mark.parametrize("data_without_recipients", [True, False])
@pytest.mark.parametrize("multiline", [True, False])
def test_both_drivers_see_the_same_however_the_server_talks(
    *, split: int, data_without_recipients: bool, multiline: bool
) -> None:
    behavior = ServerBehavior(split=split, data_without_recipients=data_without_recipients, multiline=multiline)
    seen = watch(REFUSED, behavior=behavior, blocking=True)
    assert seen == watch(REFUSED, behavior=behavior, blocking=False)
    assert seen.accepted == ["bob@example.org"]
    assert seen.connections == 1


@pytest.mark.parametrize("unlike", ["reconnects", "is_patient"])  # an issue, and a transactional email
@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("blocking", [True, False])
def test_a_stall_at_one_recipient_of_a_quick_relay_costs_less_than_the_limit_for_replies(
    *, blocking: bool, pipelining: bool, unlike: str
) -> None:
    stall = Fault("rcpt", STALL, to="bob@*")
    with FaultySmtp([stall], ServerBehavior(pipelining=pipelining)) as server:
        sender = make_sender(server.url("recipient_timeout=0.2s", "reply_timeout=10m"), hostname="client.example")
        session: Session = sender.open()
        setattr(session, unlike, False)  # as for every email that was in no trouble before
        if not blocking and pipelining:
            session = SteppedSession(cast("MultiplexSender", sender), cast("MultiplexSession", session))
        assert isinstance(session.send(ALICE, MESSAGE), Sent)
        with pytest.raises(SenderError, match="no reply in time"):
            session.send(BOB, MESSAGE)


def test_only_a_quick_relay_and_only_an_email_without_trouble_has_the_short_limit() -> None:
    with FaultySmtp() as server:
        [url] = parse_sender_urls(server.url())
        connection = connect(SmtpOptions.from_url(url, "client.example"))
        known = connection.options.experience
        assert (connection.command_timeout, connection.is_patient) == (60, True)  # the first group of commands
        known.worked(pipelining=True)
        assert connection.command_timeout == 300
        connection.is_patient = False
        assert connection.command_timeout == 60
        known.was_slow()
        assert connection.command_timeout == 300
        connection.quit_quietly()
