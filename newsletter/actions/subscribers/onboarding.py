"""A welcome series: a course that new subscribers of a list get before they join it by themselves (`store.courses`)."""

from __future__ import annotations

from newsletter.domain.lists import MOST
from newsletter.domain.subscribers.subscriber import Consent, Subscriber
from newsletter.domain.subscribers.subscription import ON_THE_LIST, Status
from newsletter.ports.store import Tx


def series_of(tx: Tx) -> Tx | None:
    """The welcome series of a list: the transaction, seen from it; None if the list has none."""
    key = tx.lists.mine().onboarding
    course = tx.lists.get(key) if key else None
    return tx.of_list(course.id) if course and not course.retired_at else None


def is_in_series(tx: Tx, subscriber: Subscriber) -> bool:
    """Are they in the welcome series of this list, and so on their way to it? subscriber: as this list sees them."""
    series = series_of(tx) if subscriber.status is Status.NONE else None
    found = series.subscribers.by_key(subscriber.key) if series else None
    return found is not None and found.status in ON_THE_LIST


def enter_list(tx: Tx, subscriber_key: str, consent: Consent) -> Tx:
    """Subscribe somebody after they agreed: to the list, or to its welcome series if they are new to the list.

    Returns the transaction, seen from the list that they have joined.
    """
    subscriber = tx.subscribers.by_key(subscriber_key)
    if subscriber is None:
        return tx
    series = series_of(tx) if subscriber.left_at is None and subscriber.status not in ON_THE_LIST else None
    joined = series or tx
    joined.subscribers.set_status(subscriber.id, Status.CONFIRMED, consent.at, source=subscriber.source)
    # The email is answered: someone who unsubscribes today may sign up again today (`may_send_confirmation`).
    joined.subscribers.change(subscriber.id, confirmation_mailed_at=None)
    joined.subscribers.log_consent(subscriber.id, consent)
    if series:  # they have agreed to the list as well, and get there after the last tip
        tx.subscribers.withdraw(subscriber.id)
        tx.subscribers.log_consent(subscriber.id, consent)
    return joined


def where_now(tx: Tx, subscriber_key: str) -> Tx:
    """The list that somebody has moved on to, if this one is a course that they have finished; otherwise this one.

    So the links in the emails of a course still mean the subscription that came from it.
    """
    seen = tx
    for _list in range(MOST):
        subscriber, then = seen.subscribers.by_key(subscriber_key), seen.lists.mine().then
        if subscriber is None or subscriber.status is not Status.NONE or not then:
            return seen
        seen = seen.of_list(seen.lists.get(then).id)
    return tx
