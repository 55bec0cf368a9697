"""The breaker: when refusals are about us."""

from __future__ import annotations

from newsletter.domain.delivery.circuit_breaker import POLICY_IN_A_ROW, SAME_IN_A_ROW, CircuitBreaker
from newsletter.domain.delivery.outcome import Cause, Deferred, Rejected, Reply, Sent, Stage

SENT = Sent(Reply(Stage.DOT, 250))


def refusal(text: str, cause: Cause = Cause.BAD_ADDRESS) -> Rejected:
    return Rejected(Reply(Stage.RCPT, 550, "5.1.1" if cause is Cause.BAD_ADDRESS else "5.7.1", text), cause)


def test_three_policy_refusals_in_a_row_trip_it() -> None:
    breaker = CircuitBreaker()
    answers = [breaker.record_outcome(n, refusal("blocked", Cause.POLICY)) for n in range(POLICY_IN_A_ROW)]

    assert [bool(answer) for answer in answers] == [False, False, True]
    assert "blocked" in answers[-1]
    assert breaker.run == [0, 1, 2]


def test_one_accepted_letter_between_them_starts_the_count_anew() -> None:
    breaker = CircuitBreaker()
    for n in range(20):
        assert not breaker.record_outcome(n, refusal("blocked", Cause.POLICY))
        assert not breaker.record_outcome(100 + n, SENT)

    assert breaker.run == []


def test_the_same_words_many_times_trip_it_whoever_the_reader_is() -> None:
    breaker = CircuitBreaker()
    answers = [
        breaker.record_outcome(n, refusal(f"<reader{n}@a.example>: unknown id {n * 7}")) for n in range(SAME_IN_A_ROW)
    ]

    assert [bool(answer) for answer in answers] == [False] * (SAME_IN_A_ROW - 1) + [True]


def test_different_refusals_are_about_the_readers() -> None:
    breaker = CircuitBreaker()
    words = ["no such user", "mailbox disabled"]

    assert not any(breaker.record_outcome(n, refusal(words[n % 2])) for n in range(50))


def test_deferrals_and_trouble_do_not_count() -> None:
    breaker = CircuitBreaker()
    for n in range(50):
        assert not breaker.record_outcome(n, Deferred(Reply(Stage.RCPT, 451)))
        assert not breaker.record_outcome(n, None)
