"""A run of lost replies pauses an issue; trouble is an email's own only if others got through."""

from __future__ import annotations

import pytest

from newsletter.domain.delivery.outcome import Reply, Stage
from newsletter.domain.delivery.whose_trouble import (
    ALL_IN_DOUBT,
    DOUBTS_IN_A_ROW,
    FAILURES_IN_A_ROW,
    MANY,
    WhoseTrouble,
)

LOST = Reply(Stage.DOT, 0, "", "to the dot: it closed the connection")


@pytest.mark.parametrize(("connections", "run"), [(1, 6), (2, 7), (10, 15)])
def test_a_run_of_lost_replies_pauses_the_issue(connections: int, run: int) -> None:
    trouble = WhoseTrouble(connections)
    answers = [trouble.record_doubt(LOST) for _ in range(run)]

    assert [bool(answer) for answer in answers] == [False] * (run - 1) + [True]
    assert f"took {run} emails in a row" in answers[-1]
    assert "no reply to the dot: it closed the connection" in answers[-1]


def test_an_accepted_email_ends_a_run_of_lost_replies() -> None:
    trouble = WhoseTrouble()
    for _ in range(20):
        assert [trouble.record_doubt(LOST) for _ in range(DOUBTS_IN_A_ROW - 1)] == [""] * (DOUBTS_IN_A_ROW - 1)
        trouble.record_sent()

    assert trouble.conclude() == ""


@pytest.mark.parametrize(
    ("doubts", "sent", "pauses"), [(ALL_IN_DOUBT, 0, True), (2, 0, False), (ALL_IN_DOUBT, 1, False)]
)
def test_a_small_list_without_any_reply_pauses_at_the_end_of_the_batch(doubts: int, sent: int, *, pauses: bool) -> None:
    trouble = WhoseTrouble(sent=sent)
    for _ in range(doubts):
        trouble.record_doubt(LOST)

    assert bool(trouble.conclude()) is pauses


# -- connections that fail with an email ---------------------------------------------------------------


def fail(trouble: WhoseTrouble, subscriber: int = 1, *, troubles: int = 0, attempts: int = 1) -> bool:
    return trouble.record_failure(subscriber, troubles, attempts, "relay: 421 closing")


def test_the_second_trouble_is_the_emails_own_if_another_email_got_through_in_between() -> None:
    trouble = WhoseTrouble()
    assert not fail(trouble)
    trouble.record_answer()
    assert fail(trouble, troubles=1)
    assert (trouble.spread, trouble.trouble) == (0.0, ""), "and it says nothing about the mail server"


def test_the_trouble_of_an_earlier_batch_counts_if_others_get_through_now() -> None:
    trouble = WhoseTrouble()
    trouble.record_sent()

    assert fail(trouble, troubles=1)


def test_no_email_is_blamed_while_none_gets_through() -> None:
    trouble = WhoseTrouble(accepted=0)

    assert not any(fail(trouble, n, troubles=9) for n in range(100))


@pytest.mark.parametrize(
    ("troubles", "attempts", "accepted", "is_own"),
    [(1, 2, 0, True), (0, 2, 0, False), (MANY, 1, 1, True), (MANY, 1, 0, False), (MANY - 1, 1, 1, False)],
)
def test_an_email_that_is_left_alone_is_judged_by_its_history(
    troubles: int, attempts: int, accepted: int, *, is_own: bool
) -> None:
    assert fail(WhoseTrouble(accepted=accepted), troubles=troubles, attempts=attempts) is is_own


@pytest.mark.parametrize("connections", [1, 10])
def test_a_mail_server_with_which_nothing_gets_through_is_given_up(connections: int) -> None:
    trouble = WhoseTrouble(connections)
    seen = []
    for n in range(connections + FAILURES_IN_A_ROW):
        fail(trouble, n)
        seen.append(trouble.gave_up)

    assert seen == [False] * (len(seen) - 1) + [True]
    assert trouble.trouble == "relay: 421 closing"


def test_after_a_few_failures_the_next_emails_are_spread_over_the_list() -> None:
    trouble = WhoseTrouble(4)
    spread = []
    for n in range(9):
        fail(trouble, n)
        spread.append(trouble.spread)
    trouble.record_answer()

    assert spread[:2] == [0.0] * 2
    assert all(0 < share < 1 for share in spread[2:])
    assert len(set(spread[2:])) == 7
    assert trouble.spread == 0.0


def test_an_email_is_tried_twice_in_a_batch_if_no_other_gets_through() -> None:
    trouble = WhoseTrouble()
    fail(trouble)
    assert (trouble.may_try(1), trouble.may_try(2)) == (True, True)
    fail(trouble, troubles=1)
    assert (trouble.may_try(2), trouble.gave_up) == (True, False)
    assert (trouble.may_try(1), trouble.gave_up) == (False, True)
