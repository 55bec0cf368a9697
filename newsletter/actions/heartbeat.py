"""Send a heartbeat to a dead man's switch: once for each slot that was sent or skipped, with retries.

The monitoring service alerts the owner when no heartbeat arrives, even if the whole server is down. Each request is
recorded before it is made, so that a restart repeats at most one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from urllib.parse import urlsplit

from newsletter.actions.calendar.plan import LastSlotStatus, Rules, last_slot
from newsletter.actions.unsent import in_words, unsent_emails
from newsletter.domain.delivery.heartbeat import HeartbeatCall
from newsletter.domain.delivery.issue import IssueState
from newsletter.ports.clock import Clock
from newsletter.ports.store import Store, Tx

RETRY_AFTER = tuple(timedelta(seconds=s) for s in (30, 120, 600, 1800))
"""How long after each failed request the next one is made; after the last of them no more are made."""
TRIES = len(RETRY_AFTER) + 1


FAIL_PING = "fail_ping"


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

    def send_failure(self) -> str:
        """Request URL/fail for an alert that cannot be emailed, once for each; which, or "" if there is none.

        So the monitoring service reaches the owner by another way (healthchecks.io, "Signaling failures"). A request that
        fails is made again with the next call.
        """
        if not self.url or self.store.hold_reason():
            return ""
        now = self.clock()
        with self.store.read() as tx:
            alerts = [one for one in unsent_emails(tx, now) if one.kind == "alert"]
        if not alerts:
            return ""
        about, newest = in_words(alerts[-1]), str(alerts[-1].newest)
        with self.store.write() as tx:
            if not tx.calendar.mark_notified(FAIL_PING, newest, now):
                return ""
        if failure := self.request(fail_url(self.url)):
            with self.store.write() as tx:
                tx.calendar.clear_notified(FAIL_PING, only=newest)
            return f"{about}; and the failure could not be reported to NEWSLETTER_PING_URL: {failure}"
        return about

    def fail(self) -> str:
        """Request URL/fail for trouble with the database itself, which is not used; why that failed, or ""."""
        return self.request(fail_url(self.url)) if self.url else ""

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
        return HeartbeatCall(last.slot) if is_skipped or _is_sent(tx, last) else None
    return call if call.next_attempt_at and call.next_attempt_at <= now else None


def _is_sent(tx: Tx, last: LastSlotStatus) -> bool:
    """Was it sent, to everybody but those who get it on another day?"""
    issue = tx.issues.for_slot(last.slot) if last.state is IssueState.SENDING else None
    return last.state is IssueState.DONE or (issue is not None and tx.issues.only_waits(issue.number))


def fail_url(url: str) -> str:
    """The URL that reports a failure: `/fail` at the end of the path."""
    parts = urlsplit(url)
    return parts._replace(path=f"{parts.path.rstrip('/')}/fail").geturl()
