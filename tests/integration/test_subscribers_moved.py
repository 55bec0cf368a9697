"""A whole list that is exported and imported into a new newsletter: states, suppressions, proofs, and links stay."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from newsletter.actions.subscribers.erase import erase
from newsletter.actions.subscribers.import_subscribers import import_subscribers, read_lines
from newsletter.cli import main
from newsletter.domain.subscribers.address import parse_address
from newsletter.domain.subscribers.imported import ImportRequest, Report
from newsletter.domain.subscribers.subscriber import Consent, NewSubscriber
from newsletter.domain.subscribers.subscription import STORED, Status
from newsletter.mail.tokens import Signer
from newsletter.store.transactions import SqlStore
from tests.support.library import new_store

NOW = datetime(2026, 5, 5, 12, tzinfo=UTC)
KEY = "a-key-that-only-tests-have"
SIGNER = Signer([KEY])
SPELLED = st.sampled_from(["anna", "Anna", "straße", "STRASSE", "=x", "'q", "a+b", "νικος"])
PERSON = st.tuples(
    SPELLED,
    st.sampled_from(STORED),
    st.sampled_from(["", "hard_bounce", "complaint", "manual", "unsubscribed", "asked me; =1+1"]),
    st.sampled_from(["weekly", "monthly"]),
    st.integers(0, 3),  # entries of the consent log
    st.booleans(),  # quarterly, or reminded
    st.booleans(),  # only suppressed, no subscriber
)
SUBSCRIBER = """SELECT address, address_key, key, name, status, source, signup_at, confirmed_at, left_at, paused_until, pace, resting,
    quarterly_at, confirmation_mailed_at, reminded_at, link_mailed_at
    FROM subscriber JOIN subscription ON subscriber_id = id AND list_id = 1 ORDER BY address_key"""
CONSENT = "SELECT s.address_key, c.at, what, proof, origin FROM consent c JOIN subscriber s ON s.id = c.subscriber_id ORDER BY 1, c.id"
SUPPRESSION = "SELECT address_key, reason, source, at, folded FROM suppression WHERE reason <> 'erased' ORDER BY 1"


@cache
def empty_database() -> bytes:
    with TemporaryDirectory() as folder:
        new_store(Path(folder)).close()
        return Path(folder, "newsletter.db").read_bytes()


def fill(store: SqlStore, people: list[tuple[str, Status, str, str, int, bool, bool]]) -> None:
    with store.write() as tx:
        for number, (local, status, reason, pace, entries, extra, alone) in enumerate(people):
            address = parse_address(f"{local}@{number}.example.com")
            at = NOW - timedelta(days=10, microseconds=number)
            if reason:
                tx.suppressions.add(address.key, reason, "by hand", at)
            if alone:
                continue
            confirmed = at + timedelta(hours=1) if status not in (Status.PENDING, Status.EXPIRED) else None
            new = NewSubscriber(address, f"N {number}", f"{number:016}", status, "form 3", at, confirmed)
            one = tx.subscribers.add(new, at)
            until = NOW + timedelta(days=40) if status is Status.PAUSED else None
            if status in (Status.PAUSED, Status.UNSUBSCRIBED):
                tx.subscribers.set_status(one.id, status, NOW - timedelta(days=3), paused_until=until)
            values = (
                {"quarterly_at": NOW}
                if status is Status.UNSUBSCRIBED
                else {"reminded_at": NOW, "confirmation_mailed_at": at}
            )
            tx.subscribers.change(one.id, pace=pace, **(values if extra else {}))
            for entry in range(entries or (status in (Status.CONFIRMED, Status.PAUSED))):
                tx.subscribers.log_consent(one.id, Consent(at, "confirm", f"proof {entry} \"'=,", "192.0.2.0/24"))


def rows(store: SqlStore) -> list[list[tuple[object, ...]]]:
    with closing(sqlite3.connect(store.path)) as connection:
        return [connection.execute(sql).fetchall() for sql in (SUBSCRIBER, CONSENT, SUPPRESSION)]


def export(store: SqlStore, folder: Path) -> Path:
    env, file = folder / ".env", folder / "out.csv"
    env.write_text(f"NEWSLETTER_SECRET_KEY={KEY}\nNEWSLETTER_DATABASE_URL=sqlite:///{store.path}\n")
    assert main(["--env-file", str(env), "subscribers", "export", str(file), "--yes"]) == 0
    return file


def load(store: SqlStore, file: Path, request: ImportRequest | None = None) -> Report:
    keys = count(900)
    return import_subscribers(
        store, SIGNER, read_lines(file), request or ImportRequest(), make_key=lambda: f"k{next(keys):015}", now=NOW
    )


def change(file: Path, edit: Callable[[dict[str, str]], None]) -> None:
    with file.open(encoding="utf-8-sig", newline="") as source:
        found = list(csv.DictReader(source))
    for row in found:
        edit(row)
    with file.open("w", encoding="utf-8-sig", newline="") as target:
        out = csv.DictWriter(target, found[0])
        out.writeheader()
        out.writerows(found)


@pytest.mark.usefixtures("capsys")
@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(st.lists(PERSON, min_size=1, max_size=8))
def test_a_list_is_the_same_in_a_new_newsletter(people: list[tuple[str, Status, str, str, int, bool, bool]]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        for database in ("old.db", "new.db"):
            Path(folder, database).write_bytes(empty_database())
        with closing(SqlStore(folder / "old.db")) as old, closing(SqlStore(folder / "new.db")) as new:
            fill(old, people)
            before = rows(old)
            file = export(old, folder)
            report = load(new, file)
            assert (report.rejected, report.undecided, report.asked) == ([], False, 0)
            assert rows(new) == before
            load(new, file)
            load(old, file)
            assert rows(new) == before
            assert rows(old) == before


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    store = new_store(tmp_path)
    yield store
    store.close()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[SqlStore]:
    (tmp_path / "other").mkdir()
    store = new_store(tmp_path / "other")
    yield store
    store.close()


ANNA = ("anna", Status.CONFIRMED, "", "weekly", 1, False, False)


def status_of(store: SqlStore) -> list[str]:
    with store.read() as tx:
        return [one.display_status for one in tx.subscribers.each()]


def test_a_stricter_state_that_somebody_wrote_into_the_file_wins(
    store: SqlStore, other: SqlStore, tmp_path: Path
) -> None:
    fill(store, [ANNA, ANNA])
    file = export(store, tmp_path)
    change(
        file, lambda row: row.update(status="unsubscribed" if row["address"].endswith("@0.example.com") else "bounced")
    )
    load(other, file)

    assert status_of(other) == ["unsubscribed"]
    with other.read() as tx:
        assert tx.suppressions.get("anna@1.example.com") is not None


def test_a_looser_state_that_somebody_wrote_into_the_file_loses(
    store: SqlStore, other: SqlStore, tmp_path: Path
) -> None:
    fill(
        store,
        [
            ("a", Status.UNSUBSCRIBED, "", "weekly", 1, False, False),
            ("b", Status.CONFIRMED, "manual", "weekly", 1, False, False),
        ],
    )
    file = export(store, tmp_path)
    change(file, lambda row: row.update(status="confirmed"))
    load(other, file, ImportRequest(confirmed_source="paper"))

    assert status_of(other) == ["unsubscribed", "suppressed"]


def test_a_record_without_a_time_of_confirmation_makes_nobody_active(
    store: SqlStore, other: SqlStore, tmp_path: Path
) -> None:
    fill(store, [ANNA])
    file = export(store, tmp_path)
    change(file, lambda row: row.update(confirmed_at=""))

    assert load(other, file).undecided
    assert status_of(other) == []


@pytest.mark.parametrize(
    "record",
    ["{", "[]", "1", '{"status": "friend"}', '{"status": "none"}', '{"status": "confirmed", "key": "../../etc"}',
     '{"status": "confirmed", "consents": [["yesterday", "confirm", "", ""]]}', '{"status": "confirmed", "consents": {}}',
     '{"status": "none", "suppression": ["erased", "", "2026-01-01", 0]}', '{"status": ["confirmed"]}',
     '{"status": "confirmed", "quarterly_at": "9999-12-31T23:59:59-23:00"}', "[" * 5000],
)  # fmt: skip
def test_a_record_that_no_export_wrote_is_rejected(
    store: SqlStore, other: SqlStore, tmp_path: Path, record: str
) -> None:
    fill(store, [ANNA])
    file = export(store, tmp_path)
    change(file, lambda row: row.update(tip_record=record))
    report = load(other, file)

    assert "tip_record" in report.rejected[0].reason
    assert status_of(other) == []


def test_a_key_that_somebody_else_has_is_not_taken_over(store: SqlStore, other: SqlStore, tmp_path: Path) -> None:
    fill(store, [ANNA, ANNA])
    file = export(store, tmp_path)
    change(file, lambda row: row.update(tip_record=json.dumps({**json.loads(row["tip_record"]), "key": "0" * 16})))
    load(other, file)
    with other.read() as tx:
        keys = [one.key for one in tx.subscribers.each()]

    assert len(set(keys)) == 2
    assert keys.count("0" * 16) == 1


def test_nobody_who_was_erased_or_left_here_comes_back(store: SqlStore, other: SqlStore, tmp_path: Path) -> None:
    fill(store, [ANNA, ANNA])
    file = export(store, tmp_path)
    load(other, file)
    with other.write() as tx:
        first, second = tx.subscribers.each()
        erase(tx, SIGNER, first, NOW)
        tx.subscribers.set_status(second.id, Status.UNSUBSCRIBED, NOW)
    load(other, file)

    assert status_of(other) == ["unsubscribed"]


@pytest.mark.parametrize("is_dangling", [True, False])
def test_an_export_writes_through_no_link(store: SqlStore, tmp_path: Path, is_dangling: bool) -> None:  # noqa: FBT001
    fill(store, [ANNA])
    victim = tmp_path / "victim"
    if not is_dangling:
        victim.write_text("precious")
    (tmp_path / "out.csv").symlink_to(victim)
    env = tmp_path / ".env"
    env.write_text(f"NEWSLETTER_SECRET_KEY={KEY}\nNEWSLETTER_DATABASE_URL=sqlite:///{store.path}\n")

    assert main(["--env-file", str(env), "subscribers", "export", str(tmp_path / "out.csv"), "--yes"]) == 1
    assert victim.exists() is not is_dangling
    assert (tmp_path / "out.csv").is_symlink()
