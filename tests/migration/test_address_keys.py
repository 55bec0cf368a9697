"""Schema 0013: every letter of an address counts, and nobody is lost or becomes subscribed when the keys change."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from newsletter.actions.subscribers.import_subscribers import import_subscribers
from newsletter.actions.subscribers.subscribe import add_subscriber
from newsletter.domain.errors import Refused
from newsletter.domain.subscribers.address import parse_address
from newsletter.domain.subscribers.imported import ImportRequest
from newsletter.mail.tokens import Purpose, Signer, seal
from newsletter.store.sqlite import database
from newsletter.store.sqlite.database import HEAD, make_engine, upgrade
from newsletter.store.transactions import SqlStore

AT = "2026-05-05 12:00:00.000000"
NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)
SIGNER = Signer(["a-key-that-only-tests-have"])
# (address, its key before, status, suppressed)
SUBSCRIBERS = [
    ("Straße@example.org", "strasse@example.org", "confirmed", False),
    ("anna@straße.example", "anna@strasse.example", "confirmed", True),
    ("plain@example.org", "plain@example.org", "confirmed", False),
    ("νικος@example.org", "νικοσ@example.org", "unsubscribed", False),
    ("twice@ß.example", "twice@ss.example", "confirmed", False),
    ("twice@ß.example", "twice@ß.example", "confirmed", False),  # of a version before that one
]


def older(path: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parents[1] / "migrations"))
    engine = make_engine(path).execution_options(immediate=True)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0012")
    engine.dispose()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    path = tmp_path / "n.db"
    older(path)
    with sqlite3.connect(path) as connection:
        for number, (address, key, status, suppressed) in enumerate(SUBSCRIBERS, 1):
            connection.execute(
                "INSERT INTO subscriber (id, key, address, address_key, name, status, source, signup_at, pace, resting,"
                " new_address, new_address_key) VALUES (?, ?, ?, ?, '', ?, '', ?, 'weekly', 0, '', '')",
                (number, f"{number:016}", address, key, status, AT),
            )
            if suppressed:
                connection.execute("INSERT INTO suppression VALUES (?, 'hard_bounce', '', ?, NULL)", (key, AT))
        connection.execute(
            "UPDATE subscriber SET new_address = 'Neue@ß.example', new_address_key = 'neue@ss.example' WHERE id = 3"
        )
        connection.execute("INSERT INTO suppression VALUES ('gross@example.org', 'complaint', '', ?, NULL)", (AT,))
        key = connection.execute("SELECT value FROM own_key WHERE name = 'erased'").fetchone()[0]
        erased = f"erased:{seal(key, Purpose.ERASED, 'weiss@example.org')}"
        connection.execute("INSERT INTO suppression VALUES (?, 'erased', '', ?, NULL)", (erased, AT))
    connection.close()
    assert upgrade(path) == ("0012", HEAD)
    made = SqlStore(path)
    yield made
    made.close()


def test_every_subscriber_is_still_there_with_the_key_of_the_address(store: SqlStore) -> None:
    with store.read() as tx:
        found = {one.key: one for one in tx.subscribers.each()}
        for number, (address, _, status, suppressed) in enumerate(SUBSCRIBERS, 1):
            one = found[f"{number:016}"]
            assert (one.address, one.status.value, one.suppressed) == (address, status, suppressed)
        assert len(found) == len(SUBSCRIBERS)
        for number in (1, 2, 3, 4):
            by_address = tx.subscribers.by_address(parse_address(SUBSCRIBERS[number - 1][0]).key)
            assert by_address is not None
            assert by_address.key == f"{number:016}"
        assert found[f"{3:016}"].new_address == parse_address("Neue@ß.example")


def test_the_other_spelling_is_somebody_else_from_now_on(store: SqlStore) -> None:
    added = add_subscriber(
        store, SIGNER, address_text="strasse@example.org", name="", confirmed_source="paper", key="k" * 16, now=NOW
    )

    assert added.changed


@pytest.mark.parametrize("address", ["groß@example.org", "gross@example.org", "weiß@example.org", "weiss@example.org"])
def test_whoever_was_suppressed_or_erased_stays_so_however_that_was_spelled(store: SqlStore, address: str) -> None:
    keys = count(700)
    lines = ["email,confirmed at\n", f"{address},2026-01-01\n"]
    request = ImportRequest(confirmed_source="paper")
    report = import_subscribers(store, SIGNER, lines, request, make_key=lambda: f"{next(keys):016}", now=NOW)

    assert (report.suppressed, report.added) == (1, 0)
    with pytest.raises(Refused):
        add_subscriber(store, SIGNER, address_text=address, name="", confirmed_source="paper", key="k" * 16, now=NOW)


def test_a_suppression_that_is_removed_for_one_spelling_stays_for_the_other(store: SqlStore) -> None:
    with store.write() as tx:
        assert tx.suppressions.remove("groß@example.org")
    with store.read() as tx:
        assert tx.suppressions.get("groß@example.org") is None
        assert tx.suppressions.get("gross@example.org") is not None


def test_a_new_suppression_is_about_one_spelling(store: SqlStore) -> None:
    with store.write() as tx:
        tx.suppressions.add("strasse@new.example", "manual", "", NOW)
    with store.read() as tx:
        assert tx.suppressions.get("straße@new.example") is None
