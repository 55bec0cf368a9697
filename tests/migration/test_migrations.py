"""The schema: migrations and tables agree, and a database with another schema is refused with a fix."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlmodel import SQLModel

from newsletter.app import App
from newsletter.domain.errors import NewsletterError, SchemaError, SettingsError
from newsletter.settings import load_settings
from newsletter.store.sqlite import database
from newsletter.store.sqlite.backup import backup
from newsletter.store.sqlite.database import HEAD, make_engine, revision, sqlite_path, upgrade
from newsletter.store.times import to_text
from newsletter.store.transactions import SqlStore
from newsletter.testing import MemorySender
from tests.support.samples import ALERT
from tests.support.web import FRIDAY, FakeClock, parse_email


def test_the_migrations_make_the_declared_tables(tmp_path: Path) -> None:
    upgrade(tmp_path / "n.db")
    engine = make_engine(tmp_path / "n.db")

    def is_ours(name: str | None, kind: str, _parents: object) -> bool:
        """The full-text index has tables of its own, which are not in the metadata."""
        return not (kind == "table" and name and name.startswith("tip_search"))

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": is_ours})
        differences = compare_metadata(context, SQLModel.metadata)
    engine.dispose()

    assert differences == []


def test_the_deliveries_are_stored_without_a_rowid_as_declared(tmp_path: Path) -> None:
    upgrade(tmp_path / "n.db")
    connection = sqlite3.connect(tmp_path / "n.db")
    sql = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'delivery'").fetchone()[0]
    connection.close()

    assert "WITHOUT ROWID" in sql


def test_the_program_needs_the_newest_migration() -> None:
    scripts = ScriptDirectory(str(Path(database.__file__).parents[1] / "migrations"))

    assert scripts.get_current_head() == HEAD


def older(path: Path, version: str) -> sqlite3.Connection:
    """A database that an older program has made."""
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parents[1] / "migrations"))
    engine = make_engine(path).execution_options(immediate=True)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)
    engine.dispose()
    return sqlite3.connect(path)


def test_an_older_database_keeps_its_deliveries_when_it_is_upgraded(tmp_path: Path) -> None:
    old = older(tmp_path / "n.db", "0001")
    old.execute(
        "INSERT INTO issue (id, slot, due_at, state, tip_was, subject, secret, audience, reason, planned_at)"
        " VALUES (1, '2024-03-05', '2024-03-05 13:00:00', 'done', '', 'Say', x'00', 1, '', '2024-03-05 13:00:00')"
    )
    old.execute("INSERT INTO delivery (issue_id, subscriber_id, state, attempts, crashes) VALUES (1, 7, 'sent', 1, 0)")
    old.execute("INSERT INTO installation VALUES ('k', 'm', 'host', 3, '2024-03-05 13:00:00')")
    old.commit()
    old.close()
    versions = upgrade(tmp_path / "n.db")
    store = SqlStore(tmp_path / "n.db")
    with store.read() as tx:
        issue = tx.issues.get(1)
    store.close()

    assert versions == ("0001", HEAD)
    assert (issue.counts["sent"], issue.tips) == (1, {})


def test_pending_deliveries_of_an_older_database_are_claimed_in_their_order(tmp_path: Path) -> None:
    old = older(tmp_path / "n.db", "0014")
    for subscriber in (3, 1, 2):
        old.execute(
            "INSERT INTO delivery (issue_id, subscriber_id, state, attempts, crashes) VALUES (1, ?, 'pending', 0, 0)",
            (subscriber,),
        )
    old.commit()
    old.close()
    upgrade(tmp_path / "n.db")
    new = sqlite3.connect(tmp_path / "n.db")
    rows = new.execute("SELECT subscriber_id, troubles FROM delivery ORDER BY troubles, subscriber_id").fetchall()
    index = new.execute("SELECT sql FROM sqlite_master WHERE name = 'delivery_pending'").fetchone()[0]
    new.close()

    assert rows == [(1, 0), (2, 0), (3, 0)]
    assert "(issue_id, troubles, subscriber_id) WHERE state = 'pending'" in index


def test_a_pause_until_the_year_9999_gets_an_end_that_can_be_shown(tmp_path: Path) -> None:
    old = older(tmp_path / "n.db", "0016")
    for number, end in enumerate(("9999", "2027-01-01 00:00:00.000000", None)):
        old.execute(
            "INSERT INTO subscriber (key, address, address_key, name, status, source, signup_at, pace, resting, new_address,"
            " new_address_key, paused_until) VALUES (?, ?, ?, '', 'paused', 'import', ?, 'weekly', 0, '', '', ?)",
            (f"k{number}", f"a{number}@a.example", f"a{number}@a.example", to_text(FRIDAY), end),
        )
    old.commit()
    old.close()
    upgrade(tmp_path / "n.db")
    with closing(SqlStore(tmp_path / "n.db")) as store, store.read() as tx:
        ends = [one.paused_until and one.paused_until.year for one in tx.subscribers.each()]
    assert ends == [2999, 2027, None]


def test_upgrading_twice_changes_nothing(tmp_path: Path) -> None:
    first, second = upgrade(tmp_path / "n.db"), upgrade(tmp_path / "n.db")

    assert (first, second) == ((None, HEAD), (HEAD, HEAD))


def _stamp(path: Path, version: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
    connection.commit()
    connection.close()


@pytest.mark.parametrize(("version", "words"), [("0000", "newsletter db upgrade"), ("9999", "Upgrade the program")])
def test_a_database_with_an_older_or_newer_schema_is_refused_with_a_fix(
    tmp_path: Path, version: str, words: str
) -> None:
    upgrade(tmp_path / "n.db")
    _stamp(tmp_path / "n.db", version)
    store = SqlStore(tmp_path / "n.db")

    with pytest.raises(SchemaError) as caught, store.read():
        pass
    assert words in str(caught.value)


def test_a_database_with_a_newer_schema_is_not_downgraded(tmp_path: Path) -> None:
    upgrade(tmp_path / "n.db")
    _stamp(tmp_path / "n.db", "9999")

    with pytest.raises(SchemaError):
        upgrade(tmp_path / "n.db")


def test_a_missing_database_is_an_error_and_not_created(tmp_path: Path) -> None:
    store = SqlStore(tmp_path / "n.db")

    with pytest.raises(SchemaError) as caught, store.read():
        pass
    assert "newsletter init" in str(caught.value)
    assert not (tmp_path / "n.db").exists()


def test_a_file_that_is_not_a_database_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "n.db").write_bytes(b"not a database at all, but long enough to look at" * 20)

    with pytest.raises(NewsletterError) as caught:
        revision(tmp_path / "n.db")
    assert "not a database" in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql://localhost/x", "sqlite://", "sqlite:///:memory:", "nonsense"])
def test_a_database_url_that_is_not_supported_is_refused(url: str) -> None:
    with pytest.raises(SettingsError):
        sqlite_path(url)


def test_a_backup_is_a_complete_database_and_never_overwrites_a_file(tmp_path: Path) -> None:
    upgrade(tmp_path / "n.db")
    backup(tmp_path / "n.db", tmp_path / "copy.db", FRIDAY)

    assert revision(tmp_path / "copy.db") == HEAD
    with pytest.raises(NewsletterError):
        backup(tmp_path / "n.db", tmp_path / "copy.db", FRIDAY)


def test_a_database_of_the_first_schema_keeps_its_suppressions_when_it_is_upgraded(tmp_path: Path) -> None:
    connection = older(tmp_path / "n.db", "0001")
    with connection:
        connection.execute("INSERT INTO suppression VALUES ('a@b.example', 'manual', '', '2025-05-06', NULL)")
    connection.close()

    assert upgrade(tmp_path / "n.db") == ("0001", HEAD)
    store = SqlStore(tmp_path / "n.db")
    with store.read() as tx:
        assert [entry.address_key for entry in tx.suppressions.each()] == ["a@b.example"]
        assert len(tx.suppressions.erasure_key()) == 32
    store.close()


def test_tips_of_an_older_database_get_the_teasers_that_lists_show(tmp_path: Path) -> None:
    path = tmp_path / "n.db"
    connection = older(path, "0001")
    with connection:
        for key, body, own in (("long", "First *things* first. " + "More. " * 200, ""), ("own", "Body.", "My words.")):
            connection.execute(
                "INSERT INTO tip (key, identity, title, body, takeaway, teaser, complete, state, position, source,"
                " source_line, season, series, part, rerun, months, fallback, added_at, changed_at)"
                " VALUES (?, ?, 'Title', ?, '', ?, 1, 'fresh', 1, '', 0, '', '', 0, '', '', 0, '2025-01-01', '2025-01-01')",
                (key, key, body, own),
            )

    upgrade(path)

    shown = dict(connection.execute("SELECT key, shown_teaser FROM tip"))
    connection.close()
    assert shown["own"] == "My words."
    assert shown["long"].startswith("First things first. More.")
    assert len(shown["long"].split()) < 100


AT = to_text(FRIDAY)
SECONDS = int(FRIDAY.timestamp())
OLD_EMAILS = [
    ("alarm", "owner@tips.example", ALERT),
    ("farewell", "left@host.example", {"subscriber_key": "left", "left_at": SECONDS}),
    ("link", "here@host.example", {"subscriber_key": "here"}),
    ("move", "new@host.example", {"subscriber_key": "moving", "asked_at": SECONDS}),
    ("remind", "asked@host.example", {"subscriber_key": "asked", "signup_at": SECONDS}),
]
OLD_SUBSCRIBERS = [
    ("left", "unsubscribed", AT, ""),
    ("here", "confirmed", None, ""),
    ("moving", "confirmed", None, "new@host.example"),
    ("asked", "pending", None, ""),
]


def _fill_with_old_emails(connection: sqlite3.Connection) -> None:
    """One email of each renamed kind that waits, and one that was sent."""
    for key, status, left_at, new in OLD_SUBSCRIBERS:
        address = f"{key}@host.example"
        connection.execute(
            "INSERT INTO subscriber (key, address, address_key, name, status, source, signup_at, left_at, pace, resting,"
            " new_address, new_address_key, new_address_at) VALUES (?, ?, ?, '', ?, '', ?, ?, 'weekly', 0, ?, ?, ?)",
            (key, address, address, status, AT, left_at, new, new, AT if new else None),
        )
    for kind, address, values in OLD_EMAILS:
        for state, done_at in (("pending", None), ("sent", AT)):
            connection.execute(
                "INSERT INTO notice (kind, address, data, state, attempts, created_at, next_attempt_at, done_at, reply)"
                " VALUES (?, ?, ?, ?, 0, ?, ?, ?, '')",
                (kind, address, json.dumps(values), state, AT, AT, done_at),
            )


def test_emails_of_the_old_kinds_that_wait_are_sent_after_the_upgrade(tmp_path: Path) -> None:
    connection = older(tmp_path / "n.db", "0005")
    with connection:
        _fill_with_old_emails(connection)
    environ = {
        "NEWSLETTER_DATABASE_URL": f"sqlite:///{tmp_path}/n.db",
        "NEWSLETTER_SECRET_KEY": "a-key-that-only-tests-have",
        "NEWSLETTER_FROM": "tips@tips.example",
        "NEWSLETTER_BASE_URL": "https://tips.example",
    }
    assert upgrade(tmp_path / "n.db") == ("0005", HEAD)
    app, sender = App(load_settings(environ), FakeClock()), MemorySender()
    replace(app.transactional, sender=lambda: sender, stop=app.stop).send()
    app.close()

    rows = sorted(connection.execute("SELECT kind, state FROM notice"))
    connection.close()
    kinds = ["alert", "confirm_address", "manage_link", "reminder", "unsubscribed"]
    assert rows == [(kind, "sent") for kind in kinds for _ in range(2)]
    messages = [parse_email(email.message) for email in sender.emails]
    assert sorted(str(message["To"]) for message in messages) == sorted(address for _, address, _ in OLD_EMAILS)
    assert {str(message["Feedback-ID"]).partition(":")[0] for message in messages} == set(kinds)


def test_starter_tips_of_an_older_version_are_recognized(tmp_path: Path) -> None:
    old = older(tmp_path / "n.db", "0007")
    for number, source in ((1, "01-the-first-ten-seconds.md"), (2, "my-own.md")):
        old.execute(
            "INSERT INTO tip (id, key, identity, title, body, takeaway, teaser, complete, state, position, source,"
            " source_line, season, series, part, rerun, months, fallback, shown_teaser, added_at, changed_at)"
            " VALUES (?1, 'k' || ?1, 'i' || ?1, 'T', 'B', '', '', 1, 'fresh', ?1, '', 0, '', '', 0, '', '', 0, '',"
            " '2026-01-01 00:00:00', '2026-01-01 00:00:00')",
            (number,),
        )
        old.execute("INSERT INTO tip_source VALUES (?, ?, 'i', 'f')", (number, source))
    old.commit()
    old.close()
    upgrade(tmp_path / "n.db")
    connection = sqlite3.connect(tmp_path / "n.db")
    assert connection.execute("SELECT key, starter FROM tip ORDER BY id").fetchall() == [("k1", 1), ("k2", 0)]
    connection.close()
