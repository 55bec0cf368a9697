"""A session over its life: what it offers for a letter, how it renews connections, how it ends; real server."""

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
LETTER = b"Message-ID: <1@news.example.org>\r\nSubject: A tip\r\n\r\nSay their name.\r\n"
EIGHT_BIT = LETTER + "Grüße\r\n".encode()


def send(server: FaultySmtp, *emails: tuple[Envelope, bytes], options: tuple[str, ...] = ()) -> list[Outcome]:
    session = make_sender(server.url(*options), hostname="client.example").open()
    try:
        return [session.send(envelope, message) for envelope, message in emails]
    finally:
        session.close()


def mail_commands(server: FaultySmtp) -> list[str]:
    return [command for command in server.commands if command.startswith("MAIL")]


def test_a_connection_is_renewed_after_its_number_of_letters() -> None:
    with FaultySmtp() as server:
        assert len(send(server, *[(ALICE, LETTER)] * 7, options=("per_connection=3",))) == 7
        assert (server.connections, len(server.emails), server.commands.count("QUIT")) == (3, 7, 3)


def test_parameters_are_said_only_if_offered_and_needed() -> None:
    with FaultySmtp(behavior=ServerBehavior(size=None)) as server:
        send(server, (ALICE, LETTER), (ALICE, EIGHT_BIT), (Envelope("b@example.org", "jürgen@example.org"), LETTER))
        assert mail_commands(server) == [
            "MAIL FROM:<bounce@news.example.org>",
            "MAIL FROM:<bounce@news.example.org> BODY=8BITMIME",
            "MAIL FROM:<b@example.org> SMTPUTF8",
        ]
        assert [letter.recipient for letter in server.emails][2] == "jürgen@example.org"


@pytest.mark.parametrize(
    ("behavior", "envelope", "message", "words"),
    [
        (ServerBehavior(smtputf8=False), Envelope("b@example.org", "jürgen@example.org"), LETTER, "SMTPUTF8"),
        (ServerBehavior(eightbit=False), ALICE, EIGHT_BIT, "8BITMIME"),
        (ServerBehavior(size=50), ALICE, LETTER, "at most 50"),
        (ServerBehavior(), Envelope("b@example.org", "a@example.org>\r\nRCPT TO:<c@example.org"), LETTER, "recipient"),
        (ServerBehavior(), Envelope("b@example.org\r\nQUIT", "a@example.org"), LETTER, "sender"),
        (ServerBehavior(), Envelope("b@example.org", ""), LETTER, "recipient"),
        (ServerBehavior(), Envelope("b@example.org", "\udcfc@example.org"), LETTER, "recipient"),
        (ServerBehavior(), Envelope("b@example.org", "ü" * 130 + "@example.org"), LETTER, "recipient"),
    ],
)
def test_a_letter_the_server_cannot_take_is_refused_here_and_nothing_is_said(
    behavior: ServerBehavior, envelope: Envelope, message: bytes, words: str
) -> None:
    with FaultySmtp(behavior=behavior) as server:
        refusal, next_one = send(server, (envelope, message), (ALICE, b"Subject: short\r\n\r\n"))
        assert isinstance(refusal, Rejected)
        assert refusal.cause is Cause.OTHER
        assert words in refusal.reply.text
        assert isinstance(next_one, Sent)
        assert len(mail_commands(server)) == 1


def test_a_domain_outside_ascii_goes_as_a_labels_without_smtputf8() -> None:
    with FaultySmtp(behavior=ServerBehavior(smtputf8=False)) as server:
        [outcome] = send(server, (Envelope("b@example.org", "info@bücher.example"), LETTER))
        assert isinstance(outcome, Sent)
        assert server.emails[0].recipient == "info@xn--bcher-kva.example"


def test_a_letter_without_a_last_line_end_gets_one() -> None:
    with FaultySmtp() as server:
        send(server, (ALICE, LETTER.rstrip()))
        assert server.emails[0].message == LETTER


def test_a_letter_that_begins_with_a_dot_arrives_with_it() -> None:
    with FaultySmtp() as server:
        send(server, (ALICE, b".\r\n.begins\r\n"), (ALICE, LETTER))
        assert [letter.message for letter in server.emails] == [b".\r\n.begins\r\n", LETTER]


def test_a_lone_line_feed_cannot_end_a_letter_early() -> None:
    with FaultySmtp() as server:
        send(server, (ALICE, LETTER + b"x\n.\r\nMAIL FROM:<evil@example.org>\r\n"))
        assert len(mail_commands(server)) == 1
        assert b"x\n..\r\nMAIL" in server.emails[0].message


def test_closing_says_quit_and_waits_for_nobody_who_is_gone() -> None:
    with FaultySmtp() as server:
        session = make_sender(server.url(), hostname="client.example").open()
        session.send(ALICE, LETTER)
        server.stop()
        session.close()
        session.close()
        with pytest.raises(SenderError, match="closed"):
            session.send(ALICE, LETTER)


def test_sessions_in_threads_keep_their_letters_apart() -> None:
    with FaultySmtp() as server:
        readers = [[Envelope("b@example.org", f"r{n}-{i}@example.org") for i in range(50)] for n in range(4)]
        threads = [
            threading.Thread(target=send, args=(server, *[(to, to.recipient.encode() + b"\r\n") for to in mine]))
            for mine in readers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server.emails) == 200
        assert all(letter.message == letter.recipient.encode() + b"\r\n" for letter in server.emails)


def test_a_stalled_server_is_given_up_after_its_time() -> None:
    with FaultySmtp([Fault("mail", STALL)]) as server:
        with pytest.raises(SenderError, match="in time"):
            send(server, (ALICE, LETTER), options=("reply_timeout=0.5s",))
        assert server.stalling.is_set()


# -- failover --------------------------------------------------------------------------------------


def test_the_next_sender_is_tried_only_while_nothing_was_accepted() -> None:
    with FaultySmtp([Fault("mail", "451 4.3.0 over quota", first=1)]) as first, FaultySmtp() as second:
        session = make_sender(f"{first.url()} {second.url()}", hostname="client.example").open()
        assert isinstance(session.send(ALICE, LETTER), Sent)
        with pytest.raises(SenderError, match="over quota"):
            session.send(ALICE, LETTER)
        assert (len(first.emails), len(second.emails)) == (1, 0)


def test_a_first_sender_that_takes_nothing_is_passed_over() -> None:
    with FaultySmtp([Fault("mail", "451 4.3.0 over quota")]) as first, FaultySmtp() as second:
        session = make_sender(f"{first.url()} {second.url()}", hostname="client.example").open()
        assert isinstance(session.send(ALICE, LETTER), Sent)
        session.close()
        assert (len(first.emails), len(second.emails)) == (0, 1)


def test_a_refusal_of_the_reader_is_not_shopped_around() -> None:
    with FaultySmtp([Fault("rcpt", "550 5.1.1 no")]) as first, FaultySmtp() as second:
        session = make_sender(f"{first.url()} {second.url()}", hostname="client.example").open()
        assert isinstance(session.send(ALICE, LETTER), Rejected)
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


# -- the server by itself --------------------------------------------------------------------------


def test_the_log_of_the_faulty_server_survives_its_sudden_death(tmp_path: Path) -> None:
    log = tmp_path / "accepted.jsonl"
    command = [sys.executable, faulty_smtp.__file__, "--log", str(log), "--fault", "rcpt=550 5.1.1 no;to=bad@*"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - our own file
        assert server.stdout is not None
        port = int(server.stdout.readline())
        session = make_sender(f"smtp://127.0.0.1:{port}", hostname="client.example").open()
        assert isinstance(session.send(Envelope("b@example.org", "bad@example.org"), LETTER), Rejected)
        assert isinstance(session.send(ALICE, LETTER), Sent)
        server.send_signal(signal.SIGKILL)
        server.wait()
        session.close()
    [line] = [json.loads(line) for line in log.read_text().splitlines()]
    assert (line["recipient"], line["message_id"]) == ("alice@example.org", "<1@news.example.org>")
