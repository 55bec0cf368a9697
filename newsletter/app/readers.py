"""The verbs of readers, bound: coming, staying, leaving, and who must never be mailed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.app.parts import Parts, fresh_key
from newsletter.domain.errors import InputError

if TYPE_CHECKING:
    from newsletter.actions.confirm import Confirmed
    from newsletter.actions.import_subscribers import Report as SubscribersReport
    from newsletter.actions.leave import Left
    from newsletter.actions.subscribe import Added


@dataclass
class ReaderVerbs(Parts):
    """What one can do with readers."""

    def subscribe(self, email: str, name: str, *, form: str, origin: str) -> None:
        """Take a sign-up from the form."""
        from newsletter.actions.subscribe import subscribe

        subscribe(
            self.store, address_text=email, name=name, form=form, origin=origin, key=fresh_key(), now=self.clock()
        )
        self.bell.set()

    def confirm(self, token: str) -> Confirmed:
        """Confirm a sign-up by its link."""
        from newsletter.actions.confirm import confirm

        confirmed = confirm(self.store, self.signer, token, self.clock())
        self.bell.set()
        return confirmed

    def leave(self, token: str, *, how: str) -> Left:
        """Unsubscribe by link."""
        from newsletter.actions.leave import leave

        return leave(self.store, self.signer, token, how=how, now=self.clock())

    def unsubscribe(self, address: str) -> Left:
        """Unsubscribe by hand."""
        from newsletter.actions.leave import unsubscribe_address

        return unsubscribe_address(self.store, address, self.clock())

    def add_subscriber(self, address: str, name: str = "", *, confirmed_source: str | None = None) -> Added:
        """Add a reader by hand, confirmed with a proof or asked to confirm."""
        from newsletter.actions.subscribe import add_subscriber

        return add_subscriber(
            self.store,
            address_text=address,
            name=name,
            confirmed_source=confirmed_source,
            key=fresh_key(),
            now=self.clock(),
        )

    def import_subscribers(
        self, path: Path, *, confirmed_source: str | None = None, dry_run: bool = False
    ) -> SubscribersReport:
        """Read readers from a CSV file."""
        from newsletter.actions.import_subscribers import import_subscribers

        try:
            with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
                return import_subscribers(
                    self.store,
                    lines,
                    confirmed_source=confirmed_source,
                    make_key=fresh_key,
                    now=self.clock(),
                    dry_run=dry_run,
                )
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", source=str(path)) from None

    def suppress(self, address: str, reason: str = "manual") -> bool:
        """Never mail this address; False when that was so already."""
        from newsletter.domain.address import parse_address

        with self.store.write() as tx:
            return tx.suppressions.add(parse_address(address).key, reason, "by hand", self.clock())

    def unsuppress(self, address: str) -> bool:
        """Take a suppression back; consent decides again."""
        from newsletter.domain.address import parse_address

        with self.store.write() as tx:
            return tx.suppressions.remove(parse_address(address).key)
