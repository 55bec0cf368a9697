from datetime import timedelta
from pathlib import Path

import pytest

from newsletter.domain.errors import SettingsError
from newsletter.settings import TABLE, Settings, env_text, env_with, load_settings, quote
from newsletter.settings.values import parse_duration

SECRET = "correct-horse-battery-staple"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "some.env"
    path.write_text(text, encoding="utf-8")
    return path


# -- where a value comes from ----------------------------------------------------------------------


def test_every_setting_has_a_default() -> None:
    settings = load_settings({})
    assert settings.title == "Tip of the Week"
    assert settings.listen == ("127.0.0.1", 8000)
    assert settings.late_window == timedelta(hours=24)
    assert settings.templates is None
    assert settings.sender_url == ()
    assert {origin for _, _, origin in settings.shown()} == {"default"}


def test_the_environment_overrides_the_file_and_the_file_overrides_the_default(tmp_path: Path) -> None:
    file = written(tmp_path, "NEWSLETTER_TITLE=From the file\nNEWSLETTER_LANGUAGE=de\n")
    settings = load_settings({"NEWSLETTER_TITLE": "From the environment"}, file)
    assert (settings.title, settings.language, settings.timezone) == ("From the environment", "de", "America/New_York")
    assert settings.origin("NEWSLETTER_TITLE") == "environment"
    assert settings.origin("NEWSLETTER_LANGUAGE") == str(file)
    assert settings.origin("NEWSLETTER_TIMEZONE") == "default"


def test_an_empty_value_counts_as_unset(tmp_path: Path) -> None:
    file = written(tmp_path, "NEWSLETTER_TITLE=From the file\nNEWSLETTER_LANGUAGE=\nNEWSLETTER_OWNER\n")
    settings = load_settings({"NEWSLETTER_TITLE": "  "}, file)
    assert (settings.title, settings.language, settings.owner) == ("From the file", "en", ("owner@example.org",))


def test_variables_in_a_file_are_not_expanded(tmp_path: Path) -> None:
    file = written(tmp_path, "\ufeffNEWSLETTER_TITLE='Tips for $HOME and ${USER}'\n")
    assert load_settings({"HOME": "/root"}, file).title == "Tips for $HOME and ${USER}"


def test_a_file_that_was_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"there is no file .*none\.env"):
        load_settings({}, tmp_path / "none.env")


def test_a_secret_can_be_read_from_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{SECRET}\n", encoding="utf-8")
    settings = load_settings({"NEWSLETTER_SECRET_KEY_FILE": str(tmp_path / "key")})
    assert settings.signing_keys() == (SECRET,)
    assert settings.origin("NEWSLETTER_SECRET_KEY") == f"environment, {tmp_path / 'key'}"


def test_a_secret_given_twice_in_one_source_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="both set"):
        load_settings({"NEWSLETTER_SECRET_KEY": SECRET, "NEWSLETTER_SECRET_KEY_FILE": str(tmp_path / "key")})


def test_a_missing_or_empty_secret_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text(" \n", encoding="utf-8")
    for name, words in (("empty", "an empty file"), ("none", "cannot be read")):
        with pytest.raises(SettingsError, match=f"NEWSLETTER_SENDER_URL_FILE .*{words}"):
            load_settings({"NEWSLETTER_SENDER_URL_FILE": str(tmp_path / name)})


def test_only_secrets_can_be_read_from_a_file() -> None:
    assert "NEWSLETTER_TITLE_FILE" in load_settings({"NEWSLETTER_TITLE_FILE": "x"}).warnings[0]


def test_a_misspelled_name_is_reported_with_the_closest_setting(tmp_path: Path) -> None:
    file = written(tmp_path, "NEWSLETTER_SENDERURL=console:\n")
    of_environment, of_file = load_settings({"NEWSLETTER_TITEL": "x", "NEWSLETTER_TEST_ALL": "1"}, file).warnings
    assert of_environment == "NEWSLETTER_TITEL (environment) is not a setting: did you mean NEWSLETTER_TITLE?"
    assert "NEWSLETTER_SENDERURL" in of_file
    assert "NEWSLETTER_SENDER_URL?" in of_file


def test_the_database_follows_the_data_directory_unless_it_is_set() -> None:
    assert load_settings({}).database_url == "sqlite:///data/newsletter.db"
    assert load_settings({"NEWSLETTER_DATA_DIR": "/srv/tips"}).database_url == "sqlite:////srv/tips/newsletter.db"
    both = {"NEWSLETTER_DATA_DIR": "/srv/tips", "NEWSLETTER_DATABASE_URL": "sqlite:///other.db"}
    assert load_settings(both).database_url == "sqlite:///other.db"


# -- renamed settings ------------------------------------------------------------------------------

OLD_NAMES = [row.old_name for row in TABLE if row.old_name]


def test_an_old_name_is_still_read_and_reported_with_the_new_one(tmp_path: Path) -> None:
    file = written(tmp_path, "NEWSLETTER_FAREWELL=always\n")
    settings = load_settings({"NEWSLETTER_COLOUR": "#4a3f8c"}, file)
    assert (settings.color, settings.unsubscribe_email) == ("#4a3f8c", "always")
    assert settings.deprecations == (
        "NEWSLETTER_COLOUR (environment) is deprecated: rename it to NEWSLETTER_COLOR",
        f"NEWSLETTER_FAREWELL ({file}) is deprecated: rename it to NEWSLETTER_UNSUBSCRIBE_EMAIL",
    )
    assert settings.warnings == ()
    assert settings.origin("NEWSLETTER_COLOR") == "environment, NEWSLETTER_COLOUR"


def test_an_old_name_next_to_the_new_one_is_an_error() -> None:
    with pytest.raises(SettingsError, match="NEWSLETTER_COLOR and NEWSLETTER_COLOUR are both set") as caught:
        load_settings({"NEWSLETTER_COLOR": "#4a3f8c", "NEWSLETTER_COLOUR": "#17664f"})
    assert caught.value.fix == "Keep NEWSLETTER_COLOR; NEWSLETTER_COLOUR is its old name"


def test_both_names_may_have_the_same_value() -> None:
    settings = load_settings({"NEWSLETTER_COLOR": "#4a3f8c", "NEWSLETTER_COLOUR": "#4a3f8c"})
    assert (settings.color, settings.origin("NEWSLETTER_COLOR")) == ("#4a3f8c", "environment")


def test_an_old_name_in_the_environment_overrides_the_new_one_in_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, "NEWSLETTER_COLOR=#17664f\n")
    assert load_settings({"NEWSLETTER_COLOUR": "#4a3f8c"}, file).color == "#4a3f8c"


def test_the_error_about_a_bad_value_uses_the_name_that_was_given() -> None:
    with pytest.raises(SettingsError, match=r"^NEWSLETTER_COLOUR cannot be used"):
        load_settings({"NEWSLETTER_COLOUR": "reddish"})


def test_a_misspelled_name_never_suggests_an_old_one() -> None:
    (warning,) = load_settings({"NEWSLETTER_COLOURS": "#4a3f8c"}).warnings
    assert warning.endswith("did you mean NEWSLETTER_COLOR?")


def test_an_old_name_is_no_name_of_another_setting() -> None:
    assert OLD_NAMES == ["NEWSLETTER_COLOUR", "NEWSLETTER_FAREWELL"]
    assert not set(OLD_NAMES) & {row.name for row in TABLE}


# -- how values are written ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "hours"),
    [("24h", 24), ("90 days", 90 * 24), ("1 day", 24), ("18 months", 548 * 24), ("2w", 14 * 24), ("1 year", 365 * 24),
     ("1h 30min", 1.5), ("90 minutes", 1.5), ("36 Hours", 36)],
)  # fmt: skip
def test_durations_are_written_in_words(text: str, hours: float) -> None:
    assert parse_duration(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "24", "h", "-3h", "3 h 4", "5ms", "one day", "24h, please", "1" * 50 + "h"])
def test_anything_else_is_not_a_duration(text: str) -> None:
    with pytest.raises(ValueError, match="as in 24h"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("NEWSLETTER_LATE_WINDOW", "soon", "24h"),
        ("NEWSLETTER_FROM", "Tips <nobody>", "name@example.com"),
        ("NEWSLETTER_FROM", "Tips\nBcc: x <a@b.example>", "one line"),
        ("NEWSLETTER_TITLE", "Tips\nBcc: x", "one line"),
        ("NEWSLETTER_TITLE", "x" * 201, "200 characters"),
        ("NEWSLETTER_OWNER", "nobody", "name@example.com"),
        ("NEWSLETTER_BASE_URL", "tips", "https://"),
        ("NEWSLETTER_BASE_URL", "https://tips.example/?a=1", "without a query"),
        ("NEWSLETTER_CONTACT_URL", "javascript:alert(1)", "https://"),
        ("NEWSLETTER_LISTEN", "8000", "host:port"),
        ("NEWSLETTER_LISTEN", "localhost:80000", "host:port"),
        ("NEWSLETTER_TRUSTED_PROXIES", "10.0.0.300", "10.0.0.300"),
        ("NEWSLETTER_FRAME_ANCESTORS", "https://a.example; script-src *", "origins"),
        ("NEWSLETTER_DATABASE_URL", "mysql://host/db", "sqlite:///"),
        ("NEWSLETTER_SENDER_URL", "mail.example", "smtp://"),
        ("NEWSLETTER_SCHEDULE", "daily", "tue 08:00"),
        ("NEWSLETTER_SCHEDULE", "2 08:00", "tue 08:00"),
        ("NEWSLETTER_TIMEZONE", "Mars/Olympus", "America/New_York"),
        ("NEWSLETTER_IN_DOUBT", "maybe", "resend or hold"),
        ("NEWSLETTER_LOG_FORMAT", "xml", "text or json"),
        ("NEWSLETTER_LANGUAGE", "<en>", "pt-BR"),
    ],
)
def test_a_bad_value_is_reported_with_its_fix(name: str, value: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({name: value})
    assert name in caught.value.message
    assert words in caught.value.fix
    assert caught.value.exit_code == 2


def test_lists_are_separated_by_commas_or_spaces_and_keys_by_commas() -> None:
    settings = load_settings({
        "NEWSLETTER_ALLOWED_ORIGINS": "https://a.example, https://b.example:8443",
        "NEWSLETTER_TRUSTED_PROXIES": "10.0.0.0/8 ::1",
        "NEWSLETTER_SECRET_KEY": f"{SECRET}, {SECRET}-old",
        "NEWSLETTER_SENDER_URL": "smtp://one.example  smtps://two.example",
    })  # fmt: skip
    assert settings.allowed_origins == ("https://a.example", "https://b.example:8443")
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1")
    assert settings.signing_keys() == (SECRET, f"{SECRET}-old")
    assert settings.sender_urls() == ("smtp://one.example", "smtps://two.example")


def test_the_error_about_a_missing_setting_says_how_to_set_it() -> None:
    settings = load_settings({})
    with pytest.raises(SettingsError, match="newsletter init"):
        settings.signing_keys()
    with pytest.raises(SettingsError, match="NEWSLETTER_SENDER_URL is not set"):
        settings.sender_urls()


def test_the_site_is_made_of_the_settings() -> None:
    site = load_settings({
        "NEWSLETTER_FROM": "Anna Beispiel <Tips@TIPS.example>",
        "NEWSLETTER_BASE_URL": "https://tips.example/",
        "NEWSLETTER_POSTAL_ADDRESS": "1 Market Street\nSpringfield",
    }).site()  # fmt: skip
    assert (site.from_name, site.from_address) == ("Anna Beispiel", "Tips@tips.example")
    assert site.url("/archive") == "https://tips.example/archive"
    assert site.postal_address == "1 Market Street\nSpringfield"


# -- secrets --------------------------------------------------------------------------------------

HIDDEN = {
    "NEWSLETTER_SECRET_KEY": SECRET,
    "NEWSLETTER_SENDER_URL": "smtp://user:pa@ss:w0rd@relay.example:587?tls=starttls smtps://u:w0rd@two.example",
    "NEWSLETTER_DATABASE_URL": "postgresql://tips:w0rd@db.example/tips?password=w0rd",
}


def test_secrets_and_passwords_are_masked_everywhere() -> None:
    settings = load_settings(HIDDEN)
    shown = {name: value for name, value, _ in settings.shown()}
    for text in (str(shown), repr(settings), str(settings)):
        assert SECRET not in text
        assert "w0rd" not in text
    assert shown["NEWSLETTER_SENDER_URL"].split() == [
        "smtp://user:********@relay.example:587?tls=starttls",
        "smtps://u:********@two.example",
    ]


def test_the_error_about_a_bad_secret_does_not_show_it() -> None:
    for name, value in (("NEWSLETTER_SECRET_KEY", "too-short"), ("NEWSLETTER_DATABASE_URL", "mysql://u:w0rd@host/x")):
        with pytest.raises(SettingsError) as caught:
            load_settings({name: value})
        assert "too-short" not in str(caught.value)
        assert "w0rd" not in str(caught.value)


# -- the env file ----------------------------------------------------------------------------------


def test_an_env_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    values = {
        "NEWSLETTER_TITLE": 'Anna\'s "Tip" #1 \\ $HOME',
        "NEWSLETTER_POSTAL_ADDRESS": "1 Market Street\nSpringfield",
        "NEWSLETTER_SENDER_URL": "smtp://user:p%40ss@relay.example:587?tls=starttls&connections=10",
        "NEWSLETTER_SECRET_KEY": SECRET,
    }
    settings = load_settings({}, written(tmp_path, env_text(values)))
    assert {name: settings.texts[name] for name in values} == values
    assert settings.warnings == ()


def test_an_env_file_without_values_sets_nothing(tmp_path: Path) -> None:
    settings = load_settings({}, written(tmp_path, env_text()))
    assert {settings.origin(row.name) for row in TABLE} == {"default"}


def test_every_line_of_the_example_file_is_accepted_if_uncommented(tmp_path: Path) -> None:
    text = "\n".join(line[1:] if line.startswith("#NEWSLETTER_") else line for line in env_text().splitlines())
    settings, plain = load_settings({}, written(tmp_path, text)), load_settings({})
    assert {row.name: settings.texts[row.name] for row in TABLE} == {row.name: plain.texts[row.name] for row in TABLE}


def test_a_simple_value_is_not_quoted() -> None:
    assert quote("sqlite:///data/newsletter.db") == "sqlite:///data/newsletter.db"
    assert quote("tue 08:00") == '"tue 08:00"'


def test_settings_cannot_be_changed() -> None:
    settings: Settings = load_settings({})
    with pytest.raises(AttributeError):
        settings.title = "Another"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "owners"),
    [
        ("a@x.example, b@x.example", ("a@x.example", "b@x.example")),
        ("a@x.example b@x.example;c@x.example", ("a@x.example", "b@x.example", "c@x.example")),
        ("Ada <a@x.example>, Doe, John <b@x.example>", ("a@x.example", "b@x.example")),
        ('"Ada, the @ one" <a@x.example>; <b@x.example>, a@x.example', ("a@x.example", "b@x.example")),
    ],
)
def test_several_owners_are_read_with_or_without_names(text: str, owners: tuple[str, ...]) -> None:
    assert load_settings({"NEWSLETTER_OWNER": text}, None).owner == owners


@pytest.mark.parametrize("text", ["ada", "a@x.example, bob", "bob, a@x.example", "a@x.example, b@"])
def test_an_owner_without_an_address_is_an_error(text: str) -> None:
    with pytest.raises(SettingsError, match="NEWSLETTER_OWNER"):
        load_settings({"NEWSLETTER_OWNER": text}, None)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "NEWSLETTER_TITLE=Mine\n"),
        ("A=1", "A=1\nNEWSLETTER_TITLE=Mine\n"),
        ('#NEWSLETTER_TITLE="Tip"\nA=1\n', "NEWSLETTER_TITLE=Mine\nA=1\n"),
        ("#NEWSLETTER_TITLE=a\nexport NEWSLETTER_TITLE=b # c\n", "#NEWSLETTER_TITLE=a\nNEWSLETTER_TITLE=Mine\n"),
        ("NEWSLETTER_TITLES=a\n", "NEWSLETTER_TITLES=a\nNEWSLETTER_TITLE=Mine\n"),
    ],
)
def test_one_setting_is_changed_in_its_line(before: str, after: str) -> None:
    assert env_with(before, "NEWSLETTER_TITLE", "Mine") == after
