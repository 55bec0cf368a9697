"""Everything stored about a subscriber, for the file that they download."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from newsletter.domain.lists import list_of_issue, shown_number
from newsletter.domain.subscribers.subscriber import Subscriber
from newsletter.ports.store import Tx

_TIMES = ("signup_at", "confirmed_at", "paused_until", "left_at", "quarterly_at")


def data_of(tx: Tx, subscriber: Subscriber, iso: Callable[[date | None], str | None]) -> dict[str, Any]:
    """Ready for JSON. If there are several lists, it has the subscriptions of all. iso: writes a date or a time."""
    lists = {one.id: one.key for one in tx.lists.each(retired=True)}
    several = len(lists) > 1
    return {
        "address": subscriber.address,
        "name": subscriber.name,
        "status": subscriber.display_status,
        "pace": subscriber.pace.value,
        "source": subscriber.source,
        "new_address": subscriber.new_address.text if subscriber.new_address else None,
        **{name: iso(getattr(subscriber, name)) for name in _TIMES},
        **({"subscriptions": _subscriptions(tx, subscriber, lists, iso)} if several else {}),
        "consent": [
            {"at": iso(one.at), "what": one.what, "proof": one.proof, "origin": one.origin}
            | ({"list": lists[one.list_id]} if several else {})
            for one in tx.subscribers.consents(subscriber.id)
        ],
        "deliveries": [
            {"issue": shown_number(one.issue), "slot": iso(one.slot), "tip": one.tip, "state": one.state}
            | ({"list": lists[list_of_issue(one.issue)]} if several else {})
            for one in tx.subscribers.deliveries(subscriber.id)
        ],
    }


def _subscriptions(
    tx: Tx, subscriber: Subscriber, lists: dict[int, str], iso: Callable[[date | None], str | None]
) -> list[dict[str, Any]]:
    return [
        {
            "list": lists[one.list_id],
            "status": one.status.value,
            "frequency": one.pace.value,
            "source": one.source,
            **{name: iso(getattr(one, name)) for name in _TIMES},
        }
        for one in tx.subscribers.subscriptions(subscriber.id)
    ]
