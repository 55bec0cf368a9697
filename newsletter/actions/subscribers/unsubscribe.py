"""Unsubscribe by a link, save the reason, and find the subscriber behind a resubscribe link.

An unsubscribe takes effect before the next email is claimed. The same links carry the consent to one tip every three
months, and its withdrawal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from newsletter.domain.errors import BadToken, InputError
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
from newsletter.ports.clock import Clock
from newsletter.ports.store import Store, Tx


@dataclass(frozen=True, slots=True)
class UnsubscribeView:
    """What the link would do now; address and status are "" if the subscriber was erased.

    quarterly: the subscriber wants one tip every three months. ends_quarterly: the link would end that.
    """

    verdict: Verdict
    address: str
    status: str
    quarterly: bool = False
    ends_quarterly: bool = False


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """What was done; ALREADY if they had unsubscribed before. quarterly: it ended the tip every three months."""

    verdict: Verdict
    address: str
    quarterly: bool = False


@dataclass(frozen=True)
class UnsubscribeLinks:
    """Follow an unsubscribe link. Every method raises BadToken.

    email_policy: after which ways of unsubscribing an email confirms it.
    email_queued: called after a transaction that may have queued an email.
    """

    store: Store
    signer: Signer
    email_policy: UnsubscribeEmail
    clock: Clock
    email_queued: Callable[[], None]

    def view(self, token: str) -> UnsubscribeView:
        """Whose link it is and what it would do; changes nothing."""
        subscriber_key, issue = self._open(token)
        with self.store.read() as tx:
            subscriber = tx.subscribers.by_key(subscriber_key)
            if subscriber and _ends_quarterly(tx, subscriber, issue):
                return UnsubscribeView(
                    Verdict.DO, subscriber.address, subscriber.display_status, quarterly=True, ends_quarterly=True
                )
        return _view(subscriber)

    def preferences_token(self, token: str) -> str:
        """The preferences token of the same subscriber: the emails with this link have that one, too."""
        return self.signer.sign(Purpose.PREFERENCES, self._open(token)[0])

    def unsubscribe(self, token: str, *, how: str) -> Unsubscribed:
        """End the subscription that the link belongs to; a second time changes nothing.

        how: "one-click", "page", "preferences" or "mail"; for the consent log and for `email_policy`.
        """
        subscriber_key, issue = self._open(token)
        now = self.clock()
        with self.store.write() as tx:
            done = self._unsubscribe(tx, tx.subscribers.by_key(subscriber_key), issue, how, now)
        self.email_queued()
        return done

    def _unsubscribe(self, tx: Tx, subscriber: Subscriber | None, issue: int, how: str, now: datetime) -> Unsubscribed:
        if subscriber is None:  # erased: the link must not fail
            return Unsubscribed(Verdict.ALREADY, "")
        if _ends_quarterly(tx, subscriber, issue):
            tx.subscribers.change(subscriber.id, quarterly_at=None)
            tx.subscribers.log_consent(subscriber.id, Consent(now, "no-quarterly", f"issue {issue}, {how}"))
            return Unsubscribed(Verdict.DO, subscriber.address, quarterly=True)
        done = end_subscription(tx, subscriber, how, now, issue=issue)
        sends_email = is_unsubscribe_email_due(self.email_policy, subscriber.status, how)
        if done.verdict is Verdict.DO and sends_email and not subscriber.suppressed:
            values = {"subscriber_key": subscriber.key, "left_at": _seconds(now)}
            tx.transactional.add("unsubscribed", subscriber.address, values, now)
        return done

    # -- after unsubscribing -------------------------------------------------------------------

    def save_reason(self, token: str, *, reason: str, comment: str) -> UnsubscribeView:
        """Save why someone unsubscribed, if they have. Raises InputError if the reason is not one of `Reason` or ""."""
        subscriber_key, _ = self._open(token)
        if reason not in {"", *Reason}:
            raise InputError("unknown reason", fix="Go back and choose one of the five")
        with self.store.write() as tx:
            subscriber = tx.subscribers.by_key(subscriber_key)
            if subscriber and subscriber.status is Status.UNSUBSCRIBED:
                tx.unsubscribes.set_reason(subscriber.id, reason, clean_comment(comment))
        return _view(subscriber)

    def set_quarterly(self, token: str, *, agrees: bool, form: str, origin: str) -> UnsubscribeView:
        """Save the consent to one best tip every three months, or its withdrawal. form, origin: proof of the consent."""
        subscriber_key, _ = self._open(token)
        now = self.clock()
        with self.store.write() as tx:
            subscriber = tx.subscribers.by_key(subscriber_key)
            if subscriber and subscriber.status is Status.UNSUBSCRIBED and bool(subscriber.quarterly_at) is not agrees:
                tx.subscribers.change(subscriber.id, quarterly_at=now if agrees else None)
                what = "quarterly" if agrees else "no-quarterly"
                tx.subscribers.log_consent(subscriber.id, Consent(now, what, form, origin))
                subscriber = tx.subscribers.by_key(subscriber_key)
        return _view(subscriber)

    def resubscriber(self, token: str) -> Subscriber:
        """Whose resubscribe link it is; changes nothing. Raises BadToken for an erased subscriber too."""
        subscriber_key = self.signer.open(Purpose.RESUBSCRIBE, token)[0]
        with self.store.read() as tx:
            subscriber = tx.subscribers.by_key(subscriber_key)
        if subscriber is None:
            raise BadToken("this link is no longer valid", fix="Sign up again")
        return subscriber

    def _open(self, token: str) -> tuple[str, int]:
        """(subscriber key, issue number or 0); the token holds the issue number in base 36."""
        subscriber_key, *rest = self.signer.open(Purpose.UNSUBSCRIBE, token) or ("",)
        try:
            return subscriber_key, int(rest[0], 36) if rest else 0
        except ValueError:
            raise BadToken("this link is not complete", fix="Use the link in a newer email") from None


def end_subscription(tx: Tx, subscriber: Subscriber, how: str, now: datetime, *, issue: int = 0) -> Unsubscribed:
    """End a subscription inside a transaction. issue: the issue whose link was used, or 0."""
    verdict = on_unsubscribe(subscriber.status)
    if verdict is Verdict.DO:
        tx.subscribers.set_status(subscriber.id, Status.UNSUBSCRIBED, now)
        tx.subscribers.log_consent(subscriber.id, Consent(now, "leave", f"issue {issue}, {how}" if issue else how))
        tx.unsubscribes.add(subscriber.id, issue or None, now)
    return Unsubscribed(verdict, subscriber.address)


def resubscribe_token(signer: Signer, subscriber_key: str) -> str:
    """The token of the resubscribe link in the email that confirms an unsubscribe."""
    return signer.sign(Purpose.RESUBSCRIBE, subscriber_key)


def is_still_unsubscribed(subscriber: Subscriber, left_at: int) -> bool:
    """Is this unsubscribe (seconds since 1970) still the subscriber's latest decision?"""
    return (
        subscriber.status is Status.UNSUBSCRIBED
        and subscriber.left_at is not None
        and _seconds(subscriber.left_at) == left_at
    )


def clean_comment(text: str) -> str:
    """One line of at most 300 characters without control characters. Only the owner ever sees it."""
    return " ".join("".join(char if char.isprintable() else " " for char in text[:1000]).split())[:300]


def _ends_quarterly(tx: Tx, subscriber: Subscriber, issue: int) -> bool:
    """Is it the link of a quarterly issue? It ends only that consent; the link of a weekly issue does not touch it."""
    return subscriber.quarterly_at is not None and issue > 0 and bool(tx.issues.quarter_of(issue))


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


def _view(subscriber: Subscriber | None) -> UnsubscribeView:
    if subscriber is None:
        return UnsubscribeView(Verdict.ALREADY, "", "")
    verdict, quarterly = on_unsubscribe(subscriber.status), bool(subscriber.quarterly_at)
    return UnsubscribeView(verdict, subscriber.address, subscriber.display_status, quarterly)
