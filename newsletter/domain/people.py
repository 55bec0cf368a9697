"""Readers as the verbs and doors see them: values, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from newsletter.domain.address import Address
from newsletter.domain.subscription import Status


@dataclass(frozen=True, slots=True)
class NewReader:
    """Somebody about to be stored. key: 16 lower-case letters and digits, unguessable, for links."""

    address: Address
    name: str
    key: str
    status: Status
    source: str
    signup_at: datetime
    confirmed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """A subscriber. Times aware (UTC)."""

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
    suppressed: bool = False

    @property
    def shown_status(self) -> str:
        """What lists show: suppression comes before consent."""
        return "suppressed" if self.suppressed else self.status.value


@dataclass(frozen=True, slots=True)
class Consent:
    """One entry of the consent log: what was said, when, how we know.

    what: signup, confirm, import, leave, pause. proof: form version, source text or issue number.
    """

    at: datetime
    what: str
    proof: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Suppression:
    """An address never to mail. reason: hard_bounce, complaint, manual, erased."""

    address_key: str
    reason: str
    source: str
    at: datetime


@dataclass(frozen=True, slots=True)
class DeliveryFacts:
    """One delivery for people to read; reply is the last one of the next hop, whole."""

    issue: int
    slot: date | None
    address: str
    state: str
    reason: str
    attempts: int
    reply: str
    next_attempt_at: datetime | None
