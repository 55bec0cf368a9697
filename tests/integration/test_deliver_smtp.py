"""Send an issue through a real SMTP server that rejects, hangs up and loses replies; check emails and deliveries."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.errors import Busy, TemplateError
from tests.support.faulty_smtp import AcceptedEmail, Fault, FaultySmtp, ServerBehavior
from tests.support.library import TUESDAY, add_subscriber, add_subscribers
from tests.support.publishing import (
    AppHarness,
    custom_template_dir,
    open_app_harness,
    set_busy_timeout,
    subscriber_addresses,
    unlock,
)

ODD = "reader2@a.example"


@contextmanager
def app_harness(
    directory: Path,
    *faults: Fault,
    options: tuple[str, ...] = ("connections=2",),
    login: str = "",
    templates: str = "",
    **behavior: object,
) -> Iterator[tuple[AppHarness, FaultySmtp]]:
    """A newsletter whose mail server has these faults."""
    with (
        FaultySmtp(faults, ServerBehavior(**behavior)) as server,  # type: ignore[arg-type]
        open_app_harness(directory, sender_url=server.url(*options, login=login), templates=templates) as harness,
    ):
        yield harness, server


def got(server: FaultySmtp) -> list[str]:
    return sorted(email.recipient for email in server.emails)


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(
    ("fault", "state", "suppressed", "attempts"),
    [
        (Fault("rcpt", "450 4.2.0 greylisted", to=ODD), "deferred", [], 1),
        (Fault("rcpt", "550 5.1.1 no such user", to=ODD), "rejected", [ODD], 1),
        (Fault("rcpt", "552 5.2.2 full", to=ODD), "rejected", [], 1),
        (Fault("rcpt", "550 5.7.1 blocked", to=ODD), "deferred", [], 1),
        (Fault("data", "451 4.3.0 later", to=ODD), "deferred", [], 1),
        (Fault("dot", "452 4.3.1 later", to=ODD), "deferred", [], 1),
        (Fault("dot", "554 5.6.0 no", to=ODD), "rejected", [], 1),
        (Fault("dot", "drop", to=ODD), "deferred", [], 1),
        (Fault("rcpt", "421 4.3.2 closing", to=ODD, times=1), "sent", [], 1),
        (Fault("rcpt", "drop", to=ODD, times=1), "sent", [], 1),
        (Fault("dot", "421 4.3.2 closing", to=ODD, times=1), "sent", [], 1),
        (Fault("mail", "451 4.3.0 slow down", times=1), "sent", [], 1),
    ],
    ids=lambda value: f"{value.stage}-{value.does}" if isinstance(value, Fault) else None,
)
def test_each_smtp_reply_has_its_effect_on_the_delivery(
    tmp_path: Path, fault: Fault, state: str, suppressed: list[str], attempts: int, *, pipelining: bool
) -> None:
    with app_harness(tmp_path, replace(fault), pipelining=pipelining) as (harness, server):
        harness.start(4)
        harness.round()
        row = harness.row(ODD)

        assert (row.state, harness.suppressed(), row.attempts) == (state, suppressed, attempts)
        assert got(server) == [address for address in subscriber_addresses(4) if address != ODD or state == "sent"]
        assert harness.broken() == []


def test_an_email_accepted_without_a_reply_is_sent_again_with_the_same_message_id(tmp_path: Path) -> None:
    with app_harness(tmp_path, Fault("accepted", "drop", to=ODD, times=1)) as (harness, server):
        harness.start(3)
        harness.round()
        in_doubt = harness.row(ODD)
        harness.fake_clock.forward(minutes=10)
        harness.round()
        copies = [email for email in server.emails if email.recipient == ODD]
        ids = {line for copy in copies for line in copy.message.splitlines() if line.startswith(b"Message-ID:")}

        assert (in_doubt.state, in_doubt.next_attempt_at) == ("deferred", TUESDAY + timedelta(minutes=10))
        assert (len(copies), len(ids)) == (2, 1)
        assert got(server) == sorted([*subscriber_addresses(3), ODD])
        assert harness.issue().state is IssueState.DONE


def test_an_erasure_and_another_positive_reply_break_no_invariant(tmp_path: Path) -> None:
    with app_harness(tmp_path, Fault("dot", "251 2.1.5 will forward", to=ODD)) as (harness, server):
        harness.start(3)
        harness.round()
        assert harness.broken() == []
        harness.subscribers.erase("reader1@a.example")
        assert (harness.broken(), len(server.emails)) == ([], 2)


def test_a_policy_rejection_for_everybody_pauses_and_a_resume_sends_to_all(tmp_path: Path) -> None:
    with app_harness(tmp_path, Fault("rcpt", "554 5.7.1 your address is listed")) as (harness, server):
        harness.start(12)
        harness.round()
        paused = harness.issue()
        server.faults.clear()
        harness.issues.resume(1)

        assert (paused.state, harness.suppressed()) == (IssueState.PAUSED, [])
        assert (got(server), harness.counts()) == (subscriber_addresses(12), {"sent": 12})


def test_a_refused_password_pauses_the_issue_before_any_email_is_claimed(tmp_path: Path) -> None:
    with app_harness(tmp_path, login="tips:wrong@", users={"tips": "right"}) as (harness, server):
        harness.start(3)
        harness.round()
        paused = harness.issue()
        with harness.store.read() as tx:
            queued = tx.transactional.waiting()
        server.behavior.users = {"tips": "wrong"}
        harness.issues.resume(1)

        assert (paused.state, paused.counts["pending"], queued) == (IssueState.PAUSED, 3, 1)
        assert "535" in paused.pause_reason
        assert (got(server), harness.row(ODD).attempts) == (subscriber_addresses(3), 1)


def test_an_unreachable_server_does_not_count_as_an_attempt(tmp_path: Path) -> None:
    with FaultySmtp() as server:
        url = server.url("connections=2")
    with open_app_harness(tmp_path, sender_url=url) as harness:
        harness.start(3)
        done = harness.round()

        assert done.trouble
        assert (harness.counts(), harness.row(ODD).attempts, harness.issue().state) == (
            {"pending": 3},
            0,
            IssueState.SENDING,
        )


# -- multiplexed connections: an error with one email must not leave another one in flight -----------


def test_an_email_that_cannot_be_rendered_leaves_no_other_in_flight(tmp_path: Path) -> None:
    own = custom_template_dir(tmp_path, "{% if name %}{{ 1 // (name | length - 3) }}{% endif %}")
    with app_harness(tmp_path, options=("connections=4",), templates=str(own)) as (harness, server):
        add_subscribers(harness.files, 2)
        add_subscriber(harness.files, "bea@b.example", name="Bea")
        for number in range(3, 9):
            add_subscriber(harness.files, f"reader{number}@a.example")
        harness.start(0)
        with harness.store.sending("test", harness.clock()) as lock:
            with pytest.raises(TemplateError):
                harness.delivery.deliver(lock, 1)
            counts = harness.counts()

        assert counts == {"sent": 2, "pending": 7}
        assert got(server) == ["reader1@a.example", "reader2@a.example"]


def test_emails_in_flight_when_the_database_is_locked_finish_and_are_recorded_later(tmp_path: Path) -> None:
    class Locking(FaultySmtp):
        """Its second email locks the sender's database."""

        def take(self, email: AcceptedEmail) -> None:
            super().take(email)
            if len(self.emails) == 2:
                other.execute("BEGIN IMMEDIATE")

    with Locking() as server, open_app_harness(tmp_path, sender_url=server.url("connections=4")) as harness:
        harness.start(20)
        other = sqlite3.connect(harness.files.path, isolation_level=None, check_same_thread=False)
        with harness.store.sending("test", harness.clock()) as lock:
            set_busy_timeout(lock.ledger, 20)
            with pytest.raises(Busy):
                harness.delivery.deliver(lock, 1, progress=lambda *_: unlock(other))
            harness.delivery.deliver(lock, 1)
        other.close()

        assert (got(server), harness.counts(), harness.broken()) == (subscriber_addresses(20), {"sent": 20}, [])
