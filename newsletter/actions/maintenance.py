"""Hourly maintenance: end pauses, send reminders, and delete expired data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from newsletter.actions.subscribers.subscribe import ask_to_confirm
from newsletter.ports.clock import Clock
from newsletter.ports.store import Store

MAX_REMINDERS = 500  # per run, so that reminders to a large import are spread over hours


@dataclass(frozen=True)
class Maintenance:
    """The hourly maintenance of one newsletter. email_queued: called after a run that queued reminders."""

    store: Store
    clock: Clock
    email_queued: Callable[[], None]

    def run(self) -> Mapping[str, int]:
        """Run once; safe at any time.

        Returns how many pauses ended ("woken"), how many reminders were queued ("reminded"), and the counts of
        `ports.subscribers.Maintenance.delete_expired`.
        """
        now = self.clock()
        with self.store.write() as tx:
            woken = tx.maintenance.end_pauses(now)
            due = tx.maintenance.due_reminders(now, MAX_REMINDERS)
            for subscriber in due:
                ask_to_confirm(tx, subscriber, now, kind="reminder")
                tx.subscribers.change(subscriber.id, reminded_at=now)
            counts = {"woken": woken, "reminded": len(due), **tx.maintenance.delete_expired(now)}
        if due:
            self.email_queued()
        return counts
