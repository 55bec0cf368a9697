"""The states of one delivery, and the only rules by which they change; see docs/delivery.md.

The ledger in `store/deliveries.py` calls them inside the transaction that writes the new state. What is not in `TABLE`
raises; `tests/unit/test_delivery.py` tries every event in every state.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from newsletter.domain.delivery.outcome import Cause, Deferred, InDoubt, Outcome, Rejected, Reply, Sent
from newsletter.domain.errors import IllegalTransition


class State(StrEnum):
    """The states of the delivery of one issue to one subscriber."""

    PENDING = "pending"  # in the audience, not tried yet or requeued; no attempt is counted
    SENDING = "sending"  # claimed by a worker; committed before a byte is sent
    SENT = "sent"  # the mail server replied 250 to the final dot
    DEFERRED = "deferred"  # to be tried again at next_attempt_at
    REJECTED = "rejected"  # the mail server rejected it permanently
    FAILED = "failed"  # we gave up after GIVE_UP_AFTER
    HELD = "held"  # in doubt too often, or the settings say so; a person decides
    SKIPPED = "skipped"  # not sent, for a SkipReason


OPEN = frozenset({State.PENDING, State.SENDING, State.DEFERRED})


WHY_HELD = "nobody knows whether the mail server accepted them, so they may have arrived"


def how_to_send_held(issue: str) -> str:
    """What the owner can do about the held deliveries of an issue: always a choice to send another copy.

    issue: as a command takes it.
    """
    return f"newsletter issues retry-failed {issue} --held"


class Event(StrEnum):
    """What can happen to a delivery."""

    CLAIM = "claim"
    SKIP = "skip"
    ACCEPT = "accept"
    DEFER = "defer"
    REJECT = "reject"
    GIVE_UP = "give_up"
    HOLD = "hold"
    REQUEUE = "put_back"  # an error of the connection, or recovery after a crash
    WAIT = "wait"  # until another day, for a subscriber who wants at most one email a day
    RETRY = "retry"  # a person asked for it, or the circuit breaker undid a rejection


class SkipReason(StrEnum):
    """Why a subscriber in the frozen audience got no email."""

    UNSUBSCRIBED = "unsubscribed"
    SUPPRESSED = "suppressed"
    PAUSED = "paused"
    ERASED = "erased"
    NOT_CONFIRMED = "not_confirmed"
    CANCELLED = "cancelled"
    ALREADY_RECEIVED = "had_it"  # the issue's tip and every possible substitute
    MISSED = "missed"  # nothing of the issue could be sent in time
    TOO_LATE = "too_late"  # of a failed delivery: the rest of the issue was not sent in time
    SUBSCRIBED = "subscribed"  # is subscribed again, so gets no quarterly email


TABLE: dict[tuple[State, Event], State] = {
    (State.PENDING, Event.CLAIM): State.SENDING,
    (State.DEFERRED, Event.CLAIM): State.SENDING,
    (State.PENDING, Event.WAIT): State.DEFERRED,
    (State.DEFERRED, Event.WAIT): State.DEFERRED,
    (State.PENDING, Event.SKIP): State.SKIPPED,
    (State.DEFERRED, Event.SKIP): State.SKIPPED,
    (State.HELD, Event.SKIP): State.SKIPPED,
    (State.PENDING, Event.GIVE_UP): State.FAILED,  # it is too late for the rest of the issue
    (State.DEFERRED, Event.GIVE_UP): State.FAILED,
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
IN_DOUBT_FOR = timedelta(minutes=10)  # the shortest wait before an email that may have arrived is sent again
MAX_CRASHES = 3


def transition(state: State, event: Event) -> State:
    """The state after `event`; raises IllegalTransition for what is not in the table."""
    try:
        return TABLE[state, event]
    except KeyError:
        raise IllegalTransition(f"a delivery that is {state} cannot {event}") from None


def back_off(attempts: int) -> timedelta:
    """The wait after attempt number `attempts` (1: the first): 1, 5, 15, 60 minutes, then hourly."""
    return BACK_OFF[min(attempts, len(BACK_OFF)) - 1]


@dataclass(frozen=True, slots=True)
class Change:
    """What to write to the row: the event, the new state, and when to try again."""

    event: Event
    state: State
    next_attempt_at: datetime | None = None


def _change(event: Event, next_attempt_at: datetime | None = None) -> Change:
    return Change(event, transition(State.SENDING, event), next_attempt_at)


def _later(wait_for: timedelta, first_attempt_at: datetime, now: datetime) -> Change:
    if now + wait_for - first_attempt_at > GIVE_UP_AFTER:
        return _change(Event.GIVE_UP)
    return _change(Event.DEFER, now + wait_for)


_ACCEPTED = _change(Event.ACCEPT)


def apply_outcome(
    outcome: Outcome,
    *,
    attempts: int,
    first_attempt_at: datetime,
    now: datetime,
    doubts: int = 0,
    crashes: int = 0,
    hold_in_doubt: bool = False,
) -> Change:
    """The change that an outcome makes to a delivery in `sending`.

    attempts: how many were made, this one included. first_attempt_at, now: aware. doubts, crashes: as in
    `may_arrive_twice`, without this attempt; only an outcome in doubt needs them.
    A policy rejection is about us and not about the address, so the delivery is deferred, and the circuit breaker
    decides about the issue.
    """
    match outcome:
        case Sent():
            return _ACCEPTED
        case Deferred():
            return _later(back_off(attempts), first_attempt_at, now)
        case Rejected(cause=Cause.POLICY):
            return _later(back_off(attempts), first_attempt_at, now)
        case Rejected():  # whether its address is suppressed is decided when the issue ends
            return _change(Event.REJECT)
        case InDoubt():
            # A server that never answers would get a copy for every attempt of 48 hours.
            if hold_in_doubt or may_arrive_twice(doubts + 1, crashes):
                return _change(Event.HOLD)
            # The copy has the same Message-ID, so that receivers can drop it.
            return _later(max(back_off(attempts), IN_DOUBT_FOR), first_attempt_at, now)


def recover(crashes: int, *, doubts: int = 0, hold_in_doubt: bool = False) -> Change:
    """The change to a delivery in `sending` whose owner is dead (Tr); `crashes` includes this one."""
    return _change(Event.HOLD if hold_in_doubt or may_arrive_twice(doubts, crashes) else Event.REQUEUE)


def may_arrive_twice(doubts: int, crashes: int) -> bool:
    """Has an email been in doubt so often that it must not be sent again by itself?

    doubts: attempts whose reply to the final dot was lost, so that the subscriber probably has a copy of each. crashes:
    attempts during which the sender died, mostly before the dot. Two lost replies are enough, or a lost reply and a
    crash, or three crashes; so a subscriber gets at most two copies if no more than one crash hit this email.
    """
    return 2 * doubts + crashes >= MAX_CRASHES


class Claim(NamedTuple):
    """One email a worker may send now: its row is committed as `sending` under the worker's owner.

    joined_on: when the subscriber confirmed, as an ISO date, or with the minute in UTC, or "". attempts: this one included. first_attempt_at:
    aware. tip_id: which of the issue's emails it is; None for the one about the issue's own tip. troubles: how often a
    connection failed with it.
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
    troubles: int = 0


class Finished(NamedTuple):
    """A claim with its outcome, or None if the email was not tried: it is requeued, and the attempt does not count.

    at: aware. not_before: without an outcome, when it may be claimed again because of a rate limit; None: immediately.
    in_trouble: the connection failed with it, so without an outcome it goes to the end of the queue.
    """

    claim: Claim
    outcome: Outcome | None
    at: datetime
    not_before: datetime | None = None
    in_trouble: bool = False


__all__ = [
    "BACK_OFF", "GIVE_UP_AFTER", "IN_DOUBT_FOR", "MAX_CRASHES", "OPEN", "TABLE", "WHY_HELD",
    "Change", "Claim", "Event", "Finished", "Reply", "SkipReason", "State",
    "apply_outcome", "back_off", "how_to_send_held", "may_arrive_twice", "recover", "transition",
]  # fmt: skip
