"""The circuit breaker: when rejections are about us."""

from __future__ import annotations

from newsletter.domain.delivery.circuit_breaker import POLICY_IN_A_ROW, SAME_IN_A_ROW, CircuitBreaker
from newsletter.domain.delivery.outcome import Cause, Deferred, Rejected, Reply, Sent, Stage

SENT = Sent(Reply(Stage.DOT, 250))


def rejection(text: str, cause: Cause = Cause.BAD_ADDRESS) -> Rejected:
    return Rejected(Reply(Stage.RCPT, 550, "5.1.1" if cause is Cause.BAD_ADDRESS else "5.7.1", text), cause)


def test_three_policy_rejections_in_a_row_trip_it() -> None:
    breaker = CircuitBreaker()
    answers = [breaker.record_outcome(n, rejection("blocked", Cause.POLICY)) for n in range(POLICY_IN_A_ROW)]

    assert [bool(answer) for answer in answers] == [False, False, True]
    assert "blocked" in answers[-1]
    assert breaker.run == [0, 1, 2]


def test_an_accepted_email_between_them_resets_the_count() -> None:
    breaker = CircuitBreaker()
    for n in range(20):
        assert not breaker.record_outcome(n, rejection("blocked", Cause.POLICY))
        assert not breaker.record_outcome(100 + n, SENT)

    assert breaker.run == []


def test_the_same_text_many_times_trips_it_whatever_the_addresses_are() -> None:
    breaker = CircuitBreaker()
    answers = [
        breaker.record_outcome(n, rejection(f"<reader{n}@a.example>: unknown id {n * 7}")) for n in range(SAME_IN_A_ROW)
    ]

    assert [bool(answer) for answer in answers] == [False] * (SAME_IN_A_ROW - 1) + [True]


def test_different_rejections_do_not_trip_it() -> None:
    breaker = CircuitBreaker()
    words = ["no such user", "mailbox disabled"]

    assert not any(breaker.record_outcome(n, rejection(words[n % 2])) for n in range(50))


def test_deferrals_and_connection_errors_do_not_count() -> None:
    breaker = CircuitBreaker()
    for n in range(50):
        assert not breaker.record_outcome(n, Deferred(Reply(Stage.RCPT, 451)))
        assert not breaker.record_outcome(n, None)
