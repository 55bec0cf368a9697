"""A mail server that defers everybody ends the batch; one domain that does is no reason to let the others wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from newsletter.domain.delivery.deferral_run import MOST_IN_A_ROW, MOST_WHEN_SLOWED, DeferralRun, Waiting
from newsletter.domain.delivery.outcome import Reply, Stage

SLOW_DOWN = Reply(Stage.RCPT, 450, "4.7.1", "too many connections, slow down")
NOW = datetime(2026, 12, 1, 14, tzinfo=UTC)


def run_length(run: DeferralRun, *domains: str) -> int:
    """How many emails are deferred until the batch ends; 0: it goes on."""
    for number in range(1, 1000):
        run.record_deferred(SLOW_DOWN, domains[number % len(domains)])
        if run.over:
            return number
    return 0


def test_a_run_of_deferrals_ends_the_batch_with_the_reply() -> None:
    run = DeferralRun()
    assert run_length(run, "a.example", "b.example") == MOST_IN_A_ROW
    assert run.over == SLOW_DOWN


def test_the_next_batches_end_sooner_until_an_email_is_accepted() -> None:
    run = DeferralRun(is_slowed=True, has_accepted=True)
    assert run_length(run, "a.example", "b.example") == MOST_WHEN_SLOWED
    run = DeferralRun(is_slowed=True)
    run.record_sent()
    assert run_length(run, "a.example", "b.example") == MOST_IN_A_ROW


def test_an_accepted_email_ends_a_run() -> None:
    run = DeferralRun()
    for _ in range(1000):
        run.record_deferred(SLOW_DOWN, "a.example")
        run.record_deferred(SLOW_DOWN, "b.example")
        run.record_sent()
    assert run.over is None


def test_one_domain_that_defers_lets_nobody_else_wait() -> None:
    assert run_length(DeferralRun(has_accepted=True), "a.example") == 0
    assert run_length(DeferralRun(), "a.example") == MOST_IN_A_ROW


@pytest.mark.parametrize(
    ("number", "audience", "minutes", "is_news"),
    [
        (100, 100, 59, False),
        (100, 100, 60, True),
        (9, 100, 60, False),
        (10, 100, 60, True),
        (2, 3, 60, False),
        (3, 3, 60, True),
    ],
)
def test_the_owner_is_told_after_an_hour_and_only_of_many(
    number: int, audience: int, minutes: int, *, is_news: bool
) -> None:
    waiting = Waiting(number, "450 slow down", NOW)
    assert waiting.is_news(audience, NOW - timedelta(minutes=minutes), NOW) is is_news


@pytest.mark.parametrize(
    ("number", "reply", "doubts", "says"),
    [
        (3, "450 slow down", 0, "The mail server asks us to wait with 3 emails."),
        (1, "no reply to RCPT: it closed the connection", 0, "1 email waits for the next attempt."),
        (3, "450 slow down", 1, "3 emails wait for the next attempt. 1 of them may have arrived."),
        (1, "no reply to the dot", 1, "accepted 1 email. It may have arrived and is tried once more."),
        (3, "no reply to the dot", 3, "accepted 3 emails. They may have arrived and are tried once more."),
    ],
)
def test_only_a_mail_server_that_replied_has_asked_us_to_wait(number: int, reply: str, doubts: int, says: str) -> None:
    assert Waiting(number, reply, NOW, doubts).summary.endswith(says)
