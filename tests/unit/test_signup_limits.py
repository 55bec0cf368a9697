"""The lane: a budget of unanswered mails, what closes it, what opens it again."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain.subscribers.signup_limits import SignupDecision, SignupLimit

NOON = datetime(2025, 5, 2, 12, tzinfo=UTC)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


def knock(limit: SignupLimit, number: int, start: datetime, every: timedelta) -> list[SignupDecision]:
    return [limit.try_one(start + every * n) for n in range(number)]


def test_a_quick_attack_gets_no_more_than_the_budget_and_closes_the_lane_once() -> None:
    said = knock(SignupLimit(20), 10_000, NOON, timedelta(milliseconds=100))
    assert (said.count(SignupDecision.OPEN), said.count(SignupDecision.CLOSES)) == (20, 1)


def test_an_attack_of_a_whole_day_gets_little_more() -> None:
    said = knock(SignupLimit(20), 10_000, NOON, DAY / 10_000)
    assert said.count(SignupDecision.OPEN) <= 27


def test_who_answers_gives_the_place_back_so_a_crowd_of_people_passes() -> None:
    limit, now = SignupLimit(20), NOON
    for _ in range(500):
        assert limit.try_one(now) is SignupDecision.OPEN
        limit.answered()
        now += SECOND


def test_after_the_attack_an_hour_passes_and_all_is_as_before() -> None:
    limit = SignupLimit(20)
    knock(limit, 25, NOON, SECOND)
    assert limit.try_one(NOON + 59 * SECOND * 60) is SignupDecision.CLOSED
    later = NOON + HOUR + 60 * SECOND
    assert knock(limit, 20, later, timedelta()) == [SignupDecision.OPEN] * 20


def test_while_the_attack_goes_on_one_mail_tries_and_the_closure_doubles() -> None:
    limit = SignupLimit(20)
    knock(limit, 500, NOON, SECOND)
    later = NOON + HOUR + 60 * SECOND
    assert knock(limit, 2, later, SECOND) == [SignupDecision.OPEN, SignupDecision.CLOSES]
    assert limit.is_closed(later + HOUR + 30 * 60 * SECOND)
    assert not limit.is_closed(later + 2 * HOUR + SECOND)


def test_one_answer_brings_the_whole_budget_back() -> None:
    limit = SignupLimit(20)
    knock(limit, 500, NOON, SECOND)
    later = NOON + HOUR + 60 * SECOND
    assert limit.try_one(later) is SignupDecision.OPEN
    limit.answered()
    assert knock(limit, 20, later, timedelta()) == [SignupDecision.OPEN] * 20


@given(st.lists(st.integers(0, 7200), max_size=300))
def test_no_hour_of_unanswered_knocks_sends_more_than_twice_the_budget(pauses: list[int]) -> None:
    limit, now, opened = SignupLimit(5), NOON, []
    for pause in pauses:
        now += SECOND * pause
        if limit.try_one(now) is SignupDecision.OPEN:
            opened.append(now)
    assert all(sum(at <= other <= at + HOUR for other in opened) <= 10 for at in opened)
