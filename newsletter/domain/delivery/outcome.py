"""What became of one letter at the next hop, as values; says nothing of what we do about it."""

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
    """One SMTP reply, kept whole.

    code: three digits, 0 when the next hop said nothing. enhanced: `5.1.1` of RFC 3463, or "".
    text: the lines after the code joined with a blank, without the enhanced code, at most 500 characters.
    """

    stage: Stage
    code: int
    enhanced: str = ""
    text: str = ""

    def __str__(self) -> str:
        return f"{self.code or 'no reply'} {self.enhanced + ' ' if self.enhanced else ''}{self.text}".rstrip()


class Cause(StrEnum):
    """Why a letter was not taken, as far as we act on it differently."""

    BAD_ADDRESS = "bad_address"  # 5.1.x at RCPT: this mailbox does not exist
    MAILBOX_FULL = "mailbox_full"  # 5.2.2: exists, takes nothing now
    POLICY = "policy"  # 5.7.x: about us, not about the reader
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Sent:
    """The next hop answered 250 to the dot; nothing more is claimed."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Deferred:
    """The next hop said "later" (4yz) about this letter."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Rejected:
    """The next hop said "no" (5yz) about this letter."""

    reply: Reply
    cause: Cause


@dataclass(frozen=True, slots=True)
class InDoubt:
    """The dot went out and no reply came: accepted or not, nobody knows."""

    reply: Reply


Outcome = Sent | Deferred | Rejected | InDoubt


class Envelope(NamedTuple):
    """Who the transaction is between (RFC 5321 section 3.3): one sender, exactly one recipient.

    dot_free: whoever made the message knows that no line of it begins with a dot, so that nobody need look.
    """

    sender: str
    recipient: str
    dot_free: bool = False
