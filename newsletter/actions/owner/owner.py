"""Emails to the owner: everything new since the last look, and alerts about trouble."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from newsletter.actions.calendar.approval import Words
from newsletter.actions.calendar.plan import Rules
from newsletter.actions.issues.errors import Errors
from newsletter.actions.owner.queue import alert_values
from newsletter.actions.owner.reports import notify_owner
from newsletter.ports.clock import Clock
from newsletter.ports.store import Store


@dataclass(frozen=True, slots=True)
class Owner:
    """Queue emails to the owner.

    addresses: of the owners; without any, nothing is queued. email_queued: called after emails were
    queued, so that the sender of transactional emails does not wait for its next look. errors: finds what will stop the
    issue. words: those of an email, which the owner has approved. send_alert: sends one without the database.
    """

    store: Store
    rules: Rules
    addresses: Sequence[str]
    clock: Clock
    email_queued: Callable[[], None]
    errors: Callable[[], Errors]
    words: Words
    send_alert: Callable[[Sequence[str], Mapping[str, object]], int] = lambda _to, _values: 0

    def notify(self) -> int:
        """Queue what the owner does not know yet; how many emails. The daemon calls this every minute.

        It also marks this database as active, so that a copy of it can be told apart. A held database does neither.
        """
        now = self.clock()
        if self.store.hold_reason():
            return 0
        self.store.mark_active(now)
        if not self.addresses:
            return 0
        queued = notify_owner(self.store, self.rules, self.addresses, now, self.errors, self.words)
        if queued:
            self.email_queued()
        return queued

    def alert_without_database(self, headline: str, lines: Sequence[str], next_step: str) -> int:
        """Send an alert immediately, since the database cannot be used; how many were accepted. Raises SenderError."""
        return self.send_alert(self.addresses, alert_values(headline, lines, next_step)) if self.addresses else 0

    def alert(self, headline: str, lines: Sequence[str], next_step: str) -> None:
        """Queue one alert. lines: sentences about what happened. next_step: a sentence about what to do."""
        with self.store.write() as tx:
            for address in self.addresses:
                tx.transactional.add("alert", address, alert_values(headline, lines, next_step), self.clock())
