"""The life of one delivery: the only place where a delivery may change its state.

Who calls: the ledger in `store/`, inside the transaction that writes the new state.
Everything that is not in `TABLE` raises; `tests/unit/test_delivery.py` walks every state x event.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from newsletter.domain.delivery.outcome import Cause, Deferred, InDoubt, Outcome, Rejected, Reply, Sent
from newsletter.domain.errors import IllegalTransition


class State(StrEnum):
    """The states of one issue's way to one subscriber."""

    PENDING = "pending"  # in the audience, nothing tried, or put back without blame
    SENDING = "sending"  # claimed by a worker, committed before a byte left
    SENT = "sent"  # the next hop answered 250 to the dot
    DEFERRED = "deferred"  # not now; next_attempt_at says when
    REJECTED = "rejected"  # the next hop said no for good
    FAILED = "failed"  # we gave up after GIVE_UP_AFTER
    HELD = "held"  # in doubt too often, or by setting: a person decides
    SKIPPED = "skipped"  # not to be sent; the reason stands beside it


OPEN = frozenset({State.PENDING, State.SENDING, State.DEFERRED})


class Event(StrEnum):
    """What may happen to a delivery."""

    CLAIM = "claim"
    SKIP = "skip"
    ACCEPT = "accept"
    DEFER = "defer"
    REJECT = "reject"
    GIVE_UP = "give_up"
    HOLD = "hold"
    REQUEUE = "put_back"  # trouble of the connection, or recovery after a crash
    RETRY = "retry"  # a person asked for it, or the breaker took a verdict back


class SkipReason(StrEnum):
    """Why somebody in the frozen audience got no letter."""

    UNSUBSCRIBED = "unsubscribed"
    SUPPRESSED = "suppressed"
    PAUSED = "paused"
    ERASED = "erased"
    NOT_CONFIRMED = "not_confirmed"
    CANCELLED = "cancelled"
    ALREADY_RECEIVED = "had_it"  # the issue's tip, and every other one that may run again
    SUBSCRIBED = "subscribed"  # gets every letter again, so none of the quarter


TABLE: dict[tuple[State, Event], State] = {
    (State.PENDING, Event.CLAIM): State.SENDING,
    (State.DEFERRED, Event.CLAIM): State.SENDING,
    (State.PENDING, Event.SKIP): State.SKIPPED,
    (State.DEFERRED, Event.SKIP): State.SKIPPED,
    (State.HELD, Event.SKIP): State.SKIPPED,
    (State.SENDING, Event.ACCEPT): State.SENT,
    (State.SENDING, Event.DEFER): State.DEFERRED,
    (State.SENDING, Event.REJECT): State.REJECTED,
    (State.SENDING, Event.GIVE_UP): State.FAILED,
    (State.SENDING, Event.HOLD): State.HELD,
    (State.SENDING, Event.REQUEUE): State.PENDING,
    (State.REJECTED, Event.RETRY): State.PENDING,
    (State.FAILED, Event.RETRY): State.PENDING,
    (State.HELD, Event.RETRY): State.PENDING,
}

BACK_OFF = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60))
GIVE_UP_AFTER = timedelta(hours=48)
IN_DOUBT_FOR = timedelta(minutes=10)
MAX_CRASHES = 3


def transition(state: State, event: Event) -> State:
    """The state after `event`; raises IllegalTransition for what is not in the table."""
    try:
        return TABLE[state, event]
    except KeyError:
        raise IllegalTransition(f"a delivery that is {state} cannot {event}") from None


def back_off(attempts: int) -> timedelta:
    """How long to wait after attempt number `attempts` (1 = the first): 1, 5, 15, 60 min, then hourly."""
    return BACK_OFF[min(attempts, len(BACK_OFF)) - 1]


@dataclass(frozen=True, slots=True)
class Change:
    """What to write on the row: the event, the new state, and what goes with it."""

    event: Event
    state: State
    next_attempt_at: datetime | None = None
    suppress: bool = False


def _change(event: Event, next_attempt_at: datetime | None = None, *, suppress: bool = False) -> Change:
    return Change(event, transition(State.SENDING, event), next_attempt_at, suppress)


def _later(wait_for: timedelta, first_attempt_at: datetime, now: datetime) -> Change:
    if now + wait_for - first_attempt_at > GIVE_UP_AFTER:
        return _change(Event.GIVE_UP)
    return _change(Event.DEFER, now + wait_for)


_ACCEPTED = _change(Event.ACCEPT)


def apply_outcome(
    outcome: Outcome, *, attempts: int, first_attempt_at: datetime, now: datetime, hold_in_doubt: bool = False
) -> Change:
    """What an outcome does to a row in `sending`.

    attempts: how many were made, this one included. first_attempt_at, now: aware.
    A policy refusal is about us: the row waits, and the breaker decides about the issue.
    """
    match outcome:
        case Sent():
            return _ACCEPTED
        case Deferred():
            return _later(back_off(attempts), first_attempt_at, now)
        case Rejected(cause=Cause.POLICY):
            return _later(back_off(attempts), first_attempt_at, now)
        case Rejected(cause=cause):
            return _change(Event.REJECT, suppress=cause is Cause.BAD_ADDRESS)
        case InDoubt():
            if hold_in_doubt:
                return _change(Event.HOLD)
            return _later(max(back_off(attempts), IN_DOUBT_FOR), first_attempt_at, now)


def recover(crashes: int, *, hold_in_doubt: bool = False) -> Change:
    """What becomes of a row in `sending` whose owner is dead; `crashes` counts this one too."""
    return _change(Event.HOLD if hold_in_doubt or crashes >= MAX_CRASHES else Event.REQUEUE)


class Claim(NamedTuple):
    """One letter a worker may send now: the row is committed as `sending` under its owner.

    joined_on: the date the reader confirmed, ISO, or "". attempts: this one included. tip_id: which of the issue's
    letters it is, None for that of its own tip.
    """

    issue_id: int
    subscriber_id: int
    subscriber_key: str
    address: str
    name: str
    joined_on: str
    attempts: int
    first_attempt_at: datetime
    tip_id: int | None = None


class Finished(NamedTuple):
    """A claim with its end: an outcome, or None when the letter was not tried and its row goes back without blame.

    not_before: with None, when it may be claimed again (a rate is used up); at once if that is None too.
    """

    claim: Claim
    outcome: Outcome | None
    at: datetime
    not_before: datetime | None = None


__all__ = [
    "BACK_OFF", "GIVE_UP_AFTER", "IN_DOUBT_FOR", "MAX_CRASHES", "OPEN", "TABLE",
    "Change", "Claim", "Event", "Finished", "Reply", "SkipReason", "State",
    "apply_outcome", "back_off", "recover", "transition",
]  # fmt: skip
