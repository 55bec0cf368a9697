"""Rate limits: sliding windows, per hour and per recipient domain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain.delivery.rate_limit import NO_LIMIT, Rate, RateLimiter

NOW = datetime(2024, 3, 5, 13, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_without_a_rate_everything_is_allowed() -> None:
    pace = RateLimiter([])

    assert (pace.allowed(NOW), pace.wait_for(NOW), pace.longest_window) == (NO_LIMIT, timedelta(), timedelta())


def test_a_window_slides_email_by_email() -> None:
    pace = RateLimiter([Rate(2, MINUTE)])
    pace.record_claim(NOW, "a.example")
    pace.record_claim(NOW + timedelta(seconds=20), "a.example")

    assert pace.allowed(NOW + timedelta(seconds=30)) == 0
    assert pace.wait_for(NOW + timedelta(seconds=30)) == timedelta(seconds=30)
    assert pace.allowed(NOW + timedelta(seconds=60)) == 1
    assert pace.allowed(NOW + timedelta(seconds=80)) == 2


def test_the_strictest_rate_applies() -> None:
    pace = RateLimiter([Rate(100, timedelta(hours=1)), Rate(1, timedelta(seconds=1))])
    pace.record_claim(NOW, "")

    assert pace.allowed(NOW) == 0
    assert pace.wait_for(NOW) == timedelta(seconds=1)


def test_emails_sent_before_a_restart_count() -> None:
    pace = RateLimiter([Rate(3, timedelta(hours=1))])
    pace.seed([(NOW - timedelta(minutes=90), ""), (NOW - timedelta(minutes=30), ""), (NOW - MINUTE, "")])

    assert pace.allowed(NOW) == 1


def test_domains_are_counted_separately_and_waiting_emails_queue_up() -> None:
    pace = RateLimiter([Rate(1, MINUTE, per_domain=True)])
    pace.record_claim(NOW, "big.example")
    waits = [pace.domain_wait("big.example", NOW) for _ in range(3)]

    assert waits == [MINUTE, 2 * MINUTE, 3 * MINUTE]
    assert pace.domain_wait("small.example", NOW) == timedelta()


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=60),
    st.integers(1, 5),
    st.integers(1, 100),
)
def test_no_window_ever_exceeds_its_rate(steps: list[int], count: int, seconds: int) -> None:
    """Claim an email whenever the limiter allows one; then count in every window that ends at an email."""
    window = timedelta(seconds=seconds)
    pace, now, taken = RateLimiter([Rate(count, window)]), NOW, []
    for step in steps:
        now += timedelta(seconds=step)
        if pace.allowed(now):
            pace.record_claim(now, "")
            taken.append(now)
        else:
            assert pace.wait_for(now) > timedelta()

    assert all(sum(end - window < at <= end for at in taken) <= count for end in taken)
