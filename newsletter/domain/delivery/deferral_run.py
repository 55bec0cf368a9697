"""When a mail server asks us to wait with everybody: stop trying, go on with one connection, and tell the owner.

The back-off of a single delivery bounds its own attempts; for a long list that still is a flood of useless ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from newsletter.domain.delivery.outcome import Reply
from newsletter.domain.english import plural

MOST_IN_A_ROW = 100  # deferred emails after which a batch ends
MOST_WHEN_SLOWED = 20  # the same for the next batches, until an email is accepted
TELL_AFTER = timedelta(hours=1)  # deferrals are normal for some minutes: greylisting
TOLD_LEAST, TOLD_SHARE = 3, 1 / 10  # of the audience: fewer deferred emails are no news


@dataclass(slots=True)
class DeferralRun:
    """Counts deferred emails in a row, in one batch.

    is_slowed: the batch before ended because of such a run. has_accepted: an email of this issue was accepted before; one
    domain that asks us to wait is then no reason to let the others wait. over: the last reply of a run that is too long.
    """

    is_slowed: bool = False
    has_accepted: bool = False
    number: int = 0
    over: Reply | None = None
    _domains: set[str] = field(default_factory=set)

    def record_sent(self) -> None:
        """An email was accepted."""
        self.is_slowed, self.has_accepted = False, True
        if self.number:
            self.number = 0
            self._domains.clear()

    def record_deferred(self, reply: Reply, domain: str) -> None:
        """An email to this domain was deferred."""
        self.number += 1
        self._domains.add(domain)
        most = MOST_WHEN_SLOWED if self.is_slowed else MOST_IN_A_ROW
        if self.number >= most and (len(self._domains) > 1 or not self.has_accepted):
            self.over = reply


@dataclass(frozen=True, slots=True)
class Waiting:
    """The deferred emails of an issue. reply: the most frequent one. next_attempt_at: of the first, aware.

    doubts: how many of them may have arrived, because the reply to the end of the email was lost.
    """

    number: int
    reply: str
    next_attempt_at: datetime
    doubts: int = 0

    @property
    def summary(self) -> str:
        """Who waits for whom, for the owner."""
        emails = plural(self.number, "email")
        if self.doubts == self.number:
            again = "It may have arrived and is" if self.number == 1 else "They may have arrived and are"
            return f"The mail server did not say whether it accepted {emails}. {again} tried once more."
        if self.doubts or self.reply.startswith("no reply"):
            some = f" {self.doubts:,} of them may have arrived." if self.doubts else ""
            return f"{emails} {'waits' if self.number == 1 else 'wait'} for the next attempt.{some}"
        return f"The mail server asks us to wait with {emails}."

    def is_news(self, audience: int, started_at: datetime, now: datetime) -> bool:
        """Should the owner know? Times are aware."""
        return now - started_at >= TELL_AFTER and self.number >= max(TOLD_LEAST, TOLD_SHARE * audience)
