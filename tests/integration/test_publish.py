"""From a slot to a frozen issue on a real store: which slot, which tip, once, in time, and only with an audience."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from newsletter.domain.delivery.issue import IssueEvent, IssueFacts, IssueState
from newsletter.domain.errors import NotFound, Refused
from newsletter.domain.subscribers.subscription import Status
from newsletter.domain.tips.tip import TipState, TipText, identity
from newsletter.testing import MemorySender, answer
from tests.support.library import SLOT, TUESDAY, add_subscriber, add_subscribers, add_tip
from tests.support.publishing import AppHarness, FakeClock, open_app_harness

WEEK = timedelta(days=7)
WINDOW = timedelta(hours=24)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    """Two confirmed subscribers, and a clock at the slot."""
    with open_app_harness(tmp_path, MemorySender()) as harness:
        add_subscribers(harness.files, 2)
        yield harness


def issues(harness: AppHarness) -> list[IssueFacts]:
    with harness.store.read() as tx:
        return tx.issues.each()


def tip_state(harness: AppHarness, key: str) -> TipState:
    with harness.store.read() as tx:
        return tx.tips.get(key).card.state


def leave_between_t0_and_t1(harness: AppHarness, key: str, slot: date | None = SLOT) -> int:
    """The state after a process died while compiling: the slot is taken, a tip is bound, nothing is frozen."""
    with harness.store.write() as tx:
        number = tx.issues.plan(slot, harness.clock(), harness.clock()).number
        tx.issues.change(number, IssueEvent.PREPARE, harness.clock())
        tx.issues.bind(number, tx.tips.get(key).card.id)
    return number


# -- the slot --------------------------------------------------------------------------------------


def test_a_slot_that_is_due_becomes_an_issue_for_all_confirmed_subscribers(harness: AppHarness) -> None:
    add_subscriber(harness.files, "waiting@b.example", Status.PENDING)
    key = add_tip(harness.files)
    issue = harness.issues.publish_due()

    assert issue
    assert (issue.number, issue.slot, issue.state, issue.tip_key) == (1, SLOT, IssueState.SENDING, key)
    assert (issue.audience, issue.counts["pending"]) == (2, 2)
    assert issue.due_at == TUESDAY
    assert tip_state(harness, key) is TipState.SENT


def test_before_the_slot_nothing_is_due(harness: AppHarness) -> None:
    add_tip(harness.files)
    harness.fake_clock.forward(seconds=-1)

    assert harness.issues.publish_due() is None
    assert issues(harness) == []


def test_publishing_a_slot_twice_makes_one_issue(harness: AppHarness) -> None:
    add_tip(harness.files, "One")
    add_tip(harness.files, "Two")
    first = harness.issues.publish_due()
    second = harness.issues.publish_due()
    harness.round()
    third = harness.issues.publish_due()

    assert first
    assert (second, third) == (None, None)
    assert [issue.number for issue in issues(harness)] == [1]


def test_two_processes_at_the_same_time_make_one_issue(harness: AppHarness) -> None:
    add_tip(harness.files, "One")
    add_tip(harness.files, "Two")
    other = AppHarness(harness.settings, FakeClock())
    with other.store.read() as tx:  # this process looked before the other one wrote
        assert tx.issues.for_slot(SLOT) is None
        harness.issues.publish_due()
    late = other.publisher.publish_due(TUESDAY)
    other.close()

    assert late is None
    assert [(issue.tip_key, issue.state) for issue in issues(harness)] == [("one", IssueState.SENDING)]


def test_a_clock_set_back_over_a_slot_does_not_send_it_again(harness: AppHarness) -> None:
    for title in ("One", "Two", "Three"):
        add_tip(harness.files, title)
    for step in (timedelta(), WEEK, -WEEK, WEEK - timedelta(hours=3)):
        harness.fake_clock.now += step
        harness.send_due()

    assert [(issue.slot, issue.tip_key) for issue in issues(harness)] == [(SLOT + WEEK, "two"), (SLOT, "one")]


@pytest.mark.parametrize("late_for", [timedelta(minutes=1), WINDOW])
def test_a_slot_found_late_within_the_window_is_sent(harness: AppHarness, late_for: timedelta) -> None:
    add_tip(harness.files)
    harness.fake_clock.now += late_for
    issue = harness.issues.publish_due()

    assert issue
    assert (issue.slot, issue.state) == (SLOT, IssueState.SENDING)


def test_a_slot_found_too_late_is_missed_with_its_reason(harness: AppHarness) -> None:
    add_tip(harness.files, "One")
    key = add_tip(harness.files, "Two")
    harness.issues.publish_due()
    harness.fake_clock.now += WEEK + WINDOW + timedelta(seconds=1)

    assert harness.issues.publish_due() is None
    assert harness.issues.publish_due() is None
    newest = issues(harness)[0]
    assert (newest.slot, newest.state, newest.pause_reason) == (
        SLOT + WEEK,
        IssueState.MISSED,
        "the newsletter was not running in time",
    )
    assert tip_state(harness, key) is TipState.FRESH


def test_a_newsletter_that_never_sent_an_issue_has_missed_none(harness: AppHarness) -> None:
    add_tip(harness.files)
    harness.fake_clock.now += WINDOW + timedelta(seconds=1)

    assert harness.issues.publish_due() is None
    assert issues(harness) == []


# -- the tip ---------------------------------------------------------------------------------------


def test_a_slot_without_a_tip_is_sent_once_a_tip_is_added_in_time(harness: AppHarness) -> None:
    empty = harness.issues.publish_due()
    again = harness.issues.publish_due()
    harness.fake_clock.now += WINDOW
    key = add_tip(harness.files)
    sent = harness.issues.publish_due()

    assert empty
    assert (empty.state, empty.pause_reason) == (
        IssueState.NO_CONTENT,
        "no fresh tips are left, and none may run again",
    )
    assert again is None
    assert sent
    assert (sent.number, sent.state, sent.tip_key) == (empty.number, IssueState.SENDING, key)


def test_a_tip_added_after_the_late_window_waits_for_the_next_slot(harness: AppHarness) -> None:
    harness.issues.publish_due()
    harness.fake_clock.now += WINDOW + timedelta(seconds=1)
    key = add_tip(harness.files)
    late = harness.issues.publish_due()
    harness.fake_clock.now = TUESDAY + WEEK
    harness.issues.publish_due()

    assert late is None
    assert [(issue.slot, issue.state, issue.tip_key) for issue in issues(harness)] == [
        (SLOT + WEEK, IssueState.SENDING, key),
        (SLOT, IssueState.MISSED, None),
    ]


def test_tips_are_sent_in_the_order_of_the_queue(harness: AppHarness) -> None:
    for title in ("One", "Two", "Three"):
        add_tip(harness.files, title)
    with harness.store.write() as tx:
        tx.tips.move("three", first=True)
    for _ in range(3):
        harness.send_due()
        harness.fake_clock.now += WEEK

    assert [issue.tip_key for issue in reversed(issues(harness))] == ["three", "one", "two"]


# -- no audience -----------------------------------------------------------------------------------


def test_no_tip_is_used_before_the_first_subscriber(tmp_path: Path) -> None:
    with open_app_harness(tmp_path) as harness:
        key = add_tip(harness.files)
        nobody = harness.issues.publish_due()
        assert (nobody, issues(harness), tip_state(harness, key)) == (None, [], TipState.FRESH)

        harness.fake_clock.forward(hours=2)
        add_subscriber(harness.files, "first@b.example")
        issue = harness.issues.publish_due()

        assert issue
        assert (issue.audience, issue.slot) == (1, SLOT)


def test_a_tip_added_after_everybody_unsubscribed_is_not_used(harness: AppHarness) -> None:
    harness.issues.publish_due()
    harness.subscribers.unsubscribe("reader1@a.example")
    harness.subscribers.unsubscribe("reader2@a.example")
    key = add_tip(harness.files)

    assert harness.issues.publish_due() is None
    assert (issues(harness)[0].state, tip_state(harness, key)) == (IssueState.NO_CONTENT, TipState.FRESH)


def test_no_tip_is_used_if_everybody_unsubscribed_during_a_crash(harness: AppHarness) -> None:
    key = add_tip(harness.files)
    number = leave_between_t0_and_t1(harness, key)
    harness.subscribers.unsubscribe("reader1@a.example")
    harness.subscribers.unsubscribe("reader2@a.example")
    harness.issues.publish_due()

    assert (harness.issue(number).state, tip_state(harness, key)) == (IssueState.PREPARING, TipState.FRESH)


# -- a crash between T0 and T1 ---------------------------------------------------------------------


def test_an_issue_that_was_being_compiled_at_a_crash_is_finished(harness: AppHarness) -> None:
    key = add_tip(harness.files)
    number = leave_between_t0_and_t1(harness, key)
    add_tip(harness.files, "Another")
    harness.issues.publish_due()

    assert [(issue.number, issue.tip_key, issue.state) for issue in issues(harness)] == [
        (number, key, IssueState.SENDING)
    ]
    assert harness.broken() == []


def test_a_slot_that_was_only_taken_at_a_crash_is_finished(harness: AppHarness) -> None:
    key = add_tip(harness.files)
    with harness.store.write() as tx:
        tx.issues.plan(SLOT, TUESDAY, TUESDAY)
    issue = harness.issues.publish_due()

    assert issue
    assert (issue.number, issue.tip_key, issue.state) == (1, key, IssueState.SENDING)


def test_an_issue_found_after_the_late_window_is_missed_and_its_tip_has_its_first_run_later(
    harness: AppHarness,
) -> None:
    key = add_tip(harness.files)
    leave_between_t0_and_t1(harness, key)
    harness.fake_clock.now += WINDOW + timedelta(seconds=1)
    harness.issues.publish_due()
    missed = harness.issue(-1).state
    harness.fake_clock.now = TUESDAY + WEEK
    issue = harness.issues.publish_due()
    assert issue
    harness.issues.cancel(issue.number)

    assert (missed, issue.tip_key) == (IssueState.MISSED, key)
    assert issue.number == 1  # the missed one gave its number back
    assert tip_state(harness, key) is TipState.FRESH  # so that was a first run, and not counted as a second


def test_finishing_changes_nothing_if_another_process_was_faster(harness: AppHarness) -> None:
    key = add_tip(harness.files)
    number = leave_between_t0_and_t1(harness, key)
    harness.issues.publish_due()
    first = harness.issue(number)
    harness.fake_clock.forward(minutes=5)
    harness.publisher.finish_preparing(harness.clock())

    assert harness.issue(number) == first


# -- early and extra -------------------------------------------------------------------------------


def test_an_issue_sent_early_counts_as_that_tuesdays(harness: AppHarness) -> None:
    harness.fake_clock.now = TUESDAY - timedelta(days=3)
    add_tip(harness.files, "One")
    add_tip(harness.files, "Two")
    issue = harness.issues.send(early=True)
    harness.fake_clock.now = TUESDAY + timedelta(minutes=1)

    assert issue
    assert (issue.slot, issue.state, issue.counts["sent"]) == (SLOT, IssueState.DONE, 2)
    assert harness.issues.publish_due() is None
    harness.fake_clock.now = TUESDAY - timedelta(days=3)
    with pytest.raises(Refused):
        harness.issues.send(early=True)


def test_an_extra_issue_takes_no_slot(harness: AppHarness) -> None:
    add_tip(harness.files, "One")
    extra = add_tip(harness.files, "Two")
    issue = harness.issues.send(extra_tip=extra)
    due = harness.issues.publish_due()

    assert issue
    assert (issue.slot, issue.tip_key, issue.counts["sent"]) == (None, extra, 2)
    assert due
    assert (due.slot, due.tip_key) == (SLOT, "one")


def test_an_extra_issue_needs_an_existing_complete_tip_and_a_subscriber(tmp_path: Path) -> None:
    with open_app_harness(tmp_path, MemorySender()) as harness:
        key = add_tip(harness.files)
        with harness.store.write() as tx:
            teaser = TipText("Half", "", complete=False, teaser="It breaks")
            tx.tips.add(teaser, identity("Half", None), "half", TipState.FRESH, TUESDAY)
        with pytest.raises(NotFound):
            harness.issues.send(extra_tip="none-such")
        with pytest.raises(Refused, match="teaser"):
            harness.issues.send(extra_tip="half")
        with pytest.raises(Refused, match="no confirmed subscribers"):
            harness.issues.send(extra_tip=key)

        assert (issues(harness), tip_state(harness, key)) == ([], TipState.FRESH)


def test_an_extra_issue_that_a_crash_left_is_finished(harness: AppHarness) -> None:
    key = add_tip(harness.files)
    number = leave_between_t0_and_t1(harness, key, slot=None)
    harness.fake_clock.now += timedelta(hours=3)
    harness.issues.publish_due()

    assert harness.issue(number).state is IssueState.SENDING


# -- cancelled -------------------------------------------------------------------------------------


def test_the_tip_of_a_cancelled_issue_that_nobody_received_is_fresh_again_and_next(harness: AppHarness) -> None:
    key = add_tip(harness.files)
    add_tip(harness.files, "Two")
    harness.issues.publish_due()
    harness.issues.cancel(1)
    harness.fake_clock.now += WEEK
    issue = harness.issues.publish_due()

    assert issue
    assert (issue.slot, issue.tip_key) == (SLOT + WEEK, key)
    assert harness.broken() == []


def test_the_tip_of_a_cancelled_issue_that_somebody_received_is_not_sent_again(harness: AppHarness) -> None:
    key = add_tip(harness.files)
    harness.memory({"reader2@a.example": [answer("rcpt", "451 4.7.1 later")]})
    harness.issues.publish_due()
    harness.round()
    harness.issues.cancel(1)

    assert tip_state(harness, key) is TipState.SENT


def test_the_tip_of_a_cancelled_issue_with_an_email_in_flight_is_not_sent_again(harness: AppHarness) -> None:
    key = add_tip(harness.files)
    harness.issues.publish_due()
    with harness.store.sending("a run that ends here", harness.clock()) as lock:
        lock.ledger.advance(1, [], 1, harness.clock())
    harness.issues.cancel(1)

    assert tip_state(harness, key) is TipState.SENT


def test_an_archive_tip_of_a_cancelled_extra_issue_returns_to_the_archive(
    harness: AppHarness,
) -> None:
    with harness.store.write() as tx:
        old = TipText("Old", "It ran before.", published_on=date(2012, 5, 1))
        tx.tips.add(old, identity("Old", old.published_on), "old", TipState.ARCHIVE, TUESDAY)
    number = leave_between_t0_and_t1(harness, "old", slot=None)
    harness.issues.publish_due()
    harness.issues.cancel(number)

    assert tip_state(harness, "old") is TipState.ARCHIVE


def test_a_tip_retired_while_its_issue_was_sent_stays_retired(harness: AppHarness) -> None:
    key = add_tip(harness.files)
    harness.issues.publish_due()
    harness.tips.retire(key)
    harness.issues.cancel(1)

    assert tip_state(harness, key) is TipState.RETIRED
