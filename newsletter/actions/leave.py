"""Leaving: by the link of a letter or by the owner's command; effective for the very next claim."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from newsletter.domain.address import parse_address
from newsletter.domain.errors import BadToken, NotFound
from newsletter.domain.people import Consent, Reader
from newsletter.domain.ports import Store, Tx
from newsletter.domain.subscription import Status, Verdict, on_leave
from newsletter.mail.tokens import Purpose, Signer


@dataclass(frozen=True, slots=True)
class LeaveView:
    """What the link would do now; address and status are "" for somebody who was erased."""

    verdict: Verdict
    address: str
    status: str


@dataclass(frozen=True, slots=True)
class Left:
    """What was done; ALREADY when they had left before."""

    verdict: Verdict
    address: str


def look(store: Store, signer: Signer, token: str, *, purpose: Purpose = Purpose.UNSUBSCRIBE) -> LeaveView:
    """Who the link belongs to and what it would do; changes nothing. Raises BadToken."""
    subscriber_key, _ = _opened(signer, token, purpose)
    with store.read() as tx:
        reader = tx.subscribers.by_key(subscriber_key)
    if reader is None:
        return LeaveView(Verdict.ALREADY, "", "")
    return LeaveView(on_leave(reader.status), reader.address, reader.shown_status)


def leave(
    store: Store, signer: Signer, token: str, *, how: str, now: datetime, purpose: Purpose = Purpose.UNSUBSCRIBE
) -> Left:
    """End the subscription the link belongs to; a second time changes nothing. Raises BadToken.

    how: the door it came by ("one-click", "page", "preferences"), for the consent log.
    """
    subscriber_key, issue = _opened(signer, token, purpose)
    with store.write() as tx:
        reader = tx.subscribers.by_key(subscriber_key)
        if reader is None:
            return Left(Verdict.ALREADY, "")
        return _end(tx, reader, f"issue {issue}, {how}" if issue else how, now)


def unsubscribe_address(store: Store, address_text: str, now: datetime) -> Left:
    """The same by the owner's command. Raises InputError and NotFound."""
    address = parse_address(address_text)
    with store.write() as tx:
        reader = tx.subscribers.by_address(address.key)
        if reader is None:
            raise NotFound(f"there is no subscriber {address.text}", fix="See: newsletter subscribers list")
        return _end(tx, reader, "command", now)


def _end(tx: Tx, reader: Reader, proof: str, now: datetime) -> Left:
    verdict = on_leave(reader.status)
    if verdict is Verdict.DO:
        tx.subscribers.set_status(reader.id, Status.UNSUBSCRIBED, now)
        tx.subscribers.log_consent(reader.id, Consent(now, "leave", proof))
    return Left(verdict, reader.address)


def _opened(signer: Signer, token: str, purpose: Purpose) -> tuple[str, int]:
    """(subscriber key, issue number or 0); the issue stands in the token in base 36."""
    subscriber_key, *rest = signer.open(purpose, token) or ("",)
    try:
        return subscriber_key, int(rest[0], 36) if rest else 0
    except ValueError:
        raise BadToken("this link is not complete", fix="Use the link of a newer letter") from None
