"""A run of lost replies pauses an issue; a single one does not."""

from __future__ import annotations

import pytest

from newsletter.domain.delivery.outcome import Reply, Stage
from newsletter.domain.delivery.whose_trouble import ALL_IN_DOUBT, DOUBTS_IN_A_ROW, SPREAD, WhoseTrouble

LOST = Reply(Stage.DOT, 0, "", "to the dot: it closed the connection")


@pytest.mark.parametrize(("connections", "run"), [(1, DOUBTS_IN_A_ROW), (2, DOUBTS_IN_A_ROW), (10, 10 + SPREAD)])
def test_a_run_of_lost_replies_pauses_the_issue(connections: int, run: int) -> None:
    trouble = WhoseTrouble(connections)
    answers = [trouble.record_doubt(LOST) for _ in range(run)]

    assert [bool(answer) for answer in answers] == [False] * (run - 1) + [True]
    assert f"took {run} emails in a row" in answers[-1]
    assert "no reply to the dot: it closed the connection" in answers[-1]


def test_an_accepted_email_ends_a_run_of_lost_replies() -> None:
    trouble = WhoseTrouble()
    for _ in range(20):
        assert [trouble.record_doubt(LOST) for _ in range(DOUBTS_IN_A_ROW - 1)] == [""] * (DOUBTS_IN_A_ROW - 1)
        trouble.record_sent()

    assert trouble.conclude() == ""


@pytest.mark.parametrize(
    ("doubts", "sent", "pauses"), [(ALL_IN_DOUBT, 0, True), (2, 0, False), (ALL_IN_DOUBT, 1, False)]
)
def test_a_small_list_without_any_reply_pauses_at_the_end_of_the_batch(doubts: int, sent: int, *, pauses: bool) -> None:
    trouble = WhoseTrouble(sent=sent)
    for _ in range(doubts):
        trouble.record_doubt(LOST)

    assert bool(trouble.conclude()) is pauses
