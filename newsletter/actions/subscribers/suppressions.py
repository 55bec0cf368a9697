"""List, add and remove suppressions: addresses that never get an email, whatever their consent says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from newsletter.actions.subscribers.listing import Listing
from newsletter.domain.subscribers.address import parse_address
from newsletter.domain.subscribers.subscriber import Suppression
from newsletter.ports.clock import Clock
from newsletter.ports.store import Store


@dataclass(frozen=True)
class Suppressions:
    """The suppressed addresses of one newsletter."""

    store: Store
    clock: Clock

    @contextmanager
    def listing(self) -> Iterator[Listing[Suppression]]:
        """All suppressions, newest first. The rows are read while the block runs."""
        with self.store.read() as tx:
            yield Listing(tx.suppressions.each(), tx.suppressions.count)

    def add(self, address: str, reason: str = "manual") -> bool:
        """Suppress an address; False if it was suppressed already. Raises InputError."""
        key = parse_address(address).key
        with self.store.write() as tx:
            return tx.suppressions.add(key, reason, "by hand", self.clock())

    def remove(self, address: str) -> bool:
        """Remove a suppression, so that consent decides again; False if there was none. Raises InputError."""
        key = parse_address(address).key
        with self.store.write() as tx:
            return tx.suppressions.remove(key)
