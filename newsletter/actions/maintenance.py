"""Hourly maintenance: end pauses, send reminders, and delete expired data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from newsletter.actions.subscribers.erase import forget_replies
from newsletter.actions.subscribers.signup_limits import SignupLimiter, stream_alert
from newsletter.actions.subscribers.subscribe import ask_to_confirm
from newsletter.domain.subscribers.subscriber import Subscriber
from newsletter.ports.clock import Clock
from newsletter.ports.store import Store, Tx

LATEST_DAY = timedelta(hours=14)  # so long after the beginning of a day in UTC, it has begun in every time zone
MAX_REMINDERS = 500  # per run, so that reminders to a large import are spread over hours


@dataclass(frozen=True)
class Maintenance:
    """The hourly maintenance of one newsletter.

    owner: the addresses that are alerted about a stream of false sign-ups. email_queued: called after a run that queued
    emails.
    """

    store: Store
    limiter: SignupLimiter
    owner: Sequence[str]
    clock: Clock
    email_queued: Callable[[], None]

    def run(self) -> Mapping[str, int]:
        """Run once; safe at any time.

        Returns how many pauses ended ("woken"), how many subscribers went on from a course to the next list ("moved"), how many reminders were queued ("reminded"), and the counts of
        `ports.subscribers.Maintenance.delete_expired`.
        """
        now = self.clock()
        with self.store.write() as tx:
            woken = tx.maintenance.end_pauses(now)
            moved = tx.courses.take_in((now - LATEST_DAY).date(), now, everywhere=True)
            reminded = [lists for lists in _due(tx, now) if self._remind(lists, now)]
            forget_replies(tx, now)
            alerted = self._alert_stream(tx, now)
            counts = {"woken": woken, "moved": moved, "reminded": len(reminded), **tx.maintenance.delete_expired(now)}
        if reminded or alerted:
            self.email_queued()
        return counts

    def _remind(self, due: Sequence[tuple[Tx, Subscriber]], now: datetime) -> bool:
        """Queue a reminder, unless the mailbox got enough emails already; then it gets none later either.

        due: the lists of one sign-up, and the subscriber as each of them sees it.
        """
        lists = [tx for tx, _ in due]
        tx, subscriber = due[0]
        for one in lists:
            one.subscribers.change(subscriber.id, reminded_at=now)
        if self.limiter.has_enough(tx, subscriber.address_key, now):
            return False
        ask_to_confirm(lists, subscriber, now, kind="reminder")
        self.limiter.count_email(tx, subscriber.address_key, now)
        return True

    def _alert_stream(self, tx: Tx, now: datetime) -> bool:
        """Alert the owner if, for a day, many strangers were signed up who do not answer; at most once a day."""
        unanswered = self.limiter.stream(tx, now)
        for address in self.owner if unanswered else ():
            tx.transactional.add("alert", address, stream_alert(unanswered), now)
        return bool(unanswered and self.owner)


def _due(tx: Tx, now: datetime) -> list[list[tuple[Tx, Subscriber]]]:
    """Those who get a reminder: one for all lists that they signed up for together."""
    due: dict[tuple[int, datetime], list[tuple[Tx, Subscriber]]] = {}
    for one in tx.lists.each():
        seen = tx.of_list(one.id)
        for subscriber in seen.maintenance.due_reminders(now, MAX_REMINDERS):
            due.setdefault((subscriber.id, subscriber.signup_at), []).append((seen, subscriber))
    return list(due.values())[:MAX_REMINDERS]
