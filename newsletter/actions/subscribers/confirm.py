"""Confirm a sign-up, for all lists it asked for, by the link in the confirmation email. Someone who has unsubscribed since is never resubscribed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from newsletter.actions.subscribers.erase import lift_suppressions
from newsletter.actions.subscribers.onboarding import enter_list, is_in_series, where_now
from newsletter.actions.subscribers.signup_limits import SignupLimiter
from newsletter.actions.subscribers.subscribe import named_lists
from newsletter.domain.errors import BadToken
from newsletter.domain.lists import FIRST_LIST, pack_ids, unpack_ids
from newsletter.domain.subscribers.subscriber import Consent, Subscriber
from newsletter.domain.subscribers.subscription import Verdict, on_confirm
from newsletter.mail.tokens import Purpose, Signer
from newsletter.ports.clock import Clock
from newsletter.ports.store import Store, Tx


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What the link would do now, or what it did. lists: the ids of the lists that this is about."""

    verdict: Verdict
    address: str
    lists: tuple[int, ...] = ()


def confirm_token(signer: Signer, subscriber_key: str, signup_at: int, lists: Sequence[int] = (FIRST_LIST,)) -> str:
    """The token of a confirm link, valid for one subscriber and one sign-up (seconds since 1970).

    lists: ids. A token that names no list is one of the first, as all tokens were once.
    """
    named = () if tuple(lists) == (FIRST_LIST,) else (pack_ids(lists),)
    return signer.sign(Purpose.CONFIRM, subscriber_key, str(signup_at), *named)


@dataclass(frozen=True)
class ConfirmLinks:
    """Follow a confirm link. email_queued: called after a transaction that queued an email."""

    store: Store
    signer: Signer
    limiter: SignupLimiter
    clock: Clock
    email_queued: Callable[[], None]

    def view(self, token: str) -> Confirmation:
        """What the link would do; changes nothing. Raises BadToken."""
        link = _open_token(self.signer, token)
        with self.store.read() as tx:
            return _decide(tx, link, self.clock())[0]

    def confirm(self, token: str) -> Confirmation:
        """Confirm once: set the status, log the consent, queue one welcome email. Raises BadToken."""
        link, now = _open_token(self.signer, token), self.clock()
        with self.store.write() as tx:
            decided, subscriber, lists = _decide(tx, link, now)
            consent = Consent(now, "confirm", "link in the confirmation email")
            joined = {seen.list_id: seen for seen in (enter_list(one, subscriber.key, consent) for one in lists)}
            if joined:
                lift_suppressions(tx, self.signer, subscriber.address_key)
                queue_welcome([*joined.values()], subscriber, now)
        # Separate transactions: the limits are bookkeeping, and no failure there may undo a confirmation.
        with self.store.write() as tx:
            self.limiter.answered(tx, subscriber.address_key, now)
        self.email_queued()
        return decided


def queue_welcome(lists: Sequence[Tx], subscriber: Subscriber, now: datetime) -> None:
    """Queue one welcome email. lists: the transaction, seen from each list that they have joined."""
    values = {"subscriber_key": subscriber.key, **named_lists(lists)}
    lists[0].transactional.add("welcome", subscriber.address, values, now)


@dataclass(frozen=True, slots=True)
class _Link:
    """What a confirm token says."""

    subscriber_key: str
    signup_at: datetime
    lists: tuple[int, ...]


def _decide(tx: Tx, link: _Link, now: datetime) -> tuple[Confirmation, Subscriber, list[Tx]]:
    """What the link does, whose it is, and the transaction as seen from each list that is to be joined."""
    subscriber = _subscriber(tx, link.subscriber_key)
    open_lists = {FIRST_LIST} if link.lists == (FIRST_LIST,) else {one.id for one in tx.lists.each()}
    by_verdict: dict[Verdict, list[Tx]] = {}
    for seen in (tx.of_list(one) for one in link.lists if one in open_lists):
        found = _subscriber(seen, link.subscriber_key)
        verdict = Verdict.ALREADY
        if not is_in_series(seen, found):
            found = _subscriber(where_now(seen, link.subscriber_key), link.subscriber_key)
            verdict = on_confirm(found.status, found.signup_at, link.signup_at, now)
        by_verdict.setdefault(verdict, []).append(seen)
    for verdict in (Verdict.DO, Verdict.ALREADY):
        if lists := by_verdict.get(verdict):
            decided = Confirmation(verdict, subscriber.address, tuple(one.list_id for one in lists))
            return decided, subscriber, lists if verdict is Verdict.DO else []
    return Confirmation(Verdict.STALE, subscriber.address), subscriber, []


def _open_token(signer: Signer, token: str) -> _Link:
    try:
        subscriber_key, signup_at, *named = signer.open(Purpose.CONFIRM, token)
        lists = unpack_ids(named[0]) if named else (FIRST_LIST,)
        return _Link(subscriber_key, datetime.fromtimestamp(int(signup_at), UTC), lists)
    except (ValueError, OverflowError, OSError):
        raise BadToken("this confirmation link is not complete", fix="Sign up again") from None


def _subscriber(tx: Tx, subscriber_key: str) -> Subscriber:
    subscriber = tx.subscribers.by_key(subscriber_key)
    if subscriber is None:
        raise BadToken("this confirmation link is no longer valid", fix="Sign up again")
    return subscriber
