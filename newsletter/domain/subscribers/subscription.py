"""The rules of consent: the states of a subscription, and what changes them."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum


class Status(StrEnum):
    """The consent of a subscriber. A suppression is independent of it."""

    PENDING = "pending"  # signed up, not confirmed: gets only the confirmation email and one reminder
    CONFIRMED = "confirmed"
    PAUSED = "paused"
    UNSUBSCRIBED = "unsubscribed"
    EXPIRED = "expired"  # never confirmed in time
    NONE = "none"  # never signed up for this list, though perhaps for another one: no row has it


ON_THE_LIST = (Status.CONFIRMED, Status.PAUSED)
STORED = tuple(status for status in Status if status is not Status.NONE)
"""What a subscription may be: the statuses that rows have."""


class Frequency(StrEnum):
    """How often a subscriber wants an email."""

    WEEKLY = "weekly"
    MONTHLY = "monthly"  # the first issue at least four weeks after the previous one


class Reason(StrEnum):
    """Why someone unsubscribed: one of five reasons to choose from."""

    TOO_OFTEN = "too_often"
    NOT_USEFUL = "not_useful"
    NO_TIME = "no_time"
    NEVER_ASKED = "never_asked"
    OTHER = "other"


class UnsubscribeEmail(StrEnum):
    """After which ways of unsubscribing an email confirms it. By default not after one click in the mail program."""

    NEVER = "never"
    PAGE = "page"  # after a button on our pages, or an email to the unsubscribe address
    ALWAYS = "always"


class Verdict(StrEnum):
    """What a link should do; each verdict has its page."""

    DO = "do"
    ALREADY = "already"  # nothing to do: the page says so kindly
    STALE = "stale"  # the link is too old or was replaced: sign up again


CONFIRM_WITHIN = timedelta(days=30)
CONFIRM_EMAIL_EVERY = timedelta(hours=24)
REMIND_AFTER = timedelta(days=3)
DELETE_AFTER = CONFIRM_WITHIN + timedelta(days=1)  # lists show it as expired for a day
KEEP_ORIGIN_FOR = timedelta(days=30)  # then an IP address is shortened to its network
KEEP_NAME_ON_UNSUBSCRIBE_FOR = timedelta(days=30)
MONTH = timedelta(days=27)  # four weeks, minus a day in case the previous issue was late
PAUSES = (4, 8, 12)  # weeks
LONGEST_PAUSE = timedelta(days=366)


def on_confirm(status: Status, signup_at: datetime, link_signup_at: datetime, now: datetime) -> Verdict:
    """What a confirm link may do. It never undoes an unsubscribe, and never confirms another sign-up than its own.

    All times are aware. link_signup_at: the sign-up that the link was made for, to the second.
    """
    if status in ON_THE_LIST:
        return Verdict.ALREADY
    same = int(signup_at.timestamp()) == int(link_signup_at.timestamp())
    if status is not Status.PENDING or not same or now - link_signup_at > CONFIRM_WITHIN:
        return Verdict.STALE
    return Verdict.DO


def on_unsubscribe(status: Status) -> Verdict:
    """Unsubscribing always works; a second time changes nothing, nor does it for a list without a subscription."""
    return Verdict.ALREADY if status in (Status.UNSUBSCRIBED, Status.NONE) else Verdict.DO


def is_unsubscribe_email_due(policy: UnsubscribeEmail, status: Status, how: str) -> bool:
    """Does an email confirm this unsubscribe? Only for subscribers who got emails, and not for the owner's command."""
    if policy is UnsubscribeEmail.NEVER or status not in ON_THE_LIST:
        return False
    return how in ("page", "preferences", "mail") or (how == "one-click" and policy is UnsubscribeEmail.ALWAYS)


def may_send_confirmation(status: Status | None, last_mail_at: datetime | None, now: datetime) -> bool:
    """Should a confirmation email be sent for this sign-up? At most one per address in 24 hours.

    last_mail_at: the time of the last unanswered one. An answered email does not count, since its button proves who
    asked: someone who unsubscribes today can sign up again today, and a stranger gains nothing.
    """
    if status in ON_THE_LIST:
        return False
    return last_mail_at is None or now - last_mail_at >= CONFIRM_EMAIL_EVERY
