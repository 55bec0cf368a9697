"""What all senders share: replies that we give ourselves, and a check of the envelope."""

from __future__ import annotations

import re

from newsletter.domain.delivery.outcome import Cause, Envelope, Rejected, Reply, Sent, Stage

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f<>\ud800-\udfff]")
MAX_OCTETS = 254  # RFC 5321 section 4.5.3.1.3


def accepted(text: str) -> Sent:
    """`Sent` with a reply of our own, for senders that talk to no server."""
    return Sent(Reply(Stage.DOT, 250, "2.0.0", text))


def rejected(stage: Stage, code: int, enhanced: str, text: str) -> Rejected:
    """A refusal that we give ourselves. Its cause is `OTHER`, so it never suppresses the subscriber."""
    return Rejected(Reply(stage, code, enhanced, text), Cause.OTHER)


def check_envelope(envelope: Envelope) -> Rejected | None:
    """Refuse an empty or overlong address, and one that could inject an SMTP command or a header; None if both are fine.

    An empty sender is allowed: it is the null reverse-path of RFC 5321 section 4.5.5.
    """
    sender, recipient = envelope.sender, envelope.recipient
    if not recipient or _FORBIDDEN.search(recipient) or _is_long(recipient):
        return rejected(Stage.RCPT, 553, "5.1.3", "not sent: the recipient's address is not allowed in an envelope")
    if _FORBIDDEN.search(sender) or _is_long(sender):
        return rejected(
            Stage.MAIL, 553, "5.1.7", "not sent: the address of the envelope sender is not allowed in an envelope"
        )
    return None


def _is_long(address: str) -> bool:
    # A character is at most 4 octets in UTF-8, so most addresses need no encoding to be counted.
    return len(address) > MAX_OCTETS // 4 and len(address.encode()) > MAX_OCTETS
