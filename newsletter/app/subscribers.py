"""The verbs of readers, bound: coming, staying, leaving, and who must never be mailed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.app.wiring import Parts, fresh_key, fresh_keys
from newsletter.domain.errors import InputError

if TYPE_CHECKING:
    from newsletter.actions.subscribers.confirm import Confirmed
    from newsletter.actions.subscribers.import_subscribers import Reject
    from newsletter.actions.subscribers.import_subscribers import Report as SubscribersReport
    from newsletter.actions.subscribers.preferences import Change
    from newsletter.actions.subscribers.subscribe import Added
    from newsletter.actions.subscribers.unsubscribe import Unsubscribed
    from newsletter.app.signup_limits import Guard
    from newsletter.domain.subscribers.address import Address
    from newsletter.domain.subscribers.subscriber import Subscriber
    from newsletter.ports.store import Tx

HOUR = timedelta(hours=1)
ATTACK = {
    "headline": "Somebody misuses your sign-up form",
    "lines": [
        """More confirmation mails left within an hour than people answered. So that your form is no weapon, the door is \
closed: no confirmation mail leaves for the next hour, or longer if it goes on. Letters are not touched.""",
        "Visitors are told to come back later. Once it is quiet, the door opens by itself.",
    ],
    "next_step": "Nothing; if it comes again and again, look into the log of your web server for where it comes from.",
}


@dataclass
class ReaderVerbs(Parts):
    """What one can do with readers."""

    @cached_property
    def guard(self) -> Guard:
        """Who may knock how often."""
        from newsletter.app.signup_limits import Guard

        return Guard()

    def subscribe(
        self, email: str, name: str, *, form: str, origin: str, proven: bool = True, no_wait: bool = False
    ) -> None:
        """Take a sign-up from the form; see `Guard.enter` for `proven`. Raises InputError and TooMany.

        at_once: raise Busy, with nothing done, where the database cannot be written to just now.
        """
        from newsletter.actions.subscribers.subscribe import subscribe
        from newsletter.app.signup_limits import origin_key
        from newsletter.domain.subscribers.address import parse_address

        address, now = parse_address(email), self.clock()
        self._refuse_disposable(address)
        place, key = origin_key(origin), fresh_key()  # all that can be done before others have to wait
        if pressed := self.guard.look(address.key, place, proven=proven, now=now):
            with self.store.write() as tx:
                refusal = self.guard.note_pressure(tx, pressed)
            raise refusal
        with self.store.write(no_wait=no_wait) as tx:
            visit = self.guard.enter(tx, address.key, place, proven=proven, now=now)
            if visit.closes:
                self._close_the_door(tx, now)
            else:
                mailed = subscribe(tx, address=address, name=name, form=form, origin=origin, key=key, now=now)
                self.guard.settle(tx, visit, now, mailed=mailed)
        if visit.closes or mailed:
            self.bell.set()
        if visit.closes:
            raise self.guard.turn_away()

    def _refuse_disposable(self, address: Address) -> None:
        domain = address.key.rpartition("@")[2]
        parents = {".".join(domain.split(".")[at:]) for at in range(domain.count("."))}
        if not self._disposable.isdisjoint(parents):
            raise InputError("this address is one to throw away", fix="Use one where our letters can stay")

    @cached_property
    def _disposable(self) -> frozenset[str]:
        return self.settings.blocked_domains()

    def _close_the_door(self, tx: Tx, now: datetime) -> None:
        tx.upkeep.skip_reminders(now - HOUR, now)
        if self.site.owner:
            tx.notices.add("alarm", self.site.owner, ATTACK, now)

    def confirm(self, token: str) -> Confirmed:
        """Confirm a sign-up by its link."""
        from newsletter.actions.subscribers.confirm import confirm

        now = self.clock()
        confirmed = confirm(self.store, self.signer, token, now, next_slot=self.schedule.next_slot(now))
        with self.store.write() as tx:
            self.guard.answered(tx, confirmed.address_key, now)
        self.bell.set()
        return confirmed

    def leave(self, token: str, *, how: str) -> Unsubscribed:
        """Unsubscribe by link."""
        from newsletter.actions.subscribers.unsubscribe import leave

        farewell = self.settings.farewell
        left = leave(self.store, self.signer, token, how=how, now=self.clock(), farewell=farewell)
        self.bell.set()
        return left

    def resubscribe(self, token: str, *, form: str, origin: str) -> None:
        """Sign somebody who left up again, by the link in the last mail. Raises BadToken, InputError and TooMany."""
        from newsletter.actions.subscribers.unsubscribe import find_resubscriber

        reader = find_resubscriber(self.store, self.signer, token)
        self.subscribe(reader.address, reader.name, form=form, origin=origin)

    def change_preferences(self, token: str, change: Change) -> Subscriber | None:
        """Do one of the changes of `actions.subscribers.preferences`; the reader after it, None if they are no more."""
        from newsletter.actions.subscribers import preferences

        reader = preferences.change(self.store, self.signer, token, change, self.clock())
        self.bell.set()
        return reader

    def send_link(self, email: str, *, origin: str) -> None:
        """Mail somebody their personal link, if we know them. Raises InputError and TooMany."""
        from newsletter.actions.subscribers.preferences import send_link
        from newsletter.app.signup_limits import origin_key
        from newsletter.domain.subscribers.address import parse_address

        address, place, now = parse_address(email), origin_key(origin), self.clock()
        with self.store.write() as tx:
            self.guard.ask_for_link(tx, place, now)
        send_link(self.store, address=address, key=fresh_key(), now=now)
        self.bell.set()

    def erase(self, address: str) -> str:
        """Remove a person by the owner's command; the address as it was."""
        from newsletter.actions.subscribers.erase import erase_address

        return erase_address(self.store, self.signer, address, self.clock())

    def pause_subscriber(self, address: str, weeks: int) -> datetime:
        """Pause by the owner's command; until when."""
        from newsletter.actions.subscribers.preferences import pause_address

        return pause_address(self.store, address, weeks, self.clock())

    def housekeeping(self) -> Mapping[str, int]:
        """What time brings about: pauses end, a reminder, what is forgotten; to be rung hourly."""
        from newsletter.actions.maintenance import run_maintenance

        done = run_maintenance(self.store, self.clock())
        if done["reminded"]:
            self.bell.set()
        return done

    def unsubscribe(self, address: str) -> Unsubscribed:
        """Unsubscribe by hand."""
        from newsletter.actions.subscribers.unsubscribe import unsubscribe_address

        return unsubscribe_address(self.store, address, self.clock())

    def add_subscriber(self, address: str, name: str = "", *, confirmed_source: str | None = None) -> Added:
        """Add a reader by hand, confirmed with a proof or asked to confirm."""
        from newsletter.actions.subscribers.subscribe import add_subscriber

        return add_subscriber(
            self.store,
            self.signer,
            address_text=address,
            name=name,
            confirmed_source=confirmed_source,
            key=fresh_key(),
            now=self.clock(),
        )

    def import_subscribers(
        self,
        path: Path,
        *,
        confirmed_source: str | None = None,
        dry_run: bool = False,
        reject: Reject | None = None,
        watched: Callable[[Iterable[str]], Iterable[str]] | None = None,
        written: Callable[[float], None] = lambda _: None,
    ) -> SubscribersReport:
        """Read readers from a CSV file; watched: what its lines pass through on the way, to show how far it is."""
        from newsletter.actions.subscribers.import_subscribers import import_subscribers

        try:
            with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
                return import_subscribers(
                    self.store,
                    self.signer,
                    watched(lines) if watched else lines,
                    confirmed_source=confirmed_source,
                    make_key=fresh_keys().__next__,
                    now=self.clock(),
                    dry_run=dry_run,
                    reject=reject,
                    written=written,
                )
        except InputError as error:
            error.source = error.source or str(path)
            raise
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", source=str(path)) from None

    def suppress(self, address: str, reason: str = "manual") -> bool:
        """Never mail this address; False when that was so already."""
        from newsletter.domain.subscribers.address import parse_address

        with self.store.write() as tx:
            return tx.suppressions.add(parse_address(address).key, reason, "by hand", self.clock())

    def unsuppress(self, address: str) -> bool:
        """Take a suppression back; consent decides again."""
        from newsletter.domain.subscribers.address import parse_address

        with self.store.write() as tx:
            return tx.suppressions.remove(parse_address(address).key)
