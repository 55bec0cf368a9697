"""Replies to the dot that never come: at most two copies of one email, and an issue that pauses early."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pytest

from newsletter.domain.delivery.delivery import Finished
from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.delivery.outcome import Deferred, InDoubt, Outcome, Reply, Sent, Stage
from newsletter.testing import MemorySender, answer
from tests.support.faulty_smtp import Fault, FaultySmtp, ServerBehavior
from tests.support.publishing import AppHarness, open_app_harness, owner_emails, recipients, text_of

ODD = "reader2@a.example"
LOST = InDoubt(Reply(Stage.DOT, 0, "", "to the dot: it closed the connection"))
LATER = Deferred(Reply(Stage.RCPT, 451, "4.7.1", "greylisted"))


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    with open_app_harness(tmp_path, MemorySender()) as harness:
        yield harness


def copies(server: FaultySmtp) -> Counter[str]:
    return Counter(email.recipient for email in server.emails)


@pytest.mark.parametrize(("pipelining", "connections"), [(True, 10), (False, 10), (True, 1)])
def test_a_relay_that_never_answers_the_dot_pauses_the_issue_after_few_emails(
    tmp_path: Path, connections: int, *, pipelining: bool
) -> None:
    behavior = ServerBehavior(pipelining=pipelining)
    with (
        FaultySmtp([Fault("accepted", "drop")], behavior) as server,
        open_app_harness(tmp_path, sender_url=server.url(f"connections={connections}")) as harness,
    ):
        harness.start(35)
        harness.round()
        first = len(server.emails)
        paused = harness.issue()
        text = "".join(text_of(email) for email in owner_emails(harness))
        harness.sender_override = None
        for _ in range(3):  # the owner does not give up either
            harness.fake_clock.forward(hours=1)
            harness.issues.resume(1)

        assert paused.state is IssueState.PAUSED
        assert first <= (connections + 5) + (connections - 1)
        assert "did not say whether it accepted them" in " ".join(text.split())
        assert max(copies(server).values()) == 2
        assert set(harness.counts()) <= {"held", "deferred", "pending"}
        assert harness.broken() == []

        server.faults.clear()
        for _ in range(3):
            harness.fake_clock.forward(hours=1)
            if harness.issue().state is not IssueState.DONE:
                harness.issues.resume(1)
        assert set(harness.counts()) <= {"held", "sent"}
        assert max(copies(server).values()) == 2


def take(harness: AppHarness, outcome: Outcome | None, *, hold: bool = False) -> str:
    """One attempt for the only subscriber, in a process of its own. None: the process dies. The state after it."""
    harness.fake_clock.forward(hours=1)
    with harness.store.sending("test", harness.clock(), hold_in_doubt=hold) as lock:
        claims = lock.ledger.advance(1, [], 1, harness.clock())
        if outcome and claims:
            lock.ledger.advance(1, [Finished(claims[0], outcome, harness.clock())], 0, harness.clock())
    with harness.store.sending("the next one recovers", harness.clock(), hold_in_doubt=hold):
        return next(iter(harness.counts()))


SENT = Sent(Reply(Stage.DOT, 250))


@pytest.mark.parametrize(
    ("events", "states"),
    [
        ([LOST, LOST], ["deferred", "held"]),
        ([LOST, LATER, LATER, LOST], ["deferred", "deferred", "deferred", "held"]),
        ([LOST, None], ["deferred", "held"]),
        ([None, LOST], ["pending", "held"]),
        ([None, LATER, None, None], ["pending", "deferred", "pending", "held"]),
        ([LATER, None, LATER, LOST], ["deferred", "pending", "deferred", "held"]),
        ([LOST, LATER, SENT], ["deferred", "deferred", "sent"]),
    ],
)
def test_the_bound_holds_for_every_mixture_and_is_kept_in_the_database(
    harness: AppHarness, events: list[Outcome | None], states: list[str]
) -> None:
    harness.start(1)

    assert [take(harness, event) for event in events] == states
    assert harness.broken() == []


def test_emails_in_doubt_are_held_at_first_if_the_settings_say_so(harness: AppHarness) -> None:
    harness.start(1)

    assert take(harness, LOST, hold=True) == "held"
    harness.issues.retry_failed(1)
    assert harness.counts() == {"pending": 1}, "it has arrived once at most, so the owner may ask for a second copy"
    assert take(harness, LOST, hold=False) == "held"
    harness.issues.retry_failed(1)
    assert harness.counts() == {"held": 1}, "and for a third one only with --held"


def test_no_third_copy_is_sent_unless_the_owner_asks_and_then_only_one(harness: AppHarness) -> None:
    sender = harness.memory({ODD: repeat(LOST, 9), "reader1@a.example": repeat(answer("rcpt", "554 no"), 1)})
    harness.start(3)
    for _ in range(3):
        harness.round()
        harness.fake_clock.forward(hours=1)
    assert harness.counts() == {"sent": 1, "held": 1, "rejected": 1}
    harness.issues.retry_failed(1)
    harness.issues.resume(1)
    assert harness.counts() == {"sent": 2, "held": 1}
    assert recipients(sender.tried).count(ODD) == 2

    harness.issues.retry_failed(1, held=True)
    harness.issues.resume(1)
    assert harness.counts() == {"sent": 2, "held": 1}, "still no reply, so it is held again"
    assert recipients(sender.tried).count(ODD) == 3


def test_held_emails_are_explained_in_words(harness: AppHarness) -> None:
    harness.memory({ODD: repeat(LOST, 9)})
    harness.start(2)
    for _ in range(2):
        harness.round()
        harness.fake_clock.forward(hours=1)

    assert harness.row(ODD).why == "may have arrived: no reply to the dot: it closed the connection"
    text = " ".join(" ".join(text_of(email).split()) for email in owner_emails(harness))
    assert "They are not sent again unless you run newsletter issues retry-failed 1 --held." in text
    assert f"{ODD}: no reply to the dot: it closed the connection" in text
