"""At most one email a day: the later issue of a day waits until the next day for whoever asked for that."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.delivery.one_a_day import LONGEST, days_of
from newsletter.domain.lists import issue_id
from newsletter.domain.subscribers.subscription import Status
from tests.support.played_lists import Arrival, Mailboxes, live, several_lists
from tests.support.publishing import AppHarness

ADA = 1
ADVICE = issue_id(2, 1)


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[AppHarness, Mailboxes]]:
    """Tips and advice on Tuesdays. Ada wants at most one email a day, Bob wants all."""
    with several_lists(tmp_path, {"advice": "tue 09:00"}, ["ada", "bob"]) as (harness, mailboxes):
        with harness.store.write() as tx:
            tx.subscribers.change(ADA, one_a_day=True)
        yield harness, mailboxes


def of(mailboxes: Mailboxes, who: str) -> list[Arrival]:
    return [one for one in mailboxes.arrived if one.who == who]


def test_several_lists_wait_for_several_days(tmp_path: Path) -> None:
    lists = {"advice": "tue 09:00", "news": "wed 08:00", "late": "tue 20:00"}
    with several_lists(tmp_path, lists, ["ada", "bob"]) as (harness, mailboxes):
        with harness.store.write() as tx:
            tx.subscribers.change(ADA, one_a_day=True)
        live(harness, 0, 1, 12, days=4)
        broken = harness.broken()

    assert [(one.at, one.list) for one in of(mailboxes, "bob")] == [
        ("Tue 08:00", "tips"), ("Tue 09:00", "advice"), ("Tue 20:00", "late"), ("Wed 08:00", "news"),
    ]  # fmt: skip
    # On Wednesday, the advice is sent. So the late issue waits for Thursday, and the news of Wednesday for Friday.
    assert [(one.at, one.list) for one in of(mailboxes, "ada")] == [
        ("Tue 08:00", "tips"), ("Wed 09:00", "advice"), ("Thu 20:00", "late"), ("Fri 08:00", "news"),
    ]  # fmt: skip
    assert broken == []


def test_a_delivery_that_waits_is_no_attempt_has_a_named_reason_and_is_not_too_late(
    two: tuple[AppHarness, Mailboxes],
) -> None:
    harness, mailboxes = two
    with harness.store.write() as tx:  # then nobody gets the advice on its day
        tx.subscribers.change(2, one_a_day=True)
    live(harness, 0, 1, 3, 24.9)
    advice = harness.of_list("advice")
    with advice.store.read() as tx:
        before = [(one.state, one.reason, one.attempts, one.why) for one in tx.issues.deliveries(ADVICE)]
        waits = tx.issues.waits(ADVICE)
    live(harness, 26)
    with advice.store.read() as tx:
        after, issue = [(one.state, one.attempts) for one in tx.issues.deliveries(ADVICE)], tx.issues.get(ADVICE)

    assert before == [("deferred", "one_a_day", 0, "at most one email a day")] * 2
    assert waits
    assert (waits.number, waits.until) == (2, datetime(2024, 3, 6, 14, tzinfo=UTC))
    assert after == [("sent", 1)] * 2
    assert (issue.state, issue.counts["sent"]) == (IssueState.DONE, 2)
    assert [one.at for one in mailboxes.arrived if one.list == "advice"] == ["Wed 10:00"] * 2


def test_whoever_unsubscribes_while_their_email_waits_does_not_get_it(two: tuple[AppHarness, Mailboxes]) -> None:
    harness, mailboxes = two
    live(harness, 0, 1)
    with harness.of_list("advice").store.write() as tx:
        tx.subscribers.set_status(ADA, Status.UNSUBSCRIBED, harness.clock())
    live(harness, 25)

    assert [one.list for one in of(mailboxes, "ada")] == ["tips"]
    with harness.store.read() as tx:
        assert {one.reason for one in tx.issues.deliveries(ADVICE, "skipped")} == {"unsubscribed"}


def test_the_report_comes_on_the_day_and_says_how_many_get_it_on_another(two: tuple[AppHarness, Mailboxes]) -> None:
    harness, _ = two
    live(harness, 0, 1, 1.1)
    advice = harness.of_list("advice")
    advice.owner.notify()
    memory = harness.memory()
    harness.__dict__.pop("transactional", None)
    harness.transactional.send()
    (report,) = [sent.message.decode() for sent in memory.emails if b"1 of 2 sent" in sent.message]

    assert "[Advice] No. 1: 1 of 2 sent" in report
    assert "at most one email a day" in " ".join(report.split())


def test_with_all_emails_or_on_different_days_nobody_waits(tmp_path: Path) -> None:
    with several_lists(tmp_path, {"advice": "wed 09:00"}, ["ada"]) as (harness, mailboxes):
        with harness.store.write() as tx:
            tx.subscribers.change(ADA, one_a_day=True)
        live(harness, 0, 1, days=2)

    assert [(one.at, one.list) for one in mailboxes.arrived] == [("Tue 08:00", "tips"), ("Wed 09:00", "advice")]


NEW_YORK = ZoneInfo("America/New_York")


def test_a_day_that_waits_keeps_the_local_time_over_a_change_of_the_clock() -> None:
    due_at = datetime(2024, 3, 9, 13, tzinfo=UTC)  # 8:00 in New York, on the day before clocks go forward
    today, tomorrow, *others = days_of(due_at, due_at + timedelta(minutes=5), NEW_YORK)

    assert (today.at, tomorrow.at) == (due_at, datetime(2024, 3, 10, 12, tzinfo=UTC))
    assert (tomorrow.begins, tomorrow.ends) == (today.ends, datetime(2024, 3, 11, 4, tzinfo=UTC))
    assert len(others) == LONGEST - 1


def test_an_issue_that_is_sent_early_keeps_its_time_of_today() -> None:
    now = datetime(2024, 3, 5, 20, tzinfo=UTC)
    today, tomorrow, *_ = days_of(now + timedelta(days=7, hours=-7), now, NEW_YORK)

    assert (today.at, tomorrow.at) == (now, now + timedelta(days=1))
