"""Erase a subscriber for good, and keep only a keyed hash of the address so that no import adds it again."""

from __future__ import annotations

from datetime import datetime, timedelta

from newsletter.domain.subscribers.address import older_key
from newsletter.domain.subscribers.subscriber import UNSUBSCRIBED_ELSEWHERE, Subscriber
from newsletter.mail.tokens import Purpose, Signer, seal
from newsletter.ports.store import Tx

ERASED = "erased"
IN_FLIGHT = "erased"
_DAY = timedelta(days=1)


def erase(tx: Tx, signer: Signer, subscriber: Subscriber, now: datetime) -> None:
    """Delete the subscriber and add the hash. Only their own new confirmation lifts it again (`lift_suppressions`)."""
    tx.subscribers.erase(subscriber.id)
    tx.calendar.mark_notified(IN_FLIGHT, str(subscriber.id), now)
    tx.suppressions.add(erased_keys(tx.suppressions.erasure_key(), signer, subscriber.address_key)[0], ERASED, "", now)


def forget_replies(tx: Tx, now: datetime) -> None:
    """Delete what was recorded since about emails that were in flight to people who were erased within a day."""
    for subscriber_id, at in tx.calendar.notified(IN_FLIGHT).items():
        tx.subscribers.erase_replies(int(subscriber_id))
        if now - at > _DAY:
            tx.calendar.clear_notified(IN_FLIGHT, only=subscriber_id)


def is_erased(tx: Tx, signer: Signer, address_key: str) -> bool:
    """Was this address erased? Checks the hashes of every key."""
    erasure_key, older = tx.suppressions.erasure_key(), older_key(address_key)
    if any(tx.suppressions.get(key) for key in erased_keys(erasure_key, signer, address_key)):
        return True
    return older != address_key and any(map(tx.suppressions.get_older, erased_keys(erasure_key, signer, older)))


def lift_suppressions(tx: Tx, signer: Signer, address_key: str) -> None:
    """They confirmed a sign-up themselves, so what an import or an erasure recorded about them no longer counts."""
    found = tx.suppressions.get(address_key)
    if found and found.reason == UNSUBSCRIBED_ELSEWHERE:
        tx.suppressions.remove(address_key)
    erasure_key, older = tx.suppressions.erasure_key(), older_key(address_key)
    for key in erased_keys(erasure_key, signer, address_key):
        tx.suppressions.remove(key)
    if older != address_key:
        for key in erased_keys(erasure_key, signer, older):
            tx.suppressions.remove_older(key)


def erased_keys(erasure_key: bytes, signer: Signer, address_key: str) -> tuple[str, ...]:
    """The suppression keys that represent an erased address. Without the secret keys nobody can tell the address.

    The first is made with the database's own key, which survives every change of NEWSLETTER_SECRET_KEY. The others are
    made with the keys of the settings, as older versions of the program did.
    """
    seals = (seal(erasure_key, Purpose.ERASED, address_key), *signer.seals(Purpose.ERASED, address_key))
    return tuple(f"{ERASED}:{one}" for one in seals)
