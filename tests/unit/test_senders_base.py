"""What is special to the maildir and console senders; the contract suite tests the rest."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from email.message import EmailMessage
from pathlib import Path

import pytest

from newsletter.domain.delivery.outcome import Envelope, Outcome, Rejected, Sent
from newsletter.domain.errors import SenderError
from newsletter.senders import make_sender

ALICE = Envelope("bounce@news.example.org", "alice@example.org")
MESSAGE = b"Subject: A tip\r\n\r\nSay their name.\r\n"
SMUGGLED = Envelope("b@example.org", "a@example.org\r\nBcc: everybody@example.org")


def send(url: str, envelope: Envelope = ALICE, message: bytes = MESSAGE) -> Outcome:
    session = make_sender(url, hostname="client/x.example").open()
    try:
        return session.send(envelope, message)
    finally:
        session.close()


def test_a_maildir_gets_the_email_in_new_with_its_envelope(tmp_path: Path) -> None:
    outcome = send(f"maildir://{tmp_path}/m")
    [file] = (tmp_path / "m" / "new").iterdir()
    assert isinstance(outcome, Sent)
    assert outcome.reply.text == f"written to new/{file.name}"
    assert file.read_bytes() == (
        b"Return-Path: <bounce@news.example.org>\r\nDelivered-To: alice@example.org\r\n" + MESSAGE
    )
    assert not list((tmp_path / "m" / "tmp").iterdir())


def test_a_maildir_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    with pytest.raises(SenderError, match="cannot be written"):
        send(f"maildir://{tmp_path}/file/m")


def test_a_maildir_that_was_deleted_is_an_error(tmp_path: Path) -> None:
    session = make_sender(f"maildir://{tmp_path}/m", hostname="client.example").open()
    (tmp_path / "m" / "new").rmdir()
    with pytest.raises(SenderError, match="No such file"):
        session.send(ALICE, MESSAGE)
    assert not list((tmp_path / "m" / "tmp").iterdir())


@pytest.mark.parametrize("url", ["smtp://127.0.0.1", "maildir:///tmp/mail", "console:"])
def test_every_built_in_sender_has_the_rate_limits_of_its_url(url: str) -> None:
    sender = make_sender(f"{url}?per_hour=5&domain_per_minute=2", hostname="tips.example")
    assert sorted(rate.count for rate in getattr(sender, "rates", ())) == [2, 5]


def test_the_console_raises_if_standard_output_is_closed() -> None:
    closed = io.StringIO()
    closed.close()
    with redirect_stdout(closed), pytest.raises(SenderError, match="cannot be printed"):
        send("console:")


@pytest.mark.parametrize("scheme", ["console:", "maildir"])
def test_an_envelope_with_a_line_break_is_refused(scheme: str, tmp_path: Path) -> None:
    outcome = send(scheme if scheme == "console:" else f"maildir://{tmp_path}", SMUGGLED)
    assert isinstance(outcome, Rejected)


def test_the_console_shows_envelope_headers_and_text_but_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    message = EmailMessage()
    message["From"], message["Subject"] = "tips@news.example.org", "Grüße: a tip"
    message.set_content("Say their name – twice.\n")
    message.add_alternative("<p>Say their name</p>", subtype="html")
    send("console:", message=message.as_bytes().replace(b"\n", b"\r\n"))
    shown = capsys.readouterr().out
    assert "<bounce@news.example.org>  →  <alice@example.org>" in shown
    assert "Subject: Grüße: a tip" in shown
    assert "Say their name – twice." in shown
    assert "<p>" not in shown
    assert "[text/html, " in shown


def test_an_email_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    send("console:", message=b"Subject: =?utf-8?q?a=1B[2Jb?=\r\n\r\nwipe \x1b[2J out\r\n")
    assert "\x1b" not in capsys.readouterr().out


def test_a_terminal_without_unicode_still_shows_the_email() -> None:
    page = io.BytesIO()
    with io.TextIOWrapper(page, encoding="ascii") as terminal, redirect_stdout(terminal):
        assert isinstance(send("console:"), Sent)
        assert b"Say their name." in page.getvalue()
