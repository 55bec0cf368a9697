"""How many connections are opened, and when: one first, then the others, and never many that the mail server refuses."""

from __future__ import annotations

from newsletter.domain.delivery.connections import LONGEST_WAIT, STAGGER, TRIES, TRIES_AFTER_SUCCESS, ConnectionPlan


def open_plan(wanted: int, number: int) -> ConnectionPlan:
    """A plan with so many open connections; the others are opening."""
    plan = ConnectionPlan(wanted)
    plan.begin(0)
    plan.opened()
    plan.begin(0)
    for _ in range(number - 1):
        plan.opened()
    return plan


def test_the_others_are_opened_together_once_the_first_is_open() -> None:
    plan = ConnectionPlan(10)
    assert [plan.begin(0), plan.begin(0)] == [1, 0]
    plan.opened()
    assert [plan.begin(0), plan.begin(0)] == [9, 0]
    for _ in range(9):
        plan.opened()
    assert plan.is_complete


def test_beside_a_first_one_that_does_not_open_another_is_tried_every_second() -> None:
    plan = ConnectionPlan(3)
    assert [plan.begin(n * STAGGER) for n in range(5)] == [1, 1, 1, 0, 0]
    assert not plan.is_hopeless


def test_a_mail_server_that_is_down_is_tried_twice() -> None:
    plan = ConnectionPlan(10)
    for now in range(TRIES):
        assert plan.begin(now) == 1
        plan.failed(now)
    assert plan.is_hopeless
    assert plan.begin(100) == 0


def test_a_mail_server_that_worked_may_restart() -> None:
    plan = open_plan(2, 2)
    plan.lost()
    plan.lost()
    tries = 0
    for now in range(20):
        for _ in range(plan.begin(now)):
            tries += 1
            plan.failed(now)
    assert (tries, plan.is_hopeless) == (TRIES_AFTER_SUCCESS, True)


def test_a_refusal_is_not_repeated() -> None:
    plan = ConnectionPlan(10)
    plan.begin(0)
    plan.failed(0, is_refusal=True)
    assert plan.is_hopeless
    assert plan.begin(60) == 0


def test_a_refusal_waits_for_connections_that_may_still_open() -> None:
    plan = ConnectionPlan(10)
    plan.begin(0)
    plan.begin(STAGGER)
    plan.failed(STAGGER, is_refusal=True)
    assert (plan.is_hopeless, plan.begin(60)) == (False, 0)
    plan.opened()
    assert not plan.is_hopeless


def test_where_two_are_allowed_one_more_is_tried_less_and_less_often() -> None:
    plan = open_plan(10, 2)
    for _ in range(8):
        plan.failed(30)
    tries = []
    for now in range(30, 600):
        if plan.begin(now):
            plan.failed(now)
            tries.append(now)
    assert tries[:5] == [31, 33, 37, 45, 61]
    assert tries[-1] - tries[-2] == LONGEST_WAIT
    assert (plan.open, plan.opening, plan.is_hopeless) == (2, 0, False)


def test_when_the_mail_server_allows_more_again_all_are_opened() -> None:
    plan = open_plan(10, 2)
    for _ in range(8):
        plan.failed(30)
    assert plan.begin(31) == 1
    plan.opened()
    assert plan.begin(31) == 7


def test_a_lost_connection_is_replaced_immediately_and_beyond_that_nothing_is_tried() -> None:
    plan = open_plan(10, 2)
    for _ in range(8):
        plan.failed(30)
    plan.lost()
    assert [plan.begin(30), plan.begin(30)] == [1, 0]


def test_a_refusal_of_further_connections_ends_the_tries_and_not_the_sending() -> None:
    plan = open_plan(3, 2)
    plan.failed(1, is_refusal=True)
    assert [plan.begin(now) for now in range(200)] == [0] * 200
    assert plan.is_complete


def test_a_connection_that_was_lost_for_good_is_not_replaced() -> None:
    plan = open_plan(2, 2)
    plan.lost(for_good=True)
    assert plan.begin(9) == 0
    plan.lost(for_good=True)
    assert plan.is_hopeless
