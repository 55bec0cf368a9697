"""Confirm a sign-up by the link in the confirmation email. Someone who has unsubscribed since is never resubscribed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from newsletter.actions.subscribers.erase import lift_suppressions
from newsletter.actions.subscribers.signup_limits import SignupLimiter
from newsletter.domain.errors import BadToken
from newsletter.domain.subscribers.subscriber import Consent, Subscriber
from newsletter.domain.subscribers.subscription import Status, Verdict, on_confirm
from newsletter.mail.tokens import Purpose, Signer
from newsletter.ports.clock import Clock
from newsletter.ports.store import Store, Tx


@dataclass(frozen=True, slots=True)
class ConfirmView:
    """What the link would do now."""

    verdict: Verdict
    address: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What the link did."""

    verdict: Verdict
    address: str


def confirm_token(signer: Signer, subscriber_key: str, signup_at: int) -> str:
    """The token of a confirm link, valid for one subscriber and one sign-up (seconds since 1970)."""
    return signer.sign(Purpose.CONFIRM, subscriber_key, str(signup_at))


@dataclass(frozen=True)
class ConfirmLinks:
    """Follow a confirm link. email_queued: called after a transaction that queued an email."""

    store: Store
    signer: Signer
    limiter: SignupLimiter
    clock: Clock
    email_queued: Callable[[], None]

    def view(self, token: str) -> ConfirmView:
        """What the link would do; changes nothing. Raises BadToken."""
        subscriber_key, link_signup_at = _open_token(self.signer, token)
        with self.store.read() as tx:
            subscriber = _subscriber(tx, subscriber_key)
        verdict = on_confirm(subscriber.status, subscriber.signup_at, link_signup_at, self.clock())
        return ConfirmView(verdict, subscriber.address)

    def confirm(self, token: str) -> Confirmed:
        """Confirm once: set the status, log the consent, queue a welcome email. Raises BadToken."""
        subscriber_key, link_signup_at = _open_token(self.signer, token)
        now = self.clock()
        with self.store.write() as tx:
            subscriber = _subscriber(tx, subscriber_key)
            verdict = on_confirm(subscriber.status, subscriber.signup_at, link_signup_at, now)
            if verdict is Verdict.DO:
                self._confirm(tx, subscriber, now)
        # Separate transactions: the limits are bookkeeping, and no failure there may undo a confirmation.
        with self.store.write() as tx:
            self.limiter.answered(tx, subscriber.address_key, now)
        self.email_queued()
        return Confirmed(verdict, subscriber.address)

    def _confirm(self, tx: Tx, subscriber: Subscriber, now: datetime) -> None:
        tx.subscribers.set_status(subscriber.id, Status.CONFIRMED, now)
        # The email is answered: someone who unsubscribes today may sign up again today (`may_send_confirmation`).
        tx.subscribers.change(subscriber.id, confirmation_mailed_at=None)
        lift_suppressions(tx, self.signer, subscriber.address_key)
        tx.subscribers.log_consent(subscriber.id, Consent(now, "confirm", "link in the confirmation email"))
        tx.transactional.add("welcome", subscriber.address, {"subscriber_key": subscriber.key}, now)


def _open_token(signer: Signer, token: str) -> tuple[str, datetime]:
    """(subscriber key, sign-up time) of a confirm token."""
    try:
        subscriber_key, signup_at = signer.open(Purpose.CONFIRM, token)
        return subscriber_key, datetime.fromtimestamp(int(signup_at), UTC)
    except (ValueError, OverflowError, OSError):
        raise BadToken("this confirmation link is not complete", fix="Sign up again") from None


def _subscriber(tx: Tx, subscriber_key: str) -> Subscriber:
    subscriber = tx.subscribers.by_key(subscriber_key)
    if subscriber is None:
        raise BadToken("this confirmation link is no longer valid", fix="Sign up again")
    return subscriber
