"""Every order in which three subscribers, two workers, two crashes and a bad network can meet; and the model against the real ledger."""

from __future__ import annotations

import random
import sqlite3
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from newsletter.domain.delivery.delivery import OPEN, Claim, Event, Finished, State, transition
from newsletter.domain.subscribers.subscription import Status
from newsletter.ports.sending import SendingLock
from newsletter.store.transactions import SqlStore
from tests.chaos.model import NOW, OUTCOMES, Ledger, Model, Subscriber, explore
from tests.support.library import add_subscribers, freeze_issue, new_store


@pytest.mark.parametrize(
    ("subscribers", "faults", "at_least"),
    [(1, 2, 400), (2, 2, 50_000), (3, 1, 240_000)],
    ids=lambda number: f"{number:,}",
)
def test_no_order_of_events_skips_anybody_or_sends_a_duplicate_without_a_crash(
    subscribers: int, faults: int, at_least: int
) -> None:
    explored = explore(Model(), subscribers, crashes=2, faults=faults)

    assert explored.broken == "", explored.way
    assert explored.worlds >= at_least
    assert explored.ends > 0


@pytest.mark.long
def test_no_order_of_events_with_two_faults_skips_anybody_or_sends_a_duplicate_without_a_crash() -> None:
    explored = explore(Model(), 3, crashes=2, faults=2)

    assert explored.broken == "", explored.way
    assert explored.worlds >= 1_000_000


def test_no_mixture_of_crashes_and_faults_sends_more_than_two_copies_or_one_for_each_crash() -> None:
    explored = explore(Model(workers=1), 1, crashes=4, faults=5)

    assert explored.broken == "", explored.way
    assert explored.worlds >= 9_000


def test_holding_emails_in_doubt_means_no_second_copy() -> None:
    explored = explore(Model(Ledger(hold_in_doubt=True)), 3, crashes=2, faults=2)

    assert explored.broken == "", explored.way
    assert explored.worlds >= 20_000


def test_without_a_crash_or_fault_every_subscriber_who_stays_gets_one_copy() -> None:
    model = Model()
    explored = explore(model, 3, crashes=0, faults=0)

    assert (explored.broken, explored.ends) == (
        "",
        10,
    )  # none to three of three subscribers left, before or after theirs


# -- the model can fail ----------------------------------------------------------------------------


class ClaimsFromAList(Ledger):
    """Reads the subscriber's status when the issue is frozen, and never again."""

    def claim(self, subscriber: Subscriber) -> Subscriber:
        return subscriber._replace(state=transition(subscriber.state, Event.CLAIM), hand="claimed")


class SendsBeforeItCommits(Ledger):
    """Records nothing before the outcome."""

    def claim(self, subscriber: Subscriber) -> Subscriber:
        return subscriber._replace(hand="claimed") if subscriber.is_confirmed else super().claim(subscriber)


class KeepsAWatermark(Ledger):
    """Treats started emails as done, as a progress record of batches does."""

    def recover(self, subscriber: Subscriber) -> Subscriber:
        return subscriber._replace(state=State.SENT) if subscriber.state is State.SENDING else subscriber


class ForgetsTheDead(Ledger):
    """Does not recover the rows of a crash."""

    def recover(self, subscriber: Subscriber) -> Subscriber:
        return subscriber


class IsDoneWhenABatchIsEmpty(Ledger):
    """Looks only for rows that were not started."""

    def is_done(self, subscribers: tuple[Subscriber, ...]) -> bool:
        return not any(subscriber.state is State.PENDING for subscriber in subscribers)


class TriesOnTrouble(Ledger):
    """Requeues an email whose reply was lost as if it had not been sent."""

    def finish(self, subscriber: Subscriber, attempts: int = 1) -> Subscriber:
        lost = subscriber.hand == "unanswered"
        return (
            subscriber._replace(state=State.PENDING, hand="", doubts=0)
            if lost
            else super().finish(subscriber, attempts)
        )


class CountsLostRepliesInMemory(Ledger):
    """Forgets the lost replies of earlier processes."""

    def recover(self, subscriber: Subscriber) -> Subscriber:
        return super().recover(subscriber._replace(recorded=0))


@pytest.mark.parametrize(
    ("ledger", "broken"),
    [
        (ClaimsFromAList(), "I6"),
        (SendsBeforeItCommits(), "I5"),
        (KeepsAWatermark(), "I3"),
        (ForgetsTheDead(), "nothing can happen"),
        (IsDoneWhenABatchIsEmpty(), "I7"),
        (TriesOnTrouble(), "I8"),
        (CountsLostRepliesInMemory(), "I8"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Ledger) else None,
)
def test_a_ledger_with_a_known_bug_is_detected(ledger: Ledger, broken: str) -> None:
    explored = explore(Model(ledger), 2)

    assert explored.broken.startswith(broken)
    assert explored.way


# -- the model is the ledger -----------------------------------------------------------------------


@dataclass
class Walk:
    """A random walk of the real ledger and the model, step by step."""

    store: SqlStore
    number: int
    ids: list[int]
    chance: random.Random
    model: Ledger = field(default_factory=Ledger)
    subscribers: list[Subscriber] = field(default_factory=lambda: [Subscriber()] * 3)
    claims: dict[int, Claim] = field(default_factory=dict)
    life: ExitStack = field(default_factory=ExitStack)
    right: SendingLock | None = None
    now: timedelta = timedelta()
    steps: list[str] = field(default_factory=list)

    def step(self) -> None:
        self.now += timedelta(minutes=11)
        if self.right is None:
            self.steps.append("start")
            self.right = self.life.enter_context(self.store.sending("walk", NOW + self.now))
            self.subscribers = [self.model.recover(subscriber) for subscriber in self.subscribers]
            return
        what = self.chance.choices((self.advance, self.server, self.leave, self.crash), (8, 6, 1, 1))[0]
        self.steps.append(what.__name__)
        what()

    def advance(self) -> None:
        """T3 for the outcomes, and T2 if a worker is idle."""
        assert self.right
        ended = [place for place, subscriber in enumerate(self.subscribers) if subscriber.hand in OUTCOMES]
        finished = [Finished(self.claims.pop(p), OUTCOMES[self.subscribers[p].hand], NOW + self.now) for p in ended]
        for place, one in zip(ended, finished, strict=True):
            self.subscribers[place] = self.model.finish(self.subscribers[place], one.claim.attempts)
        free = 2 - sum(bool(subscriber.hand) for subscriber in self.subscribers)
        claims = self.right.ledger.advance(self.number, finished, min(free, 1), NOW + self.now)
        if free:
            skipped = {place for place, state in enumerate(self.states()) if state == "skipped"}
            for place in skipped | {self.ids.index(claim.subscriber_id) for claim in claims}:
                if self.subscribers[place].state is not State.SKIPPED:
                    self.subscribers[place] = self.model.claim(self.subscribers[place])
        for claim in claims:
            self.claims[self.ids.index(claim.subscriber_id)] = claim
            assert self.subscribers[self.ids.index(claim.subscriber_id)].hand == "claimed"
        if free and not claims:
            assert State.PENDING not in [subscriber.state for subscriber in self.subscribers]

    def server(self) -> None:
        """An email in flight gets its outcome."""
        for place, subscriber in enumerate(self.subscribers):
            if subscriber.hand == "claimed":
                self.subscribers[place] = subscriber._replace(hand=self.chance.choice(list(OUTCOMES)))

    def leave(self) -> None:
        place = self.chance.randrange(3)
        with self.store.write() as tx:
            tx.subscribers.set_status(self.ids[place], Status.UNSUBSCRIBED, NOW + self.now)
        self.subscribers[place] = self.subscribers[place]._replace(is_confirmed=False)

    def crash(self) -> None:
        self.life.close()
        self.right = None
        self.claims.clear()
        self.subscribers = [subscriber._replace(hand="") for subscriber in self.subscribers]

    def states(self) -> list[str]:
        return [state for state, _ in self.rows()]

    def rows(self) -> list[tuple[str, int]]:
        with sqlite3.connect(self.store.path) as database:
            query = "SELECT state, crashes FROM delivery WHERE issue_id = ? ORDER BY subscriber_id"
            found = database.execute(query, (self.number,)).fetchall()
        database.close()
        return found


@pytest.mark.parametrize("seed", range(12))
def test_the_real_ledger_does_what_the_model_does(tmp_path: Path, seed: int) -> None:
    store = new_store(tmp_path)
    ids = add_subscribers(store, 3)
    walk = Walk(store, freeze_issue(store), ids, random.Random(seed))  # noqa: S311 - a walk that can be repeated
    for _ in range(60):
        walk.step()
        assert walk.rows() == [(subscriber.state.value, subscriber.crashes) for subscriber in walk.subscribers], (
            walk.steps
        )
        with store.write() as tx:
            is_done = tx.issues.finish_if_done(walk.number, NOW + walk.now)
            assert tx.issues.broken_invariants() == []
        assert is_done == walk.model.is_done(tuple(walk.subscribers))
        if is_done:
            break
    walk.life.close()
    store.close()

    assert len(walk.steps) > 3
    assert any(subscriber.state not in OPEN for subscriber in walk.subscribers)
