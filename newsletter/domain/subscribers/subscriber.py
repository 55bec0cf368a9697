"""The values about subscribers: the subscriber, consent, suppression and delivery facts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from newsletter.domain.delivery.delivery import State
from newsletter.domain.delivery.one_a_day import ONE_A_DAY
from newsletter.domain.subscribers.address import Address
from newsletter.domain.subscribers.subscription import Frequency, Status

UNSUBSCRIBED_ELSEWHERE = "unsubscribed"
_NO_REPLY = "dot no reply"  # of an email in doubt, as the ledger keeps it


@dataclass(frozen=True, slots=True)
class NewSubscriber:
    """A subscriber about to be stored. key: 16 lower-case letters and digits, unguessable, for links."""

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
    """A subscriber: the person, with the subscription of the list that the transaction sees. All times are aware (UTC).

    status: NONE for a person who never signed up for that list; signup_at is the first sign-up for any list then.
    quarterly_at: when someone who unsubscribed agreed to one tip every three months. new_address: the address they
    asked to move to at new_address_at, not confirmed yet. pace: the frequency. one_a_day: at most one email a day.
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
    one_a_day: bool = False

    @property
    def display_status(self) -> str:
        """The status that lists show: "suppressed" takes precedence over consent."""
        return "suppressed" if self.suppressed else self.status.value


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a person has with one list. All times are aware (UTC); see `Subscriber` for the rest.

    last_tip: in a course, the key of the tip at which they are; "" before the first one.
    """

    list_id: int
    status: Status
    pace: Frequency
    source: str
    signup_at: datetime
    confirmed_at: datetime | None
    left_at: datetime | None
    paused_until: datetime | None
    confirmation_mailed_at: datetime | None
    quarterly_at: datetime | None
    last_tip: str = ""


@dataclass(frozen=True, slots=True)
class Consent:
    """One entry of the consent log: what was decided, when, and how we know.

    what: signup, confirm, import, leave, pause, resume, pace, quarterly, no-quarterly, move.
    proof: form version, source text, issue number or the way it came in. origin: the IP address, later its network.
    list_id: 0 means the list of the transaction that logs it.
    """

    at: datetime
    what: str
    proof: str = ""
    origin: str = ""
    list_id: int = 0


@dataclass(frozen=True, slots=True)
class Suppression:
    """An address that never gets email. reason: hard_bounce, complaint, manual, unsubscribed, erased, or the owner's text.

    unsubscribed: they had unsubscribed in the tool that an imported file came from, and only they can sign up again.
    erased: the key is a hash.
    """

    address_key: str
    reason: str
    source: str
    at: datetime


@dataclass(frozen=True, slots=True)
class UnsubscribeCount:
    """How many unsubscribed from one issue or for one reason. issue, tip: None if not from an issue."""

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
    """One delivery, for display. reply: the mail server's last reply, in full. tip: the key of the tip that was sent."""

    issue: int
    slot: date | None
    address: str
    state: str
    reason: str
    attempts: int
    reply: str
    next_attempt_at: datetime | None
    tip: str = ""

    @property
    def why(self) -> str:
        """Why it is in its state, in words: the reason, or the reply of the mail server."""
        if self.reason == ONE_A_DAY:
            return "at most one email a day" if self.state == State.DEFERRED else self.reply
        if self.reason:
            return self.reason
        if self.state == State.HELD and not self.reply.startswith(_NO_REPLY):
            return "may have arrived: the program was killed while it sent this email"
        return (
            f"may have arrived: {self.reply.removeprefix('dot ')}" if self.reply.startswith(_NO_REPLY) else self.reply
        )
