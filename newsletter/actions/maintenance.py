"""What the house does by itself between issues: reminds once, ends pauses, forgets in time; rings no bell itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from newsletter.actions.subscribers.subscribe import ask_to_confirm
from newsletter.ports.store import Store

REMINDERS = 500  # in one turn: an import of many who were asked does not become a flood


def run_maintenance(store: Store, now: datetime) -> Mapping[str, int]:
    """One turn; safe to call at any time. How many of each: woken, reminded, and what `Maintenance.forget` counts."""
    with store.write() as tx:
        woken = tx.maintenance.end_pauses(now)
        waiting = tx.maintenance.due_reminders(now, REMINDERS)
        for reader in waiting:
            ask_to_confirm(tx, reader, now, kind="remind")
            tx.subscribers.change(reader.id, reminded_at=now)
        return {"woken": woken, "reminded": len(waiting), **tx.maintenance.delete_expired(now)}
