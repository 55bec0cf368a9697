"""The rules of consent: when a link confirms, when unsubscribing changes something, when to ask again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain.subscribers.subscription import (
    Status,
    Verdict,
    may_send_confirmation,
    on_confirm,
    on_unsubscribe,
)

SIGNUP = datetime(2025, 5, 2, 9, 30, 15, 250_000, tzinfo=UTC)
LATER = SIGNUP + timedelta(minutes=3)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (Status.PENDING, Verdict.DO),
        (Status.CONFIRMED, Verdict.ALREADY),
        (Status.PAUSED, Verdict.ALREADY),
        (Status.UNSUBSCRIBED, Verdict.STALE),
        (Status.EXPIRED, Verdict.STALE),
    ],
)
def test_a_confirm_link_works_only_for_a_pending_sign_up(status: Status, verdict: Verdict) -> None:
    assert on_confirm(status, SIGNUP, SIGNUP, LATER) is verdict


def test_a_confirm_link_is_bound_to_the_second_of_its_sign_up() -> None:
    as_in_the_link = SIGNUP.replace(microsecond=0)
    assert on_confirm(Status.PENDING, SIGNUP, as_in_the_link, LATER) is Verdict.DO
    assert on_confirm(Status.PENDING, SIGNUP, as_in_the_link - timedelta(seconds=1), LATER) is Verdict.STALE


def test_a_confirm_link_works_for_thirty_days() -> None:
    assert on_confirm(Status.PENDING, SIGNUP, SIGNUP, SIGNUP + timedelta(days=30)) is Verdict.DO
    assert on_confirm(Status.PENDING, SIGNUP, SIGNUP, SIGNUP + timedelta(days=30, seconds=1)) is Verdict.STALE


@pytest.mark.parametrize("status", Status)
def test_unsubscribing_works_once_in_every_state(status: Status) -> None:
    expected = Verdict.ALREADY if status in (Status.UNSUBSCRIBED, Status.NONE) else Verdict.DO
    assert on_unsubscribe(status) is expected


@pytest.mark.parametrize("status", [None, *Status])
def test_only_an_address_that_is_not_subscribed_is_asked_to_confirm(status: Status | None) -> None:
    asked = may_send_confirmation(status, None, LATER)
    assert asked is (status not in (Status.CONFIRMED, Status.PAUSED))


@given(st.timedeltas(timedelta(0), timedelta(days=3)))
def test_an_address_is_asked_to_confirm_once_in_24_hours(waited_for: timedelta) -> None:
    asked = may_send_confirmation(Status.PENDING, SIGNUP, SIGNUP + waited_for)
    assert asked is (waited_for >= timedelta(hours=24))
