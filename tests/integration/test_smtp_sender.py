"""The life of a session against a real server: how it sends a message, renews its connection and ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from newsletter.domain.delivery.outcome import Cause, Envelope, Outcome, Rejected, Sent
from newsletter.domain.errors import AuthenticationFailed, SenderError
from newsletter.senders import make_sender
from tests.support import faulty_smtp
from tests.support.faulty_smtp import STALL, Fault, FaultySmtp, ServerBehavior

ALICE = Envelope("bounce@news.example.org", "alice@example.org")
MESSAGE = b"Message-ID: <1@news.example.org>\r\nSubject: A tip\r\n\r\nSay their name.\r\n"
EIGHT_BIT = MESSAGE + "Grüße\r\n".encode()


def send(server: FaultySmtp, *emails: tuple[Envelope, bytes], options: tuple[str, ...] = ()) -> list[Outcome]:
    session = make_sender(server.url(*options), hostname="client.example").open()
    try:
        return [session.send(envelope, message) for envelope, message in emails]
    finally:
        session.close()


def mail_commands(server: FaultySmtp) -> list[str]:
    return [command for command in server.commands if command.startswith("MAIL")]


def test_a_connection_is_renewed_after_its_number_of_messages() -> None:
    with FaultySmtp() as server:
        assert len(send(server, *[(ALICE, MESSAGE)] * 7, options=("per_connection=3",))) == 7
        assert (server.connections, len(server.emails), server.commands.count("QUIT")) == (3, 7, 3)


def test_parameters_are_sent_only_if_offered_and_needed() -> None:
    with FaultySmtp(behavior=ServerBehavior(size=None)) as server:
        send(server, (ALICE, MESSAGE), (ALICE, EIGHT_BIT), (Envelope("b@example.org", "jürgen@example.org"), MESSAGE))
        assert mail_commands(server) == [
            "MAIL FROM:<bounce@news.example.org>",
            "MAIL FROM:<bounce@news.example.org> BODY=8BITMIME",
            "MAIL FROM:<b@example.org> SMTPUTF8",
        ]
        assert [email.recipient for email in server.emails][2] == "jürgen@example.org"


@pytest.mark.parametrize(
    ("behavior", "envelope", "message", "words"),
    [
        (ServerBehavior(smtputf8=False), Envelope("b@example.org", "jürgen@example.org"), MESSAGE, "SMTPUTF8"),
        (ServerBehavior(eightbit=False), ALICE, EIGHT_BIT, "8BITMIME"),
        (ServerBehavior(size=50), ALICE, MESSAGE, "at most 50"),
        (ServerBehavior(), Envelope("b@example.org", "a@example.org>\r\nRCPT TO:<c@example.org"), MESSAGE, "recipient"),
        (ServerBehavior(), Envelope("b@example.org\r\nQUIT", "a@example.org"), MESSAGE, "sender"),
        (ServerBehavior(), Envelope("b@example.org", ""), MESSAGE, "recipient"),
        (ServerBehavior(), Envelope("b@example.org", "\udcfc@example.org"), MESSAGE, "recipient"),
        (ServerBehavior(), Envelope("b@example.org", "ü" * 130 + "@example.org"), MESSAGE, "recipient"),
    ],
)
def test_a_message_the_server_cannot_take_is_refused_here_and_nothing_is_sent(
    behavior: ServerBehavior, envelope: Envelope, message: bytes, words: str
) -> None:
    with FaultySmtp(behavior=behavior) as server:
        refusal, next_one = send(server, (envelope, message), (ALICE, b"Subject: short\r\n\r\n"))
        assert isinstance(refusal, Rejected)
        assert refusal.cause is Cause.OTHER
        assert words in refusal.reply.text
        assert isinstance(next_one, Sent)
        assert len(mail_commands(server)) == 1


def test_a_domain_outside_ascii_is_sent_as_a_labels_without_smtputf8() -> None:
    with FaultySmtp(behavior=ServerBehavior(smtputf8=False)) as server:
        [outcome] = send(server, (Envelope("b@example.org", "info@bücher.example"), MESSAGE))
        assert isinstance(outcome, Sent)
        assert server.emails[0].recipient == "info@xn--bcher-kva.example"


def test_a_message_without_a_final_line_break_gets_one() -> None:
    with FaultySmtp() as server:
        send(server, (ALICE, MESSAGE.rstrip()))
        assert server.emails[0].message == MESSAGE


def test_a_message_that_begins_with_a_dot_arrives_with_it() -> None:
    with FaultySmtp() as server:
        send(server, (ALICE, b".\r\n.begins\r\n"), (ALICE, MESSAGE))
        assert [email.message for email in server.emails] == [b".\r\n.begins\r\n", MESSAGE]


def test_a_lone_line_feed_cannot_end_a_message_early() -> None:
    with FaultySmtp() as server:
        send(server, (ALICE, MESSAGE + b"x\n.\r\nMAIL FROM:<evil@example.org>\r\n"))
        assert len(mail_commands(server)) == 1
        assert b"x\n..\r\nMAIL" in server.emails[0].message


def test_closing_sends_quit_and_does_not_wait_for_a_server_that_is_gone() -> None:
    with FaultySmtp() as server:
        session = make_sender(server.url(), hostname="client.example").open()
        session.send(ALICE, MESSAGE)
        server.stop()
        session.close()
        session.close()
        with pytest.raises(SenderError, match="closed"):
            session.send(ALICE, MESSAGE)


def test_sessions_in_threads_keep_their_messages_apart() -> None:
    with FaultySmtp() as server:
        envelopes = [[Envelope("b@example.org", f"r{n}-{i}@example.org") for i in range(50)] for n in range(4)]
        threads = [
            threading.Thread(target=send, args=(server, *[(to, to.recipient.encode() + b"\r\n") for to in mine]))
            for mine in envelopes
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server.emails) == 200
        assert all(email.message == email.recipient.encode() + b"\r\n" for email in server.emails)


def test_a_stalled_server_is_given_up_after_its_time_limit() -> None:
    with FaultySmtp([Fault("mail", STALL)]) as server:
        with pytest.raises(SenderError, match="in time"):
            send(server, (ALICE, MESSAGE), options=("reply_timeout=0.5s",))
        assert server.stalling.is_set()


# -- failover --------------------------------------------------------------------------------------


def test_the_next_sender_is_tried_only_while_nothing_was_accepted() -> None:
    with FaultySmtp([Fault("mail", "451 4.3.0 over quota", first=1)]) as first, FaultySmtp() as second:
        session = make_sender(f"{first.url()} {second.url()}", hostname="client.example").open()
        assert isinstance(session.send(ALICE, MESSAGE), Sent)
        with pytest.raises(SenderError, match="over quota"):
            session.send(ALICE, MESSAGE)
        assert (len(first.emails), len(second.emails)) == (1, 0)


def test_a_first_sender_that_accepts_nothing_is_skipped() -> None:
    with FaultySmtp([Fault("mail", "451 4.3.0 over quota")]) as first, FaultySmtp() as second:
        session = make_sender(f"{first.url()} {second.url()}", hostname="client.example").open()
        assert isinstance(session.send(ALICE, MESSAGE), Sent)
        session.close()
        assert (len(first.emails), len(second.emails)) == (0, 1)


def test_a_refused_recipient_is_not_tried_with_the_next_sender() -> None:
    with FaultySmtp([Fault("rcpt", "550 5.1.1 no")]) as first, FaultySmtp() as second:
        session = make_sender(f"{first.url()} {second.url()}", hostname="client.example").open()
        assert isinstance(session.send(ALICE, MESSAGE), Rejected)
        session.close()
        assert not second.emails


def test_when_no_sender_can_be_opened_each_of_them_is_named() -> None:
    with FaultySmtp([Fault("banner", "554 5.7.1 not you")]) as first, FaultySmtp() as second:
        urls = f"{first.url()} {second.url(login='me:secret@')}"
        with pytest.raises(SenderError) as caught:
            make_sender(urls, hostname="client.example").open()
    assert not isinstance(caught.value, AuthenticationFailed)
    assert str(first.port) in caught.value.message
    assert str(second.port) in caught.value.message


# -- the test server alone --------------------------------------------------------------------------


def test_the_log_of_the_faulty_server_survives_a_kill(tmp_path: Path) -> None:
    log = tmp_path / "accepted.jsonl"
    command = [sys.executable, faulty_smtp.__file__, "--log", str(log), "--fault", "rcpt=550 5.1.1 no;to=bad@*"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - our own file
        assert server.stdout is not None
        port = int(server.stdout.readline())
        session = make_sender(f"smtp://127.0.0.1:{port}", hostname="client.example").open()
        assert isinstance(session.send(Envelope("b@example.org", "bad@example.org"), MESSAGE), Rejected)
        assert isinstance(session.send(ALICE, MESSAGE), Sent)
        server.send_signal(signal.SIGKILL)
        server.wait()
        session.close()
    [line] = [json.loads(line) for line in log.read_text().splitlines()]
    assert (line["recipient"], line["message_id"]) == ("alice@example.org", "<1@news.example.org>")
