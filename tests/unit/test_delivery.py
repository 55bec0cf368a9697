"""The states of a delivery: every event in every state, the back-off, and the effect of each outcome."""

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

# Written independently of the table in the code, from docs/delivery.md, state by state.
ALLOWED = {
    "pending": {"claim": "sending", "skip": "skipped", "give_up": "failed", "wait": "deferred"},
    "sending": {
        "accept": "sent",
        "defer": "deferred",
        "reject": "rejected",
        "give_up": "failed",
        "hold": "held",
        "put_back": "pending",
    },
    "sent": {},
    "deferred": {"claim": "sending", "skip": "skipped", "give_up": "failed", "wait": "deferred"},
    "rejected": {"retry": "pending"},
    "failed": {"retry": "pending"},
    "held": {"retry": "pending", "skip": "skipped"},
    "skipped": {},
}


@pytest.mark.parametrize("event", list(Event))
@pytest.mark.parametrize("state", list(State))
def test_every_event_in_every_state_has_the_documented_effect_or_raises(state: State, event: Event) -> None:
    expected = ALLOWED[state.value].get(event.value)
    if expected is None:
        with pytest.raises(IllegalTransition):
            transition(state, event)
    else:
        actual = transition(state, event)

        assert expected == actual.value


@pytest.mark.parametrize("event", list(IssueEvent))
@pytest.mark.parametrize("state", list(IssueState))
def test_an_issue_changes_state_only_as_documented(state: IssueState, event: IssueEvent) -> None:
    if (state, event) in ISSUE_TABLE:
        assert issue_transition(state, event) is ISSUE_TABLE[state, event]
    else:
        with pytest.raises(IllegalTransition):
            issue_transition(state, event)


def test_only_a_retry_by_a_person_sends_a_finished_issue_again() -> None:
    ended = {IssueState.DONE, IssueState.CANCELLED, IssueState.MISSED}
    ways_out = {(state, event) for state, event in ISSUE_TABLE if state in ended}

    assert ways_out == {(IssueState.DONE, IssueEvent.REOPEN)}


def test_only_a_retry_by_a_person_reopens_a_final_delivery() -> None:
    final = set(State) - OPEN
    ways_out = {event for (state, event) in TABLE if state in final}

    assert ways_out <= {Event.RETRY, Event.SKIP}


def test_the_back_off_grows_to_an_hour_and_stays_there() -> None:
    waits = [back_off(attempts) for attempts in range(1, 8)]

    assert waits == [*BACK_OFF, *[timedelta(hours=1)] * 3]


def test_a_250_reply_to_the_final_dot_means_sent() -> None:
    change = apply_outcome(Sent(Reply(Stage.DOT, 250)), attempts=1, first_attempt_at=NOW, now=NOW)

    assert (change.state, change.next_attempt_at) == (State.SENT, None)


def test_a_4yz_reply_defers_by_the_back_off() -> None:
    change = apply_outcome(Deferred(Reply(Stage.RCPT, 451)), attempts=2, first_attempt_at=NOW, now=NOW)

    assert (change.state, change.next_attempt_at) == (State.DEFERRED, NOW + timedelta(minutes=5))


def test_a_delivery_fails_when_its_next_attempt_would_come_after_48_hours() -> None:
    late = NOW + GIVE_UP_AFTER - timedelta(minutes=59)
    change = apply_outcome(Deferred(Reply(Stage.RCPT, 451)), attempts=50, first_attempt_at=NOW, now=late)

    assert change.state is State.FAILED


def test_a_rejection_about_the_mailbox_is_final() -> None:
    for cause in (Cause.BAD_ADDRESS, Cause.MAILBOX_FULL, Cause.OTHER):
        change = apply_outcome(Rejected(REPLY, cause), attempts=1, first_attempt_at=NOW, now=NOW)

        assert (change.state, change.next_attempt_at) == (State.REJECTED, None)


def test_a_policy_rejection_defers_because_it_is_about_us() -> None:
    change = apply_outcome(Rejected(REPLY, Cause.POLICY), attempts=1, first_attempt_at=NOW, now=NOW)

    assert change.state is State.DEFERRED


def test_an_email_in_doubt_is_not_retried_before_ten_minutes() -> None:
    change = apply_outcome(InDoubt(Reply(Stage.DOT, 0)), attempts=1, first_attempt_at=NOW, now=NOW)

    assert (change.state, change.next_attempt_at) == (State.DEFERRED, NOW + timedelta(minutes=10))


@pytest.mark.parametrize(
    ("doubts", "crashes", "state"),
    [(0, 0, State.DEFERRED), (0, 1, State.HELD), (0, 2, State.HELD), (1, 0, State.HELD), (2, 0, State.HELD)],
)
@pytest.mark.parametrize("attempts", [1, 9])
def test_a_second_lost_reply_is_held_whatever_happened_in_between(
    doubts: int, crashes: int, state: State, attempts: int
) -> None:
    outcome = InDoubt(Reply(Stage.DOT, 0))
    change = apply_outcome(outcome, attempts=attempts, first_attempt_at=NOW, now=NOW, doubts=doubts, crashes=crashes)

    assert change.state is state


def test_an_email_in_doubt_is_held_if_the_settings_say_so() -> None:
    change = apply_outcome(InDoubt(Reply(Stage.DOT, 0)), attempts=1, first_attempt_at=NOW, now=NOW, hold_in_doubt=True)

    assert change.state is State.HELD


@pytest.mark.parametrize(("crashes", "state"), [(1, State.PENDING), (MAX_CRASHES - 1, State.PENDING), (3, State.HELD)])
def test_a_delivery_is_requeued_after_a_crash_and_held_after_the_third(crashes: int, state: State) -> None:
    assert recover(crashes).state is state
    assert recover(crashes, hold_in_doubt=True).state is State.HELD
    assert recover(crashes, doubts=1).state is State.HELD, "a lost reply and a crash"
