"""What came of the deliveries of an issue: reads of the table `delivery` for the owner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from newsletter.domain.delivery.deferral_run import Waiting
from newsletter.domain.delivery.one_a_day import Waits
from newsletter.domain.subscribers.subscriber import DeliveryFacts
from newsletter.store import statements
from newsletter.store.invariants import HAS_OPEN
from newsletter.store.issue_facts import read_delivery
from newsletter.store.sqlite.database import Access
from newsletter.store.times import from_ms

_MAY_HAVE_REACHED = """SELECT 1 WHERE EXISTS (SELECT 1 FROM delivery WHERE issue_id = :issue
    AND (state IN ('sent', 'sending') OR crashes > 0))
    OR EXISTS (SELECT 1 FROM attempt WHERE issue_id = :issue AND event = 'in_doubt')"""
_HAS_OPEN = f"SELECT 1 FROM issue WHERE id = :issue AND ({HAS_OPEN})"  # noqa: S608 - a constant
_LAST_SENT = "SELECT max(last_at) FROM delivery WHERE issue_id = :issue AND state = 'sent'"


class SqlIssueResults:
    """The part of ports.issues.Issues that reads deliveries."""

    def __init__(self, access: Access) -> None:
        self._db = access.db

    def may_have_reached(self, number: int) -> bool:
        """May any email of the issue have arrived?"""
        return self._db.execute(_MAY_HAVE_REACHED, {"issue": number}).fetchone() is not None

    def has_open(self, number: int) -> bool:
        """Is any delivery of the issue open?"""
        return bool(self._db.execute(_HAS_OPEN, {"issue": number}).fetchone())

    def last_sent_at(self, number: int) -> datetime | None:
        """When an email of the issue was last accepted. It reads every delivery."""
        last = self._db.execute(_LAST_SENT, {"issue": number}).fetchone()[0]
        return from_ms(last) if last else None

    def deliveries(self, number: int, state: str | None = None) -> Iterator[DeliveryFacts]:
        """The deliveries of an issue; streams."""
        query = statements.OF_ISSUE if state is None else statements.OF_ISSUE_IN_STATE
        yield from map(read_delivery, self._db.execute(query, {"issue": number, "state": state}))

    def replies(self, number: int, limit: int) -> list[tuple[str, int]]:
        """The most frequent replies to emails that were not accepted."""
        rows = self._db.execute(statements.REPLIES, {"issue": number, "limit": limit})
        return [(str(reply), int(count)) for reply, count in rows]

    def waiting(self, number: int) -> Waiting | None:
        """The emails that the mail server has deferred; None if there are none."""
        row = self._db.execute(statements.WAITING, {"issue": number}).fetchone()
        return Waiting(row[0], row[1].partition(" ")[2], from_ms(row[2]), row[3]) if row[0] else None

    def waits(self, number: int) -> Waits | None:
        """The emails that wait until another day; see ports.issues."""
        count, until = self._db.execute(statements.WAITS, {"issue": number}).fetchone()
        return Waits(count, from_ms(until)) if count else None

    def only_waits(self, number: int) -> bool:
        """Is nothing open but what waits until another day?"""
        is_open = self._db.execute(statements.IS_OPEN_OTHERWISE, {"issue": number}).fetchone()[0]
        return not is_open and self.waits(number) is not None

    def rejected(self, number: int) -> Sequence[int]:
        """The subscribers whose deliveries are rejected."""
        return [row[0] for row in self._db.execute(statements.REJECTED, {"issue": number})]
