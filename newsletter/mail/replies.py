"""Classify SMTP replies: what a reply means for one delivery (RFC 5321, RFC 3463, RFC 2034).

This is the only place that decides. `None` means that the connection failed, not the delivery: the delivery is requeued, and
the attempt is not counted.
"""

from __future__ import annotations

import re
from functools import lru_cache

from newsletter.domain.delivery.outcome import (
    ABOUT_THE_MAILBOX,
    Cause,
    Deferred,
    InDoubt,
    Outcome,
    Rejected,
    Reply,
    Sent,
    Stage,
)
from newsletter.mail.reply_words import About, about

MAX_TEXT = 500
FEW_WORDS = 5
_ABOUT_THE_MESSAGE = (Stage.DOT, Stage.RCPT, Stage.DATA)
_EXACTLY_NOBODY = ((1, 1), (1, 10))
_ABOUT_THE_SENDER = ((1, 7), (1, 8))  # RFC 3463 section 3.2
# 5.1.2, 5.1.3, 5.1.6, and 5.4.4 by themselves are too little to lose a subscriber for ever.
_CODES = {
    **dict.fromkeys(((1, 2), (1, 3), (1, 6), (2, 1), (4, 4)), About.CLOSED),
    (2, 2): About.FULL,
    **dict.fromkeys(((2, 3), (3, 4)), About.SIZE),
}
_CAUSES = {
    About.US: Cause.POLICY,
    About.POLICY: Cause.POLICY,
    About.FULL: Cause.MAILBOX_FULL,
    About.CLOSED: Cause.MAILBOX_CLOSED,
}
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
            return refusal(reply)
        case 2 if reply.stage is Stage.DOT:
            return Sent(reply)
        case _:
            return InDoubt(reply) if reply.stage is Stage.DOT else None


def refusal(reply: Reply) -> Outcome:
    """The outcome of a 5yz about one email. The words win where they contradict the code.

    An address is suppressed only if the words say that there is no such mailbox and the code does not contradict them, or
    if the code says exactly that (5.1.1 or 5.1.10 of RFC 3463 and RFC 7505) and the words are few: a whole sentence that
    nothing here understands may be about us.
    """
    code = _numbers(reply.enhanced)
    what = _about(reply, code)
    if what is About.QUOTA:
        return Deferred(reply, is_quota=True)
    if what is About.UNKNOWN and reply.code == 552 and reply.stage is Stage.RCPT:
        return Deferred(reply)  # RFC 5321 section 4.5.3.1.10: "too many recipients", so a client treats it as 452
    if what is About.NOBODY:
        return Rejected(reply, Cause.BAD_ADDRESS if _is_sure(reply, code) else Cause.MAILBOX_CLOSED)
    return Rejected(reply, _CAUSES.get(what, Cause.OTHER))


def is_about_us(reply: Reply) -> bool:
    """Does a refusal before the recipient say that trying again cannot help: our address, our sign-in, our reputation?

    A 5yz to MAIL FROM is about the envelope sender or the account (RFC 5321 section 3.3), whatever its words are, unless
    they name a quota. 503 is a command out of order. Before MAIL FROM, only words or codes of a policy count.
    """
    if reply.code // 100 != 5 or reply.code == 503:
        return False
    what = _about(reply, _numbers(reply.enhanced))
    return what is not About.QUOTA and (reply.stage is Stage.MAIL or what in (About.US, About.POLICY))


def is_about_the_mailbox(reply: str) -> bool:
    """Was a delivery rejected because of its mailbox? reply: as the ledger keeps it, `rcpt 550 5.1.1 no such user`."""
    return _cause_of(reply) in ABOUT_THE_MAILBOX


def is_of_a_dead_mailbox(reply: str) -> bool:
    """Was a delivery rejected because its mailbox does not exist? reply: as in `is_about_the_mailbox`."""
    return _cause_of(reply) is Cause.BAD_ADDRESS


def _cause_of(reply: str) -> Cause | None:
    stage, _, rest = reply.partition(" ")
    code, _, text = rest.partition(" ")
    if stage not in set(Stage) or not code.isdigit():
        return None
    outcome = refusal(parse_reply(Stage(stage), int(code), text))
    return outcome.cause if isinstance(outcome, Rejected) else None


def _about(reply: Reply, code: tuple[int, int]) -> About:
    """What a refusal is about: by its words, or by its code if the words say nothing certain."""
    if code == (4, 5):  # "mail system congestion"; Gmail: "Daily user sending limit exceeded"
        return About.QUOTA
    if code == (4, 1) and "recipient address rejected: access denied" in reply.text.casefold():
        return About.NOBODY  # Microsoft 365, for an address that is not in its directory
    what = about(reply.text)
    return _by_code(reply.stage, code) if what is About.UNKNOWN else what


def _by_code(stage: Stage, code: tuple[int, int]) -> About:
    """What an enhanced code is about by itself (RFC 3463 section 3)."""
    if code[0] == 7 or code in _ABOUT_THE_SENDER:
        return About.POLICY
    if code in _EXACTLY_NOBODY:
        return About.NOBODY
    if code[0] == 1 and stage is not Stage.RCPT:
        return About.UNKNOWN
    return _CODES.get(code, About.UNKNOWN)


def _is_sure(reply: Reply, code: tuple[int, int]) -> bool:
    """May "no such user" suppress the address? After DATA the reply may be about the message, so the code must agree."""
    if reply.stage is not Stage.RCPT:
        return code in _EXACTLY_NOBODY and about(reply.text) is About.NOBODY
    if about(reply.text) is About.UNKNOWN and len(reply.text.split()) > FEW_WORDS:
        return False
    return code[0] not in (2, 3, 6, 7) and code not in _ABOUT_THE_SENDER


def _numbers(enhanced: str) -> tuple[int, int]:
    """Subject and detail of a permanent enhanced code; zeros if there is none."""
    if not enhanced.startswith("5."):
        return 0, 0
    _, subject, detail = enhanced.split(".")
    return int(subject), int(detail)
