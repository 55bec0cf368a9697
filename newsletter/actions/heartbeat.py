"""When a watchdog elsewhere is to be called: once for each slot that went or was skipped, a few times if it does not answer.

Each call stands in the database before it is made, so that a restart repeats at most one; calls nobody itself.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

from newsletter.actions.calendar.plan import Rules, last_slot
from newsletter.domain.delivery.issue import IssueState
from newsletter.ports.calendar import HeartbeatCall
from newsletter.ports.store import Store, Tx

AGAIN_AFTER = tuple(timedelta(seconds=s) for s in (30, 120, 600, 1800))
"""How long after each call that failed the next one is made; the one after the last is the end."""
TRIES = len(AGAIN_AFTER) + 1


def claim_heartbeat(store: Store, rules: Rules, now: datetime) -> date | None:
    """The slot for which the watchdog is to be called now, claimed for this caller; None when there is nothing to call for."""
    with store.read() as tx:  # rung twice a minute: look before taking the write lock
        if _due(tx, rules, now) is None:
            return None
    with store.write() as tx:
        call = _due(tx, rules, now)
        if call is None:
            return None
        again = now + AGAIN_AFTER[min(call.attempts, len(AGAIN_AFTER) - 1)]
        tx.calendar.write_heartbeat(replace(call, attempts=call.attempts + 1, next_attempt_at=again))
        return call.slot


def finish_heartbeat(store: Store, slot: date, trouble: str, now: datetime) -> HeartbeatCall:
    """Write down how a call ended; trouble: why it failed, "" when it did not."""
    with store.write() as tx:
        call = tx.calendar.heartbeat_of(slot) or HeartbeatCall(slot)
        if not trouble:
            call = replace(call, next_attempt_at=None, done_at=now, reply="")
        else:
            is_last = call.attempts >= TRIES
            call = replace(call, next_attempt_at=None if is_last else call.next_attempt_at, reply=trouble)
        tx.calendar.write_heartbeat(call)
        return call


def _due(tx: Tx, rules: Rules, now: datetime) -> HeartbeatCall | None:
    last = last_slot(tx, rules, now)
    went = last.state is IssueState.DONE or (last.ok and last.state is None and last.slot in tx.calendar.overrides())
    call = tx.calendar.heartbeat_of(last.slot)
    if call is None:
        return HeartbeatCall(last.slot) if went else None
    return call if call.next_attempt_at and call.next_attempt_at <= now else None
