"""A second sending process: the two share the emails, and whatever stops one of them stops both."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from newsletter.app.process import available_cores
from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.delivery.outcome import Envelope
from newsletter.domain.delivery.processes import CORES_FOR_TWO, DEFAULT_THRESHOLD, WorkerPolicy
from newsletter.domain.tips.tip import TipState, TipText, identity
from newsletter.testing import SentEmail
from tests.support.faulty_smtp import Fault, FaultySmtp, ServerBehavior
from tests.support.library import SLOT, TUESDAY, add_subscriber, add_subscribers, add_tip
from tests.support.publishing import AppHarness, open_app_harness, parse_emails

pytestmark = pytest.mark.skipif(
    available_cores() < CORES_FOR_TWO, reason="a second process is only started if there is a second core"
)

MANY = 120


@contextmanager
def app_harness(
    directory: Path, *faults: Fault, behavior: ServerBehavior | None = None, least: int = MANY
) -> Iterator[tuple[AppHarness, FaultySmtp]]:
    with (
        FaultySmtp(faults, behavior or ServerBehavior()) as server,
        open_app_harness(directory, sender_url=server.url("connections=4"), second_process=str(least)) as harness,
    ):
        yield harness, server


def read(server: FaultySmtp) -> list[EmailMessage]:
    return parse_emails([SentEmail(Envelope(taken.sender, taken.recipient), taken.message) for taken in server.emails])


def sender_runs(harness: AppHarness) -> list[tuple[str, int]]:
    """Every run of a sending process: its role, and whether it ended cleanly."""
    with sqlite3.connect(harness.files.path) as database:
        found = database.execute("SELECT role, ended FROM sender_run ORDER BY id").fetchall()
    database.close()
    return found


@pytest.mark.parametrize("pipelining", [True, False])
def test_two_processes_share_an_issue_and_every_subscriber_gets_one_email(tmp_path: Path, *, pipelining: bool) -> None:
    with app_harness(tmp_path, behavior=ServerBehavior(pipelining=pipelining)) as (harness, server):
        harness.start(MANY)
        done = harness.round()

        assert sender_runs(harness) == [("test", 1), ("second process", 1)]
        assert (done.sent, done.final) == (MANY, MANY)
        assert len({email.recipient for email in server.emails}) == len(server.emails) == MANY
        assert harness.issue().state is IssueState.DONE
        assert harness.broken() == []


def test_a_process_that_serves_the_website_leaves_all_emails_to_another(tmp_path: Path) -> None:
    with app_harness(tmp_path) as (harness, server):
        harness.serves = True
        harness.start(MANY)
        done = harness.round()
        with sqlite3.connect(harness.files.path) as database:
            [(helpers,)] = database.execute("SELECT count(*) FROM sender_run WHERE role = 'second process' AND ended")
        database.close()

        assert (helpers, done.sent, len(server.emails)) == (1, MANY, MANY)
        assert harness.issue().state is IssueState.DONE


def test_the_log_of_the_second_process_reads_like_ours(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with app_harness(tmp_path, Fault("rcpt", "drop", to="reader50@*")) as (harness, server):
        harness.serves = True
        harness.start(MANY)
        harness.round()

        lost = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert set(lost) == {f"issue 1: 127.0.0.1:{server.port}: it closed the connection"}


def test_a_few_emails_start_no_second_process(tmp_path: Path) -> None:
    with app_harness(tmp_path) as (harness, _):
        harness.start(MANY - 1)
        harness.round()

        assert sender_runs(harness) == [("test", 1)]


def test_zero_means_never(tmp_path: Path) -> None:
    with app_harness(tmp_path, least=0) as (harness, _):
        harness.start(MANY)
        harness.round()

        assert sender_runs(harness) == [("test", 1)]


@pytest.mark.parametrize(
    ("number", "here", "hard", "is_free"),
    [
        (1, False, True, False), (2, False, False, True), (2, True, False, False), (2, True, True, True),
        (4, True, False, True),
    ],
)  # fmt: skip
def test_a_local_mail_server_takes_the_second_of_two_cores(
    number: int, *, here: bool, hard: bool, is_free: bool
) -> None:
    policy = WorkerPolicy(threshold=None, cores=number, relay_is_local=here, is_loaded=hard)

    assert policy.has_idle_core is is_free
    assert policy.min_recipients == (DEFAULT_THRESHOLD if is_free else None)


def test_with_rate_limits_only_one_process_sends(tmp_path: Path) -> None:
    with FaultySmtp() as server:
        url = server.url("connections=4", "per_second=1000")
        with open_app_harness(tmp_path, sender_url=url, second_process="1") as harness:
            harness.start(20)
            harness.round()

            assert sender_runs(harness) == [("test", 1)]
            assert harness.counts() == {"sent": 20}


def test_rejections_that_trip_the_breaker_pause_the_issue_and_suppress_nobody_in_either_process(tmp_path: Path) -> None:
    with app_harness(tmp_path, Fault("rcpt", "550 5.1.1 no such user")) as (harness, server):
        harness.start(MANY)
        done = harness.round()

        assert "in a row were rejected" in done.paused
        assert harness.issue().state is IssueState.PAUSED
        assert harness.counts() == {"pending": MANY}
        assert harness.suppressed() == []
        assert server.emails == []


def test_deferred_emails_of_the_second_process_are_retried_by_the_first(tmp_path: Path) -> None:
    with app_harness(tmp_path, Fault("rcpt", "450 4.2.0 greylisted", times=MANY)) as (harness, _):
        harness.start(MANY)
        with harness.store.sending("test", harness.clock()) as lock:
            harness.delivery.deliver(lock, 1)
            waiting = harness.counts()
            for _batch in range(3):  # a mail server that has deferred 100 in a row gets a few at a time
                harness.fake_clock.forward(minutes=10)
                harness.delivery.deliver(lock, 1)

        assert waiting["deferred"] >= 100
        assert sum(waiting.values()) == MANY
        assert harness.counts() == {"sent": MANY}


def test_both_processes_send_each_subscriber_the_right_tip(tmp_path: Path) -> None:
    with (
        FaultySmtp() as server,
        open_app_harness(
            tmp_path,
            sender_url=server.url("connections=4"),
            second_process="20",
            rerun_after="3 weeks",
            rerun_to="unseen",
        ) as harness,
    ):
        add_subscribers(harness.files, 10)
        old = add_tip(harness.files, "Say the name")
        add_tip(harness.files, "Listen first")
        for week in range(2):
            harness.fake_clock.now = TUESDAY + timedelta(weeks=week)
            harness.issues.publish_due()
            harness.round(week + 1)
        for number in range(10):
            add_subscriber(harness.files, f"new{number}@a.example")
        with harness.store.write() as tx:
            archived = TipText("Old and loved", "Use it.", published_on=SLOT - timedelta(weeks=80))
            tx.tips.add(archived, identity(archived.title, None), "old-and-loved", TipState.ARCHIVE, TUESDAY)
        server.emails.clear()
        harness.tips.pin(old, SLOT + timedelta(weeks=8))
        harness.fake_clock.now = TUESDAY + timedelta(weeks=8)
        issue = harness.issues.publish_due()
        assert issue
        harness.round(issue.number)
        subjects = {
            email.recipient: message["Subject"] for email, message in zip(server.emails, read(server), strict=True)
        }

        assert [role for role, _ in sender_runs(harness)].count("second process") == 1
        assert subjects == {f"new{n}@a.example": "Say the name" for n in range(10)} | {
            f"reader{n}@a.example": "Old and loved" for n in range(1, 11)
        }


def test_a_second_process_that_cannot_start_leaves_everything_to_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with app_harness(tmp_path) as (harness, _):
        harness.start(MANY)
        done = harness.round()

        assert done.worker_died
        assert harness.counts() == {"sent": MANY}
        assert harness.issue().state is IssueState.DONE
