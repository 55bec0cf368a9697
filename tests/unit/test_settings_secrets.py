"""No secret in an error, in `config show`, or in a log: not even one in the wrong place, or in a URL that cannot be read."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

import pytest

from newsletter.domain.errors import SettingsError
from newsletter.senders.smtp.connection import without_credentials
from newsletter.senders.url import parse_sender_urls
from newsletter.settings import load_settings
from newsletter.settings.masks import mask_path, mask_urls
from newsletter.settings.table import TABLE

SECRET = "hunter2-sesame"
SHAPES = (
    SECRET,
    f"a {SECRET}",
    f"smtp://user:{SECRET}@host",
    f"https://user:{SECRET}@host.example/x",
    f"https://host.example/{SECRET}",
    f"host.example/{SECRET}",
    f"http:/host.example/{SECRET}?k={SECRET}",
    f"postgresql://u:{SECRET}@db/x",
    f"mysql:{SECRET}",
    f"{SECRET}@",
    f"Name <{SECRET}",
    f"<{SECRET}@host>",
    f"{SECRET}\x00",
)


def said_about(environ: Mapping[str, str], env_file: Path | None = None) -> str:
    """What a command would print about the settings: an error, or the warnings."""
    try:
        settings = load_settings(environ, env_file)
    except SettingsError as error:
        return str(error)
    return f"{settings.warnings} {settings.deprecations}"


@pytest.mark.parametrize("name", [row.name for row in TABLE])
def test_no_error_about_a_setting_quotes_its_value(name: str, tmp_path: Path) -> None:
    env = tmp_path / "env"
    for shape in SHAPES:
        for given in (name, f"{name}_FILE"):
            env.write_text(f"{given}={shape}\nNEWSLETTER_OTHER={SECRET}\n")
            for said in (said_about({given: shape}), said_about({}, env)):
                assert SECRET not in said, (given, shape)


@pytest.mark.parametrize(
    "text",
    [
        f"smtp://user:{SECRET}@host:587?tls=required",
        f"smtp://user:{SECRET}",
        f"smtp://user:{SECRET}@host:587 smtps://other:{SECRET}@two.example",
        f"smtp://user:pass {SECRET}@host",
        f"smtp://user:pa/{SECRET}@host",
        f"smtp://user:pa?x={SECRET}@host",
        f"smtp://user:pa#{SECRET}@host",
        f"smtp://us@er:{SECRET}@host",
        f"smtp://host?password={SECRET}",
        f"smtp://host?tls=none;auth={SECRET}",
        f"smtp://host?x=a@{SECRET}",
        f"smtp://host?{SECRET}",
        f"smtp://host?connections=1 {SECRET}",
        f"smtp://host:{SECRET}",
        f"smtp:user:{SECRET}@host",
        f"user:{SECRET}@host:587",
        f"host:587:{SECRET}",
        f"smtp://{SECRET}-4f1c-token:{SECRET}-4f1c-token@host",
        f"smtp://0123456789abcdef{SECRET}@host",
        f"https+api://host.example/v1/{SECRET}",
        f"postgresql://u:{SECRET}@db.example/tips?sslpassword={SECRET}",
        f"SMTP://USER:{SECRET}@HOST",
        f"  smtp://user:{SECRET}@host  ",
    ],
)
def test_config_show_hides_the_secrets_of_every_url(text: str) -> None:
    assert SECRET not in mask_urls(text)


def test_config_show_keeps_what_helps_to_find_a_mistake() -> None:
    assert mask_urls("smtp://tips:x@host:587?tls=starttls&connections=4&per_hour=500") == (
        "smtp://tips:********@host:587?tls=starttls&connections=4&per_hour=500"
    )
    assert mask_urls("smtp://anna%40tips.example:x@[::1]:25") == "smtp://anna%40tips.example:********@[::1]:25"
    assert mask_urls("maildir:///var/mail/out") == "maildir:///var/mail/out"
    assert mask_urls("sqlite:///data/newsletter.db") == "sqlite:///data/newsletter.db"
    assert mask_path("https://user:pw@hc.example/uuid") == "********"


def test_the_name_of_a_relay_in_errors_and_logs_shows_no_token() -> None:
    (url,) = parse_sender_urls(f"smtp://{SECRET}:{SECRET}@host?x_sig={SECRET}&pw={SECRET}&tls=none")
    assert SECRET not in f"{url} {url!r}"
    with pytest.raises(SettingsError) as caught:
        parse_sender_urls(f"smtp://host?tls={SECRET}&connections={SECRET}")[0].get_choice("tls", ("none",), "none")
    assert SECRET not in caught.value.message.partition(": the")[2]


def test_what_a_server_repeats_of_the_sign_in_is_removed_from_its_reply() -> None:
    plain = base64.b64encode(f"\0anna\0{SECRET}".encode()).decode()
    login = base64.b64encode(SECRET.encode()).decode()
    for echo in (plain, login, SECRET):
        reply = without_credentials(f"5.7.8 Error: {echo} failed".encode(), "anna", SECRET)
        assert reply == b"5.7.8 Error: *** failed"
    assert without_credentials(b"235 OK", "", "") == b"235 OK"
