"""The queue of transactional emails, as the use cases see it; `Tx.transactional`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TransactionalEmail:
    """A queued transactional email.

    values: what its template needs, as JSON. attempts: including the current one. unanswered: an earlier attempt was
    started, and its outcome is unknown.
    """

    id: int
    kind: str
    address: str
    values: Mapping[str, object]
    attempts: int
    created_at: datetime
    unanswered: bool = False


@dataclass(frozen=True, slots=True)
class UnsentEmails:
    """Emails of one kind that could not be sent.

    is_waiting: they are tried again. newest: the id of the newest one, and reply: what its last attempt led to. oldest:
    when the oldest one was queued; aware.
    """

    kind: str
    is_waiting: bool
    number: int
    newest: int
    reply: str
    oldest: datetime


class TransactionalEmails(Protocol):
    """Emails that wait to be sent: confirmations, welcomes, emails to the owner."""

    def add(self, kind: str, address: str, values: Mapping[str, object], now: datetime, *, wanted: bool = True) -> None:
        """Queue an email; one that is not wanted is only recorded as skipped."""
        ...

    def due(self, now: datetime, limit: int) -> list[TransactionalEmail]:
        """Claim the emails that are due: each attempt is counted, and the next one scheduled, before anything is sent."""
        ...

    def done(self, email_id: int, state: str, reply: str, now: datetime) -> None:
        """Record the outcome of an attempt: `sent`, `deferred`, `failed` ..."""
        ...

    def waiting(self) -> int:
        """How many emails are still to be sent, now or later."""
        ...

    def unsent(self, since: datetime) -> list[UnsentEmails]:
        """What waits after a failed attempt, and what failed or was rejected since then, by kind."""
        ...

    def postpone(self, until: datetime) -> None:
        """Let everything that waits wait at least until then."""
        ...

    def rejections(self, address: str, until: datetime) -> list[str]:
        """The replies that rejected an email to this address until then, if another email was accepted since."""
        ...

    def old_alerts(self, until: datetime) -> list[TransactionalEmail]:
        """The alerts that were queued until then and wait, oldest first."""
        ...

    def replace(self, email_id: int, values: Mapping[str, object]) -> None:
        """Change what an email that waits says."""
        ...

    def reopen(self, email_id: int) -> None:
        """Undo a rejection: the email waits again."""
        ...
