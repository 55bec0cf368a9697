"""One person and several lists: each list has its own status, and an erased person is in none."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from newsletter.domain.delivery.issue import IssueEvent
from newsletter.domain.lists import MailingList, list_of_issue
from newsletter.domain.subscribers.address import parse_address
from newsletter.domain.subscribers.imported import ImportOptions
from newsletter.domain.subscribers.subscriber import Consent, Subscriber
from newsletter.domain.subscribers.subscription import Frequency, Status
from newsletter.store.transactions import SqlStore
from tests.support.library import TUESDAY, add_subscriber, freeze_issue, new_store

ANNA = "anna@host.example"
LATER = TUESDAY + timedelta(days=40)
TIME = "2024-01-01 12:00:00.000000"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    made = new_store(tmp_path)
    yield made
    made.close()


@pytest.fixture
def other(store: SqlStore) -> SqlStore:
    return store.of_list(2)


def find(store: SqlStore, address: str = ANNA) -> Subscriber:
    with store.read() as tx:
        found = tx.subscribers.by_address(parse_address(address).key)
    assert found
    return found


def statuses(store: SqlStore, number: int) -> dict[int, str]:
    with store.read() as tx:
        return {one.list_id: one.status.value for one in tx.subscribers.subscriptions(number)}


def test_whoever_never_signed_up_for_a_list_is_known_to_it_and_in_none_of_its_rows(
    store: SqlStore, other: SqlStore
) -> None:
    number = add_subscriber(store, ANNA, name="Anna")
    found = find(other)
    assert (found.id, found.status, found.name, found.signup_at) == (number, Status.NONE, "Anna", TUESDAY)
    with other.read() as tx:
        assert (list(tx.subscribers.each()), tx.subscribers.count(), tx.subscribers.mailable()) == ([], {}, 0)
        assert tx.subscribers.by_key(found.key) == found


def test_a_sign_up_for_a_second_list_leaves_the_first_as_it_is(store: SqlStore, other: SqlStore) -> None:
    number = add_subscriber(store, ANNA, name="Anna")
    with other.write() as tx:
        tx.subscribers.sign_up_again(number, "Not Anna", LATER, source="page/1")
        tx.subscribers.change(number, confirmation_mailed_at=LATER, pace="monthly", one_a_day=True)
    assert statuses(store, number) == {1: "confirmed", 2: "pending"}
    first, second = find(store), find(other)
    assert (first.name, first.signup_at, first.pace) == ("Anna", TUESDAY, Frequency.WEEKLY)
    assert (second.source, second.signup_at, second.pace) == ("page/1", LATER, Frequency.MONTHLY)
    assert (first.confirmation_mailed_at, second.confirmation_mailed_at) == (None, LATER)
    assert first.one_a_day
    assert second.one_a_day


def test_an_unsubscribe_ends_one_list(store: SqlStore, other: SqlStore) -> None:
    number = add_subscriber(store, ANNA)
    with other.write() as tx:
        tx.subscribers.set_status(number, Status.CONFIRMED, TUESDAY, source="import")
    with store.write() as tx:
        tx.subscribers.set_status(number, Status.UNSUBSCRIBED, LATER)
        tx.unsubscribes.add(number, 1, LATER)
        tx.unsubscribes.set_reason(number, "no_time", "")
    assert statuses(store, number) == {1: "unsubscribed", 2: "confirmed"}
    assert (find(other).left_at, find(other).source) == (None, "import")
    with store.read() as tx, other.read() as tx2:
        assert (tx.subscribers.mailable(), tx2.subscribers.mailable()) == (0, 1)
        assert [len(one.unsubscribes.by_reason()) for one in (tx, tx2)] == [1, 0]
        growth = [one.calendar.list_growth(TUESDAY - timedelta(days=1), LATER) for one in (tx, tx2)]
    assert [(one.joined, one.left) for one in growth] == [(1, 1), (1, 0)]


def test_consent_is_logged_for_the_list_and_shown_for_the_person(store: SqlStore, other: SqlStore) -> None:
    number = add_subscriber(store, ANNA)
    with store.write() as tx:
        tx.subscribers.log_consent(number, Consent(TUESDAY, "confirm", "first"))
    with other.write() as tx:
        tx.subscribers.log_consent(number, Consent(LATER, "signup", "second"))
        tx.subscribers.log_consent(number, Consent(LATER, "signup", "third", list_id=3))
        assert [(one.proof, one.list_id) for one in tx.subscribers.consents(number)] == [
            ("first", 1),
            ("second", 2),
            ("third", 3),
        ]


def test_an_issue_goes_to_the_subscribers_of_its_list_as_they_are_then(store: SqlStore, other: SqlStore) -> None:
    both, first, second = (add_subscriber(store, f"{name}@host.example") for name in ("both", "first", "second"))
    with other.write() as tx:
        for number in (both, second):
            tx.subscribers.set_status(number, Status.CONFIRMED, TUESDAY)
    with store.write() as tx:
        tx.subscribers.set_status(second, Status.UNSUBSCRIBED, TUESDAY)
    issues = (freeze_issue(store), freeze_issue(other, title="Another one"))
    with store.write() as tx:
        tx.subscribers.set_status(both, Status.UNSUBSCRIBED, TUESDAY)
    assert [list_of_issue(issue) for issue in issues] == [1, 2]
    with store.sending("test", TUESDAY) as right:
        got = [{one.subscriber_id for one in right.ledger.advance(issue, (), 10, TUESDAY)} for issue in issues]
    assert got == [{first}, {both, second}]


def test_a_monthly_subscriber_rests_in_the_list_whose_email_they_had(store: SqlStore, other: SqlStore) -> None:
    number = add_subscriber(store, ANNA)
    with other.write() as tx:
        tx.subscribers.set_status(number, Status.CONFIRMED, TUESDAY)
        tx.subscribers.change(number, pace="monthly")
    with store.write() as tx:
        tx.subscribers.change(number, pace="monthly")
    freeze_issue(store)
    with store.write() as tx:
        tx.maintenance.end_pauses(TUESDAY)
        assert tx.subscribers.mailable() == 0
    with other.read() as tx:
        assert tx.subscribers.mailable() == 1


def test_the_pauses_of_all_lists_end(store: SqlStore, other: SqlStore) -> None:
    number = add_subscriber(store, ANNA)
    for view in (store, other):
        with view.write() as tx:
            tx.subscribers.set_status(number, Status.PAUSED, TUESDAY, paused_until=LATER)
    with store.write() as tx:
        assert tx.maintenance.end_pauses(LATER) == 2
        assert [(one.what, one.list_id) for one in tx.subscribers.consents(number)] == [("resume", 1), ("resume", 2)]
    assert statuses(store, number) == {1: "confirmed", 2: "confirmed"}


def test_an_expired_sign_up_takes_the_person_along_only_if_nothing_else_is_left(
    store: SqlStore, other: SqlStore
) -> None:
    stays, goes = add_subscriber(store, ANNA, name="Anna"), add_subscriber(store, "ben@host.example", Status.PENDING)
    with other.write() as tx:
        for number in (stays, goes):
            tx.subscribers.sign_up_again(number, "", TUESDAY)
            tx.subscribers.log_consent(number, Consent(TUESDAY, "signup", "second"))
        tx.transactional.add("welcome", ANNA, {}, TUESDAY)
        assert [one.id for one in tx.maintenance.due_reminders(TUESDAY + timedelta(days=4), 9)] == [stays, goes]
        tx.maintenance.delete_expired(LATER)
    assert statuses(store, stays) == {1: "confirmed"}
    assert find(store).name == "Anna"
    with store.read() as tx:
        assert tx.subscribers.by_address("ben@host.example") is None
        assert (tx.subscribers.consents(stays), tx.transactional.waiting()) == ([], 1)


def test_erasing_a_person_ends_every_list(store: SqlStore, other: SqlStore) -> None:
    number = add_subscriber(store, ANNA)
    with other.write() as tx:
        tx.subscribers.set_status(number, Status.CONFIRMED, TUESDAY)
        tx.subscribers.erase(number)
    with closing(sqlite3.connect(store.path)) as db:
        assert db.execute("SELECT count(*) FROM subscription").fetchone() == (0,)


def test_an_import_into_a_second_list_adds_subscriptions_to_known_persons(store: SqlStore, other: SqlStore) -> None:
    number = add_subscriber(store, ANNA)
    rows = [
        (line, None, address, "", f"key{line:013}", was, TIME, TIME, TIME if was == "unsubscribed" else None, None, None, None,
         None)
        for line, (address, was) in enumerate(
            [(ANNA, "active"), ("new@host.example", "active"), ("left@host.example", "unsubscribed")]
        )
    ]  # fmt: skip
    counts = other.import_staged(rows, ImportOptions("fair", TUESDAY))
    again = other.import_staged(rows, ImportOptions("fair", TUESDAY))
    assert (counts.added, counts.suppressed, again.added, again.unchanged) == (2, 1, 0, 2)
    assert statuses(store, number) == {1: "confirmed", 2: "confirmed"}
    with store.read() as tx, other.read() as tx2:
        assert tx.subscribers.count() == {"confirmed": 1}
        assert tx2.subscribers.count() == {"confirmed": 2, "unsubscribed": 1}


def test_an_import_of_an_unsubscribe_does_not_suppress_whoever_wants_another_list(
    store: SqlStore, other: SqlStore
) -> None:
    number = add_subscriber(store, ANNA)
    row = (1, None, ANNA, "", "k" * 16, "unsubscribed", TIME, TIME, TIME, None, None, None, None)
    other.import_staged([row], ImportOptions("fair", TUESDAY))
    assert statuses(store, number) == {1: "confirmed", 2: "unsubscribed"}
    with store.read() as tx:
        assert (tx.suppressions.count(), tx.subscribers.mailable()) == (0, 1)


def test_the_issue_of_one_list_says_nothing_about_the_start_of_another(store: SqlStore, other: SqlStore) -> None:
    number = add_subscriber(store, ANNA)
    with store.write() as tx:
        tx.subscribers.log_consent(number, Consent(TUESDAY, "confirm"))
        issue = tx.issues.plan(None, TUESDAY, TUESDAY)
        tx.issues.change(issue.number, IssueEvent.PREPARE, TUESDAY)
        tx.access.db.execute("UPDATE library SET set_up_at = ?", (TIME,))
        assert tx.calendar.ready_at() == TUESDAY
        tx.lists.add(MailingList(0, "other", 0, {"title": "Other"}), TUESDAY)
    with other.write() as tx:
        tx.subscribers.log_consent(number, Consent(LATER, "signup"))
        assert tx.calendar.ready_at() == LATER
