"""Following an issue that another process sends, until nothing of it is due; sends nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event

from newsletter.domain.issues import IssueState
from newsletter.domain.ports import Store

LOOK_EVERY = 0.5  # seconds
STILL_FOR = 120  # looks without a change after which the other process is left to itself


def watch(store: Store, numbers: Sequence[int], stop: Event, progress: Callable[[int, int], None] | None) -> None:
    """Come back when every issue has only deferred letters left, was stopped, or nothing moves for a minute."""
    for number in numbers:
        still, seen = 0, (-1, -1)
        while still < STILL_FOR:
            with store.read() as tx:
                issue = tx.issues.get(number)
            counts = issue.counts
            now_open = (counts["pending"] + counts["sending"], counts["deferred"])
            if progress:
                progress(issue.audience - sum(now_open), issue.audience)
            if issue.state is not IssueState.SENDING or (now_open[0] == 0 and now_open[1]):
                break  # nothing open at all: it is about to be done
            still, seen = (still + 1, seen) if now_open == seen else (0, now_open)
            if stop.wait(LOOK_EVERY):
                return
