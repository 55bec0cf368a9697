"""From a slot to a frozen issue, on a real store: which slot, which tip, once, in time, and never to nobody."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from newsletter.actions.issues.publish import finish_preparing, publish_due
from newsletter.domain.delivery.issue import IssueEvent, IssueFacts, IssueState
from newsletter.domain.errors import NotFound, Refused
from newsletter.domain.subscribers.subscription import Status
from newsletter.domain.tips.tip import TipState, TipText, identity
from newsletter.testing import MemorySender, answer
from tests.support.library import SLOT, TUESDAY, add_reader, add_readers, add_tip
from tests.support.publishing import HandClock, Newsroom, open_newsroom

WEEK = timedelta(days=7)
WINDOW = timedelta(hours=24)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    """Two confirmed readers, and a clock at the slot."""
    with open_newsroom(tmp_path, MemorySender()) as room:
        add_readers(room.files, 2)
        yield room


def issues(room: Newsroom) -> list[IssueFacts]:
    with room.store.read() as tx:
        return tx.issues.each()


def tip_state(room: Newsroom, key: str) -> TipState:
    with room.store.read() as tx:
        return tx.tips.get(key).card.state


def leave_between_t0_and_t1(room: Newsroom, key: str, slot: date | None = SLOT) -> int:
    """What a process leaves that dies while it compiles: the slot taken, a tip bound, nothing frozen."""
    with room.store.write() as tx:
        number = tx.issues.plan(slot, room.clock(), room.clock()).number
        tx.issues.change(number, IssueEvent.PREPARE, room.clock())
        tx.issues.bind(number, tx.tips.get(key).card.id)
    return number


# -- the slot --------------------------------------------------------------------------------------


def test_a_slot_that_is_due_becomes_an_issue_for_everybody_who_is_confirmed(room: Newsroom) -> None:
    add_reader(room.files, "waiting@b.example", Status.PENDING)
    key = add_tip(room.files)
    issue = room.publish_due()

    assert issue
    assert (issue.number, issue.slot, issue.state, issue.tip_key) == (1, SLOT, IssueState.SENDING, key)
    assert (issue.audience, issue.counts["pending"]) == (2, 2)
    assert issue.due_at == TUESDAY
    assert tip_state(room, key) is TipState.SENT


def test_before_the_slot_nothing_is_due(room: Newsroom) -> None:
    add_tip(room.files)
    room.hand.forward(seconds=-1)

    assert room.publish_due() is None
    assert issues(room) == []


def test_the_same_slot_twice_is_one_issue(room: Newsroom) -> None:
    add_tip(room.files, "One")
    add_tip(room.files, "Two")
    first = room.publish_due()
    second = room.publish_due()
    room.round()
    third = room.publish_due()

    assert first
    assert (second, third) == (None, None)
    assert [issue.number for issue in issues(room)] == [1]


def test_two_processes_at_the_same_moment_make_one_issue(room: Newsroom) -> None:
    add_tip(room.files, "One")
    add_tip(room.files, "Two")
    other = Newsroom(room.settings, HandClock())
    with other.store.read() as tx:  # this process looked before the other one wrote
        assert tx.issues.for_slot(SLOT) is None
        room.publish_due()
    late = publish_due(other.store, other.press, other.rules, TUESDAY)
    other.close()

    assert late is None
    assert [(issue.tip_key, issue.state) for issue in issues(room)] == [("one", IssueState.SENDING)]


def test_a_clock_that_is_set_back_over_a_slot_does_not_send_it_again(room: Newsroom) -> None:
    for title in ("One", "Two", "Three"):
        add_tip(room.files, title)
    for step in (timedelta(), WEEK, -WEEK, WEEK - timedelta(hours=3)):
        room.hand.now += step
        room.publish_due()

    assert [(issue.slot, issue.tip_key) for issue in issues(room)] == [(SLOT + WEEK, "two"), (SLOT, "one")]


@pytest.mark.parametrize("late_for", [timedelta(minutes=1), WINDOW])
def test_a_slot_found_late_within_the_window_is_sent(room: Newsroom, late_for: timedelta) -> None:
    add_tip(room.files)
    room.hand.now += late_for
    issue = room.publish_due()

    assert issue
    assert (issue.slot, issue.state) == (SLOT, IssueState.SENDING)


def test_a_slot_found_too_late_is_missed_and_says_so(room: Newsroom) -> None:
    add_tip(room.files, "One")
    key = add_tip(room.files, "Two")
    room.publish_due()
    room.hand.now += WEEK + WINDOW + timedelta(seconds=1)

    assert room.publish_due() is None
    assert room.publish_due() is None
    newest = issues(room)[0]
    assert (newest.slot, newest.state, newest.pause_reason) == (
        SLOT + WEEK,
        IssueState.MISSED,
        "found after the late window",
    )
    assert tip_state(room, key) is TipState.FRESH


def test_a_newsletter_that_never_sent_an_issue_has_missed_none(room: Newsroom) -> None:
    add_tip(room.files)
    room.hand.now += WINDOW + timedelta(seconds=1)

    assert room.publish_due() is None
    assert issues(room) == []


# -- the tip ---------------------------------------------------------------------------------------


def test_a_slot_without_a_tip_says_so_and_is_sent_when_one_comes_in_time(room: Newsroom) -> None:
    empty = room.publish_due()
    again = room.publish_due()
    room.hand.now += WINDOW
    key = add_tip(room.files)
    sent = room.publish_due()

    assert empty
    assert (empty.state, empty.pause_reason) == (IssueState.NO_CONTENT, "no fresh tip is left, and none may run again")
    assert again is None
    assert sent
    assert (sent.number, sent.state, sent.tip_key) == (empty.number, IssueState.SENDING, key)


def test_a_tip_that_comes_after_the_window_waits_for_the_next_slot(room: Newsroom) -> None:
    room.publish_due()
    room.hand.now += WINDOW + timedelta(seconds=1)
    key = add_tip(room.files)
    late = room.publish_due()
    room.hand.now = TUESDAY + WEEK
    room.publish_due()

    assert late is None
    assert [(issue.slot, issue.state, issue.tip_key) for issue in issues(room)] == [
        (SLOT + WEEK, IssueState.SENDING, key),
        (SLOT, IssueState.MISSED, None),
    ]


def test_tips_go_out_in_the_order_of_the_queue(room: Newsroom) -> None:
    for title in ("One", "Two", "Three"):
        add_tip(room.files, title)
    with room.store.write() as tx:
        tx.tips.move("three", first=True)
    for _ in range(3):
        room.publish_due()
        room.hand.now += WEEK

    assert [issue.tip_key for issue in reversed(issues(room))] == ["three", "one", "two"]


# -- nobody there ----------------------------------------------------------------------------------


def test_without_a_reader_no_tip_is_spent_until_the_first_one_comes(tmp_path: Path) -> None:
    with open_newsroom(tmp_path) as room:
        key = add_tip(room.files)
        nobody = room.publish_due()
        assert (nobody, issues(room), tip_state(room, key)) == (None, [], TipState.FRESH)

        room.hand.forward(hours=2)
        add_reader(room.files, "first@b.example")
        issue = room.publish_due()

        assert issue
        assert (issue.audience, issue.slot) == (1, SLOT)


def test_a_tip_that_comes_when_everybody_has_left_is_not_spent_on_nobody(room: Newsroom) -> None:
    room.publish_due()
    room.unsubscribe("reader1@a.example")
    room.unsubscribe("reader2@a.example")
    key = add_tip(room.files)

    assert room.publish_due() is None
    assert (issues(room)[0].state, tip_state(room, key)) == (IssueState.NO_CONTENT, TipState.FRESH)


def test_who_all_left_while_a_crash_was_mended_cost_no_tip(room: Newsroom) -> None:
    key = add_tip(room.files)
    number = leave_between_t0_and_t1(room, key)
    room.unsubscribe("reader1@a.example")
    room.unsubscribe("reader2@a.example")
    room.publish_due()

    assert (room.issue(number).state, tip_state(room, key)) == (IssueState.PREPARING, TipState.FRESH)


# -- a crash between T0 and T1 ---------------------------------------------------------------------


def test_an_issue_that_was_being_compiled_when_the_process_died_is_taken_up(room: Newsroom) -> None:
    key = add_tip(room.files)
    number = leave_between_t0_and_t1(room, key)
    add_tip(room.files, "Another")
    room.publish_due()

    assert [(issue.number, issue.tip_key, issue.state) for issue in issues(room)] == [(number, key, IssueState.SENDING)]
    assert room.broken() == []


def test_a_slot_that_was_only_taken_when_the_process_died_is_taken_up(room: Newsroom) -> None:
    key = add_tip(room.files)
    with room.store.write() as tx:
        tx.issues.plan(SLOT, TUESDAY, TUESDAY)
    issue = room.publish_due()

    assert issue
    assert (issue.number, issue.tip_key, issue.state) == (1, key, IssueState.SENDING)


def test_a_crash_that_is_found_after_the_window_is_missed_and_its_tip_has_its_first_run_later(room: Newsroom) -> None:
    key = add_tip(room.files)
    number = leave_between_t0_and_t1(room, key)
    room.hand.now += WINDOW + timedelta(seconds=1)
    room.publish_due()
    missed = room.issue(number).state
    room.hand.now = TUESDAY + WEEK
    issue = room.publish_due()
    assert issue
    room.cancel(issue.number)

    assert (missed, issue.tip_key) == (IssueState.MISSED, key)
    assert tip_state(room, key) is TipState.FRESH  # so that was a first run, and not counted as a second


def test_taking_up_changes_nothing_where_another_process_was_faster(room: Newsroom) -> None:
    key = add_tip(room.files)
    number = leave_between_t0_and_t1(room, key)
    room.publish_due()
    first = room.issue(number)
    room.hand.forward(minutes=5)
    finish_preparing(room.store, room.press, room.rules, room.clock())

    assert room.issue(number) == first


# -- early and extra -------------------------------------------------------------------------------


def test_an_issue_sent_early_is_that_tuesdays(room: Newsroom) -> None:
    room.hand.now = TUESDAY - timedelta(days=3)
    add_tip(room.files, "One")
    add_tip(room.files, "Two")
    issue = room.send(early=True)
    room.hand.now = TUESDAY + timedelta(minutes=1)

    assert issue
    assert (issue.slot, issue.state, issue.counts["sent"]) == (SLOT, IssueState.DONE, 2)
    assert room.publish_due() is None
    room.hand.now = TUESDAY - timedelta(days=3)
    with pytest.raises(Refused):
        room.send(early=True)


def test_an_extra_issue_takes_no_slot(room: Newsroom) -> None:
    add_tip(room.files, "One")
    extra = add_tip(room.files, "Two")
    issue = room.send(extra_tip=extra)
    due = room.publish_due()

    assert issue
    assert (issue.slot, issue.tip_key, issue.counts["sent"]) == (None, extra, 2)
    assert due
    assert (due.slot, due.tip_key) == (SLOT, "one")


def test_an_extra_issue_needs_a_whole_tip_that_exists_and_somebody_to_read_it(tmp_path: Path) -> None:
    with open_newsroom(tmp_path, MemorySender()) as room:
        key = add_tip(room.files)
        with room.store.write() as tx:
            teaser = TipText("Half", "", complete=False, teaser="It breaks")
            tx.tips.add(teaser, identity("Half", None), "half", TipState.FRESH, TUESDAY)
        with pytest.raises(NotFound):
            room.send(extra_tip="none-such")
        with pytest.raises(Refused, match="teaser"):
            room.send(extra_tip="half")
        with pytest.raises(Refused, match="nobody"):
            room.send(extra_tip=key)

        assert (issues(room), tip_state(room, key)) == ([], TipState.FRESH)


def test_an_extra_issue_that_a_crash_left_is_taken_up(room: Newsroom) -> None:
    key = add_tip(room.files)
    number = leave_between_t0_and_t1(room, key, slot=None)
    room.hand.now += timedelta(days=3)
    room.publish_due()

    assert room.issue(number).state is IssueState.SENDING


# -- cancelled -------------------------------------------------------------------------------------


def test_the_tip_of_a_cancelled_issue_that_reached_nobody_is_fresh_again_and_comes_next(room: Newsroom) -> None:
    key = add_tip(room.files)
    add_tip(room.files, "Two")
    room.publish_due()
    room.cancel(1)
    room.hand.now += WEEK
    issue = room.publish_due()

    assert issue
    assert (issue.slot, issue.tip_key) == (SLOT + WEEK, key)
    assert room.broken() == []


def test_the_tip_of_a_cancelled_issue_that_reached_somebody_is_not_sent_again(room: Newsroom) -> None:
    key = add_tip(room.files)
    room.memory({"reader2@a.example": [answer("rcpt", "451 4.7.1 later")]})
    room.publish_due()
    room.round()
    room.cancel(1)

    assert tip_state(room, key) is TipState.SENT


def test_the_tip_of_a_cancelled_issue_with_a_letter_in_flight_is_not_sent_again(room: Newsroom) -> None:
    key = add_tip(room.files)
    room.publish_due()
    with room.store.sending("a life that ends here", room.clock()) as right:
        right.ledger.advance(1, [], 1, room.clock())
    room.cancel(1)

    assert tip_state(room, key) is TipState.SENT


def test_a_tip_of_the_archive_in_an_extra_issue_that_was_cancelled_goes_back_to_the_archive(room: Newsroom) -> None:
    with room.store.write() as tx:
        old = TipText("Old", "It ran before.", published_on=date(2012, 5, 1))
        tx.tips.add(old, identity("Old", old.published_on), "old", TipState.ARCHIVE, TUESDAY)
    number = leave_between_t0_and_t1(room, "old", slot=None)
    room.publish_due()
    room.cancel(number)

    assert tip_state(room, "old") is TipState.ARCHIVE


def test_a_tip_that_was_retired_while_its_issue_was_sent_stays_retired(room: Newsroom) -> None:
    key = add_tip(room.files)
    room.publish_due()
    room.retire_tip(key)
    room.cancel(1)

    assert tip_state(room, key) is TipState.RETIRED
