"""A small model of delivery: subscribers, workers, a server and crashes, and everything that can happen between them.

Rows change state only by the functions of `domain.delivery.delivery`; the model adds when these are called: T2, T3, Tr
and T5 of docs/delivery.md. There is no time in it, so a deferred email may be due at any moment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple

from newsletter.domain.delivery.delivery import OPEN, Event, State, apply_outcome, recover, transition
from newsletter.domain.delivery.outcome import Cause, Deferred, InDoubt, Outcome, Rejected, Reply, Sent, Stage

NOW = datetime(2024, 3, 5, 13, 0, tzinfo=UTC)
OUTCOMES: dict[str, Outcome | None] = {
    "accepted": Sent(Reply(Stage.DOT, 250)),
    "refused": Rejected(Reply(Stage.RCPT, 550, "5.1.1"), Cause.BAD_ADDRESS),
    "put off": Deferred(Reply(Stage.RCPT, 451)),
    "unanswered": InDoubt(Reply(Stage.DOT, 0)),
    "trouble": None,
}
"""The outcomes that a worker may hold and has not recorded yet."""


class Subscriber(NamedTuple):
    """One subscriber with their row. hand: where the email in flight is; "" if there is none."""

    state: State = State.PENDING
    is_confirmed: bool = True
    crashes: int = 0  # as counted in the row
    copies: int = 0  # emails the server has accepted
    doubts: int = 0  # replies that were lost
    recorded: int = 0  # of these, as listed in the attempts of the row
    hand: str = ""  # "", "claimed", "taken" (by the server), or a key of OUTCOMES


class World(NamedTuple):
    """Everything at one moment. Subscribers are sorted, because they are interchangeable."""

    subscribers: tuple[Subscriber, ...]
    is_up: bool = True
    is_done: bool = False
    crashes_left: int = 2
    faults_left: int = 2


@dataclass(frozen=True)
class Ledger:
    """T2, T3, Tr and T5. A broken ledger overrides one of them."""

    hold_in_doubt: bool = False

    def claim(self, subscriber: Subscriber) -> Subscriber:
        """T2: the subscriber is read again in the transaction that claims."""
        if not subscriber.is_confirmed:
            return subscriber._replace(state=transition(subscriber.state, Event.SKIP))
        return subscriber._replace(state=transition(subscriber.state, Event.CLAIM), hand="claimed")

    def finish(self, subscriber: Subscriber, attempts: int = 1) -> Subscriber:
        """T3: record the outcome. attempts: not part of the model's state."""
        outcome = OUTCOMES[subscriber.hand]
        if outcome is None:
            state = transition(subscriber.state, Event.REQUEUE)
        else:
            state = apply_outcome(
                outcome,
                attempts=attempts,
                first_attempt_at=NOW,
                now=NOW,
                doubts=subscriber.recorded,
                crashes=subscriber.crashes,
                hold_in_doubt=self.hold_in_doubt,
            ).state
        recorded = subscriber.recorded + isinstance(outcome, InDoubt)
        return subscriber._replace(state=state, hand="", recorded=recorded)

    def recover(self, subscriber: Subscriber) -> Subscriber:
        """Tr: recover what a dead sender had in flight."""
        if subscriber.state is not State.SENDING:
            return subscriber
        crashes = subscriber.crashes + 1
        change = recover(crashes, doubts=subscriber.recorded, hold_in_doubt=self.hold_in_doubt)
        return subscriber._replace(state=change.state, crashes=crashes)

    def is_done(self, subscribers: tuple[Subscriber, ...]) -> bool:
        """T5: nothing is open."""
        return not any(subscriber.state in OPEN for subscriber in subscribers)


@dataclass(frozen=True)
class Model:
    """All worlds that one sender with `workers` connections can reach."""

    ledger: Ledger = Ledger()
    workers: int = 2

    def successors(self, world: World) -> Iterator[tuple[str, Subscriber | None, World]]:
        """(what happens, to which subscriber, the world after it). Nothing follows once an issue is done."""
        if world.is_done:
            return
        if self.ledger.is_done(world.subscribers):
            yield "done", None, world._replace(is_done=True)
        if world.is_up and world.crashes_left:
            yield from self._crashes(world)
        if not world.is_up:
            yield "start", None, _with(world, tuple(map(self.ledger.recover, world.subscribers)))._replace(is_up=True)
        may_claim = world.is_up and _in_flight(world) < self.workers
        for place, subscriber in enumerate(world.subscribers):
            if place and subscriber == world.subscribers[place - 1]:
                continue  # the same as the one before
            for what, changed, fault in _steps(self.ledger, subscriber, world.is_up, may_claim):
                if fault <= world.faults_left:
                    subscribers = _put(world.subscribers, place, changed)
                    yield (
                        what,
                        subscriber,
                        World(subscribers, world.is_up, False, world.crashes_left, world.faults_left - fault),
                    )

    def _crashes(self, world: World) -> Iterator[tuple[str, Subscriber | None, World]]:
        """`kill -9`. An email that was transmitted may still be accepted after it, so each case is a world of its own."""
        worlds: list[tuple[Subscriber, ...]] = [()]
        for subscriber in world.subscribers:
            dead = subscriber._replace(hand="")
            after_it = [dead, dead._replace(copies=subscriber.copies + 1)] if subscriber.hand == "claimed" else [dead]
            worlds = [(*known, one) for known in worlds for one in after_it]
        for subscribers in set(worlds):
            yield "crash", None, _with(world, subscribers)._replace(is_up=False, crashes_left=world.crashes_left - 1)


@cache
def _steps(ledger: Ledger, subscriber: Subscriber, is_up: bool, may_claim: bool) -> list[tuple[str, Subscriber, int]]:  # noqa: FBT001
    """What can happen to one subscriber; the number is 1 for a network fault."""
    steps = [("leave", subscriber._replace(is_confirmed=False), 0)] if subscriber.is_confirmed else []
    if not is_up:
        return steps
    if subscriber.hand == "claimed":
        steps += [("take", subscriber._replace(hand="taken", copies=subscriber.copies + 1), 0)]
        steps += [(hand, subscriber._replace(hand=hand), 1) for hand in ("refused", "put off", "trouble")]
    elif subscriber.hand == "taken":
        steps += [("reply", subscriber._replace(hand="accepted"), 0)]
        steps += [("lose the reply", subscriber._replace(hand="unanswered", doubts=subscriber.doubts + 1), 1)]
    elif subscriber.hand:
        steps += [("finish", ledger.finish(subscriber), 0)]
    elif may_claim and subscriber.state in (State.PENDING, State.DEFERRED):
        steps += [("claim", ledger.claim(subscriber), 0)]
    return steps


@dataclass(frozen=True)
class Explored:
    """How much was visited, and the first broken promise with the events that led to it."""

    worlds: int
    ends: int
    broken: str = ""
    way: tuple[str, ...] = ()


def explore(model: Model, subscribers: int, *, crashes: int = 2, faults: int = 2) -> Explored:
    """Visit every world, nearest first, until a promise is broken."""
    first = World((Subscriber(),) * subscribers, crashes_left=crashes, faults_left=faults)
    came_from: dict[World, tuple[World, str] | None] = {first: None}
    waiting, ends = deque([first]), 0
    while waiting:
        world = waiting.popleft()
        ends += world.is_done
        goes_on = world.is_done
        broken = broken_promise(world, model)
        for what, whom, then in model.successors(world):
            goes_on |= what != "leave"
            if what == "claim" and whom and not whom.is_confirmed and _in_flight(then) > _in_flight(world):
                broken = "I6: somebody who had unsubscribed was claimed"
            if then not in came_from:
                came_from[then] = world, what
                waiting.append(then)
        if not goes_on:
            broken = broken or "nothing can happen any more, but the issue is not done"
        if broken:
            return Explored(len(came_from), ends, broken, _way(came_from, world))
    return Explored(len(came_from), ends)


def broken_promise(world: World, model: Model) -> str:
    """The promise of docs/delivery.md that does not hold here, or ""."""
    if world.is_done and any(subscriber.state in OPEN for subscriber in world.subscribers):
        return "I7: done with open deliveries"
    if _in_flight(world) > model.workers:
        return "I4: more emails in flight than connections"
    return next(
        filter(None, (_broken_to(subscriber, model.ledger, world.is_up) for subscriber in world.subscribers)), ""
    )


@cache
def _broken_to(subscriber: Subscriber, ledger: Ledger, is_up: bool) -> str:  # noqa: FBT001
    """The promise to this subscriber that is broken, or ""."""
    unseen = not is_up and subscriber.state is State.SENDING  # a crash that is not recorded yet
    for_crashes = 1 + subscriber.crashes + unseen
    if subscriber.copies > min(for_crashes + subscriber.doubts, max(for_crashes, 2)):
        return f"I8: {subscriber.copies} copies after {subscriber.crashes} crashes and {subscriber.doubts} lost replies"
    if ledger.hold_in_doubt and subscriber.copies > 1:
        return "a second copy although emails in doubt are held"
    if subscriber.hand and subscriber.state is not State.SENDING:
        return "I5: an email in flight without its row in `sending`"
    if subscriber.state is State.SENT and not subscriber.copies:
        return "I3: recorded as sent, but not sent"
    if subscriber.state is State.SKIPPED and subscriber.is_confirmed:
        return "skipped without a reason"
    return ""


def _in_flight(world: World) -> int:
    return sum(subscriber.hand != "" for subscriber in world.subscribers)


def _with(world: World, subscribers: tuple[Subscriber, ...]) -> World:
    return world._replace(subscribers=tuple(sorted(subscribers)))


def _put(subscribers: tuple[Subscriber, ...], place: int, subscriber: Subscriber) -> tuple[Subscriber, ...]:
    return tuple(sorted((*subscribers[:place], subscriber, *subscribers[place + 1 :])))


def _way(came_from: dict[World, tuple[World, str] | None], world: World) -> tuple[str, ...]:
    way: list[str] = []
    while step := came_from[world]:
        world, what = step
        way.insert(0, what)
    return tuple(way)
