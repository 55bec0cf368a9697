"""Emails with which the connection fails: everybody else gets theirs soon, and the trouble is theirs the second time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from newsletter.domain.delivery.issue import IssueState
from tests.support.faulty_smtp import Fault, FaultySmtp, ServerBehavior
from tests.support.library import TUESDAY
from tests.support.publishing import AppHarness, open_app_harness

ODD = "reader2@a.example"
CLOSING = "421 4.7.0 temporarily deferred"


@contextmanager
def relay(
    directory: Path, *faults: Fault, subscribers: int, connections: int = 1, pipelining: bool = True
) -> Iterator[tuple[AppHarness, FaultySmtp]]:
    with (
        FaultySmtp(faults, ServerBehavior(pipelining=pipelining)) as server,
        open_app_harness(directory, sender_url=server.url(f"connections={connections}")) as harness,
    ):
        harness.start(subscribers)
        yield harness, server


def got(server: FaultySmtp) -> Counter[str]:
    return Counter(email.recipient for email in server.emails)


@pytest.mark.parametrize(
    ("stage", "does", "connections", "pipelining", "reply"),
    [
        ("rcpt", CLOSING, 1, True, "rcpt 421 4.7.0 temporarily deferred"),
        ("rcpt", CLOSING, 10, False, "rcpt 421 4.7.0 temporarily deferred"),
        ("rcpt", "drop", 1, False, "rcpt no reply to RCPT: it closed the connection"),
        ("data", CLOSING, 10, True, "data 421 4.7.0 temporarily deferred"),
        ("dot", CLOSING, 1, True, "dot 421 4.7.0 temporarily deferred"),
    ],
)
def test_one_poisoned_recipient_waits_and_everybody_else_gets_the_issue(
    tmp_path: Path, stage: str, does: str, connections: int, reply: str, *, pipelining: bool
) -> None:
    fault = Fault(stage, does, to=ODD)
    with relay(tmp_path, fault, subscribers=12, connections=connections, pipelining=pipelining) as (harness, server):
        done = harness.round()
        row = harness.row(ODD)

        assert (harness.counts(), done.trouble) == ({"sent": 11, "deferred": 1}, "")
        assert (row.attempts, row.reply, row.next_attempt_at) == (1, reply, TUESDAY + timedelta(minutes=1))
        assert set(got(server).values()) == {1}
        assert harness.broken() == []

        for hours in (1, 46, 1):
            harness.fake_clock.forward(hours=hours)
            harness.round()
        assert (harness.row(ODD).state, harness.issue().state) == ("failed", IssueState.DONE)
        assert harness.row(ODD).reply == reply


@pytest.mark.parametrize(
    ("to", "does", "connections"),
    [
        ("reader*0@a.example", CLOSING, 1),
        ("reader*0@a.example", "drop", 10),
        ("reader[1-4]?@a.example", CLOSING, 10),
        ("reader[1-4]?@a.example", "drop", 1),
    ],
    ids=["every tenth", "every tenth drop", "neighbors", "neighbors drop"],
)
def test_many_poisoned_recipients_stop_nobody_else(
    tmp_path: Path, to: str, does: str, connections: int, caplog: pytest.LogCaptureFixture
) -> None:
    with relay(tmp_path, Fault("rcpt", does, to=to), subscribers=90, connections=connections) as (harness, server):
        poisoned = 9 if "0" in to else 40
        done = harness.round()

        assert (harness.counts(), done.trouble) == ({"sent": 90 - poisoned, "deferred": poisoned}, "")
        assert set(got(server).values()) == {1}
        assert server.connections <= connections + 6 * poisoned
        lost = [record for record in caplog.records if record.levelname == "WARNING"]
        assert len(lost) == 4, "three lost connections and how many there were, not a line for each"
        harness.fake_clock.forward(minutes=1)
        server.faults.clear()
        harness.round()
        assert (harness.counts(), harness.issue().state) == ({"sent": 90}, IssueState.DONE)


@pytest.mark.parametrize("connections", [1, 10])
def test_poisoned_recipients_that_lose_the_reply_to_the_dot_stop_nobody_else(tmp_path: Path, connections: int) -> None:
    fault = Fault("dot", "drop", to="reader[1-2]?@a.example")
    with relay(tmp_path, fault, subscribers=60, connections=connections) as (harness, _):
        harness.round()
        waiting = harness.issues.waiting(1)

        assert harness.counts() == {"sent": 40, "deferred": 20}
        assert waiting
        assert waiting.doubts == 20


@pytest.mark.parametrize(
    ("stage", "does", "connections"),
    [
        ("mail", "drop", 1),
        ("rcpt", "drop", 1),
        ("rcpt", CLOSING, 1),
        ("dot", CLOSING, 1),
        ("mail", "451 4.3.0 slow", 1),
    ],
)
def test_a_relay_that_hangs_up_after_some_emails_costs_nobody_an_attempt(
    tmp_path: Path, stage: str, does: str, connections: int
) -> None:
    with relay(tmp_path, Fault(stage, does, every=7), subscribers=60, connections=connections) as (harness, server):
        done = harness.round()

        assert (harness.counts(), done.trouble) == ({"sent": 60}, "")
        assert set(got(server).values()) == {1}
        assert {harness.row(f"reader{n}@a.example").attempts for n in range(1, 61)} == {1}


@pytest.mark.parametrize(("stage", "connections"), [("mail", 1), ("rcpt", 1), ("rcpt", 4), ("dot", 4)])
def test_a_relay_in_trouble_costs_nobody_an_attempt_however_long_it_takes(
    tmp_path: Path, stage: str, connections: int
) -> None:
    with relay(tmp_path, Fault(stage, CLOSING), subscribers=30, connections=connections) as (harness, server):
        tried: list[set[str]] = []
        for _ in range(4):
            server.commands.clear()
            done = harness.round()
            tried.append({line for line in server.commands if line.startswith("RCPT")})
            harness.fake_clock.forward(hours=12)

            assert done.trouble
            assert harness.counts() == {"pending": 30}
        assert {harness.row(f"reader{n}@a.example").attempts for n in range(1, 31)} == {0}
        assert stage == "mail" or not tried[0] & tried[1], "the next round begins with others"
        assert server.connections <= 4 * (3 * connections + 9)

        server.faults.clear()
        harness.round()
        assert (harness.counts(), harness.issue().state) == ({"sent": 30}, IssueState.DONE)


def test_a_relay_that_breaks_in_the_middle_and_comes_back_costs_nobody_an_attempt(tmp_path: Path) -> None:
    with relay(tmp_path, Fault("rcpt", CLOSING, first=20), subscribers=50, connections=4) as (harness, server):
        for _ in range(4):
            harness.round()
            harness.fake_clock.forward(minutes=15)
        counts = harness.counts()
        server.faults.clear()
        harness.round()

        assert counts == {"sent": 20, "pending": 30}
        assert (harness.counts(), harness.issue().state) == ({"sent": 50}, IssueState.DONE)


def test_the_trouble_of_an_email_is_kept_in_the_database(tmp_path: Path) -> None:
    """With one poisoned subscriber left, nobody else can show that the mail server works."""
    with relay(tmp_path, Fault("rcpt", CLOSING, to="reader1@a.example"), subscribers=3) as (harness, server):
        harness.round()
        harness.fake_clock.forward(minutes=1)
        server.commands.clear()
        harness.round()
        row = harness.row("reader1@a.example")

        assert len([line for line in server.commands if line.startswith("RCPT")]) == 1
        assert (row.state, row.attempts, row.next_attempt_at) == ("deferred", 2, TUESDAY + timedelta(minutes=6))
