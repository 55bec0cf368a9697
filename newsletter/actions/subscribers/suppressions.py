"""List, add and remove suppressions: addresses that never get an email, whatever their consent says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from newsletter.actions.subscribers.listing import Listing
from newsletter.domain.delivery.health import DeadMailbox
from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.errors import Refused
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

    def is_suppressed(self, address: str) -> bool:
        """Is this address suppressed? Raises InputError."""
        with self.store.read() as tx:
            return tx.suppressions.get(parse_address(address).key) is not None

    def remove(self, address: str) -> bool:
        """Remove a suppression, so that consent decides again; False if there was none. Raises InputError."""
        key = parse_address(address).key
        with self.store.write() as tx:
            return tx.suppressions.remove(key)

    def of_issue(self, number: int) -> Sequence[Suppression]:
        """The suppressions that an issue has caused, newest first. Raises NotFound if there is no such issue."""
        with self.store.read() as tx:
            tx.issues.get(number)
            return tx.suppressions.of_issue(number)

    def remove_of_issue(self, number: int) -> int:
        """Undo what an issue has suppressed; how many."""
        with self.store.write() as tx:
            return tx.suppressions.remove_of_issue(number)

    def doubtful(self, number: int) -> Sequence[DeadMailbox]:
        """The addresses that an issue was told not to exist, and that are not suppressed. Raises NotFound, Refused."""
        with self.store.read() as tx:
            issue = tx.issues.get(number)
            if issue.state not in (IssueState.DONE, IssueState.CANCELLED):
                raise Refused(
                    f"{issue.name} is {issue.state}, so its refusals are not final",
                    fix=f"See: newsletter issues status {issue.argument}",
                )
            return [one for one in tx.issues.results(number).dead if not one.is_suppressed]

    def add_doubtful(self, number: int) -> int:
        """Suppress them, because the owner says that they do not exist; how many. Raises NotFound, Refused."""
        dead = self.doubtful(number)
        with self.store.write() as tx:
            return tx.suppressions.add_bounced(number, dead, self.clock())
