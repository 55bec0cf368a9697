"""What a sender URL means for a connection: its port, encryption and time limits, with and without options."""

from __future__ import annotations

import ssl

import pytest

from newsletter.senders.smtp.options import SmtpOptions
from newsletter.senders.url import parse_sender_urls


def options(text: str) -> SmtpOptions:
    [url] = parse_sender_urls(text)
    return SmtpOptions.from_url(url, "client.example")


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
def test_encryption_is_required_unless_the_relay_is_this_machine_or_the_url_says_otherwise(
    text: str, port: int, tls: str
) -> None:
    assert (options(text).port, options(text).tls) == (port, tls)


def test_time_limits_are_those_of_rfc_5321_unless_set() -> None:
    usual = options("smtp://mail.example")
    assert (usual.connect_timeout, usual.reply_timeout, usual.final_timeout) == (30, 300, 600)
    assert options("smtp://mail.example?final_timeout=20m").final_timeout == 1200


def test_the_greeting_has_less_time_than_rfc_5321_allows_unless_the_url_says_more() -> None:
    assert options("smtp://mail.example").greeting_timeout == 30
    assert options("smtp://mail.example?reply_timeout=5s").greeting_timeout == 5
    assert options("smtp://mail.example?greeting_timeout=5m").greeting_timeout == 300


def test_certificates_are_checked_except_where_encryption_is_optional_and_no_password_is_sent() -> None:
    assert options("smtps://mail.example").context.verify_mode is ssl.CERT_REQUIRED
    assert options("smtp://me:pw@mail.example?tls=optional").context.verify_mode is ssl.CERT_REQUIRED
    assert options("smtp://mail.example?tls=optional").context.verify_mode is ssl.CERT_NONE


def test_options_do_not_show_their_password() -> None:
    assert "hunter2" not in f"{options('smtp://me:hunter2@mail.example')!r} {options('smtp://me:hunter2@mail.example')}"
