"""The circuit breaker: when rejections are about us."""

from __future__ import annotations

from newsletter.domain.delivery.circuit_breaker import (
    ALL_REJECTED,
    ONE_DOMAIN_IN_A_ROW,
    POLICY_IN_A_ROW,
    QUOTA_IN_A_ROW,
    REJECTED_IN_A_ROW,
    REJECTED_TRIED,
    CircuitBreaker,
)
from newsletter.domain.delivery.outcome import Cause, Deferred, InDoubt, Outcome, Rejected, Reply, Sent, Stage

SENT = Sent(Reply(Stage.DOT, 250))
QUOTA = Deferred(Reply(Stage.RCPT, 550, "5.4.5", "daily limit"), is_quota=True)


def rejection(text: str = "no such user", cause: Cause = Cause.BAD_ADDRESS) -> Rejected:
    return Rejected(Reply(Stage.RCPT, 550, "5.1.1" if cause is Cause.BAD_ADDRESS else "5.7.1", text), cause)


BLOCKED = rejection("blocked", Cause.POLICY)


def test_three_policy_rejections_in_a_row_trip_it() -> None:
    breaker = CircuitBreaker()
    answers = [breaker.record_outcome(n, BLOCKED) for n in range(POLICY_IN_A_ROW)]

    assert [bool(answer) for answer in answers] == [False, False, True]
    assert "blocked" in answers[-1]
    assert breaker.run == [0, 1, 2]


def test_rejections_in_a_row_trip_it_whatever_their_texts_are() -> None:
    breaker = CircuitBreaker()
    answers = [
        breaker.record_outcome(n, rejection(f"no such user. {n * 7:x} - gsmtp")) for n in range(REJECTED_IN_A_ROW)
    ]

    assert [bool(answer) for answer in answers] == [False] * (REJECTED_IN_A_ROW - 1) + [True]
    assert breaker.run == list(range(REJECTED_IN_A_ROW))


def test_a_run_makes_earlier_rejections_doubtful_too() -> None:
    breaker = CircuitBreaker()
    answers = [
        breaker.record_outcome(0, rejection()),
        breaker.record_outcome(1, SENT),
    ]  # sent when the relay turned bad
    answers += [breaker.record_outcome(n, rejection()) for n in range(2, 2 + REJECTED_IN_A_ROW)]

    assert answers[-1]
    assert breaker.run == [0, *range(2, 2 + REJECTED_IN_A_ROW)]


def test_an_accepted_email_between_them_ends_a_run() -> None:
    breaker = CircuitBreaker()
    for n in range(20):
        assert not breaker.record_outcome(n, BLOCKED if n % 10 == 0 else SENT)

    assert breaker.run == []


def test_a_large_share_trips_it_although_others_are_accepted() -> None:
    for outcome in (BLOCKED, rejection()):
        breaker = CircuitBreaker()
        answers = [breaker.record_outcome(n, outcome if n % 2 else SENT) for n in range(REJECTED_TRIED + 2)]

        tripped = next(n for n, answer in enumerate(answers) if answer)
        assert tripped <= REJECTED_TRIED
        assert breaker.run == list(range(1, len(answers), 2)), "every rejection of the batch is doubtful"


def test_emails_in_flight_change_nothing_after_it_has_tripped() -> None:
    breaker = CircuitBreaker()
    assert any(breaker.record_outcome(n, BLOCKED) for n in range(POLICY_IN_A_ROW))
    breaker.record_outcome(50, SENT)
    breaker.record_outcome(51, rejection())

    assert breaker.run == [*range(POLICY_IN_A_ROW), 51]


def test_a_small_share_does_not_trip_it() -> None:
    breaker = CircuitBreaker()

    assert not any(breaker.record_outcome(n, SENT if n % 5 else rejection()) for n in range(500))
    assert breaker.conclude() == ""


def test_a_short_list_is_protected_at_the_end_of_the_batch() -> None:
    for outcome, number, trips in (
        (BLOCKED, 1, True),
        (BLOCKED, 2, True),
        (rejection(), ALL_REJECTED - 1, False),
        (rejection(), ALL_REJECTED, True),
        (rejection("transaction failed", Cause.OTHER), 5, True),
    ):
        breaker = CircuitBreaker()
        assert not any(breaker.record_outcome(n, outcome) for n in range(number))
        assert bool(breaker.conclude()) == trips, (outcome, number)
        assert breaker.run == list(range(number))


def test_emails_accepted_before_speak_for_us() -> None:
    cases: list[tuple[list[Outcome], int]] = [([BLOCKED, BLOCKED], 2), ([rejection()] * 5, 1), ([SENT, BLOCKED], 0)]
    for outcomes, accepted in cases:
        breaker = CircuitBreaker(accepted)
        assert not any(breaker.record_outcome(n, outcome) for n, outcome in enumerate(outcomes))
        assert breaker.conclude() == ""


def test_an_issue_that_the_owner_has_resumed_is_not_paused_again_because_of_mailboxes() -> None:
    breaker = CircuitBreaker(accepted=1, trusts_mailboxes=True)

    assert not any(breaker.record_outcome(n, rejection()) for n in range(100))
    assert breaker.conclude() == ""
    assert CircuitBreaker(trusts_mailboxes=True).record_outcome(0, rejection()) == ""
    unheard = CircuitBreaker(trusts_mailboxes=True)
    assert any(unheard.record_outcome(n, rejection()) for n in range(100)), "nothing at all arrives"
    assert any(breaker.record_outcome(n, BLOCKED) for n in range(POLICY_IN_A_ROW))


def test_a_quota_stops_sending_and_does_not_trip_it() -> None:
    breaker = CircuitBreaker()
    assert not any(breaker.record_outcome(n, QUOTA) for n in range(QUOTA_IN_A_ROW))

    assert breaker.over_quota == QUOTA.reply
    assert breaker.conclude() == ""


def test_a_quota_now_and_then_stops_nothing() -> None:
    breaker = CircuitBreaker()
    for n in range(QUOTA_IN_A_ROW * 3):
        assert not breaker.record_outcome(n, QUOTA if n % QUOTA_IN_A_ROW else SENT)

    assert breaker.over_quota is None


def test_deferrals_doubts_and_connection_errors_do_not_count() -> None:
    breaker = CircuitBreaker()
    for n in range(50):
        assert not breaker.record_outcome(n, Deferred(Reply(Stage.RCPT, 451)))
        assert not breaker.record_outcome(n, None)
        assert not breaker.record_outcome(n, InDoubt(Reply(Stage.DOT, 0)))
    assert breaker.over_quota is None
    for n in range(ALL_REJECTED):
        breaker.record_outcome(n, rejection())
    assert breaker.conclude() == "", "others may still be accepted"


def test_one_domain_that_refuses_us_does_not_keep_the_issue_from_the_others() -> None:
    breaker = CircuitBreaker(accepted=20)
    answers = [breaker.record_outcome(n, BLOCKED, "firm.example") for n in range(REJECTED_IN_A_ROW)]

    assert [bool(answer) for answer in answers] == [False] * (REJECTED_IN_A_ROW - 1) + [True]

    breaker = CircuitBreaker(accepted=20)
    assert any(breaker.record_outcome(n, BLOCKED, f"firm{n}.example") for n in range(POLICY_IN_A_ROW))

    breaker = CircuitBreaker()
    assert any(breaker.record_outcome(n, BLOCKED, "firm.example") for n in range(POLICY_IN_A_ROW)), "nothing accepted"


def test_a_domain_that_rejects_everybody_does_not_keep_the_issue_from_the_others() -> None:
    breaker = CircuitBreaker(accepted=1)
    assert not any(breaker.record_outcome(n, rejection(), "firm.example") for n in range(100))
    assert not any(breaker.record_outcome(n, rejection() if n % 10 == 0 else SENT, "other.example") for n in range(100))
    assert any(breaker.record_outcome(n, rejection(), "other.example") for n in range(REJECTED_IN_A_ROW))

    breaker = CircuitBreaker()
    answers = [breaker.record_outcome(n, rejection(), "firm.example") for n in range(ONE_DOMAIN_IN_A_ROW)]
    assert [bool(answer) for answer in answers] == [False] * (ONE_DOMAIN_IN_A_ROW - 1) + [True], "nothing accepted yet"


def test_the_same_few_emails_refused_again_do_not_pause_an_issue_that_most_people_have() -> None:
    breaker = CircuitBreaker(accepted=60)

    assert not any(breaker.record_outcome(n, BLOCKED, f"firm{n}.example", is_retry=True) for n in range(30))
    assert breaker.conclude() == ""

    breaker = CircuitBreaker(accepted=2)
    assert not any(breaker.record_outcome(n, BLOCKED, f"firm{n}.example", is_retry=True) for n in range(3))
    assert breaker.conclude().startswith("3 emails were refused because of the sender")


def test_a_single_refusal_is_told_in_the_singular() -> None:
    breaker = CircuitBreaker()
    breaker.record_outcome(1, BLOCKED)

    assert breaker.conclude().startswith("1 email was refused because of the sender")
