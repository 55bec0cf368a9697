"""Transactional emails in doubt: nobody knows whether the mail server accepted them, so they are not sent again and again.

How often that happened to an email is kept with its values, and the limit is that of an issue.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from newsletter.domain.delivery.delivery import may_arrive_twice
from newsletter.domain.delivery.outcome import InDoubt, Outcome
from newsletter.ports.store import Tx
from newsletter.ports.transactional import TransactionalEmail

LOST_REPLY, CRASH = "lost_replies", "crashes"
RUN = 3  # lost replies one after the other, after which all emails wait
NO_MORE = "it may have arrived: the reply of the mail server was lost, or the program stopped while it was sent"


def add_doubt(tx: Tx, email: TransactionalEmail, kind: str) -> TransactionalEmail:
    """Remember a LOST_REPLY or a CRASH; the email as it is now."""
    values = {**email.values, kind: _count(email, kind) + 1}
    tx.transactional.replace(email.id, values)
    return replace(email, values=values)


def may_be_sent(email: TransactionalEmail) -> bool:
    """Is there little enough doubt to send it once more?"""
    return not may_arrive_twice(_count(email, LOST_REPLY), _count(email, CRASH))


def _count(email: TransactionalEmail, kind: str) -> int:
    return int(str(email.values.get(kind, 0)))


@dataclass(slots=True)
class RunOfDoubts:
    """Counts lost replies in a row."""

    number: int = 0

    def record(self, outcome: Outcome) -> str:
        """Count an outcome; why all emails should wait, or ""."""
        self.number = self.number + 1 if isinstance(outcome, InDoubt) else 0
        return (
            f"the mail server took {self.number} and did not say whether it accepted them" if self.number >= RUN else ""
        )
