"""Deliver one frozen issue on a real store: who receives it, and the effect of each outcome."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from itertools import repeat
from pathlib import Path

import pytest

from newsletter.domain.delivery.delivery import GIVE_UP_AFTER
from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.delivery.outcome import InDoubt, Outcome, Reply, Stage
from newsletter.domain.errors import TemplateError
from newsletter.domain.subscribers.address import Address
from newsletter.domain.subscribers.subscriber import NewSubscriber
from newsletter.domain.subscribers.subscription import Status
from newsletter.mail.compiled import CompiledEmail
from newsletter.testing import MemorySender, MemorySession, SentEmail, answer
from tests.support.library import TUESDAY, add_subscriber
from tests.support.publishing import (
    AppHarness,
    HookedSender,
    custom_template_dir,
    open_app_harness,
    parse_emails,
    recipients,
    subscriber_addresses,
    text_of,
)

ODD = "reader2@a.example"
LATER = "451 4.7.1 greylisted"
BLOCKED = "550 5.7.1 blocked by our list"
NO_REPLY = InDoubt(Reply(Stage.DOT, 0, "", "to the dot"))


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    with open_app_harness(tmp_path, MemorySender()) as harness:
        yield harness


# -- all, once -------------------------------------------------------------------------------------


def test_everybody_gets_one_personal_email_over_several_connections(harness: AppHarness) -> None:
    sender = harness.memory(connections=4)
    number = harness.start(40)
    done = harness.round()
    emails = parse_emails(sender.emails)

    assert recipients(sender.emails) == subscriber_addresses(40)
    assert all(message["To"] == email.envelope.recipient for message, email in zip(emails, sender.emails, strict=True))
    assert len({message["Message-ID"] for message in emails}) == 40
    assert len({message["List-Unsubscribe"] for message in emails}) == 40
    assert {email.envelope.sender for email in sender.emails} == {"tips@tips.example"}
    assert (done.sent, done.final, done.trouble, done.paused) == (40, 40, "", "")
    assert (harness.issue(number).state, harness.counts()) == (IssueState.DONE, {"sent": 40})
    assert harness.broken() == []
    assert sender.open_sessions == 0


def test_a_second_batch_sends_nothing_again(harness: AppHarness) -> None:
    sender = harness.memory()
    harness.start(3)
    harness.round()
    done = harness.round()

    assert (done.sent, len(sender.emails)) == (0, 3)


def test_no_more_connections_are_opened_than_emails_are_open(harness: AppHarness) -> None:
    class Counting(MemorySender):
        opened = 0

        def open(self) -> MemorySession:
            self.opened += 1
            return super().open()

    sender = Counting(connections=10)
    harness.sender_override = sender
    harness.start(2)
    harness.round()

    assert sender.opened <= 2


def test_progress_ends_at_the_size_of_the_audience(harness: AppHarness) -> None:
    harness.memory({ODD: repeat(answer("rcpt", LATER), 1)})
    harness.start(5)
    seen: list[tuple[int, int]] = []
    with harness.store.sending("test", harness.clock()) as lock:
        harness.delivery.deliver(lock, 1, progress=lambda done, audience: seen.append((done, audience)))
        harness.fake_clock.forward(minutes=1)
        harness.delivery.deliver(lock, 1, progress=lambda done, audience: seen.append((done, audience)))

    assert seen[-1] == (5, 5)
    assert (4, 5) in seen


def test_a_template_that_depends_on_the_name_is_rendered_for_each_subscriber(tmp_path: Path) -> None:
    own = custom_template_dir(tmp_path, "{% if name %}Dear {{ name }},{% else %}Dear reader,{% endif %}")
    sender = MemorySender(connections=2)
    with open_app_harness(tmp_path, sender, templates=str(own)) as harness:
        add_subscriber(harness.files, "bea@b.example", name="Bea")
        add_subscriber(harness.files, "carl@b.example", name="Carl")
        number = harness.start(1)
        harness.round()
        with harness.store.read() as tx:
            compiled = CompiledEmail.loads(tx.issues.compiled(number))
        greeting = {message["To"]: text_of(message).splitlines()[0] for message in parse_emails(sender.emails)}

    assert not compiled.uniform
    assert greeting == {
        "bea@b.example": "Dear Bea,",
        "carl@b.example": "Dear Carl,",
        "reader1@a.example": "Dear reader,",
    }


# -- outcomes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "reply", "state", "waits_for"),
    [
        ("rcpt", LATER, "deferred", 1),
        ("rcpt", "552 5.2.2 mailbox full", "rejected", None),
        ("rcpt", "550 no", "rejected", None),
        ("rcpt", BLOCKED, "deferred", 1),
        ("data", "451 4.3.0 later", "deferred", 1),
        ("dot", "452 4.3.1 no room", "deferred", 1),
        ("dot", "554 5.6.0 not this", "rejected", None),
        ("dot", "550 5.1.1 said too late to be about the address", "rejected", None),
    ],
)
def test_a_rejection_of_one_email_affects_only_that_email(
    harness: AppHarness, stage: str, reply: str, state: str, waits_for: int | None
) -> None:
    sender = harness.memory({ODD: repeat(answer(stage, reply), 1)})
    harness.start(4)
    harness.round()
    row = harness.row(ODD)

    assert recipients(sender.emails) == [address for address in subscriber_addresses(4) if address != ODD]
    assert (row.state, row.attempts, row.reply) == (state, 1, f"{stage} {reply}")
    assert row.next_attempt_at == (TUESDAY + timedelta(minutes=waits_for) if waits_for else None)
    assert harness.suppressed() == []
    assert harness.issue().state is (IssueState.SENDING if state == "deferred" else IssueState.DONE)
    assert harness.broken() == []


def test_an_unknown_mailbox_is_rejected_and_suppressed(harness: AppHarness) -> None:
    harness.memory({ODD: repeat(answer("rcpt", "550 5.1.1 no such user"), 1)})
    harness.start(3)
    harness.round()

    assert (harness.row(ODD).state, harness.suppressed(), harness.issue().state) == ("rejected", [ODD], IssueState.DONE)
    with harness.store.read() as tx:
        assert tx.subscribers.mailable() == 2


def test_every_failed_attempt_is_recorded_with_its_full_reply(harness: AppHarness) -> None:
    harness.memory({ODD: iter([answer("rcpt", LATER), answer("dot", "452 4.3.1 no room")])})
    harness.start(2)
    harness.round()
    harness.fake_clock.forward(minutes=1)
    harness.round()
    with sqlite3.connect(harness.files.path) as database:
        kept = database.execute("SELECT event, stage, code, enhanced, text FROM attempt ORDER BY id").fetchall()
    database.close()

    assert kept == [("defer", "rcpt", 451, "4.7.1", "greylisted"), ("defer", "dot", 452, "4.3.1", "no room")]


def test_a_deferred_email_is_retried_less_and_less_often_and_fails_after_48_hours(harness: AppHarness) -> None:
    harness.memory({ODD: repeat(answer("rcpt", LATER), 100)})
    harness.start(2)
    waits = []
    with harness.store.sending("test", harness.clock()) as lock:
        harness.delivery.deliver(lock, 1)
        while due_at := lock.ledger.next_due_at(1):
            waits.append((due_at - harness.clock()).total_seconds() / 60)
            harness.fake_clock.now = due_at
            harness.delivery.deliver(lock, 1)
    row = harness.row(ODD)

    assert waits[:6] == [1, 5, 15, 60, 60, 60]
    assert (row.state, row.attempts) == ("failed", len(waits) + 1)
    assert GIVE_UP_AFTER - timedelta(hours=1) < harness.clock() - TUESDAY <= GIVE_UP_AFTER
    assert harness.issue().state is IssueState.DONE


def test_an_email_in_doubt_is_retried_after_ten_minutes_with_the_same_message_id(harness: AppHarness) -> None:
    sender = harness.memory({ODD: repeat(NO_REPLY, 1)})
    harness.start(2)
    harness.round()
    row = harness.row(ODD)
    harness.fake_clock.forward(minutes=9, seconds=59)
    too_early = harness.round().sent
    harness.fake_clock.forward(seconds=1)
    harness.round()
    ids = [message["Message-ID"] for message in parse_emails(sender.tried) if message["To"] == ODD]

    assert (row.state, row.next_attempt_at) == ("deferred", TUESDAY + timedelta(minutes=10))
    assert too_early == 0
    assert (len(ids), len(set(ids))) == (2, 1)
    assert harness.counts() == {"sent": 2}


def test_an_email_in_doubt_is_held_if_the_settings_say_so(harness: AppHarness) -> None:
    harness.memory({ODD: repeat(NO_REPLY, 1)})
    harness.start(2)
    with harness.store.sending("test", harness.clock(), hold_in_doubt=True) as lock:
        harness.delivery.deliver(lock, 1)

    assert (harness.counts(), harness.issue().state) == ({"held": 1, "sent": 1}, IssueState.DONE)


# -- an email that cannot be composed --------------------------------------------------------------


def test_an_email_that_cannot_be_composed_delays_no_other(tmp_path: Path) -> None:
    sender = MemorySender()
    with open_app_harness(tmp_path, sender, templates=str(custom_template_dir(tmp_path, "Dear {{ name }}"))) as harness:
        with harness.store.write() as tx:
            bell = NewSubscriber(
                Address("bell@b.example", "bell@b.example"), "\x07", "k" * 16, Status.CONFIRMED, "", TUESDAY
            )
            tx.subscribers.add(bell, TUESDAY)
        harness.start(3)
        harness.round()
        row = harness.row("bell@b.example")

        assert recipients(sender.emails) == subscriber_addresses(3)
        assert (row.state, harness.issue().state, harness.suppressed()) == ("rejected", IssueState.DONE, [])
        assert "not sent" in row.reply


def test_an_error_while_composing_requeues_the_email_and_is_raised(tmp_path: Path) -> None:
    own = custom_template_dir(tmp_path, "{% if name %}{{ 1 // (name | length - 3) }}{% endif %}")
    with open_app_harness(tmp_path, MemorySender(), templates=str(own)) as harness:
        add_subscriber(harness.files, "bea@b.example", name="Bea")
        harness.start(1)
        with pytest.raises(TemplateError):
            harness.round()

        assert (harness.counts(), harness.row("bea@b.example").attempts) == ({"pending": 2}, 0)


def test_a_sender_that_raises_something_unexpected_leaves_an_email_in_doubt_and_not_in_flight(
    harness: AppHarness,
) -> None:
    def fail() -> None:
        raise RuntimeError("no sender may raise this")

    harness.sender_override = HookedSender({2: fail})
    harness.start(3)
    with pytest.raises(RuntimeError):
        harness.round()

    assert harness.counts() == {"sent": 1, "deferred": 1, "pending": 1}
    assert harness.row(ODD).next_attempt_at == TUESDAY + timedelta(minutes=10)


# -- connection errors -----------------------------------------------------------------------------


def test_a_mail_server_that_is_down_changes_no_delivery(harness: AppHarness) -> None:
    sender = harness.memory(refuses_sessions=2)
    harness.start(3)
    done = harness.round()

    assert (done.trouble != "", done.sent, sender.tried) == (True, 0, [])
    assert (harness.counts(), harness.row(ODD).attempts, harness.issue().state) == (
        {"pending": 3},
        0,
        IssueState.SENDING,
    )


def test_a_connection_lost_once_is_reopened_and_everybody_gets_an_email(harness: AppHarness) -> None:
    sender = MemorySender(fail_at=[2])
    harness.sender_override = sender
    harness.start(3)
    harness.round()

    assert recipients(sender.emails) == subscriber_addresses(3)
    assert [harness.row(address).attempts for address in subscriber_addresses(3)] == [1, 1, 1]


def test_errors_with_every_email_end_the_batch_and_requeue_them_without_counting_an_attempt(
    harness: AppHarness,
) -> None:
    sender = MemorySender(fail_at=range(2, 7))
    harness.sender_override = sender
    harness.start(3)
    done = harness.round()
    row = harness.row(ODD)

    assert "told to fail" in done.trouble
    assert (row.state, row.attempts, harness.counts()) == ("pending", 0, {"sent": 1, "pending": 2})
    assert len(sender.tried) == 5, "each of the two was tried twice"
    harness.sender_override = sender = MemorySender()
    harness.round()
    assert recipients(sender.emails) == subscriber_addresses(3)[1:]


def test_days_of_connection_errors_do_not_use_up_the_48_hours_of_an_email(harness: AppHarness) -> None:
    harness.sender_override = MemorySender(fail_at=[1, 2])
    harness.start(1)
    harness.round()
    harness.fake_clock.forward(days=3)
    harness.memory({"reader1@a.example": repeat(answer("rcpt", LATER), 1)})
    harness.round()

    assert harness.row("reader1@a.example").state == "deferred"


# -- the circuit breaker -----------------------------------------------------------------------------------


def test_policy_rejections_pause_the_issue_suppress_nobody_and_a_resume_sends_to_all(harness: AppHarness) -> None:
    everybody = subscriber_addresses(8)
    sender = harness.memory({address: repeat(answer("rcpt", BLOCKED), 1) for address in everybody}, connections=2)
    harness.start(8)
    done = harness.round()
    paused = harness.issue()
    with harness.store.read() as tx:
        queued = tx.transactional.waiting()

    assert (paused.state, harness.suppressed(), queued) == (IssueState.PAUSED, [], 1)
    assert "blocked by our list" in paused.pause_reason
    assert done.paused == paused.pause_reason
    sender = harness.memory()
    harness.fake_clock.forward(days=3)  # the owner was away: the 48 hours of an email do not run meanwhile
    harness.memory({everybody[0]: repeat(answer("rcpt", LATER), 1)})
    harness.issues.resume(1)
    assert harness.row(everybody[0]).state == "deferred"
    harness.fake_clock.forward(minutes=1)
    sender = harness.memory()
    harness.issues.resume(1)
    assert (recipients(sender.emails), harness.issue().state) == ([everybody[0]], IssueState.DONE)
    assert harness.counts() == {"sent": 8}


def test_the_same_hard_rejection_for_everybody_pauses_the_issue_and_suppresses_nobody(harness: AppHarness) -> None:
    everybody = subscriber_addresses(30)
    harness.memory({address: repeat(answer("rcpt", f"550 5.1.1 <{address}> unknown"), 1) for address in everybody})
    harness.start(30)
    harness.round()

    assert (harness.issue().state, harness.counts(), harness.suppressed()) == (IssueState.PAUSED, {"pending": 30}, [])
    sender = harness.memory()
    harness.issues.resume(1)
    assert (recipients(sender.emails), harness.issue().state) == (everybody, IssueState.DONE)


def test_a_circuit_breaker_that_trips_on_a_cancelled_issue_leaves_nothing_open(harness: AppHarness) -> None:
    class Cancelling(MemorySender):
        def take(self, email: SentEmail) -> Outcome:
            outcome = super().take(email)
            if len(self.tried) == 3:
                harness.issues.cancel(1)
            return outcome

    harness.sender_override = Cancelling(
        {address: repeat(answer("rcpt", BLOCKED), 1) for address in subscriber_addresses(5)}
    )
    harness.start(5)
    done = harness.round()

    assert (done.paused, harness.counts(), harness.issue().state) == ("", {"skipped": 5}, IssueState.CANCELLED)
    assert harness.broken() == []
