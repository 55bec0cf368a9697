"""Issues and their audiences, as the use cases see them; `Tx.issues`. The names T0-T5 are explained in docs/delivery.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Protocol

from newsletter.domain.calendar.course import Course
from newsletter.domain.calendar.substitutes import NO_SUBSTITUTES, Candidate, SubstituteEmail
from newsletter.domain.delivery.deferral_run import Waiting
from newsletter.domain.delivery.health import Results
from newsletter.domain.delivery.issue import IssueEvent, IssueFacts
from newsletter.domain.delivery.one_a_day import Day, Waits
from newsletter.domain.subscribers.subscriber import DeliveryFacts
from newsletter.ports.calendar import Quarters


class Issues(Quarters, Protocol):
    """The numbered issues. Only `domain.delivery.issue` decides whether a state may change."""

    def get(self, number: int) -> IssueFacts:
        """One issue with counts; raises NotFound."""
        ...

    def for_slot(self, slot: date) -> IssueFacts | None:
        """The issue of a slot, without counts."""
        ...

    def each(self) -> list[IssueFacts]:
        """Every issue with counts, newest first."""
        ...

    def open(self) -> list[IssueFacts]:
        """The issues that are planned, preparing or sending, oldest first, without counts."""
        ...

    def paused(self) -> list[IssueFacts]:
        """The paused issues, oldest first, without counts."""
        ...

    def last_number(self) -> int:
        """The number of the newest issue; 0 if there is none."""
        ...

    def next_number(self, first: int) -> int:
        """The number of the next issue. first: the number of the first one."""
        ...

    def newest_slots(self) -> tuple[date | None, date | None]:
        """The newest slot that has an issue, and the newest one whose issue was sent."""
        ...

    def last_due(self, now: datetime) -> IssueFacts | None:
        """The issue of the newest slot that has one and has begun, without counts."""
        ...

    def last_slot(self) -> date | None:
        """The newest slot that has an issue."""
        ...

    def recent(self, limit: int) -> list[IssueFacts]:
        """The newest issues, newest first, without counts."""
        ...

    def last_slot_before(self, slot: date) -> date | None:
        """The newest slot before this one that has an issue."""
        ...

    def from_slot(self, slot: date) -> list[IssueFacts]:
        """The issues of this slot and of later ones, in the order of their slots, without counts."""
        ...

    def plan(
        self, slot: date | None, due_at: datetime, now: datetime, *, first: int = 1, day: date | None = None
    ) -> IssueFacts:
        """T0: insert the issue of a slot, or return the existing one (UNIQUE slot). first: as in `next_number`.

        day: of an issue without a slot, in the newsletter's zone.
        """
        ...

    def change(self, number: int, event: IssueEvent, now: datetime, *, reason: str = "") -> IssueFacts:
        """Apply an event; raises IllegalTransition.

        A missed issue gives its number back, and gets one below zero, unless it has deliveries.
        """
        ...

    def discard(self, number: int) -> None:
        """Delete an issue that is still preparing, so that its number is free and its quarter gets another one."""
        ...

    def bind(self, number: int, tip_id: int, *, is_course: bool = False) -> None:
        """Give an issue its tip. is_course: the one that most subscribers get; it is no run of that tip."""
        ...

    def freeze(
        self,
        number: int,
        subject: str,
        compiled: bytes,
        now: datetime,
        *,
        candidates: Sequence[Candidate] = (),
        others: Mapping[str, SubstituteEmail] = NO_SUBSTITUTES,
        course: Course | None = None,
        days: Iterable[Day] = (),
    ) -> int:
        """T1: save the compiled email, copy the audience into deliveries, move the issue to sending.

        Returns the size of the audience. candidates: each subscriber gets the first tip they have not received yet;
        empty: everyone gets the tip of the issue. others: the emails of the substitute tips, by tip key. course: each subscriber
        gets the next tip of the course, and their places move; in place of candidates.
        Raises SubstitutesMissing; the caller must then roll the transaction back.
        """
        ...

    def shares(self, candidates: Sequence[Candidate]) -> Mapping[str, int]:
        """How many subscribers would get each tip if an issue were frozen now, in the order of the candidates.

        The key "" counts the subscribers who have received all of them.
        """
        ...

    def was_substitute(self, candidate: Candidate) -> bool:
        """Did any subscriber get this tip as a substitute since `candidate.since`?"""
        ...

    def compiled(self, number: int) -> bytes:
        """The compiled email; raises NotFound before T1."""
        ...

    def substitutes(self, number: int) -> Mapping[int, bytes]:
        """The compiled emails of an issue's substitute tips, by tip id."""
        ...

    def tip_of(self, number: int, subscriber_id: int) -> int | None:
        """The id of the tip in this subscriber's email; None if they are not in the audience."""
        ...

    def secret(self, number: int) -> bytes:
        """The 16 random bytes of an issue that key its Message-IDs."""
        ...

    def finish_if_done(self, number: int, now: datetime) -> bool:
        """T5: mark an issue as done if no open delivery exists."""
        ...

    def retry(self, number: int, states: Sequence[str], now: datetime, *, again: bool = False) -> int:
        """Requeue the deliveries in these states (event RETRY) and reopen the issue if it was done; how many.

        again: also held ones whose subscribers may have two copies already, because a reply was lost.
        """
        ...

    def retry_rejected(self, number: int, now: datetime) -> int:
        """Requeue the rejected deliveries to addresses that are not suppressed, as `retry` does; how many.

        A suppression that the issue has caused by a reply that is not about the mailbox is lifted first.
        """
        ...

    def skip_open(self, number: int, reason: str, now: datetime) -> int:
        """Skip the deliveries that are still pending or deferred; how many."""
        ...

    def give_up_open(self, number: int, now: datetime) -> int:
        """Fail the deliveries that are still pending or deferred, because it is too late; how many."""
        ...

    def may_have_reached(self, number: int) -> bool:
        """May any email of the issue have arrived?"""
        ...

    def has_open(self, number: int) -> bool:
        """Is any delivery of the issue open? Cheap, however many there are."""
        ...

    def last_sent_at(self, number: int) -> datetime | None:
        """When an email of the issue was last accepted. It reads every delivery."""
        ...

    def deliveries(self, number: int, state: str | None = None) -> Iterator[DeliveryFacts]:
        """The deliveries of an issue; streams."""
        ...

    def replies(self, number: int, limit: int) -> list[tuple[str, int]]:
        """The most frequent replies to the emails that were not accepted, with their numbers, the most frequent first."""
        ...

    def waiting(self, number: int) -> Waiting | None:
        """The emails that the mail server has deferred; None if there are none."""
        ...

    def waits(self, number: int) -> Waits | None:
        """The emails that wait until another day, for subscribers who want at most one email a day; None without any."""
        ...

    def only_waits(self, number: int) -> bool:
        """Is nothing of the issue open but such emails?"""
        ...

    def results(self, number: int) -> Results:
        """What came of an issue, for `domain.delivery.health.judge`. Not in a write transaction: it may read every row."""
        ...

    def rejected(self, number: int) -> Sequence[int]:
        """The subscribers whose deliveries are rejected."""
        ...

    def broken_invariants(self) -> list[str]:
        """I1, I2, I3, I4 and I7 of docs/delivery.md: a sentence for each one that does not hold."""
        ...
