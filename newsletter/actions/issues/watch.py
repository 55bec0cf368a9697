"""Follow an issue while another process sends it, until nothing of it is due."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event

from newsletter.domain.delivery.issue import IssueState
from newsletter.ports.store import Store

POLL_EVERY = 0.5  # seconds
MAX_UNCHANGED_POLLS = 120  # then the other process hangs, or waits for its mail server
DAEMON_POLLS = 6  # longer than the daemon takes to notice that a deferred email is due or that an issue is done


def watch(store: Store, numbers: Sequence[int], stop: Event, progress: Callable[[int, int], None] | None) -> None:
    """Return when every issue was stopped or has only deferred emails left, or when nothing has changed for a minute."""
    timer = Event()  # not `stop`: a signal handler sets that one, and could wait for its lock forever
    for number in numbers:
        unchanged, seen = 0, (-1, -1)
        while unchanged < (MAX_UNCHANGED_POLLS if seen[0] else DAEMON_POLLS):
            with store.read() as tx:
                issue = tx.issues.get(number)
            counts = issue.counts
            now_open = (counts["pending"] + counts["sending"], counts["deferred"])
            if progress:
                progress(issue.audience - sum(now_open), issue.audience)
            if issue.state is not IssueState.SENDING:
                break
            unchanged, seen = (unchanged + 1, seen) if now_open == seen else (0, now_open)
            timer.wait(POLL_EVERY)
            if stop.is_set():
                return
