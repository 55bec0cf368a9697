"""Settings as people write them: understood, or answered with the nearest right value."""

from pathlib import Path

import pytest

from newsletter.domain.errors import SettingsError
from newsletter.settings import load_settings


def read(tmp_path: Path, octets: bytes) -> dict[str, str]:
    path = tmp_path / ".env"
    path.write_bytes(octets)
    settings = load_settings({}, path)
    return {name: text for name, text in settings.texts.items() if settings.origin(name) != "default"}


# -- env files --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("NEWSLETTER_TITLE=Tip of the Week", "Tip of the Week"),
        ("NEWSLETTER_TITLE=Tip of the Week   ", "Tip of the Week"),
        ("NEWSLETTER_TITLE = Tip of the Week", "Tip of the Week"),
        ("export NEWSLETTER_TITLE='Tip of the Week'", "Tip of the Week"),
        ("NEWSLETTER_TITLE=Tip of the Week # as on the website", "Tip of the Week"),
        ('NEWSLETTER_TITLE="Tip #1 of the Week" # as on the website', "Tip #1 of the Week"),
        ("NEWSLETTER_TITLE=“Tip of the Week”", "Tip of the Week"),
        ("NEWSLETTER_TITLE=“Tip #1 of the Week” # as on the website", "Tip #1 of the Week"),
        ("NEWSLETTER_TITLE=‘Anna’s tips’", "Anna’s tips"),
        ("NEWSLETTER_TITLE=„Tipp der Woche“", "Tipp der Woche"),
        ("NEWSLETTER_TITLE=“Tips” and “Tricks”", "“Tips” and “Tricks”"),
        ('NEWSLETTER_TITLE="The “Tips”"', "The “Tips”"),
        ("NEWSLETTER_TITLE=first\nNEWSLETTER_TITLE=second", "second"),
    ],
)
def test_a_line_is_read_as_its_author_meant_it(tmp_path: Path, line: str, title: str) -> None:
    assert read(tmp_path, f"{line}\n".encode()) == {"NEWSLETTER_TITLE": title}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_file_is_read_whatever_its_line_ends_and_its_byte_order_mark(tmp_path: Path, encoding: str, end: str) -> None:
    text = f"NEWSLETTER_TITLE=Für alle{end}NEWSLETTER_OWNER=anna@home.example{end}"
    expected = {"NEWSLETTER_TITLE": "Für alle", "NEWSLETTER_OWNER": "anna@home.example"}
    assert read(tmp_path, text.encode(encoding)) == expected


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("# mine\n\nNEWSLETTER_TITLE: Tips\n", 3),
        ("NEWSLETTER_POSTAL_ADDRESS=1 Market Street\nSpringfield, IL\n", 2),
        ('NEWSLETTER_TITLE=Tips\nNEWSLETTER_SECRET_KEY="s3cret\n', 2),
    ],
)
def test_a_line_that_cannot_be_read_is_named_by_its_number_and_not_quoted(tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(SettingsError, match=f"line {line} of ") as caught:
        read(tmp_path, text.encode())
    assert "s3cret" not in str(caught.value)


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read") as caught:
        read(tmp_path, "NEWSLETTER_TITLE=Für alle".encode("latin-1"))
    assert "UTF-8" in caught.value.fix


@pytest.mark.parametrize("text", ['"Tip of the Week"', "'Tip of the Week'", "“Tip of the Week”"])
def test_quotes_that_docker_passes_on_are_no_part_of_a_value(text: str) -> None:
    assert load_settings({"NEWSLETTER_TITLE": text}).title == "Tip of the Week"


def test_quotes_inside_a_value_stay() -> None:
    assert load_settings({"NEWSLETTER_TITLE": '"Tips" and "Tricks"'}).title == '"Tips" and "Tricks"'


# -- values -----------------------------------------------------------------------------------------

UNDERSTOOD = [
    ("SCHEDULE", "tuesday 8am", "tue 08:00"),
    ("SCHEDULE", "Tue 8:00", "tue 08:00"),
    ("SCHEDULE", "Tuesdays at 8 a.m.", "tue 08:00"),
    ("SCHEDULE", "every Tuesday, 8:30 PM", "tue 20:30"),
    ("SCHEDULE", "8am Tuesday", "tue 08:00"),
    ("SCHEDULE", "tue 12am", "tue 00:00"),
    ("SCHEDULE", "Tuesday noon", "tue 12:00"),
    ("SCHEDULE", "Dienstag 8 Uhr", "tue 08:00"),
    ("SCHEDULE", "Tuesdays and Thursdays at 8", "tue,thu 08:00"),
    ("SCHEDULE", "Thu/Tue 9.30", "tue,thu 09:30"),
    ("SCHEDULE", "mon-fri 7am", "mon,tue,wed,thu,fri 07:00"),
    ("SCHEDULE", "weekdays at 7", "mon,tue,wed,thu,fri 07:00"),
    ("SCHEDULE", "daily 8am", "mon,tue,wed,thu,fri,sat,sun 08:00"),
    ("SCHEDULE", "1st Tuesday of the month at 8 am", "first tue 08:00"),
    ("SCHEDULE", "second tue 08:00", "second tue 08:00"),
    ("SCHEDULE", "first and third tue 08:00", "first,third tue 08:00"),
    ("SCHEDULE", "last Friday of each month, noon", "last fri 12:00"),
    ("SCHEDULE", "every other Tuesday 8am from 2026-12-01", "every 2 weeks tue 08:00 from 2026-12-01"),
    ("SCHEDULE", "every two weeks on Tuesday at 8 starting 2026-12-01", "every 2 weeks tue 08:00 from 2026-12-01"),
    ("SCHEDULE", "jeden ersten Dienstag im Monat um 8 Uhr", "first tue 08:00"),
    ("SCHEDULE", "alle 2 Wochen dienstags 8 Uhr ab 2026-12-01", "every 2 weeks tue 08:00 from 2026-12-01"),
    ("SCHEDULE", "tue 08:00 from 2027-01-05", "tue 08:00 from 2027-01-05"),
    ("TIMEZONE", "America/New York", "America/New_York"),
    ("TIMEZONE", "america/new_york", "America/New_York"),
    ("TIMEZONE", "New York", "America/New_York"),
    ("TIMEZONE", "EST", "America/New_York"),
    ("TIMEZONE", "Pacific Time", "America/Los_Angeles"),
    ("TIMEZONE", "Berlin", "Europe/Berlin"),
    ("TIMEZONE", "utc", "UTC"),
    ("BASE_URL", "tips.example.org", "https://tips.example.org"),
    ("BASE_URL", "HTTPS://Tips.example.org/", "https://tips.example.org"),
    ("BASE_URL", "https://example.org/Tips/", "https://example.org/Tips"),
    ("BASE_URL", "localhost:8000", "http://localhost:8000"),
    ("CONTACT_URL", "anna@example.org", "mailto:anna@example.org"),
    ("HOME_URL", "www.example.org", "https://www.example.org"),
    ("LANGUAGE", "en_US.UTF-8", "en-US"),
    ("LANGUAGE", "de_DE@euro", "de-DE"),
    ("LANGUAGE", "English", "en"),
    ("OWNER", "Anna <anna@home.example>", "anna@home.example"),
    ("POSTAL_ADDRESS", r"1 Market Street\nSpringfield", "1 Market Street\nSpringfield"),
    ("TEASERS", "Show", "show"),
    ("LISTEN", "http://127.0.0.1:8000/", ("127.0.0.1", 8000)),
]


@pytest.mark.parametrize(("name", "text", "value"), UNDERSTOOD)
def test_a_value_is_understood(name: str, text: str, value: object) -> None:
    found = getattr(load_settings({f"NEWSLETTER_{name}": text}), name.lower())
    # A name is a list of one if the setting takes several.
    assert found in (value, (value,))


ANSWERED = [
    ("SCHEDULE", "teusday 8am", 'Did you mean "tue 08:00"?'),
    ("SCHEDULE", "tue", '"tue 08:00"'),
    ("SCHEDULE", "fri 25:00", '"fri 08:00"'),
    ("SCHEDULE", "tue 8am EST", "NEWSLETTER_TIMEZONE"),
    ("SCHEDULE", "biweekly tue 08:00", '"every 2 weeks tue 08:00 from 2026-12-01"'),
    ("SCHEDULE", "every second Tuesday 8am", "which you mean"),
    ("SCHEDULE", "monthly tue 8am", '"first tue 08:00"'),
    ("SCHEDULE", "first tue,thu 08:00", '"first tue 08:00"'),
    ("SCHEDULE", "every 2 weeks tue 08:00 from 1.12.2026", "2026-12-01"),
    ("SCHEDULE", "every 20 weeks tue 08:00 from 2026-12-01", "up to 8"),
    ("SCHEDULE", "15th of each month 8am", '"tue 08:00"'),
    ("TIMEZONE", "Amercia/New_York", "Did you mean America/New_York?"),
    ("TIMEZONE", "Berln", "Did you mean Europe/Berlin?"),
    ("TIMEZONE", "UTC+2", "daylight saving time"),
    ("BASE_URL", "https:/tips.example.org", "https://tips.example.org"),
    ("BASE_URL", "tips@example.org", "https://"),
    ("DATABASE_URL", "data/tips.db", "sqlite:///data/tips.db"),
    ("TEASERS", "shwo", "Did you mean show?"),
    ("FROM", "a@home.example, b@home.example", "name@example.com"),
]


@pytest.mark.parametrize(("name", "text", "words"), ANSWERED)
def test_a_value_that_is_not_understood_is_answered_with_the_nearest_one(name: str, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({f"NEWSLETTER_{name}": text})
    assert words in caught.value.fix


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Tips: weekly <tips@home.example>", "Tips: weekly"),
        ("Doe, John <tips@home.example>", "Doe, John"),
        ('"Doe, John" <tips@home.example>', "Doe, John"),
        ("“Doe, John” <tips@home.example>", "Doe, John"),
        (r'"The \"best\" tips" <tips@home.example>', 'The "best" tips'),
        ("Tips @ Work <tips@home.example>", "Tips @ Work"),
        ("Tips (weekly) <tips@home.example>", "Tips (weekly)"),
        ("Tips <tips@home.example", "Tips"),
        ("Tips weekly tips@home.example", "Tips weekly"),
        ("tips@home.example (Tips, weekly)", "Tips, weekly"),
        ("<tips@home.example>", ""),
        ("mailto:tips@home.example", ""),
    ],
)
def test_the_whole_name_of_the_sender_is_kept(text: str, name: str) -> None:
    site = load_settings({"NEWSLETTER_FROM": text, "NEWSLETTER_REPLY_TO": text}).site()
    assert (site.from_name, site.from_address) == (name, "tips@home.example")
    assert site.reply_to == "tips@home.example"


# -- the URL of the heartbeat -----------------------------------------------------------------------


def test_the_heartbeat_url_is_a_secret(tmp_path: Path) -> None:
    url = "https://ping.example/5d9e-secret"
    (tmp_path / "url").write_text(f"{url}\n", encoding="utf-8")
    settings = load_settings({"NEWSLETTER_PING_URL_FILE": str(tmp_path / "url")})
    assert settings.ping_url == url
    assert {name: shown for name, shown, _ in settings.shown()}["NEWSLETTER_PING_URL"] == (
        "https://ping.example/********"
    )


@pytest.mark.parametrize("text", ["https://ping.example?key=secret", "https://anna:secret@ping.example/", "secret"])
def test_no_part_of_a_heartbeat_url_that_may_be_secret_is_shown(text: str) -> None:
    try:
        shown = str(load_settings({"NEWSLETTER_PING_URL": text}).shown())
    except SettingsError as error:
        shown = str(error)
    assert "secret" not in shown
