"""Classify SMTP replies: what a reply means for one delivery (RFC 5321, RFC 3463, RFC 2034).

This is the only place that decides. `None` means that the connection failed, not the delivery: the delivery is requeued, and
the attempt is not counted.
"""

from __future__ import annotations

import re
from functools import lru_cache

from newsletter.domain.delivery.outcome import Cause, Deferred, InDoubt, Outcome, Rejected, Reply, Sent, Stage

MAX_TEXT = 500
_ABOUT_THE_MESSAGE = (Stage.DOT, Stage.RCPT, Stage.DATA)
_ENHANCED = re.compile(r"#?([245]\.\d{1,3}\.\d{1,3})(?=\s|\Z)\s*")
_UNPRINTABLE = re.compile(r"[^\S ]|[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def parse_reply(stage: Stage, code: int, text: bytes | str) -> Reply:
    """Read a reply: its enhanced status code, and its text as one line of at most 500 characters.

    text: what follows the code; the lines of a multiline reply are separated by LF. An enhanced code counts only if its class
    matches the code (RFC 2034 section 4). Each line may repeat it. Some servers write it with a `#`.
    """
    plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    if (
        plain.isascii() and plain.isprintable() and len(plain) <= MAX_TEXT and "  " not in plain
    ):  # fast path: nearly all replies
        found = _ENHANCED.match(plain)
        if found and int(found[1][0]) == code // 100:
            return Reply(stage, code, _in_short(found[1]), plain[found.end() :].strip())
        return Reply(stage, code, "", plain.strip())
    lines = plain.splitlines()
    found = _ENHANCED.match(lines[0]) if lines else None
    if not found or int(found[1][0]) != code // 100:
        return Reply(stage, code, "", _one_line(lines))
    words = _one_line([line.removeprefix(found[0].rstrip()) for line in lines])
    return Reply(stage, code, _in_short(found[1]), words)


@lru_cache(maxsize=256)
def _in_short(found: str) -> str:
    """An enhanced code without leading zeros. Cached, because there are about a hundred codes (RFC 3463 section 3)."""
    return ".".join(str(int(part)) for part in found.split("."))


def _one_line(lines: list[str]) -> str:
    return " ".join(_UNPRINTABLE.sub(" ", " ".join(lines)[: 4 * MAX_TEXT]).split())[:MAX_TEXT]


def classify(reply: Reply) -> Outcome | None:
    """The outcome of a delivery by the reply that ended its transaction; None when the connection failed.

    A 421 is about the connection at every stage (RFC 5321 section 3.8). Even after the final dot it means that the message was
    not accepted, as any 4yz does (section 4.2.1). A reply that makes no sense counts as a failed connection before the final
    dot, and as in doubt after it, because then the message may have been accepted.
    """
    if reply.stage not in _ABOUT_THE_MESSAGE or reply.code == 421:
        return None
    match reply.code // 100:
        case 4:
            return Deferred(reply)
        case 5:
            return _refused(reply)
        case 2 if reply.stage is Stage.DOT:
            return Sent(reply)
        case _:
            return InDoubt(reply) if reply.stage is Stage.DOT else None


def _refused(reply: Reply) -> Outcome:
    """The outcome of a 5yz. Only an enhanced code can suppress an address: 550 alone has too many meanings."""
    _, subject, detail = (
        [int(part) for part in reply.enhanced.split(".")] if reply.enhanced.startswith("5.") else [0, 0, 0]
    )
    if subject == 7 or (subject, detail) in ((1, 7), (1, 8)):
        return Rejected(reply, Cause.POLICY)  # 5.1.7 and 5.1.8 are about the sender's address (RFC 3463 section 3.2)
    if subject == 1 and reply.stage is Stage.RCPT:
        return Rejected(reply, Cause.BAD_ADDRESS)
    if (subject, detail) == (2, 2):
        return Rejected(reply, Cause.MAILBOX_FULL)
    if reply.code == 552 and reply.stage is Stage.RCPT:
        return Deferred(reply)  # RFC 5321 section 4.5.3.1.10: "too many recipients", so a client treats it as 452
    return Rejected(reply, Cause.OTHER)
