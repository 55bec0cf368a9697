"""The life of one issue: a tip bound to a slot, frozen when compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from newsletter.domain.errors import IllegalTransition


class IssueState(StrEnum):
    """The states of one issue."""

    PLANNED = "planned"  # the slot is taken, nothing is chosen or compiled for good
    PREPARING = "preparing"  # a tip is bound, the letter is being compiled
    SENDING = "sending"  # letter and audience are frozen; open deliveries remain
    PAUSED = "paused"  # a person or the breaker stopped it
    DONE = "done"  # no open delivery is left
    CANCELLED = "cancelled"
    NO_CONTENT = "no_content"  # the slot came and there was no tip
    MISSED = "missed"  # the slot was found too late


IN_PROGRESS = (IssueState.SENDING, IssueState.PAUSED)


class IssueEvent(StrEnum):
    """What may happen to an issue."""

    PREPARE = "prepare"
    FREEZE = "freeze"
    PAUSE = "pause"
    RESUME = "resume"
    FINISH = "finish"
    CANCEL = "cancel"
    FIND_NOTHING = "find_nothing"
    MISS = "miss"
    REOPEN = "reopen"  # a person retries deliveries of an issue that was done


ISSUE_TABLE: dict[tuple[IssueState, IssueEvent], IssueState] = {
    (IssueState.PLANNED, IssueEvent.PREPARE): IssueState.PREPARING,
    (IssueState.PLANNED, IssueEvent.FIND_NOTHING): IssueState.NO_CONTENT,
    (IssueState.PLANNED, IssueEvent.MISS): IssueState.MISSED,
    (IssueState.PLANNED, IssueEvent.CANCEL): IssueState.CANCELLED,
    (IssueState.NO_CONTENT, IssueEvent.PREPARE): IssueState.PREPARING,
    (IssueState.NO_CONTENT, IssueEvent.MISS): IssueState.MISSED,
    (IssueState.PREPARING, IssueEvent.PREPARE): IssueState.PREPARING,  # a crash while compiling: again
    (IssueState.PREPARING, IssueEvent.FREEZE): IssueState.SENDING,
    (IssueState.PREPARING, IssueEvent.MISS): IssueState.MISSED,
    (IssueState.PREPARING, IssueEvent.CANCEL): IssueState.CANCELLED,
    (IssueState.SENDING, IssueEvent.PAUSE): IssueState.PAUSED,
    (IssueState.SENDING, IssueEvent.FINISH): IssueState.DONE,
    (IssueState.SENDING, IssueEvent.CANCEL): IssueState.CANCELLED,
    (IssueState.PAUSED, IssueEvent.RESUME): IssueState.SENDING,
    (IssueState.PAUSED, IssueEvent.CANCEL): IssueState.CANCELLED,
    (IssueState.DONE, IssueEvent.REOPEN): IssueState.SENDING,
}


def issue_transition(state: IssueState, event: IssueEvent) -> IssueState:
    """The state after `event`; raises IllegalTransition for what is not in the table."""
    try:
        return ISSUE_TABLE[state, event]
    except KeyError:
        raise IllegalTransition(f"an issue that is {state} cannot {event}") from None


@dataclass(frozen=True, slots=True)
class IssueFacts:
    """One issue as the verbs and doors see it. Times aware; slot None outside the calendar.

    tips: how many readers it has for each tip, its own first, where it has more than one.
    quarter: see `domain.calendar.quarterly`; "" for every other issue.
    """

    number: int
    slot: date | None
    due_at: datetime
    state: IssueState
    tip_id: int | None
    tip_key: str | None
    subject: str
    audience: int
    pause_reason: str
    started_at: datetime | None
    done_at: datetime | None
    counts: Mapping[str, int] = field(default_factory=dict)
    skipped_for: Mapping[str, int] = field(default_factory=dict)
    tips: Mapping[str, int] = field(default_factory=dict)
    quarter: str = ""
