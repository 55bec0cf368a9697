"""What every sender does alike on this side of the wire: replies of our own, and envelopes no sender may carry."""

from __future__ import annotations

import re

from newsletter.domain.delivery.outcome import Cause, Envelope, Rejected, Reply, Sent, Stage

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f<>\ud800-\udfff]")
MAX_OCTETS = 254  # RFC 5321 section 4.5.3.1.3


def accepted(text: str) -> Sent:
    """`Sent` with a reply of our own, for senders without a dialogue."""
    return Sent(Reply(Stage.DOT, 250, "2.0.0", text))


def rejected(stage: Stage, code: int, enhanced: str, text: str) -> Rejected:
    """A refusal that no next hop has said; it is about the letter, never a reason to suppress the reader."""
    return Rejected(Reply(stage, code, enhanced, text), Cause.OTHER)


def check_envelope(envelope: Envelope) -> Rejected | None:
    """Refuse addresses that could end a command or a header line early, or that name nobody.

    An empty sender is the null reverse-path of RFC 5321 section 4.5.5 and fine.
    """
    sender, recipient = envelope.sender, envelope.recipient
    if not recipient or _FORBIDDEN.search(recipient) or _is_long(recipient):
        return rejected(Stage.RCPT, 553, "5.1.3", "not sent: the recipient's address cannot stand in an envelope")
    if _FORBIDDEN.search(sender) or _is_long(sender):
        return rejected(Stage.MAIL, 553, "5.1.7", "not sent: the envelope sender cannot stand in an envelope")
    return None


def _is_long(address: str) -> bool:
    return len(address) > MAX_OCTETS // 4 and len(address.encode()) > MAX_OCTETS
