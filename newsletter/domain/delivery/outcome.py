"""The outcome of sending one email, and the SMTP reply it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Stage(StrEnum):
    """Where in the SMTP dialogue a reply was given (RFC 5321 section 3)."""

    CONNECT = "connect"
    EHLO = "ehlo"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"


class Reply(NamedTuple):
    """One SMTP reply, in full.

    code: three digits, 0 if the mail server sent no reply. enhanced: as `5.1.1` of RFC 3463, or "".
    text: the lines after the code, joined with spaces, without the enhanced code, at most 500 characters.
    """

    stage: Stage
    code: int
    enhanced: str = ""
    text: str = ""

    def __str__(self) -> str:
        return f"{self.code or 'no reply'} {self.enhanced + ' ' if self.enhanced else ''}{self.text}".rstrip()


class Cause(StrEnum):
    """Why an email was rejected, as far as it makes a difference to us."""

    BAD_ADDRESS = "bad_address"  # this mailbox does not exist
    MAILBOX_FULL = "mailbox_full"  # it exists, but accepts nothing now
    MAILBOX_CLOSED = "mailbox_closed"  # it is disabled, or probably does not exist
    POLICY = "policy"  # about us, not about the subscriber: our address, our sign-in, our reputation, our content
    OTHER = "other"


ABOUT_THE_MAILBOX = frozenset({Cause.BAD_ADDRESS, Cause.MAILBOX_FULL, Cause.MAILBOX_CLOSED})


@dataclass(frozen=True, slots=True)
class Sent:
    """The mail server replied 250 to the final dot: it accepted the email. Whether it arrives is not known."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Deferred:
    """The mail server temporarily refused this email. is_quota: we have sent as much as it allows for now."""

    reply: Reply
    is_quota: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """The mail server permanently rejected this email (5yz)."""

    reply: Reply
    cause: Cause


@dataclass(frozen=True, slots=True)
class InDoubt:
    """The final dot was sent and no reply came, so the email may or may not have been accepted."""

    reply: Reply


Outcome = Sent | Deferred | Rejected | InDoubt


class Envelope(NamedTuple):
    """The envelope of an SMTP transaction (RFC 5321 section 3.3): the envelope sender and exactly one recipient.

    dot_free: no line of the message begins with a dot, so that no sender has to look for one.
    """

    sender: str
    recipient: str
    dot_free: bool = False
