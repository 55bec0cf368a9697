"""What `issues retry-failed` says that it did, and what to do next."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from newsletter.cli.issue_view import queued_again
from newsletter.domain.delivery.issue import IssueState

if TYPE_CHECKING:
    from newsletter.domain.delivery.issue import IssueFacts


@pytest.mark.parametrize(
    ("state", "number", "dry_run", "says"),
    [
        (IssueState.DONE, 0, False, "There is nothing to send again."),
        (
            IssueState.SENDING,
            6,
            True,
            "6 emails would be queued again. The daemon sends them; without it, run newsletter issues resume 7",
        ),
        (IssueState.PAUSED, 1, False, "1 email is queued again. To send it, run newsletter issues resume 7"),
    ],
)
def test_retry_failed_says_how_many_and_who_sends_them(
    state: IssueState, number: int, says: str, *, dry_run: bool
) -> None:
    issue = cast("IssueFacts", SimpleNamespace(argument="7", state=state))
    assert queued_again(issue, number, dry_run=dry_run) == says
