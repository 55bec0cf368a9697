"""The part of `ports` that is about issues: the numbered editions and their audiences; `ports.Tx` holds it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Protocol

from newsletter.domain.calendar.substitutes import NO_SUBSTITUTES, Candidate, SubstituteEmail
from newsletter.domain.delivery.issue import IssueEvent, IssueFacts
from newsletter.domain.subscribers.subscriber import DeliveryFacts
from newsletter.ports.calendar import Quarters


class Issues(Quarters, Protocol):
    """The numbered editions. A state changes only through `domain.delivery.issue`."""

    def get(self, number: int) -> IssueFacts:
        """With counts; raises NotFound."""
        ...

    def for_slot(self, slot: date) -> IssueFacts | None: ...
    def each(self) -> list[IssueFacts]:
        """Newest first, with counts."""
        ...

    def open(self) -> list[IssueFacts]:
        """Planned, preparing or sending, oldest first, without counts."""
        ...

    def paused(self) -> list[IssueFacts]:
        """Paused ones, without counts."""
        ...

    def last_number(self) -> int:
        """The number of the newest issue; 0 when there is none."""
        ...

    def last_slot(self) -> date | None:
        """The newest slot that has an issue."""
        ...

    def recent(self, limit: int) -> list[IssueFacts]:
        """Newest first, without counts."""
        ...

    def last_slot_before(self, slot: date) -> date | None:
        """The newest slot before this one that has an issue."""
        ...

    def from_slot(self, slot: date) -> list[IssueFacts]:
        """The issues of this slot and of later ones, without counts."""
        ...

    def plan(self, slot: date | None, due_at: datetime, now: datetime) -> IssueFacts:
        """T0: the issue of this slot, inserted unless it was there (UNIQUE slot)."""
        ...

    def change(self, number: int, event: IssueEvent, now: datetime, *, reason: str = "") -> IssueFacts:
        """Apply an event; raises IllegalTransition."""
        ...

    def bind(self, number: int, tip_id: int) -> None: ...
    def freeze(
        self,
        number: int,
        subject: str,
        compiled: bytes,
        now: datetime,
        *,
        candidates: Sequence[Candidate] = (),
        others: Mapping[str, SubstituteEmail] = NO_SUBSTITUTES,
    ) -> int:
        """T1: keep the compiled letter, copy the audience into deliveries, go to sending; the snapshot size.

        offers: each reader gets the first they have not had; () when all get the issue's own tip. others: by key.
        Raises LettersMissing, and the transaction must be given up.
        """
        ...

    def shares(self, candidates: Sequence[Candidate]) -> Mapping[str, int]:
        """How many would get each tip if an issue froze now, in the order of the offers; "" for who has had all."""
        ...

    def was_substitute(self, candidate: Candidate) -> bool:
        """Did any reader get this tip in the place of another since then?"""
        ...

    def compiled(self, number: int) -> bytes: ...
    def substitutes(self, number: int) -> Mapping[int, bytes]:
        """The compiled letters of an issue's other tips, by the ids of these."""
        ...

    def tip_of(self, number: int, subscriber_id: int) -> int | None:
        """The id of the tip that this reader's letter was about; None when there is no such letter."""
        ...

    def secret(self, number: int) -> bytes:
        """16 random bytes made with the issue: the key of its Message-IDs."""
        ...

    def finish_if_done(self, number: int, now: datetime) -> bool:
        """T5: done only where no open delivery exists."""
        ...

    def retry(self, number: int, states: Sequence[str], now: datetime) -> int:
        """Put failed or held deliveries back to pending (event RETRY); how many."""
        ...

    def skip_open(self, number: int, reason: str, now: datetime) -> int: ...
    def deliveries(self, number: int, state: str | None = None) -> Iterator[DeliveryFacts]: ...
    def broken_invariants(self) -> list[str]:
        """I1, I2, I3, I4 and I7 of the delivery design, each broken one in words."""
        ...
