"""When an issue that is being sent is too old, so that a mail server that comes back does not send several at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from newsletter.domain.calendar.schedule import Schedule
from newsletter.domain.delivery.issue import IssueState

STALLED_AFTER = timedelta(days=1)
"""An issue of which nothing was accepted for so long is not just slow, as one is that a rate limit spreads over days."""


class End(StrEnum):
    """How an issue ends that is too old."""

    MISS = "miss"  # nobody can have received it: its tip returns to the queue
    GIVE_UP = "give_up"  # some have it, and the rest do not get it anymore


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an issue is. Times are aware.

    due_at: its time, or when the owner asked to retry it. has_reached: may anybody have received it? last_sent_at: when
    an email of it was last accepted. is_retried: the owner has asked to retry it after it was done.
    """

    due_at: datetime
    state: IssueState
    has_reached: bool
    last_sent_at: datetime | None = None
    is_retried: bool = False


def finish_within(schedule: Schedule) -> timedelta:
    """So long after its time, an issue may still reach the rest of its audience: three days of a week.

    The next one is then as far away as the schedule keeps any two of them.
    """
    return max(schedule.gap - schedule.apart, STALLED_AFTER)


def end_of(issue: Progress, now: datetime, late_window: timedelta, schedule: Schedule) -> End | None:
    """How an issue that is being sent or paused ends now; None while it may continue.

    A paused issue waits for the owner until it is so late that the next one is close.
    """
    late = now - issue.due_at
    longest = max(late_window, finish_within(schedule))
    if issue.is_retried:
        return End.GIVE_UP if late > longest else None
    if not issue.has_reached:
        return End.MISS if late > (longest if issue.state is IssueState.PAUSED else late_window) else None
    is_stalled = issue.last_sent_at is None or now - issue.last_sent_at > STALLED_AFTER
    return End.GIVE_UP if late > max(schedule.gap, longest) or (late > longest and is_stalled) else None
