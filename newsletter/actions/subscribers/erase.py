"""Removing a person for good, and remembering by a keyed hash alone that no file may bring them back."""

from __future__ import annotations

from datetime import datetime

from newsletter.domain.subscribers.address import parse_address
from newsletter.domain.subscribers.subscriber import UNSUBSCRIBED_ELSEWHERE, Subscriber
from newsletter.mail.tokens import Purpose, Signer, seal
from newsletter.ports.store import Store, Tx
from newsletter.ports.subscribers import get_subscriber

ERASED = "erased"


def erase_address(store: Store, signer: Signer, address_text: str, now: datetime) -> str:
    """By the owner's command; the address as it was. Raises InputError and NotFound."""
    address = parse_address(address_text)
    with store.write() as tx:
        reader = get_subscriber(tx.subscribers, address)
        erase(tx, signer, reader, now)
    return reader.address


def erase(tx: Tx, signer: Signer, reader: Subscriber, now: datetime) -> None:
    """Remove the person, keep the hash. Their own sign-up and confirmation lift it again (`forgive`)."""
    tx.subscribers.erase(reader.id)
    tx.suppressions.add(erased_keys(tx.suppressions.erasure_key(), signer, reader.address_key)[0], ERASED, "", now)


def is_erased(tx: Tx, signer: Signer, address_key: str) -> bool:
    """Was this address erased, under any of our keys?"""
    return any(tx.suppressions.get(key) for key in erased_keys(tx.suppressions.erasure_key(), signer, address_key))


def lift_suppressions(tx: Tx, signer: Signer, address_key: str) -> None:
    """They came back by their own word: what a file or an erasure had said of them counts no more."""
    found = tx.suppressions.get(address_key)
    if found and found.reason == UNSUBSCRIBED_ELSEWHERE:
        tx.suppressions.remove(address_key)
    for key in erased_keys(tx.suppressions.erasure_key(), signer, address_key):
        tx.suppressions.remove(key)


def erased_keys(erasure_key: bytes, signer: Signer, address_key: str) -> tuple[str, ...]:
    """What stands for the address among the suppressions: no address, and useless without the key.

    The first is by the database's own key, which outlives every change of NEWSLETTER_SECRET_KEY; the others are by the
    keys of the settings, as an older program wrote them.
    """
    seals = (seal(erasure_key, Purpose.ERASED, address_key), *signer.seals(Purpose.ERASED, address_key))
    return tuple(f"{ERASED}:{one}" for one in seals)
