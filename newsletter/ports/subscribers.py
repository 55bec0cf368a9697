"""Subscribers and what belongs to them, as the use cases see it: consent, suppressions, unsubscribes, sign-up limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Protocol

from newsletter.domain.delivery.health import DeadMailbox
from newsletter.domain.errors import NotFound
from newsletter.domain.subscribers.address import Address
from newsletter.domain.subscribers.imported import ImportCounts, ImportOptions, StagedSubscriber
from newsletter.domain.subscribers.signup_limits import HOUR, SignupLimit
from newsletter.domain.subscribers.subscriber import (
    Consent,
    DeliveryFacts,
    NewSubscriber,
    Subscriber,
    Subscription,
    Suppression,
    UnsubscribeCount,
)
from newsletter.domain.subscribers.subscription import Status


class Subscribers(Protocol):
    """The subscribers of one list, and a log of their consent with an entry for each change; `Tx.subscribers`.

    A person who has no subscription in this list is found by address and by key, with the status NONE, and nowhere else.
    """

    def by_address(self, address_key: str) -> Subscriber | None: ...
    def by_key(self, subscriber_key: str) -> Subscriber | None:
        """The subscriber whose links carry this key."""
        ...

    def add(self, new: NewSubscriber, now: datetime) -> Subscriber:
        """Insert a person with a subscription; nobody else may have the address key."""
        ...

    def set_status(
        self,
        subscriber_id: int,
        status: Status,
        now: datetime,
        *,
        paused_until: datetime | None = None,
        source: str = "",
    ) -> None:
        """Set the status, and the time that belongs to it (confirmed, unsubscribed).

        It makes the subscription if there is none in this list; source: where that one came from.
        """
        ...

    def withdraw(self, subscriber_id: int) -> None:
        """Delete a subscription of this list that is not confirmed."""
        ...

    def sign_up_again(self, subscriber_id: int, name: str, now: datetime, *, source: str = "") -> None:
        """Back to pending with a new sign-up time; earlier confirmation links become stale.

        It makes the subscription if there is none in this list; source: where that one came from. Whoever is subscribed to
        another list keeps the name: a stranger may have entered this one.
        """
        ...

    def change(self, subscriber_id: int, **values: object) -> None:
        """Set fields of `domain.subscribers.subscriber.Subscriber` by name (new_address: an Address or None)."""
        ...

    def subscriptions(self, subscriber_id: int) -> list[Subscription]:
        """What a person has with every list, by list id."""
        ...

    def move(self, subscriber_id: int, address: Address) -> None:
        """Change the address; nobody else may have its key."""
        ...

    def is_move_requested(self, address_key: str, since: datetime) -> bool:
        """Did any subscriber ask to move to this address since then?"""
        ...

    def erase(self, subscriber_id: int) -> None:
        """Delete all personal data: the row, consent, emails, replies. Deliveries and reasons stay, anonymously."""
        ...

    def erase_replies(self, subscriber_id: int) -> None:
        """Delete what mail servers replied about an erased subscriber, whose email was in flight meanwhile."""
        ...

    def log_consent(self, subscriber_id: int, consent: Consent) -> None:
        """Append to the consent log."""
        ...

    def record(self, subscriber_id: int) -> str:
        """What an export says about a subscriber beside the other columns: JSON, as `domain.subscribers.record` reads it."""
        ...

    def consents(self, subscriber_id: int) -> list[Consent]:
        """The consent log of a person for all lists, oldest entry first."""
        ...

    def record_welcome_tip(self, subscriber_id: int, tip_id: int) -> None:
        """Record that the welcome email has brought this tip, so that the subscriber counts as having received it."""
        ...

    def deliveries(self, subscriber_id: int) -> list[DeliveryFacts]:
        """Every delivery to this subscriber, newest first."""
        ...

    def each(self, status: str | None = None) -> Iterator[Subscriber]:
        """Subscribers by id; streams. status: only those with this displayed status (`suppressed` is one)."""
        ...

    def count(self) -> Mapping[str, int]:
        """How many subscribers have each displayed status (`suppressed` is one)."""
        ...

    def mailable(self) -> int:
        """The size of the audience if an issue were frozen now."""
        ...

    def quarterly(self, asked_before: datetime, tip_id: int | None = None) -> int:
        """The size of the audience if a quarterly issue with this tip were frozen now.

        These are the former subscribers who asked for it before then and have not received the tip.
        """
        ...


def get_subscriber(subscribers: Subscribers, address: Address) -> Subscriber:
    """The subscriber with this address; raises NotFound."""
    found = subscribers.by_address(address.key)
    if found is None:
        raise NotFound(f"there is no subscriber {address.text}", fix="See: newsletter subscribers list")
    return found


class Suppressions(Protocol):
    """The addresses that must never get an email, whatever their consent; `Tx.suppressions`."""

    def get(self, address_key: str) -> Suppression | None: ...
    def get_older(self, older: str) -> Suppression | None:
        """The suppression with this key, if the key was made before schema 0013 (`address.older_key`)."""
        ...

    def remove_older(self, older: str) -> None:
        """From now on, that suppression only counts for the address that has its key today."""
        ...

    def add(self, address_key: str, reason: str, source: str, now: datetime) -> bool:
        """False if the address is suppressed already; the first reason is kept."""
        ...

    def remove(self, address_key: str) -> bool:
        """False if the address was not suppressed."""
        ...

    def add_bounced(self, issue: int, dead: Sequence[DeadMailbox], now: datetime) -> int:
        """Suppress the mailboxes that an issue has found not to exist; how many are new.

        One whose delivery is no longer rejected stays as it is.
        """
        ...

    def of_issue(self, issue: int) -> list[Suppression]:
        """The suppressions that an issue has caused, newest first."""
        ...

    def remove_of_issue(self, issue: int) -> int:
        """Remove them; how many."""
        ...

    def each(self) -> Iterator[Suppression]:
        """Every suppression, newest first; streams."""
        ...

    def without_subscriber(self) -> Iterator[tuple[str, str]]:
        """(address key, record) of every suppression that belongs to no subscriber and is no erasure; streams."""
        ...

    def erased(self) -> int: ...
    def erasure_key(self) -> bytes:
        """The key of the hashes that represent erased addresses. It belongs to the database, not to the settings."""
        ...

    def count(self) -> int: ...


class Unsubscribes(Protocol):
    """Unsubscribes from one list: from which issue, and why; `Tx.unsubscribes`."""

    def add(self, subscriber_id: int, issue: int | None, now: datetime) -> None:
        """Record an unsubscribe. issue: the number of the issue whose link was used, if any."""
        ...

    def set_reason(self, subscriber_id: int, reason: str, words: str) -> None:
        """Record why they unsubscribed last; does nothing once that unsubscribe is anonymous."""
        ...

    def by_reason(self) -> list[UnsubscribeCount]:
        """How many unsubscribes gave each reason; the most frequent first."""
        ...

    def by_tip(self, limit: int) -> list[UnsubscribeCount]:
        """The issues that lost the most subscribers."""
        ...

    def words(self, limit: int) -> list[tuple[datetime, str, str]]:
        """(time, reason, comment) of the latest comments, newest first."""
        ...


class SignupLimits(Protocol):
    """What the sign-up limits remember across restarts and processes; `Tx.signup_limits`.

    Hourly counts, the limits themselves, and the confirmation emails that are unanswered.
    """

    def hit(self, name: str, limit: int, now: datetime, *, by: int = 1, window: timedelta = HOUR) -> bool:
        """Count in the current window, which began with its first hit; False, without counting, beyond the limit."""
        ...

    def is_used_up(self, name: str, limit: int, now: datetime) -> bool:
        """Has the current window no room left?"""
        ...

    def refund(self, name: str, now: datetime) -> None:
        """Take one hit back."""
        ...

    def get(self, name: str, limit: int) -> SignupLimit:
        """The saved limit of this name, or a new one."""
        ...

    def save(self, name: str, limit: SignupLimit) -> None: ...
    def forget(self, name: str) -> None:
        """Forget all hits."""
        ...

    def remember(self, address_key: str, limit: str, network: str, now: datetime) -> None:
        """Remember the name of the limit that a sign-up counts against, and its network, until it is answered."""
        ...

    def take(self, address_key: str) -> tuple[str, str]:
        """Forget the unanswered email to this address; returns the name of its limit and its network, or twice ""."""
        ...

    def unanswered_by_network(self, since: datetime) -> list[tuple[str, int]]:
        """The networks that caused unanswered emails since then, and how many those are."""
        ...

    def count(self, name: str, now: datetime) -> int:
        """How many hits the current window has."""
        ...

    def unanswered(self, since: datetime) -> int:
        """How many confirmation emails since then are unanswered; at most those of a day are known."""
        ...


class Maintenance(Protocol):
    """Changes that are due by time alone; `Tx.maintenance`. Every method may be called at any time, repeatedly.

    `due_reminders` is about one list, and everything else about all of them.
    """

    def end_pauses(self, now: datetime) -> int:
        """End the pauses that are over, and mark monthly subscribers who had their email of a list this month.

        Returns how many pauses ended.
        """
        ...

    def due_reminders(self, now: datetime, limit: int) -> list[Subscriber]:
        """Unconfirmed sign-ups for this list that are three days old or more and have not been reminded."""
        ...

    def skip_reminders(self, since: datetime, now: datetime) -> None:
        """Send no reminder for sign-ups since then, because the sign-up form was abused."""
        ...

    def delete_expired(self, now: datetime) -> Mapping[str, int]:
        """Delete what must not be kept any longer; how much of each kind.

        Sign-ups expire and are deleted, origins are shortened, unsubscribes become anonymous, sent emails are deleted.
        """
        ...

    def emails_waiting(self, until: datetime) -> int:
        """How many transactional emails were queued until then and are not sent yet."""
        ...

    def drop_emails(self, until: datetime, now: datetime) -> int:
        """Do not send them; how many there were."""
        ...

    def count_as_sent(self, tip_id: int, day: date) -> None:
        """A tip ran on this day in another installation, so it is not the next one."""
        ...


class ImportsSubscribers(Protocol):
    """The part of `Store` that imports a whole file of subscribers."""

    def import_staged(self, rows: Iterable[StagedSubscriber], options: ImportOptions) -> ImportCounts:
        """Import into the list of this view, in constant memory: no lock until the last row is read, then short transactions.

        A subscriber is written completely or not at all. If the import was interrupted, a second call with the same
        rows writes the rest.
        """
        ...

    def import_lists(
        self, lists: Sequence[tuple[int, Iterable[StagedSubscriber]]], options: ImportOptions
    ) -> ImportCounts:
        """The same for several lists by their ids; the rows of each may be read twice. One email asks about all of them."""
        ...
