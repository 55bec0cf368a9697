"""Unsubscribe by a link, save the reason, and find the subscriber behind a resubscribe link.

An unsubscribe takes effect before the next email is claimed. The same links carry the consent to one tip every three
months, and its withdrawal.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from newsletter.actions.subscribers.onboarding import where_now
from newsletter.domain.errors import BadToken, InputError
from newsletter.domain.lists import FIRST_LIST, list_of_issue, pack_ids, shown_number, unpack_ids
from newsletter.domain.subscribers.subscriber import Consent, Subscriber
from newsletter.domain.subscribers.subscription import (
    ON_THE_LIST,
    Reason,
    Status,
    UnsubscribeEmail,
    Verdict,
    is_unsubscribe_email_due,
    on_unsubscribe,
)
from newsletter.mail.tokens import Purpose, Signer
from newsletter.mail.verp import base36
from newsletter.ports.clock import Clock
from newsletter.ports.store import Store, Tx


@dataclass(frozen=True, slots=True)
class UnsubscribeView:
    """What the link would do now; address and status are "" if the subscriber was erased.

    quarterly: the subscriber wants one tip every three months. ends_quarterly: the link would end that.
    list_id: the list that the link is about. ends: if it is about several, those that it would end, or that have ended.
    others: the ids of the other lists that they are subscribed to.
    """

    verdict: Verdict
    address: str
    status: str
    quarterly: bool = False
    ends_quarterly: bool = False
    list_id: int = FIRST_LIST
    ends: tuple[int, ...] = ()
    others: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """What was done; ALREADY if they had unsubscribed before. quarterly: it ended the tip every three months."""

    verdict: Verdict
    address: str
    quarterly: bool = False


@dataclass(frozen=True, slots=True)
class UnsubscribeLink:
    """What an unsubscribe token says. issue: its id, or 0. more: the other lists of a welcome to several."""

    subscriber_key: str
    issue: int
    list_id: int
    more: tuple[int, ...] = ()


@dataclass(frozen=True)
class UnsubscribeLinks:
    """Follow an unsubscribe link. Every method raises BadToken.

    A link is about one list: that of its issue, the one it names, or the first. That of a welcome email is about all
    lists that the email names.
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
        link = self._open(token)
        with self.store.read() as tx:
            seen = where_now(tx.of_list(link.list_id), link.subscriber_key)
            view = _view(seen, link.subscriber_key)
            subscriber = seen.subscribers.by_key(link.subscriber_key)
            if subscriber and _ends_quarterly(tx, subscriber, link.issue):
                return replace(view, verdict=Verdict.DO, quarterly=True, ends_quarterly=True)
        return _with_more(view, link.more) if link.more else view

    def preferences_token(self, token: str) -> str:
        """The preferences token of the same subscriber: the emails with this link have that one, too."""
        return self.signer.sign(Purpose.PREFERENCES, self._open(token).subscriber_key)

    def token_for(self, token: str, list_id: int) -> str:
        """The token of the same subscriber for another list."""
        return unsubscribe_token(self.signer, self._open(token).subscriber_key, list_id)

    def unsubscribe(self, token: str, *, how: str) -> Unsubscribed:
        """End the subscription that the link belongs to; a second time changes nothing.

        how: "one-click", "page", "preferences" or "mail"; for the consent log and for `email_policy`.
        """
        link, now = self._open(token), self.clock()
        with self.store.write() as tx:
            seen = where_now(tx.of_list(link.list_id), link.subscriber_key)
            done = self._unsubscribe(seen, seen.subscribers.by_key(link.subscriber_key), link.issue, how, now)
            done = self._end_more(tx, done, link.subscriber_key, how, now, link.more)
        self.email_queued()
        return done

    def unsubscribe_all(self, token: str, *, how: str) -> Unsubscribed:
        """End every subscription of whoever has this link; one email confirms it, and a second time changes nothing."""
        link, now = self._open(token), self.clock()
        with self.store.write() as tx:
            seen = where_now(tx.of_list(link.list_id), link.subscriber_key)
            done = self._unsubscribe(seen, seen.subscribers.by_key(link.subscriber_key), 0, how, now)
            done = self._end_more(tx, done, link.subscriber_key, how, now)
        self.email_queued()
        return done

    def _end_more(
        self, tx: Tx, done: Unsubscribed, key: str, how: str, now: datetime, only: Collection[int] | None = None
    ) -> Unsubscribed:
        """End more lists. If that of the link had ended before, the email that confirms it is about one of these."""
        person = tx.subscribers.by_key(key)
        had = tx.subscribers.subscriptions(person.id) if person else []
        ended = end_all(tx, key, how, now, only)
        if not person or not ended or done.verdict is Verdict.DO:
            return done
        mailed = [
            one for one in had if one.list_id in ended and is_unsubscribe_email_due(self.email_policy, one.status, how)
        ]
        if mailed:
            _queue_email(tx.of_list(mailed[0].list_id), person, now)
        return Unsubscribed(Verdict.DO, person.address)

    def _unsubscribe(self, tx: Tx, subscriber: Subscriber | None, issue: int, how: str, now: datetime) -> Unsubscribed:
        if subscriber is None:  # erased: the link must not fail
            return Unsubscribed(Verdict.ALREADY, "")
        if _ends_quarterly(tx, subscriber, issue):
            tx.subscribers.change(subscriber.id, quarterly_at=None)
            tx.subscribers.log_consent(
                subscriber.id, Consent(now, "no-quarterly", f"issue {shown_number(issue)}, {how}")
            )
            return Unsubscribed(Verdict.DO, subscriber.address, quarterly=True)
        done = end_subscription(tx, subscriber, how, now, issue=issue)
        if done.verdict is Verdict.DO and is_unsubscribe_email_due(self.email_policy, subscriber.status, how):
            _queue_email(tx, subscriber, now)
        return done

    # -- after unsubscribing -------------------------------------------------------------------

    def save_reason(self, token: str, *, reason: str, comment: str) -> UnsubscribeView:
        """Save why someone unsubscribed, if they have. Raises InputError if the reason is not one of `Reason` or ""."""
        link = self._open(token)
        if reason not in {"", *Reason}:
            raise InputError("unknown reason", fix="Go back and choose one of the five")
        with self.store.write() as tx:
            seen = where_now(tx.of_list(link.list_id), link.subscriber_key)
            subscriber = seen.subscribers.by_key(link.subscriber_key)
            if subscriber and subscriber.status is Status.UNSUBSCRIBED:
                seen.unsubscribes.set_reason(subscriber.id, reason, clean_comment(comment))
            return _view(seen, link.subscriber_key)

    def set_quarterly(self, token: str, *, agrees: bool, form: str, origin: str) -> UnsubscribeView:
        """Save the consent to one best tip every three months, or its withdrawal. form, origin: proof of the consent."""
        link, now = self._open(token), self.clock()
        with self.store.write() as whole:
            tx = where_now(whole.of_list(link.list_id), link.subscriber_key)
            subscriber = tx.subscribers.by_key(link.subscriber_key)
            if subscriber and subscriber.status is Status.UNSUBSCRIBED and bool(subscriber.quarterly_at) is not agrees:
                tx.subscribers.change(subscriber.id, quarterly_at=now if agrees else None)
                what = "quarterly" if agrees else "no-quarterly"
                tx.subscribers.log_consent(subscriber.id, Consent(now, what, form, origin))
            return _view(tx, link.subscriber_key)

    def resubscriber(self, token: str) -> tuple[Subscriber, int]:
        """Whose resubscribe link it is, and for which list; changes nothing.

        Raises BadToken for an erased subscriber and for a list that was retired, too.
        """
        subscriber_key, *named = self.signer.open(Purpose.RESUBSCRIBE, token)
        list_id = _number(named) or FIRST_LIST
        with self.store.read() as tx:
            subscriber = tx.subscribers.by_key(subscriber_key)
            is_open = list_id == FIRST_LIST or any(one.id == list_id for one in tx.lists.each())
        if subscriber is None or not is_open:
            raise BadToken("this link is no longer valid", fix="Sign up again")
        return subscriber, list_id

    def _open(self, token: str) -> UnsubscribeLink:
        return open_link(self.signer, token)


def end_subscription(tx: Tx, subscriber: Subscriber, how: str, now: datetime, *, issue: int = 0) -> Unsubscribed:
    """End a subscription inside a transaction. issue: the issue whose link was used, or 0."""
    verdict = on_unsubscribe(subscriber.status)
    if verdict is Verdict.DO:
        tx.subscribers.set_status(subscriber.id, Status.UNSUBSCRIBED, now)
        tx.subscribers.log_consent(
            subscriber.id, Consent(now, "leave", f"issue {shown_number(issue)}, {how}" if issue else how)
        )
        tx.unsubscribes.add(subscriber.id, issue or None, now)
    return Unsubscribed(verdict, subscriber.address)


def _queue_email(tx: Tx, subscriber: Subscriber, now: datetime) -> None:
    """Queue the email that confirms an unsubscribe, unless its link leads nowhere. tx: seen from the list that ended."""
    if not subscriber.suppressed and not tx.lists.mine().retired_at:
        named = {} if tx.list_id == FIRST_LIST else {"list": tx.list_id}
        values = {"subscriber_key": subscriber.key, "left_at": _seconds(now), **named}
        tx.transactional.add("unsubscribed", subscriber.address, values, now)


def end_all(tx: Tx, subscriber_key: str, how: str, now: datetime, only: Collection[int] | None = None) -> list[int]:
    """End every subscription of a person that has not ended, and every tip every three months; the ids of their lists.

    only: the ids of the lists that this is about; None for all.
    """
    person = tx.subscribers.by_key(subscriber_key)
    ended = []
    for one in tx.subscribers.subscriptions(person.id) if person else ():
        if only is not None and one.list_id not in only:
            continue
        seen = tx.of_list(one.list_id)
        if one.quarterly_at and person:
            seen.subscribers.change(person.id, quarterly_at=None)
            seen.subscribers.log_consent(person.id, Consent(now, "no-quarterly", how))
        subscriber = seen.subscribers.by_key(subscriber_key)
        if subscriber and end_subscription(seen, subscriber, how, now).verdict is Verdict.DO:
            ended.append(one.list_id)
    return ended


def unsubscribe_token(signer: Signer, subscriber_key: str, list_id: int = FIRST_LIST, *more: int) -> str:
    """The token of an unsubscribe link outside an issue. It names no issue, and the list unless it is the first alone.

    more: the other lists that it ends.
    """
    named = [] if list_id == FIRST_LIST and not more else ["0", base36(list_id), *([pack_ids(more)] if more else [])]
    return signer.sign(Purpose.UNSUBSCRIBE, subscriber_key, *named)


def resubscribe_token(signer: Signer, subscriber_key: str, list_id: int = FIRST_LIST) -> str:
    """The token of the resubscribe link in the email that confirms an unsubscribe."""
    return signer.sign(Purpose.RESUBSCRIBE, subscriber_key, *([] if list_id == FIRST_LIST else [base36(list_id)]))


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


def open_link(signer: Signer, token: str) -> UnsubscribeLink:
    """Whose link it is, and for which list: that of its issue, the one it names, or the first. Raises BadToken."""
    subscriber_key, *rest = signer.open(Purpose.UNSUBSCRIBE, token) or ("",)
    issue = _number(rest)
    list_id = list_of_issue(issue) if issue else _number(rest[1:]) or FIRST_LIST
    return UnsubscribeLink(subscriber_key, issue, list_id, unpack_ids(rest[2]) if rest[2:] else ())


def _number(rest: Sequence[str]) -> int:
    """The first field of the rest of a token, a number in base 36; 0 without any. Raises BadToken."""
    try:
        return int(rest[0], 36) if rest else 0
    except ValueError:
        raise BadToken("this link is not complete", fix="Use the link in a newer email") from None


def _with_more(view: UnsubscribeView, more: Sequence[int]) -> UnsubscribeView:
    """The view of a link that is about more lists than its own."""
    open_ones = [one for one in view.others if one in more]
    if not open_ones and view.verdict is Verdict.ALREADY:
        return replace(view, ends=(view.list_id, *more))
    first = [view.list_id] if view.verdict is Verdict.DO else []
    others = tuple(one for one in view.others if one not in more)
    return replace(view, verdict=Verdict.DO, ends=(*first, *open_ones), others=others)


def _view(tx: Tx, subscriber_key: str) -> UnsubscribeView:
    """tx: seen from the list of the link."""
    subscriber = tx.subscribers.by_key(subscriber_key)
    if subscriber is None:
        return UnsubscribeView(Verdict.ALREADY, "", "", list_id=tx.list_id)
    others = [one.list_id for one in tx.subscribers.subscriptions(subscriber.id) if one.status in ON_THE_LIST]
    return UnsubscribeView(
        on_unsubscribe(subscriber.status),
        subscriber.address,
        subscriber.display_status,
        bool(subscriber.quarterly_at),
        list_id=tx.list_id,
        others=tuple(one for one in others if one != tx.list_id),
    )
