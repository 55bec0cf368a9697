"""A database of the schema before subscriptions: nothing about anybody is lost, and the open issue goes on."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from newsletter.domain.subscribers.subscription import STORED, Status
from newsletter.store.sqlite import database
from newsletter.store.sqlite.database import HEAD, make_engine, upgrade
from newsletter.store.transactions import SqlStore
from tests.support.library import TUESDAY

MOVED = (
    "status", "pace", "resting", "paused_until", "signup_at", "confirmed_at", "left_at", "confirmation_mailed_at",
    "reminded_at", "quarterly_at", "source",
)  # fmt: skip
KEPT = (
    "id",
    "key",
    "address",
    "address_key",
    "name",
    "link_mailed_at",
    "new_address",
    "new_address_key",
    "new_address_at",
)
TIMES = ("paused_until", "confirmed_at", "left_at", "confirmation_mailed_at", "reminded_at", "quarterly_at",
         "link_mailed_at", "new_address_at")  # fmt: skip


def _people() -> Iterator[dict[str, object]]:
    """Every status with every frequency, with all times and with none; the ids have gaps."""
    for number, (status, pace, full) in enumerate(itertools.product(STORED, ("weekly", "monthly"), (False, True)), 1):
        address = f"p{number}@host.example"
        times = {name: f"20{place + 10}-05-05 12:00:00.00000{number % 10}" for place, name in enumerate(TIMES)}
        yield {
            "id": number * 3, "key": f"{number:016}", "address": address.title(), "address_key": address,
            "name": f"N {number}" if full else "", "status": status.value, "source": "form 3" if full else "", "pace": pace,
            "signup_at": f"2024-01-01 10:00:00.{number:06}", "resting": int(pace == "monthly" and full),
            "new_address": f"new-{address}" if full else "", "new_address_key": f"new-{address}" if full else "",
            **(times if full else dict.fromkeys(TIMES)),
        }  # fmt: skip


PEOPLE = list(_people())


def _older(path: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parents[1] / "migrations"))
    engine = make_engine(path).execution_options(immediate=True)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0017")
    engine.dispose()


def _insert(db: sqlite3.Connection, table: str, row: dict[str, object]) -> None:
    marks = ", ".join("?" * len(row))
    db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))  # noqa: S608 - our own names


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "n.db"
    _older(path)
    with closing(sqlite3.connect(path)) as db, db:
        for person in PEOPLE:
            _insert(db, "subscriber", person)
            for what in ("signup", "confirm"):
                row = {
                    "subscriber_id": person["id"],
                    "at": person["signup_at"],
                    "what": what,
                    "proof": "f",
                    "origin": "192.0.2.1",
                }
                _insert(db, "consent", row)
        row = {
            "subscriber_id": 9,
            "at": "2024-03-05 13:00:00.000000",
            "issue_id": 1,
            "reason": "no_time",
            "words": "Bye",
        }
        _insert(db, "farewell", row)
        issue = {
            "id": 1, "slot": "2024-03-05", "day": "2024-03-05", "due_at": "2024-03-05 13:00:00.000000", "state": "sending",
            "tip_was": "", "subject": "Say", "secret": b"s", "audience": len(PEOPLE), "reason": "",
            "planned_at": "2024-03-05 13:00:00.000000", "started_at": "2024-03-05 13:00:00.000000",
        }  # fmt: skip
        _insert(db, "issue", issue)
        for person in PEOPLE:
            row = {"issue_id": 1, "subscriber_id": person["id"], "state": "pending", "attempts": 0, "crashes": 0}
            _insert(db, "delivery", row)
    assert upgrade(path) == ("0017", HEAD)
    return path


def _rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(sql).fetchall()


def test_every_person_has_what_they_had_in_a_subscription_of_the_first_list(path: Path) -> None:
    columns = ", ".join((*KEPT, *MOVED))
    joined = "subscriber JOIN subscription ON subscriber_id = id AND list_id = 1"
    found = _rows(path, f"SELECT {columns} FROM {joined} ORDER BY id")  # noqa: S608 - our own names
    assert found == [tuple(person[name] for name in (*KEPT, *MOVED)) for person in PEOPLE]
    assert _rows(path, "SELECT count(*), sum(last_tip_id IS NULL) FROM subscription") == [(len(PEOPLE), len(PEOPLE))]
    assert _rows(path, "SELECT sum(one_a_day) FROM subscriber") == [(0,)]


def test_the_log_of_consent_and_the_unsubscribes_are_those_of_the_first_list(path: Path) -> None:
    found = _rows(path, "SELECT subscriber_id, at, what, proof, origin, list_id FROM consent ORDER BY id")
    log = [(one["id"], one["signup_at"], what, "f", "192.0.2.1", 1) for one in PEOPLE for what in ("signup", "confirm")]
    assert found == log
    assert _rows(path, "SELECT subscriber_id, issue_id, reason, words, list_id FROM farewell") == [
        (9, 1, "no_time", "Bye", 1)
    ]


def test_an_open_issue_goes_to_those_who_are_confirmed_and_to_nobody_else(path: Path) -> None:
    with closing(SqlStore(path)) as store:
        with store.sending("test", TUESDAY) as right:
            claimed = {claim.subscriber_id for claim in right.ledger.advance(1, (), 100, TUESDAY)}
        with store.read() as tx:
            assert tx.subscribers.count() == dict.fromkeys((status.value for status in STORED), 4)
    assert claimed == {one["id"] for one in PEOPLE if one["status"] == Status.CONFIRMED}
