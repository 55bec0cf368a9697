"""Confirming a sign-up by its link: look, then do; never resubscribes somebody who left since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from newsletter.actions.subscribers.erase import lift_suppressions
from newsletter.domain.errors import BadToken
from newsletter.domain.subscribers.subscriber import Consent, Subscriber
from newsletter.domain.subscribers.subscription import Status, Verdict, on_confirm
from newsletter.mail.tokens import Purpose, Signer
from newsletter.ports.store import Store, Tx


@dataclass(frozen=True, slots=True)
class ConfirmView:
    """What the link would do now."""

    verdict: Verdict
    address: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What the link did; the key is what makes two addresses one."""

    verdict: Verdict
    address: str
    address_key: str


def confirm_token(signer: Signer, subscriber_key: str, signup_at: int) -> str:
    """The token of a confirm link: for one reader and one sign-up (seconds since 1970)."""
    return signer.sign(Purpose.CONFIRM, subscriber_key, str(signup_at))


def inspect_link(store: Store, signer: Signer, token: str, now: datetime) -> ConfirmView:
    """What the link would do; changes nothing. Raises BadToken."""
    subscriber_key, link_signup_at = _open_token(signer, token)
    with store.read() as tx:
        reader = _reader(tx, subscriber_key)
    return ConfirmView(on_confirm(reader.status, reader.signup_at, link_signup_at, now), reader.address)


def confirm(store: Store, signer: Signer, token: str, now: datetime, *, next_slot: date | None = None) -> Confirmed:
    """Do it, once: the reader is confirmed, the log says so, a welcome waits for the sender. Raises BadToken.

    next_slot: the day of the first letter, for the welcome.
    """
    subscriber_key, link_signup_at = _open_token(signer, token)
    with store.write() as tx:
        reader = _reader(tx, subscriber_key)
        verdict = on_confirm(reader.status, reader.signup_at, link_signup_at, now)
        if verdict is Verdict.DO:
            tx.subscribers.set_status(reader.id, Status.CONFIRMED, now)
            tx.subscribers.change(reader.id, confirmation_mailed_at=None)  # answered: see may_mail_confirmation
            lift_suppressions(tx, signer, reader.address_key)
            tx.subscribers.log_consent(reader.id, Consent(now, "confirm", "link in the confirmation mail"))
            first = next_slot.isoformat() if next_slot else None
            tx.transactional.add("welcome", reader.address, {"subscriber_key": reader.key, "next_slot": first}, now)
    return Confirmed(verdict, reader.address, reader.address_key)


def _open_token(signer: Signer, token: str) -> tuple[str, datetime]:
    try:
        subscriber_key, signup_at = signer.open(Purpose.CONFIRM, token)
        return subscriber_key, datetime.fromtimestamp(int(signup_at), UTC)
    except (ValueError, OverflowError, OSError):
        raise BadToken("this confirmation link is not complete", fix="Sign up again") from None


def _reader(tx: Tx, subscriber_key: str) -> Subscriber:
    reader = tx.subscribers.by_key(subscriber_key)
    if reader is None:
        raise BadToken("this confirmation link belongs to nobody any more", fix="Sign up again")
    return reader
