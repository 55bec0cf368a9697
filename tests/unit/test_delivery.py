"""The life of a delivery: every state x event, back-off, and what an outcome does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from newsletter.domain.delivery.delivery import (
    BACK_OFF,
    GIVE_UP_AFTER,
    MAX_CRASHES,
    OPEN,
    TABLE,
    Event,
    State,
    apply_outcome,
    back_off,
    recover,
    transition,
)
from newsletter.domain.delivery.issue import ISSUE_TABLE, IssueEvent, IssueState, issue_transition
from newsletter.domain.delivery.outcome import Cause, Deferred, InDoubt, Rejected, Reply, Sent, Stage
from newsletter.domain.errors import IllegalTransition

NOW = datetime(2024, 3, 5, 13, 0, tzinfo=UTC)
REPLY = Reply(Stage.RCPT, 550, "5.1.1", "no such user")

# Written out by hand, apart from the table in the code: what the design says, state by state.
ALLOWED = {
    "pending": {"claim": "sending", "skip": "skipped"},
    "sending": {
        "accept": "sent",
        "defer": "deferred",
        "reject": "rejected",
        "give_up": "failed",
        "hold": "held",
        "put_back": "pending",
    },
    "sent": {},
    "deferred": {"claim": "sending", "skip": "skipped"},
    "rejected": {"retry": "pending"},
    "failed": {"retry": "pending"},
    "held": {"retry": "pending", "skip": "skipped"},
    "skipped": {},
}


@pytest.mark.parametrize("event", list(Event))
@pytest.mark.parametrize("state", list(State))
def test_every_state_and_event_does_what_the_design_says_or_raises(state: State, event: Event) -> None:
    expected = ALLOWED[state.value].get(event.value)
    if expected is None:
        with pytest.raises(IllegalTransition):
            transition(state, event)
    else:
        actual = transition(state, event)

        assert expected == actual.value


@pytest.mark.parametrize("event", list(IssueEvent))
@pytest.mark.parametrize("state", list(IssueState))
def test_an_issue_changes_only_as_its_table_says(state: IssueState, event: IssueEvent) -> None:
    if (state, event) in ISSUE_TABLE:
        assert issue_transition(state, event) is ISSUE_TABLE[state, event]
    else:
        with pytest.raises(IllegalTransition):
            issue_transition(state, event)


def test_an_ended_issue_never_sends_again_but_by_a_persons_retry() -> None:
    ended = {IssueState.DONE, IssueState.CANCELLED, IssueState.MISSED}
    ways_out = {(state, event) for state, event in ISSUE_TABLE if state in ended}

    assert ways_out == {(IssueState.DONE, IssueEvent.REOPEN)}


def test_no_final_state_is_left_but_by_a_persons_retry() -> None:
    final = set(State) - OPEN
    ways_out = {event for (state, event) in TABLE if state in final}

    assert ways_out <= {Event.RETRY, Event.SKIP}


def test_back_off_grows_and_then_stays_at_an_hour() -> None:
    waits = [back_off(attempts) for attempts in range(1, 8)]

    assert waits == [*BACK_OFF, *[timedelta(hours=1)] * 3]


def test_a_250_to_the_dot_is_sent() -> None:
    change = apply_outcome(Sent(Reply(Stage.DOT, 250)), attempts=1, first_attempt_at=NOW, now=NOW)

    assert (change.state, change.next_attempt_at, change.suppress) == (State.SENT, None, False)


def test_a_4yz_waits_as_long_as_the_back_off_says() -> None:
    change = apply_outcome(Deferred(Reply(Stage.RCPT, 451)), attempts=2, first_attempt_at=NOW, now=NOW)

    assert (change.state, change.next_attempt_at) == (State.DEFERRED, NOW + timedelta(minutes=5))


def test_we_give_up_when_the_next_try_would_come_after_48_hours() -> None:
    late = NOW + GIVE_UP_AFTER - timedelta(minutes=59)
    change = apply_outcome(Deferred(Reply(Stage.RCPT, 451)), attempts=50, first_attempt_at=NOW, now=late)

    assert change.state is State.FAILED


def test_an_unknown_mailbox_is_rejected_and_suppressed() -> None:
    change = apply_outcome(Rejected(REPLY, Cause.BAD_ADDRESS), attempts=1, first_attempt_at=NOW, now=NOW)

    assert (change.state, change.suppress) == (State.REJECTED, True)


def test_a_full_mailbox_is_rejected_and_not_suppressed() -> None:
    change = apply_outcome(Rejected(REPLY, Cause.MAILBOX_FULL), attempts=1, first_attempt_at=NOW, now=NOW)

    assert (change.state, change.suppress) == (State.REJECTED, False)


def test_a_policy_refusal_is_about_us_so_the_reader_waits() -> None:
    change = apply_outcome(Rejected(REPLY, Cause.POLICY), attempts=1, first_attempt_at=NOW, now=NOW)

    assert (change.state, change.suppress) == (State.DEFERRED, False)


def test_a_letter_in_doubt_is_not_tried_again_before_ten_minutes() -> None:
    change = apply_outcome(InDoubt(Reply(Stage.DOT, 0)), attempts=1, first_attempt_at=NOW, now=NOW)

    assert (change.state, change.next_attempt_at) == (State.DEFERRED, NOW + timedelta(minutes=10))


def test_a_letter_in_doubt_is_held_where_the_owner_wants_that() -> None:
    change = apply_outcome(InDoubt(Reply(Stage.DOT, 0)), attempts=1, first_attempt_at=NOW, now=NOW, hold_in_doubt=True)

    assert change.state is State.HELD


@pytest.mark.parametrize(("crashes", "state"), [(1, State.PENDING), (MAX_CRASHES - 1, State.PENDING), (3, State.HELD)])
def test_a_crashed_row_goes_back_until_the_third_crash_holds_it(crashes: int, state: State) -> None:
    assert recover(crashes).state is state
    assert recover(crashes, hold_in_doubt=True).state is State.HELD
