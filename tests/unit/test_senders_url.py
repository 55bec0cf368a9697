"""Sender URLs: how they are parsed and shown, and that no message ever contains a password."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain.delivery.rate_limit import Rate
from newsletter.domain.errors import SettingsError
from newsletter.ports.sending import Sender
from newsletter.senders import SenderUrl, make_sender, parse_sender_urls
from newsletter.senders.failover import FailoverSender
from newsletter.senders.smtp.sender import SmtpSender


def parse(text: str) -> SenderUrl:
    [url] = parse_sender_urls(text)
    return url


def sender(text: str) -> Sender:
    return make_sender(text, hostname="client.example")


def error_of(text: str) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        sender(text)
    return caught.value


def test_a_url_is_parsed_and_decoded() -> None:
    url = parse("SMTP://me%40home:s%3Acr%2Fet@Mail.Example:587?tls=starttls&connections=4&per_hour=100")
    assert (url.scheme, url.host, url.port) == ("smtp", "mail.example", 587)
    assert (url.user, url.password) == ("me@home", "s:cr/et")
    assert url.options == {"tls": "starttls", "connections": "4", "per_hour": "100"}


def test_a_maildir_has_a_path_and_the_console_has_nothing() -> None:
    assert parse("maildir:///var/mail/a%20b").path == "/var/mail/a b"
    assert parse("console:") == SenderUrl("console")


def test_an_ipv6_host_is_written_in_brackets() -> None:
    url = parse("smtp://[::1]:2525")
    assert (url.host, url.port, url.is_local) == ("::1", 2525, True)
    assert url.masked() == "smtp://[::1]:2525"


def test_several_urls_are_a_failover_order() -> None:
    assert [url.host for url in parse_sender_urls("  smtp://one.example\tsmtp://two.example ")] == [
        "one.example",
        "two.example",
    ]
    both = sender("smtp://one.example?connections=8 smtp://two.example?connections=3")
    assert isinstance(both, FailoverSender)
    assert both.connections == 3


@given(st.text(min_size=1, alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"])))
def test_any_password_survives_encoding_and_is_never_shown(password: str) -> None:
    url = parse(f"smtp://me:{quote(password, safe='')}@mail.example")
    assert url.password == password
    assert url.masked() == str(url) == "smtp://me:***@mail.example"
    assert repr(url) == "SenderUrl(smtp://me:***@mail.example)"


@pytest.mark.parametrize(
    ("written", "password"), [("p%40ss", "p@ss"), ("100%sure", "100%sure"), ("50%", "50%"), ("%E4%zz", "%E4%zz")]
)
def test_a_percent_sign_that_starts_no_code_is_one(written: str, password: str) -> None:
    assert parse(f"smtp://me:{written}@mail.example").password == password


@pytest.mark.parametrize(
    "text",
    [
        "smtp://me:hunter/2@mail.example", "smtp://me:hunter#2@mail.example", "smtp://me:hunter?2@mail.example",
        "smtp://me:25/hunter@mail.example", "smtp://me:25?hunter@mail.example", "smtp://me:hunter2@mail.example:x5",
        "smtp://me:hunter2@mail.example/path", "smtp://:hunter2@mail.example", "smtp://me:hunter2@mail.example?tlss=none", "smtp://me:hunter2@",
        "smtp://me:hunterü@mail.example", "smtp://me%3Ahunter2@mail.example", "me:hunter2@mail.example", "hunter2", "pigeon://me:hunter2@loft.example",
        "smtp://me:hunter2@mail.example?tls=none&tls=none", "smtp://me:hunter2@[::1", "maildir:///x?key=hunter2",
        "smtp://me:hunter2@mail.example?connections=0", "maildir://me:hunter2@x/y", "console://me:hunter2@x",
    ],
)  # fmt: skip
def test_the_error_about_a_bad_url_has_a_fix_and_no_password(text: str) -> None:
    error = error_of(text)
    assert error.fix
    assert "hunter" not in f"{error} {error!r} {error.__cause__!r}"


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("smtp://mail.example?conections=4", "Did you mean connections?"),
        ("smtp://mail.example?tls=start-tls", "Did you mean starttls?"),
        ("smtp://mail.example?reply_timeout=soon", "Write it as 30s, 5m, or 1h"),
        ("smtp://mail.example?connections=many", "Write 1 to 1000"),
        ("smtps://mail.example?tls=none", "Write one of: required"),
        ("maildir://var/mail", "three slashes"),
        ("console:now", "Write console:"),
        ("smtp://me@mail.example", "Write smtp://user:password@host"),
        ("pigeon://loft.example", "Use one of these, or install one: console, maildir, smtp, smtps"),
        ("", "Set it to your outgoing mail server"),
        ("mail.example", "Write smtp://host"),
    ],
)
def test_the_fix_says_what_to_write(text: str, fix: str) -> None:
    assert fix in error_of(text).fix


@pytest.mark.parametrize(("text", "seconds"), [("30", 30), ("0.5s", 0.5), ("5m", 300), ("1h", 3600)])
def test_durations_have_a_unit_or_are_seconds(text: str, seconds: float) -> None:
    assert parse(f"smtp://mail.example?reply_timeout={text}").get_seconds("reply_timeout", 1) == seconds


def test_options_that_sound_like_secrets_are_masked_too() -> None:
    assert parse("pigeon://loft.example?api_key=abc&speed=9").masked() == "pigeon://loft.example?api_key=***&speed=9"


def test_the_url_of_a_relay_limits_connections_and_rates() -> None:
    relay = sender("smtp://mail.example?connections=4&per_hour=500")
    assert isinstance(relay, SmtpSender)
    assert (relay.connections, relay.rates) == (4, (Rate(500, timedelta(hours=1)),))
