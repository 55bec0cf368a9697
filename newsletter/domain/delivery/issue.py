"""The states of one issue, and the only rules by which they change: a tip is bound to a slot, compiled and sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from newsletter.domain.errors import IllegalTransition
from newsletter.domain.lists import issue_argument, issue_name, shown_number

PAUSED_BY_HAND = "paused by hand"


class IssueState(StrEnum):
    """The states of one issue."""

    PLANNED = "planned"  # the slot is taken (T0); no tip is bound yet
    PREPARING = "preparing"  # a tip is bound, the email is being compiled
    SENDING = "sending"  # email and audience are frozen (T1); open deliveries remain
    PAUSED = "paused"  # a person or the circuit breaker paused it
    DONE = "done"  # no open delivery is left (T5)
    CANCELLED = "cancelled"
    NO_CONTENT = "no_content"  # the slot is due and there is no tip
    MISSED = "missed"  # the slot was found too late, or nothing could be sent in time


IN_PROGRESS = (IssueState.SENDING, IssueState.PAUSED)


class IssueEvent(StrEnum):
    """What can happen to an issue."""

    PREPARE = "prepare"
    HOLD = "hold"  # its tip has errors
    UNBIND = "unbind"  # its tip is not sent after all, so another one is chosen
    FREEZE = "freeze"
    PAUSE = "pause"
    RESUME = "resume"
    FINISH = "finish"
    CANCEL = "cancel"
    FIND_NOTHING = "find_nothing"
    MISS = "miss"
    REOPEN = "reopen"  # a person retries deliveries of a finished issue


ISSUE_TABLE: dict[tuple[IssueState, IssueEvent], IssueState] = {
    (IssueState.PLANNED, IssueEvent.PREPARE): IssueState.PREPARING,
    (IssueState.PLANNED, IssueEvent.HOLD): IssueState.PLANNED,
    (IssueState.PLANNED, IssueEvent.FIND_NOTHING): IssueState.NO_CONTENT,
    (IssueState.PLANNED, IssueEvent.MISS): IssueState.MISSED,
    (IssueState.PLANNED, IssueEvent.CANCEL): IssueState.CANCELLED,
    (IssueState.NO_CONTENT, IssueEvent.PREPARE): IssueState.PREPARING,
    (IssueState.NO_CONTENT, IssueEvent.HOLD): IssueState.PLANNED,
    (IssueState.NO_CONTENT, IssueEvent.MISS): IssueState.MISSED,
    (IssueState.PREPARING, IssueEvent.PREPARE): IssueState.PREPARING,  # compile again after a crash
    (IssueState.PREPARING, IssueEvent.HOLD): IssueState.PREPARING,
    (IssueState.PREPARING, IssueEvent.UNBIND): IssueState.PLANNED,
    (IssueState.PREPARING, IssueEvent.FREEZE): IssueState.SENDING,
    (IssueState.PREPARING, IssueEvent.MISS): IssueState.MISSED,
    (IssueState.PREPARING, IssueEvent.CANCEL): IssueState.CANCELLED,
    (IssueState.SENDING, IssueEvent.PAUSE): IssueState.PAUSED,
    (IssueState.SENDING, IssueEvent.FINISH): IssueState.DONE,
    (IssueState.SENDING, IssueEvent.CANCEL): IssueState.CANCELLED,
    (IssueState.SENDING, IssueEvent.MISS): IssueState.MISSED,  # nothing was accepted in time
    (IssueState.PAUSED, IssueEvent.RESUME): IssueState.SENDING,
    (IssueState.PAUSED, IssueEvent.CANCEL): IssueState.CANCELLED,
    (IssueState.PAUSED, IssueEvent.MISS): IssueState.MISSED,
    (IssueState.PAUSED, IssueEvent.FINISH): IssueState.DONE,  # it is too late for the rest
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
    """One issue with its counts. Times are aware; slot is None for an issue outside the calendar.

    number: its id; `shown` is what people see. Below zero for an issue that was missed, since only what is sent is counted.
    audience: the number of deliveries when it was frozen. counts: deliveries by state. skipped_for: skipped ones by
    SkipReason. tips: deliveries by tip, its own first, if it has more than one. quarter: as in
    `domain.calendar.quarterly`, "" for every other issue. day: its date in the
    newsletter's zone. is_course: each subscriber gets the next tip of the course, and tip_key stands for all of them.
    list_key: "" for the first list.
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
    day: date = date.min
    is_course: bool = False
    list_key: str = ""

    @property
    def shown(self) -> int:
        """The number that people see: that within the list."""
        return shown_number(self.number)

    @property
    def name(self) -> str:
        """It in a sentence, with its list unless that is the first."""
        return issue_name(self.number, self.list_key)

    @property
    def argument(self) -> str:
        """How a command takes it, with its list unless that is the first."""
        return issue_argument(self.number, self.list_key)

    @property
    def is_numbered(self) -> bool:
        """Does it have a number that people see?"""
        return self.number > 0


def why_held(key: str, errors: Sequence[str]) -> str:
    """The errors of a tip as the reason why its issue is held: a clause; "" without errors."""
    more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"the tip {key} has an error: {errors[0]}{more}" if errors else ""


_EVERY = "the email of every tip has this error"


def why_every_email(error: str) -> str:
    """The reason of an issue that is held because no email can be sent at all: a clause."""
    return f"{_EVERY}: {error}"


def is_about_every_email(reason: str) -> bool:
    """Is the issue held for an error of the templates or the settings, and not of its tip?"""
    return reason.startswith(_EVERY)


def how_to_fix(key: str, why: str = "", option: str = "") -> str:
    """What the owner can do about the errors of a tip. why: the reason why the issue is held. option: as of `list_option`."""
    if is_about_every_email(why):
        return "Fix the templates or the settings: newsletter templates check"
    return f"Fix it: newsletter tips edit {key}. To send it as it is: newsletter issues send --anyway{option}"
