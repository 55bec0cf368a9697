"""The rules of a subscription: when a link confirms, when leaving changes something, when we may ask again."""

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
def test_a_confirm_link_works_for_who_waits_and_never_brings_back_who_left(status: Status, verdict: Verdict) -> None:
    assert on_confirm(status, SIGNUP, SIGNUP, LATER) is verdict


def test_a_confirm_link_knows_its_sign_up_to_the_second() -> None:
    as_in_the_link = SIGNUP.replace(microsecond=0)
    assert on_confirm(Status.PENDING, SIGNUP, as_in_the_link, LATER) is Verdict.DO
    assert on_confirm(Status.PENDING, SIGNUP, as_in_the_link - timedelta(seconds=1), LATER) is Verdict.STALE


def test_a_confirm_link_works_for_thirty_days() -> None:
    assert on_confirm(Status.PENDING, SIGNUP, SIGNUP, SIGNUP + timedelta(days=30)) is Verdict.DO
    assert on_confirm(Status.PENDING, SIGNUP, SIGNUP, SIGNUP + timedelta(days=30, seconds=1)) is Verdict.STALE


@pytest.mark.parametrize("status", Status)
def test_leaving_works_from_everywhere_and_once(status: Status) -> None:
    expected = Verdict.ALREADY if status is Status.UNSUBSCRIBED else Verdict.DO
    assert on_unsubscribe(status) is expected


@pytest.mark.parametrize("status", [None, *Status])
def test_only_who_is_not_on_the_list_is_asked(status: Status | None) -> None:
    asked = may_send_confirmation(status, None, LATER)
    assert asked is (status not in (Status.CONFIRMED, Status.PAUSED))


@given(st.timedeltas(timedelta(0), timedelta(days=3)))
def test_an_address_is_asked_once_in_24_hours(waited_for: timedelta) -> None:
    asked = may_send_confirmation(Status.PENDING, SIGNUP, SIGNUP + waited_for)
    assert asked is (waited_for >= timedelta(hours=24))
