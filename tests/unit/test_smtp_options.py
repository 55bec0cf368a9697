"""What a sender URL means for a connection: ports, encryption and patience, where nothing is said and where it is."""

from __future__ import annotations

import ssl

import pytest

from newsletter.senders.smtp.options import SmtpOptions
from newsletter.senders.url import parse_sender_urls


def peer(text: str) -> SmtpOptions:
    [url] = parse_sender_urls(text)
    return SmtpOptions.of(url, "client.example")


@pytest.mark.parametrize(
    ("text", "port", "tls"),
    [
        ("smtp://mail.example", 25, "required"),
        ("smtp://me:pw@mail.example", 587, "required"),
        ("smtps://mail.example", 465, "implicit"),
        ("smtp://mail.example:2525?tls=starttls", 2525, "required"),
        ("smtp://mail.example?tls=optional", 25, "optional"),
        ("smtp://mail.example?tls=none", 25, "none"),
        ("smtp://localhost", 25, "none"),
        ("smtp://127.0.0.1:2525", 2525, "none"),
        ("smtp://[::1]?tls=required", 25, "required"),
    ],
)
def test_encryption_is_required_unless_the_next_hop_is_this_machine_or_the_owner_says_otherwise(
    text: str, port: int, tls: str
) -> None:
    assert (peer(text).port, peer(text).tls) == (port, tls)


def test_patience_is_that_of_rfc_5321_unless_told() -> None:
    usual = peer("smtp://mail.example")
    assert (usual.connect_timeout, usual.reply_timeout, usual.final_timeout) == (30, 300, 600)
    assert peer("smtp://mail.example?final_timeout=20m").final_timeout == 1200


def test_certificates_are_checked_except_where_encryption_is_optional_and_no_password_is_at_stake() -> None:
    assert peer("smtps://mail.example").context.verify_mode is ssl.CERT_REQUIRED
    assert peer("smtp://me:pw@mail.example?tls=optional").context.verify_mode is ssl.CERT_REQUIRED
    assert peer("smtp://mail.example?tls=optional").context.verify_mode is ssl.CERT_NONE


def test_a_peer_does_not_show_its_password() -> None:
    assert "hunter2" not in f"{peer('smtp://me:hunter2@mail.example')!r} {peer('smtp://me:hunter2@mail.example')}"
