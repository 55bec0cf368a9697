"""Send a heartbeat to a dead man's switch: once for each slot that was sent or skipped, with retries.

The monitoring service alerts the owner when no heartbeat arrives, even if the whole server is down. Each request is
recorded before it is made, so that a restart repeats at most one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from newsletter.actions.calendar.plan import Rules, last_slot
from newsletter.domain.delivery.heartbeat import HeartbeatCall
from newsletter.domain.delivery.issue import IssueState
from newsletter.ports.clock import Clock
from newsletter.ports.store import Store, Tx

RETRY_AFTER = tuple(timedelta(seconds=s) for s in (30, 120, 600, 1800))
"""How long after each failed request the next one is made; after the last of them no more are made."""
TRIES = len(RETRY_AFTER) + 1


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Send heartbeats. url: "" when none is set. request: URL in; why the request failed out, "" when it succeeded."""

    store: Store
    rules: Rules
    url: str
    request: Callable[[str], str]
    clock: Clock

    def send(self) -> HeartbeatCall | None:
        """Send the heartbeat that is due, and record the result; None when none is due. May wait for the network.

        A held database sends none; the database it was copied from does.
        """
        if not self.url or self.store.hold_reason():
            return None
        slot = self.claim()
        if slot is None:
            return None
        # The request is made outside of any transaction: no socket is open while the database is locked.
        failure = self.request(self.url)
        return self._finish(slot, failure, self.clock())

    def claim(self) -> date | None:
        """The slot whose heartbeat is due, claimed for this caller; None when none is due."""
        now = self.clock()
        with self.store.read() as tx:  # this runs twice a minute: look before taking the write lock
            if _due(tx, self.rules, now) is None:
                return None
        with self.store.write() as tx:
            call = _due(tx, self.rules, now)
            if call is None:  # another process was faster
                return None
            retry_at = now + RETRY_AFTER[min(call.attempts, len(RETRY_AFTER) - 1)]
            tx.calendar.write_heartbeat(replace(call, attempts=call.attempts + 1, next_attempt_at=retry_at))
            return call.slot

    def _finish(self, slot: date, failure: str, now: datetime) -> HeartbeatCall:
        with self.store.write() as tx:
            call = tx.calendar.heartbeat_of(slot) or HeartbeatCall(slot)
            if not failure:
                call = replace(call, next_attempt_at=None, done_at=now, reply="")
            else:
                is_last = call.attempts >= TRIES
                call = replace(call, next_attempt_at=None if is_last else call.next_attempt_at, reply=failure)
            tx.calendar.write_heartbeat(call)
            return call


def _due(tx: Tx, rules: Rules, now: datetime) -> HeartbeatCall | None:
    last = last_slot(tx, rules, now)
    is_skipped = last.ok and last.state is None and last.slot in tx.calendar.overrides()
    call = tx.calendar.heartbeat_of(last.slot)
    if call is None:
        return HeartbeatCall(last.slot) if last.state is IssueState.DONE or is_skipped else None
    return call if call.next_attempt_at and call.next_attempt_at <= now else None
