"""The budget of unanswered confirmation emails: what suspends sign-ups, and what resumes them."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain.subscribers.signup_limits import SignupDecision, SignupLimit

NOON = datetime(2025, 5, 2, 12, tzinfo=UTC)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


def try_sign_up(limit: SignupLimit, number: int, start: datetime, every: timedelta) -> list[SignupDecision]:
    return [limit.try_one(start + every * n) for n in range(number)]


def test_a_fast_attack_gets_only_the_budget_and_suspends_sign_ups_once() -> None:
    decisions = try_sign_up(SignupLimit(20), 10_000, NOON, timedelta(milliseconds=100))
    assert (decisions.count(SignupDecision.OPEN), decisions.count(SignupDecision.CLOSES)) == (20, 1)


def test_an_attack_that_lasts_a_day_gets_little_more() -> None:
    decisions = try_sign_up(SignupLimit(20), 10_000, NOON, DAY / 10_000)
    assert decisions.count(SignupDecision.OPEN) <= 27


def test_a_confirmation_restores_the_budget_so_many_real_people_pass() -> None:
    limit, now = SignupLimit(20), NOON
    for _ in range(500):
        assert limit.try_one(now) is SignupDecision.OPEN
        limit.answered()
        now += SECOND


def test_an_hour_after_an_attack_the_full_budget_is_back() -> None:
    limit = SignupLimit(20)
    try_sign_up(limit, 25, NOON, SECOND)
    assert limit.try_one(NOON + 59 * SECOND * 60) is SignupDecision.CLOSED
    later = NOON + HOUR + 60 * SECOND
    assert try_sign_up(limit, 20, later, timedelta()) == [SignupDecision.OPEN] * 20


def test_during_an_attack_one_email_tests_the_situation_and_the_suspension_doubles() -> None:
    limit = SignupLimit(20)
    try_sign_up(limit, 500, NOON, SECOND)
    later = NOON + HOUR + 60 * SECOND
    assert try_sign_up(limit, 2, later, SECOND) == [SignupDecision.OPEN, SignupDecision.CLOSES]
    assert limit.is_closed(later + HOUR + 30 * 60 * SECOND)
    assert not limit.is_closed(later + 2 * HOUR + SECOND)


def test_one_confirmation_restores_the_full_budget() -> None:
    limit = SignupLimit(20)
    try_sign_up(limit, 500, NOON, SECOND)
    later = NOON + HOUR + 60 * SECOND
    assert limit.try_one(later) is SignupDecision.OPEN
    limit.answered()
    assert try_sign_up(limit, 20, later, timedelta()) == [SignupDecision.OPEN] * 20


@given(st.lists(st.integers(0, 7200), max_size=300))
def test_no_hour_sends_more_than_twice_the_budget_of_unanswered_emails(pauses: list[int]) -> None:
    limit, now, opened = SignupLimit(5), NOON, []
    for pause in pauses:
        now += SECOND * pause
        if limit.try_one(now) is SignupDecision.OPEN:
            opened.append(now)
    assert all(sum(at <= other <= at + HOUR for other in opened) <= 10 for at in opened)
