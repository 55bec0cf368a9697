"""The life of one subscription: who may get mail by their own word, and how that word changes."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum


class Status(StrEnum):
    """Where a reader's consent stands; suppression is independent of it."""

    PENDING = "pending"  # signed up, not confirmed: gets nothing but the confirmation mail
    CONFIRMED = "confirmed"
    PAUSED = "paused"
    UNSUBSCRIBED = "unsubscribed"
    EXPIRED = "expired"  # never confirmed in time


ON_THE_LIST = (Status.CONFIRMED, Status.PAUSED)


class Frequency(StrEnum):
    """How often a reader wants a letter."""

    WEEKLY = "weekly"
    MONTHLY = "monthly"  # the first letter four weeks or more after the last


class Reason(StrEnum):
    """Why somebody left, in their own choice of five."""

    TOO_OFTEN = "too_often"
    NOT_USEFUL = "not_useful"
    NO_TIME = "no_time"
    NEVER_ASKED = "never_asked"
    OTHER = "other"


class UnsubscribeEmail(StrEnum):
    """After which leaves a last mail says so; one click in a mail program (RFC 8058) asks for silence."""

    NEVER = "never"
    PAGE = "page"  # after a button of ours, or a mail
    ALWAYS = "always"


class Verdict(StrEnum):
    """What a door should do with a request; each has its page."""

    DO = "do"
    ALREADY = "already"  # it is so already: say it kindly, change nothing
    STALE = "stale"  # the link belongs to an earlier sign-up: sign up again


CONFIRM_WITHIN = timedelta(days=30)
CONFIRM_EMAIL_EVERY = timedelta(hours=24)
REMIND_AFTER = timedelta(days=3)
DELETE_AFTER = CONFIRM_WITHIN + timedelta(days=1)  # for a day, lists say that it expired
KEEP_ORIGIN_FOR = timedelta(days=30)  # then shortened to its network
KEEP_NAME_ON_UNSUBSCRIBE_FOR = timedelta(days=30)
MONTH = timedelta(days=27)  # four weeks, less a day for a late issue
PAUSES = (4, 8, 12)  # weeks
LONGEST_PAUSE = timedelta(days=366)


def on_confirm(status: Status, signup_at: datetime, link_signup_at: datetime, now: datetime) -> Verdict:
    """What a confirm link may do: never resubscribe after a leave, never work for another sign-up.

    All times aware; the link carries the sign-up it was made for, to the second.
    """
    if status in ON_THE_LIST:
        return Verdict.ALREADY
    same = int(signup_at.timestamp()) == int(link_signup_at.timestamp())
    if status is not Status.PENDING or not same or now - link_signup_at > CONFIRM_WITHIN:
        return Verdict.STALE
    return Verdict.DO


def on_unsubscribe(status: Status) -> Verdict:
    """Leaving always works; a second time it says so and changes nothing."""
    return Verdict.ALREADY if status is Status.UNSUBSCRIBED else Verdict.DO


def is_unsubscribe_email_due(farewell: UnsubscribeEmail, status: Status, how: str) -> bool:
    """Does a last mail follow this leave? Only to those who got letters, and not for the owner's own command."""
    if farewell is UnsubscribeEmail.NEVER or status not in ON_THE_LIST:
        return False
    return how in ("page", "preferences", "mail") or (how == "one-click" and farewell is UnsubscribeEmail.ALWAYS)


def may_send_confirmation(status: Status | None, last_mail_at: datetime | None, now: datetime) -> bool:
    """Is a confirmation mail to be sent for this sign-up? At most one per address in 24 hours.

    last_mail_at: of the last one that is not answered. A press on its button proves who asked for it, so somebody
    who leaves today can come back today, and a stranger gains nothing.
    """
    if status in ON_THE_LIST:
        return False
    return last_mail_at is None or now - last_mail_at >= CONFIRM_EMAIL_EVERY
