"""The ledger on a real file: what is claimed, what an outcome writes, and what a crash leaves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from newsletter.domain.delivery.delivery import Finished
from newsletter.domain.delivery.issue import IssueEvent
from newsletter.domain.delivery.outcome import Cause, Deferred, Outcome, Rejected, Reply, Sent, Stage
from newsletter.domain.errors import Busy
from newsletter.domain.subscribers.subscription import STORED, Status
from newsletter.store.transactions import SqlStore
from tests.support.library import TUESDAY, add_subscriber, add_subscribers, freeze_issue, new_store

SENT = Sent(Reply(Stage.DOT, 250, "2.0.0", "queued as 1"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    store = new_store(tmp_path)
    yield store
    store.close()


def counts(store: SqlStore, number: int) -> dict[str, int]:
    with store.read() as tx:
        return {state: count for state, count in tx.issues.get(number).counts.items() if count}


def test_only_confirmed_subscribers_who_are_not_suppressed_are_in_the_audience(store: SqlStore) -> None:
    add_subscribers(store, 2)
    for status in STORED:
        add_subscriber(store, f"{status}@b.example", status)
    add_subscriber(store, "gone@b.example")
    with store.write() as tx:
        tx.suppressions.add("gone@b.example", "hard_bounce", "", TUESDAY)
    number = freeze_issue(store)

    with store.read() as tx:
        audience = sorted(row.address for row in tx.issues.deliveries(number))

    assert audience == ["confirmed@b.example", "reader1@a.example", "reader2@a.example"]


def test_a_claim_is_committed_before_it_is_returned(store: SqlStore) -> None:
    add_subscribers(store, 3)
    number = freeze_issue(store)
    with store.sending("test", TUESDAY) as lock:
        claims = lock.ledger.advance(number, [], 2, TUESDAY)

        assert [claim.address for claim in claims] == ["reader1@a.example", "reader2@a.example"]
        assert counts(store, number) == {"pending": 1, "sending": 2}


def test_outcome_and_next_claim_share_one_commit(store: SqlStore) -> None:
    add_subscribers(store, 2)
    number = freeze_issue(store)
    with store.sending("test", TUESDAY) as lock:
        first = lock.ledger.advance(number, [], 1, TUESDAY)[0]
        second = lock.ledger.advance(number, [Finished(first, SENT, TUESDAY)], 1, TUESDAY)[0]

        assert second.address == "reader2@a.example"
        assert counts(store, number) == {"sent": 1, "sending": 1}


@pytest.mark.parametrize(("status", "reason"), [(Status.UNSUBSCRIBED, "unsubscribed"), (Status.PAUSED, "paused")])
def test_a_subscriber_who_unsubscribed_after_the_freeze_is_skipped_at_the_claim(
    store: SqlStore, status: Status, reason: str
) -> None:
    one, _two = add_subscribers(store, 2)
    number = freeze_issue(store)
    with store.write() as tx:
        tx.subscribers.set_status(one, status, TUESDAY)
    with store.sending("test", TUESDAY) as lock:
        claims = lock.ledger.advance(number, [], 2, TUESDAY)
    with store.read() as tx:
        issue = tx.issues.get(number)

    assert [claim.address for claim in claims] == ["reader2@a.example"]
    assert issue.skipped_for == {reason: 1}


def test_a_subscriber_who_was_suppressed_after_the_freeze_is_skipped(store: SqlStore) -> None:
    add_subscribers(store, 1)
    number = freeze_issue(store)
    with store.write() as tx:
        tx.suppressions.add("reader1@a.example", "complaint", "", TUESDAY)
    with store.sending("test", TUESDAY) as lock:
        assert lock.ledger.advance(number, [], 1, TUESDAY) == []

    assert counts(store, number) == {"skipped": 1}


def test_a_deferred_email_is_claimed_at_its_time_and_before_the_others(store: SqlStore) -> None:
    add_subscribers(store, 2)
    number = freeze_issue(store)
    later = TUESDAY + timedelta(minutes=1)
    with store.sending("test", TUESDAY) as lock:
        first = lock.ledger.advance(number, [], 1, TUESDAY)[0]
        deferred = Finished(first, Deferred(Reply(Stage.RCPT, 451, "4.7.1", "greylisted")), TUESDAY)
        lock.ledger.advance(number, [deferred], 0, TUESDAY)

        assert lock.ledger.advance(number, [], 0, later) == []
        again = lock.ledger.advance(number, [], 1, later)[0]

    assert (again.address, again.attempts, again.first_attempt_at) == (first.address, 2, TUESDAY)


def test_a_connection_error_requeues_an_email_without_counting_an_attempt(store: SqlStore) -> None:
    add_subscribers(store, 1)
    number = freeze_issue(store)
    with store.sending("test", TUESDAY) as lock:
        claim = lock.ledger.advance(number, [], 1, TUESDAY)[0]
        lock.ledger.advance(number, [Finished(claim, None, TUESDAY)], 0, TUESDAY)
        again = lock.ledger.advance(number, [], 1, TUESDAY)[0]

    assert (claim.attempts, again.attempts) == (1, 1)


def test_a_hard_bounce_suppresses_nobody_before_its_issue_ends_and_a_tripped_circuit_breaker_undoes_it(
    store: SqlStore,
) -> None:
    reader = add_subscriber(store, "dead@b.example")
    number = freeze_issue(store)
    refusal: Outcome = Rejected(Reply(Stage.RCPT, 550, "5.1.1", "unknown"), Cause.BAD_ADDRESS)
    with store.sending("test", TUESDAY) as lock:
        claim = lock.ledger.advance(number, [], 1, TUESDAY)[0]
        lock.ledger.advance(number, [Finished(claim, refusal, TUESDAY)], 0, TUESDAY)
        with store.read() as tx:
            assert tx.suppressions.get("dead@b.example") is None
            assert list(tx.issues.rejected(number)) == [reader]
        lock.ledger.reopen(number, [reader], TUESDAY)

    assert counts(store, number) == {"pending": 1}


def test_an_outcome_for_a_row_of_another_owner_is_dropped(store: SqlStore) -> None:
    add_subscribers(store, 1)
    number = freeze_issue(store)
    with store.sending("first run", TUESDAY) as lock:
        stale = lock.ledger.advance(number, [], 1, TUESDAY)[0]
    with store.sending("second run", TUESDAY) as lock:
        claim = lock.ledger.advance(number, [], 1, TUESDAY)[0]
        lock.ledger.advance(number, [Finished(claim, SENT, TUESDAY)], 0, TUESDAY)
        lock.ledger.advance(number, [Finished(stale, None, TUESDAY)], 0, TUESDAY)

        assert (lock.recovered, counts(store, number)) == (1, {"sent": 1})


def test_rows_of_a_dead_sender_are_requeued_and_held_the_third_time(store: SqlStore) -> None:
    add_subscribers(store, 1)
    number = freeze_issue(store)
    seen = []
    for _ in range(4):
        with store.sending("test", TUESDAY) as lock:
            seen.append((lock.recovered, counts(store, number)))
            lock.ledger.advance(number, [], 1, TUESDAY)

    assert seen == [(0, {"pending": 1}), (1, {"pending": 1}), (1, {"pending": 1}), (1, {"held": 1})]


def test_nothing_of_a_paused_issue_is_claimed(store: SqlStore) -> None:
    add_subscribers(store, 1)
    number = freeze_issue(store)
    with store.sending("test", TUESDAY) as lock:
        with store.write() as tx:
            tx.issues.change(number, IssueEvent.PAUSE, TUESDAY)

        assert lock.ledger.advance(number, [], 1, TUESDAY) == []


def test_a_second_sender_is_refused_and_told_about_the_first(store: SqlStore) -> None:
    with store.sending("newsletter run", TUESDAY), pytest.raises(Busy) as caught, store.sending("other", TUESDAY):
        pass

    assert "newsletter run" in str(caught.value)
    assert store.holder() is None


def test_an_issue_is_done_only_when_nothing_is_open(store: SqlStore) -> None:
    add_subscribers(store, 2)
    number = freeze_issue(store)
    with store.sending("test", TUESDAY) as lock:
        claims = lock.ledger.advance(number, [], 2, TUESDAY)
        finished = [Finished(claim, SENT, TUESDAY) for claim in claims]
        done = []
        for one in finished:
            lock.ledger.advance(number, [one], 0, TUESDAY)
            with store.write() as tx:
                done.append(tx.issues.finish_if_done(number, TUESDAY))

    assert done == [False, True]
    with store.read() as tx:
        assert tx.issues.broken_invariants() == []


def test_a_slot_has_one_issue_however_often_it_is_planned(store: SqlStore) -> None:
    add_subscribers(store, 1)
    number = freeze_issue(store)
    with store.write() as tx:
        again = tx.issues.plan(TUESDAY.date(), TUESDAY, TUESDAY + timedelta(days=1))

    assert again.number == number


def test_a_broken_invariant_is_described(store: SqlStore) -> None:
    add_subscribers(store, 2)
    number = freeze_issue(store)
    with store.write() as tx:
        tx.issues.skip_open(number, "cancelled", TUESDAY)
        tx.issues.finish_if_done(number, TUESDAY)
        tx.issues._session.connection().exec_driver_sql("UPDATE delivery SET state = 'pending' WHERE subscriber_id = 1")
        broken = tx.issues.broken_invariants()

    assert [line[:2] for line in broken] == ["I7"]
