"""The part of `ports` that is about people: readers and their consent, suppressions, farewells, what time brings about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Protocol

from newsletter.domain.errors import NotFound
from newsletter.domain.subscribers.address import Address
from newsletter.domain.subscribers.csv_columns import ImportCounts, ImportOptions, StagedSubscriber
from newsletter.domain.subscribers.signup_limits import SignupLimit
from newsletter.domain.subscribers.subscriber import (
    Consent,
    DeliveryFacts,
    NewSubscriber,
    Subscriber,
    Suppression,
    UnsubscribeCount,
)
from newsletter.domain.subscribers.subscription import Status


class Subscribers(Protocol):
    """The readers and their consent, one log entry per change."""

    def by_address(self, address_key: str) -> Subscriber | None: ...
    def by_key(self, subscriber_key: str) -> Subscriber | None: ...
    def add(self, reader: NewSubscriber, now: datetime) -> Subscriber: ...
    def set_status(
        self, subscriber_id: int, status: Status, now: datetime, *, paused_until: datetime | None = None
    ) -> None: ...
    def sign_up_again(self, subscriber_id: int, name: str, now: datetime) -> None:
        """Back to pending with a new sign-up time; old confirm links become stale."""
        ...

    def change(self, subscriber_id: int, **values: object) -> None:
        """Write fields of `people.Subscriber` by name (new_address takes an Address or None)."""
        ...

    def move(self, subscriber_id: int, address: Address) -> None:
        """Give a reader another address, whose key must be free."""
        ...

    def is_move_requested(self, address_key: str, since: datetime) -> bool:
        """Was a change to this address asked for by anybody since then?"""
        ...

    def erase(self, subscriber_id: int) -> None:
        """Remove the person: row, consent, mails, replies; deliveries and reasons stay without a name."""
        ...

    def log_consent(self, subscriber_id: int, consent: Consent) -> None: ...
    def consents(self, subscriber_id: int) -> list[Consent]: ...
    def deliveries(self, subscriber_id: int) -> list[DeliveryFacts]: ...
    def each(self, status: str | None = None) -> Iterator[Subscriber]: ...
    def count(self) -> Mapping[str, int]:
        """How many by status (suppressed counts apart)."""
        ...

    def mailable(self) -> int:
        """How many are confirmed and not suppressed: the audience if an issue froze now."""
        ...

    def quarterly(self, asked_before: datetime, tip_id: int | None = None) -> int:
        """How many who left asked for one tip every three months by then, and have not had this tip."""
        ...


def get_subscriber(subscribers: Subscribers, address: Address) -> Subscriber:
    """Whom the owner means by an address; raises NotFound."""
    reader = subscribers.by_address(address.key)
    if reader is None:
        raise NotFound(f"there is no subscriber {address.text}", fix="See: newsletter subscribers list")
    return reader


class Suppressions(Protocol):
    """Addresses never to mail, whatever consent says."""

    def get(self, address_key: str) -> Suppression | None: ...
    def add(self, address_key: str, reason: str, source: str, now: datetime) -> bool:
        """False when it was there already (the first reason stays)."""
        ...

    def remove(self, address_key: str) -> bool: ...
    def each(self) -> Iterator[Suppression]: ...
    def erasure_key(self) -> bytes:
        """The key of the hashes that stand for erased addresses: this database's own, whatever the settings say."""
        ...

    def count(self) -> int: ...


class Unsubscribes(Protocol):
    """Who left by which letter, and why."""

    def add(self, subscriber_id: int, issue: int | None, now: datetime) -> None: ...
    def set_reason(self, subscriber_id: int, reason: str, words: str) -> None:
        """Why, for their last leave; nothing if that was forgotten."""
        ...

    def by_reason(self) -> list[UnsubscribeCount]: ...
    def by_tip(self, limit: int) -> list[UnsubscribeCount]:
        """The letters that lost the most readers."""
        ...

    def words(self, limit: int) -> list[tuple[datetime, str, str]]:
        """(when, reason, words), newest first."""
        ...


class SignupLimits(Protocol):
    """What the front door remembers over restarts and between processes: counts of an hour, lanes, whom it asked."""

    def hit(self, name: str, limit: int, now: datetime, by: int = 1) -> bool:
        """Count one more in the hour that began with the first; False, and nothing is counted, beyond the limit."""
        ...

    def is_used_up(self, name: str, limit: int, now: datetime) -> bool: ...
    def refund(self, name: str, now: datetime) -> None: ...
    def get(self, name: str, limit: int) -> SignupLimit: ...
    def save(self, name: str, lane: SignupLimit) -> None: ...
    def remember(self, address_key: str, lane: str, now: datetime, *, mailed: bool) -> None:
        """If a confirmation mail leaves: by which lane."""
        ...

    def take(self, address_key: str) -> str:
        """The lane of an unanswered mail to this address, and forget it; "" where there is none."""
        ...


class Maintenance(Protocol):
    """What time alone brings about. Each method is safe to call at any time, any number of times."""

    def end_pauses(self, now: datetime) -> int:
        """End pauses whose time has come, see who has had this month's letter; how many pauses ended."""
        ...

    def due_reminders(self, now: datetime, limit: int) -> list[Subscriber]:
        """Who signed up three days ago or more, and has been reminded of it by nobody."""
        ...

    def skip_reminders(self, since: datetime, now: datetime) -> None:
        """No reminder for sign-ups since then: the door was under attack."""
        ...

    def delete_expired(self, now: datetime) -> Mapping[str, int]:
        """Expire and remove old sign-ups, shorten origins, cut names from farewells, drop sent mails; how many of each."""
        ...


class ImportsSubscribers(Protocol):
    """The part of `ports.Store` that takes in a whole file of readers."""

    def import_staged(self, rows: Iterable[StagedSubscriber], terms: ImportOptions) -> ImportCounts:
        """Constant memory, and no lock until the last row was read; then short transactions of some thousand people.

        Each person comes whole; a second call with the same rows goes on where the first was ended.
        """
        ...
