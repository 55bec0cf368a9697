"""Readers as the verbs and doors see them: values, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from newsletter.domain.subscribers.address import Address
from newsletter.domain.subscribers.subscription import Frequency, Status

UNSUBSCRIBED_ELSEWHERE = "unsubscribed"


@dataclass(frozen=True, slots=True)
class NewSubscriber:
    """Somebody about to be stored. key: 16 lower-case letters and digits, unguessable, for links."""

    address: Address
    name: str
    key: str
    status: Status
    source: str
    signup_at: datetime
    confirmed_at: datetime | None = None
    left_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A subscriber. Times aware (UTC).

    quarterly_at: when somebody who left agreed to one tip every three months. new_address: asked for at
    new_address_at, not confirmed yet.
    """

    id: int
    key: str
    address: str
    address_key: str
    name: str
    status: Status
    source: str
    signup_at: datetime
    confirmed_at: datetime | None
    left_at: datetime | None
    paused_until: datetime | None
    confirmation_mailed_at: datetime | None
    link_mailed_at: datetime | None = None
    pace: Frequency = Frequency.WEEKLY
    quarterly_at: datetime | None = None
    new_address: Address | None = None
    new_address_at: datetime | None = None
    suppressed: bool = False

    @property
    def display_status(self) -> str:
        """What lists show: suppression comes before consent."""
        return "suppressed" if self.suppressed else self.status.value


@dataclass(frozen=True, slots=True)
class Consent:
    """One entry of the consent log: what was said, when, how we know.

    what: signup, confirm, import, leave, pause, resume, pace, quarterly, no-quarterly, move.
    proof: form version, source text, issue number or door.
    """

    at: datetime
    what: str
    proof: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Suppression:
    """An address never to mail. reason: hard_bounce, complaint, manual, unsubscribed, erased.

    unsubscribed: they left where a file came from, and come back by their own word alone. erased: the key is a hash.
    """

    address_key: str
    reason: str
    source: str
    at: datetime


@dataclass(frozen=True, slots=True)
class UnsubscribeCount:
    """How many left by one letter, or for one reason; issue and tip are None outside of a letter."""

    number: int
    reason: str = ""
    issue: int | None = None
    tip: str | None = None


@dataclass(frozen=True, slots=True)
class ListGrowth:
    """How many subscribers a span of time gained and lost."""

    joined: int
    left: int


@dataclass(frozen=True, slots=True)
class DeliveryFacts:
    """One delivery for people to read; reply is the last one of the next hop, whole; tip: the key of what it carries."""

    issue: int
    slot: date | None
    address: str
    state: str
    reason: str
    attempts: int
    reply: str
    next_attempt_at: datetime | None
    tip: str = ""
