"""Leaving: by the link of a letter or by the owner's command, effective for the very next claim; and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from newsletter.domain.errors import BadToken, InputError
from newsletter.domain.subscribers.address import parse_address
from newsletter.domain.subscribers.subscriber import Consent, Subscriber
from newsletter.domain.subscribers.subscription import (
    Reason,
    Status,
    UnsubscribeEmail,
    Verdict,
    is_unsubscribe_email_due,
    on_unsubscribe,
)
from newsletter.mail.tokens import Purpose, Signer
from newsletter.ports.store import Store, Tx
from newsletter.ports.subscribers import get_subscriber


@dataclass(frozen=True, slots=True)
class UnsubscribeView:
    """What the link would do now; address and status are "" for somebody who was erased.

    quarterly: one tip every three months is wanted. ends_quarterly: that is what the link would end.
    """

    verdict: Verdict
    address: str
    status: str
    quarterly: bool = False
    ends_quarterly: bool = False


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """What was done; ALREADY when they had left before. quarterly: it was the tip every three months that ended."""

    verdict: Verdict
    address: str
    quarterly: bool = False


def inspect_link(
    store: Store, signer: Signer, token: str, *, purpose: Purpose = Purpose.UNSUBSCRIBE
) -> UnsubscribeView:
    """Who the link belongs to and what it would do; changes nothing. Raises BadToken."""
    subscriber_key, issue = _open_token(signer, token, purpose)
    with store.read() as tx:
        reader = tx.subscribers.by_key(subscriber_key)
        if reader and _is_about_quarterly(tx, reader, issue):
            return UnsubscribeView(
                Verdict.DO, reader.address, reader.display_status, quarterly=True, ends_quarterly=True
            )
    return _view(reader)


def leave(
    store: Store,
    signer: Signer,
    token: str,
    *,
    how: str,
    now: datetime,
    purpose: Purpose = Purpose.UNSUBSCRIBE,
    farewell: UnsubscribeEmail = UnsubscribeEmail.NEVER,
) -> Unsubscribed:
    """End the subscription the link belongs to; a second time changes nothing. Raises BadToken.

    how: the door it came by ("one-click", "page", "preferences", "mail"), for the consent log and for `farewell`.
    """
    subscriber_key, issue = _open_token(signer, token, purpose)
    with store.write() as tx:
        reader = tx.subscribers.by_key(subscriber_key)
        if reader is None:
            return Unsubscribed(Verdict.ALREADY, "")
        if _is_about_quarterly(tx, reader, issue):
            tx.subscribers.change(reader.id, quarterly_at=None)
            tx.subscribers.log_consent(reader.id, Consent(now, "no-quarterly", f"issue {issue}, {how}"))
            return Unsubscribed(Verdict.DO, reader.address, quarterly=True)
        left = end_subscription(tx, reader, how, now, issue=issue)
        if (
            left.verdict is Verdict.DO
            and not reader.suppressed
            and is_unsubscribe_email_due(farewell, reader.status, how)
        ):
            tx.transactional.add(
                "farewell", reader.address, {"subscriber_key": reader.key, "left_at": _seconds(now)}, now
            )
        return left


def unsubscribe_address(store: Store, address_text: str, now: datetime) -> Unsubscribed:
    """The same by the owner's command. Raises InputError and NotFound."""
    address = parse_address(address_text)
    with store.write() as tx:
        reader = get_subscriber(tx.subscribers, address)
        return end_subscription(tx, reader, "command", now)


def end_subscription(tx: Tx, reader: Subscriber, how: str, now: datetime, *, issue: int = 0) -> Unsubscribed:
    """End a subscription inside a transaction; issue: the one whose letter it came from, or 0."""
    verdict = on_unsubscribe(reader.status)
    if verdict is Verdict.DO:
        tx.subscribers.set_status(reader.id, Status.UNSUBSCRIBED, now)
        tx.subscribers.log_consent(reader.id, Consent(now, "leave", f"issue {issue}, {how}" if issue else how))
        tx.unsubscribes.add(reader.id, issue or None, now)
    return Unsubscribed(verdict, reader.address)


def resubscribe_token(signer: Signer, subscriber_key: str) -> str:
    """The token of the way back, in the last mail."""
    return signer.sign(Purpose.RESUBSCRIBE, subscriber_key)


def find_resubscriber(store: Store, signer: Signer, token: str) -> Subscriber:
    """Whose way back it is; changes nothing. Raises BadToken, also for somebody who was erased."""
    subscriber_key = signer.open(Purpose.RESUBSCRIBE, token)[0]
    with store.read() as tx:
        reader = tx.subscribers.by_key(subscriber_key)
    if reader is None:
        raise BadToken("this link belongs to nobody any more", fix="Sign up again")
    return reader


def is_still_unsubscribed(reader: Subscriber, left_at: int) -> bool:
    """Is the leave of that second still their last word?"""
    return reader.status is Status.UNSUBSCRIBED and reader.left_at is not None and _seconds(reader.left_at) == left_at


def explain(store: Store, signer: Signer, token: str, *, reason: str, words: str) -> UnsubscribeView:
    """Keep why somebody left; only after they did. Raises BadToken, InputError for a reason that is none of the five."""
    subscriber_key, _ = _open_token(signer, token, Purpose.UNSUBSCRIBE)
    if reason not in {"", *Reason}:
        raise InputError("this is none of the five reasons", fix="Go back and choose one")
    with store.write() as tx:
        reader = tx.subscribers.by_key(subscriber_key)
        if reader and reader.status is Status.UNSUBSCRIBED:
            tx.unsubscribes.set_reason(reader.id, reason, clean_comment(words))
    return _view(reader)


def agree_to_quarterly(
    store: Store, signer: Signer, token: str, *, agrees: bool, form: str, origin: str, now: datetime
) -> UnsubscribeView:
    """One best tip every three months, or not any more: a consent of its own, logged as such. Raises BadToken."""
    subscriber_key, _ = _open_token(signer, token, Purpose.UNSUBSCRIBE)
    with store.write() as tx:
        reader = tx.subscribers.by_key(subscriber_key)
        if reader and reader.status is Status.UNSUBSCRIBED and bool(reader.quarterly_at) is not agrees:
            tx.subscribers.change(reader.id, quarterly_at=now if agrees else None)
            what = "quarterly" if agrees else "no-quarterly"
            tx.subscribers.log_consent(reader.id, Consent(now, what, form, origin))
            reader = tx.subscribers.by_key(subscriber_key)
    return _view(reader)


def _is_about_quarterly(tx: Tx, reader: Subscriber, issue: int) -> bool:
    """Is it the link of a quarter's letter? It ends that consent alone; a weekly letter's link leaves it as it is."""
    return reader.quarterly_at is not None and issue > 0 and bool(tx.issues.quarter_of(issue))


def clean_comment(text: str) -> str:
    """A line of text of at most 300 characters, without controls; it is only ever shown to the owner."""
    return " ".join("".join(char if char.isprintable() else " " for char in text[:1000]).split())[:300]


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


def _view(reader: Subscriber | None) -> UnsubscribeView:
    if reader is None:
        return UnsubscribeView(Verdict.ALREADY, "", "")
    return UnsubscribeView(
        on_unsubscribe(reader.status), reader.address, reader.display_status, bool(reader.quarterly_at)
    )


def _open_token(signer: Signer, token: str, purpose: Purpose) -> tuple[str, int]:
    """(subscriber key, issue number or 0); the issue stands in the token in base 36."""
    subscriber_key, *rest = signer.open(purpose, token) or ("",)
    try:
        return subscriber_key, int(rest[0], 36) if rest else 0
    except ValueError:
        raise BadToken("this link is not complete", fix="Use the link of a newer letter") from None
