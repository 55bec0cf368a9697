"""Following an issue that another process sends, until nothing of it is due; sends nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event

from newsletter.domain.delivery.issue import IssueState
from newsletter.ports.store import Store

POLL_EVERY = 0.5  # seconds
MAX_UNCHANGED_POLLS = 120  # looks without a change after which the other process is left to itself
DAEMON_POLLS = 6  # looks, more than the daemon takes to see that a deferred letter is due or that an issue is done


def watch(store: Store, numbers: Sequence[int], stop: Event, progress: Callable[[int, int], None] | None) -> None:
    """Come back when every issue has only letters left that wait, was stopped, or nothing moves for a minute."""
    between_looks = Event()  # not `stop`: a signal handler sets that one, and could wait for its lock for ever
    for number in numbers:
        still, seen = 0, (-1, -1)
        while still < (MAX_UNCHANGED_POLLS if seen[0] else DAEMON_POLLS):
            with store.read() as tx:
                issue = tx.issues.get(number)
            counts = issue.counts
            now_open = (counts["pending"] + counts["sending"], counts["deferred"])
            if progress:
                progress(issue.audience - sum(now_open), issue.audience)
            if issue.state is not IssueState.SENDING:
                break
            still, seen = (still + 1, seen) if now_open == seen else (0, now_open)
            between_looks.wait(POLL_EVERY)
            if stop.is_set():
                return
