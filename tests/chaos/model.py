"""Delivery as a small model: readers, workers, a server and crashes, and all that can happen between them.

The states of a row change by the functions of `domain.delivery.delivery` alone; what is modelled beside them is when they are
called: T2, T3, Tr and T5 of the ledger. Knows no time: a deferred letter may be due at any moment.
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
"""What a worker may have in hand when a letter has ended, and has not written down yet."""


class Reader(NamedTuple):
    """One reader and the row they have. hand: where the letter in flight is, "" when none is."""

    state: State = State.PENDING
    is_confirmed: bool = True
    crashes: int = 0  # as the row counts them
    copies: int = 0  # letters the server has taken
    doubts: int = 0  # replies that were lost
    hand: str = ""  # "", "claimed", "taken" (by the server), or a key of OUTCOMES


class World(NamedTuple):
    """Everything at one moment. Readers are sorted: who is who makes no difference."""

    readers: tuple[Reader, ...]
    is_up: bool = True
    is_done: bool = False
    crashes_left: int = 2
    faults_left: int = 2


@dataclass(frozen=True)
class Ledger:
    """T2, T3, Tr and T5. A broken ledger overrides one of them."""

    hold_in_doubt: bool = False

    def claim(self, reader: Reader) -> Reader:
        """T2: the subscriber is read again in the transaction that claims."""
        if not reader.is_confirmed:
            return reader._replace(state=transition(reader.state, Event.SKIP))
        return reader._replace(state=transition(reader.state, Event.CLAIM), hand="claimed")

    def finish(self, reader: Reader) -> Reader:
        """T3: the outcome in hand, written."""
        outcome = OUTCOMES[reader.hand]
        if outcome is None:
            state = transition(reader.state, Event.REQUEUE)
        else:
            state = apply_outcome(
                outcome, attempts=1, first_attempt_at=NOW, now=NOW, hold_in_doubt=self.hold_in_doubt
            ).state
        return reader._replace(state=state, hand="")

    def recover(self, reader: Reader) -> Reader:
        """Tr: what the dead had in flight."""
        if reader.state is not State.SENDING:
            return reader
        crashes = reader.crashes + 1
        return reader._replace(state=recover(crashes, hold_in_doubt=self.hold_in_doubt).state, crashes=crashes)

    def is_done(self, readers: tuple[Reader, ...]) -> bool:
        """T5: nothing is open."""
        return not any(reader.state in OPEN for reader in readers)


@dataclass(frozen=True)
class Model:
    """All worlds that `workers` connections of one sender can come to."""

    ledger: Ledger = Ledger()
    workers: int = 2

    def successors(self, world: World) -> Iterator[tuple[str, Reader | None, World]]:
        """(what happens, to whom, the world after it). An issue that is done has no future here."""
        if world.is_done:
            return
        if self.ledger.is_done(world.readers):
            yield "done", None, world._replace(is_done=True)
        if world.is_up and world.crashes_left:
            yield from self._crashes(world)
        if not world.is_up:
            yield "start", None, _with(world, tuple(map(self.ledger.recover, world.readers)))._replace(is_up=True)
        may_claim = world.is_up and _in_flight(world) < self.workers
        for place, reader in enumerate(world.readers):
            if place and reader == world.readers[place - 1]:
                continue  # the same as the one before
            for what, changed, fault in _steps(self.ledger, reader, world.is_up, may_claim):
                if fault <= world.faults_left:
                    readers = _put(world.readers, place, changed)
                    yield (
                        what,
                        reader,
                        World(readers, world.is_up, False, world.crashes_left, world.faults_left - fault),
                    )

    def _crashes(self, world: World) -> Iterator[tuple[str, Reader | None, World]]:
        """`kill -9`. A letter whose octets have left may still be taken after it: each such case is a world."""
        worlds: list[tuple[Reader, ...]] = [()]
        for reader in world.readers:
            dead = reader._replace(hand="")
            after_it = [dead, dead._replace(copies=reader.copies + 1)] if reader.hand == "claimed" else [dead]
            worlds = [(*known, one) for known in worlds for one in after_it]
        for readers in set(worlds):
            yield "crash", None, _with(world, readers)._replace(is_up=False, crashes_left=world.crashes_left - 1)


@cache
def _steps(ledger: Ledger, reader: Reader, is_up: bool, may_claim: bool) -> list[tuple[str, Reader, int]]:  # noqa: FBT001
    """What can happen to one reader; the number is 1 for what a fault of the network does."""
    steps = [("leave", reader._replace(is_confirmed=False), 0)] if reader.is_confirmed else []
    if not is_up:
        return steps
    if reader.hand == "claimed":
        steps += [("take", reader._replace(hand="taken", copies=reader.copies + 1), 0)]
        steps += [(hand, reader._replace(hand=hand), 1) for hand in ("refused", "put off", "trouble")]
    elif reader.hand == "taken":
        steps += [("reply", reader._replace(hand="accepted"), 0)]
        steps += [("lose the reply", reader._replace(hand="unanswered", doubts=reader.doubts + 1), 1)]
    elif reader.hand:
        steps += [("finish", ledger.finish(reader), 0)]
    elif may_claim and reader.state in (State.PENDING, State.DEFERRED):
        steps += [("claim", ledger.claim(reader), 0)]
    return steps


@dataclass(frozen=True)
class Explored:
    """How much was visited, and the first promise that was broken, with the way that led there."""

    worlds: int
    ends: int
    broken: str = ""
    way: tuple[str, ...] = ()


def explore(model: Model, readers: int, *, crashes: int = 2, faults: int = 2) -> Explored:
    """Every world, the nearest first; stops at the first broken promise."""
    first = World((Reader(),) * readers, crashes_left=crashes, faults_left=faults)
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
                broken = "I6: somebody who had left was claimed"
            if then not in came_from:
                came_from[then] = world, what
                waiting.append(then)
        if not goes_on:
            broken = broken or "nothing can happen any more, and the issue is not done"
        if broken:
            return Explored(len(came_from), ends, broken, _way(came_from, world))
    return Explored(len(came_from), ends)


def broken_promise(world: World, model: Model) -> str:
    """Which promise of delivery does not hold here, if any."""
    if world.is_done and any(reader.state in OPEN for reader in world.readers):
        return "I7: done with open deliveries"
    if _in_flight(world) > model.workers:
        return "I4: more letters in flight than connections"
    return next(filter(None, (_broken_to(reader, model.ledger, world.is_up) for reader in world.readers)), "")


@cache
def _broken_to(reader: Reader, ledger: Ledger, is_up: bool) -> str:  # noqa: FBT001
    """Which promise to this one reader is broken."""
    unseen = not is_up and reader.state is State.SENDING  # a crash that is not written down yet
    if reader.copies > 1 + reader.crashes + unseen + reader.doubts:
        return f"I8: {reader.copies} copies after {reader.crashes} crashes and {reader.doubts} lost replies"
    if ledger.hold_in_doubt and reader.copies > 1:
        return "a second copy although letters in doubt are held"
    if reader.hand and reader.state is not State.SENDING:
        return "I5: a letter in flight without its row in `sending`"
    if reader.state is State.SENT and not reader.copies:
        return "I3: skipped, and said to be sent"
    if reader.state is State.SKIPPED and reader.is_confirmed:
        return "skipped without a reason"
    return ""


def _in_flight(world: World) -> int:
    return sum(reader.hand != "" for reader in world.readers)


def _with(world: World, readers: tuple[Reader, ...]) -> World:
    return world._replace(readers=tuple(sorted(readers)))


def _put(readers: tuple[Reader, ...], place: int, reader: Reader) -> tuple[Reader, ...]:
    return tuple(sorted((*readers[:place], reader, *readers[place + 1 :])))


def _way(came_from: dict[World, tuple[World, str] | None], world: World) -> tuple[str, ...]:
    way: list[str] = []
    while step := came_from[world]:
        world, what = step
        way.insert(0, what)
    return tuple(way)
