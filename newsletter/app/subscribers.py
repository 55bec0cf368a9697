"""Subscribers and suppressions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.app.wiring import fresh_key, fresh_keys
from newsletter.domain.errors import InputError

if TYPE_CHECKING:
    from newsletter.actions.subscribers.confirm import Confirmed
    from newsletter.actions.subscribers.import_subscribers import Reject
    from newsletter.actions.subscribers.import_subscribers import Report as SubscribersReport
    from newsletter.actions.subscribers.preferences import Change
    from newsletter.actions.subscribers.subscribe import Added
    from newsletter.actions.subscribers.unsubscribe import Unsubscribed
    from newsletter.app.signup_limits import Guard
    from newsletter.app.wiring import App
    from newsletter.domain.subscribers.address import Address
    from newsletter.domain.subscribers.subscriber import Subscriber
    from newsletter.ports.store import Tx

HOUR = timedelta(hours=1)
ATTACK = {
    "headline": "Your sign-up form is being abused",
    "lines": [
        """Within an hour, far more confirmation emails were sent than confirmed. To keep your form from being used to \
spam people, confirmation emails are paused for an hour, and longer if this continues. Your issues are not affected.""",
        "Visitors are asked to try again later. Once it is quiet, sign-ups resume automatically.",
    ],
    "next_step": "Nothing; if this keeps happening, check your web server’s log to see where the requests come from.",
}


class Subscribers:
    """Sign up, confirm, change preferences, unsubscribe, import and erase."""

    def __init__(self, app: App) -> None:
        self._app = app

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

        address, now = parse_address(email), self._app.clock()
        self._refuse_disposable(address)
        place, key = origin_key(origin), fresh_key()  # all that can be done before others have to wait
        if pressed := self.guard.look(address.key, place, proven=proven, now=now):
            with self._app.store.write() as tx:
                refusal = self.guard.note_pressure(tx, pressed)
            raise refusal
        with self._app.store.write(no_wait=no_wait) as tx:
            visit = self.guard.enter(tx, address.key, place, proven=proven, now=now)
            if visit.closes:
                self._close_signups(tx, now)
            else:
                mailed = subscribe(tx, address=address, name=name, form=form, origin=origin, key=key, now=now)
                self.guard.settle(tx, visit, now, mailed=mailed)
        if visit.closes or mailed:
            self._app.bell.set()
        if visit.closes:
            raise self.guard.turn_away()

    def _refuse_disposable(self, address: Address) -> None:
        domain = address.key.rpartition("@")[2]
        parents = {".".join(domain.split(".")[at:]) for at in range(domain.count("."))}
        if not self._disposable.isdisjoint(parents):
            raise InputError("disposable addresses are not accepted", fix="Use your regular email address")

    @cached_property
    def _disposable(self) -> frozenset[str]:
        return self._app.settings.blocked_domains()

    def _close_signups(self, tx: Tx, now: datetime) -> None:
        tx.maintenance.skip_reminders(now - HOUR, now)
        if self._app.site.owner:
            tx.transactional.add("alarm", self._app.site.owner, ATTACK, now)

    def confirm(self, token: str) -> Confirmed:
        """Confirm a sign-up by its link."""
        from newsletter.actions.subscribers.confirm import confirm

        now = self._app.clock()
        confirmed = confirm(self._app.store, self._app.signer, token, now, next_slot=self._app.schedule.next_slot(now))
        with self._app.store.write() as tx:
            self.guard.answered(tx, confirmed.address_key, now)
        self._app.bell.set()
        return confirmed

    def unsubscribe_by_link(self, token: str, *, how: str) -> Unsubscribed:
        """Unsubscribe by link."""
        from newsletter.actions.subscribers.unsubscribe import leave

        farewell = self._app.settings.unsubscribe_email
        left = leave(self._app.store, self._app.signer, token, how=how, now=self._app.clock(), farewell=farewell)
        self._app.bell.set()
        return left

    def resubscribe(self, token: str, *, form: str, origin: str) -> None:
        """Sign somebody who left up again, by the link in the last mail. Raises BadToken, InputError and TooMany."""
        from newsletter.actions.subscribers.unsubscribe import find_resubscriber

        reader = find_resubscriber(self._app.store, self._app.signer, token)
        self.subscribe(reader.address, reader.name, form=form, origin=origin)

    def change_preferences(self, token: str, change: Change) -> Subscriber | None:
        """Do one of the changes of `actions.subscribers.preferences`; the reader after it, None if they are no more."""
        from newsletter.actions.subscribers import preferences

        reader = preferences.change(self._app.store, self._app.signer, token, change, self._app.clock())
        self._app.bell.set()
        return reader

    def send_link(self, email: str, *, origin: str) -> None:
        """Mail somebody their personal link, if we know them. Raises InputError and TooMany."""
        from newsletter.actions.subscribers.preferences import send_link
        from newsletter.app.signup_limits import origin_key
        from newsletter.domain.subscribers.address import parse_address

        address, place, now = parse_address(email), origin_key(origin), self._app.clock()
        with self._app.store.write() as tx:
            self.guard.ask_for_link(tx, place, now)
        send_link(self._app.store, address=address, key=fresh_key(), now=now)
        self._app.bell.set()

    def erase(self, address: str) -> str:
        """Remove a person by the owner's command; the address as it was."""
        from newsletter.actions.subscribers.erase import erase_address

        return erase_address(self._app.store, self._app.signer, address, self._app.clock())

    def pause(self, address: str, weeks: int) -> datetime:
        """Pause by the owner's command; until when."""
        from newsletter.actions.subscribers.preferences import pause_address

        return pause_address(self._app.store, address, weeks, self._app.clock())

    def unsubscribe(self, address: str) -> Unsubscribed:
        """Unsubscribe by hand."""
        from newsletter.actions.subscribers.unsubscribe import unsubscribe_address

        return unsubscribe_address(self._app.store, address, self._app.clock())

    def add(self, address: str, name: str = "", *, confirmed_source: str | None = None) -> Added:
        """Add a reader by hand, confirmed with a proof or asked to confirm."""
        from newsletter.actions.subscribers.subscribe import add_subscriber

        return add_subscriber(
            self._app.store,
            self._app.signer,
            address_text=address,
            name=name,
            confirmed_source=confirmed_source,
            key=fresh_key(),
            now=self._app.clock(),
        )

    def import_file(
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
                    self._app.store,
                    self._app.signer,
                    watched(lines) if watched else lines,
                    confirmed_source=confirmed_source,
                    make_key=fresh_keys().__next__,
                    now=self._app.clock(),
                    dry_run=dry_run,
                    reject=reject,
                    written=written,
                )
        except InputError as error:
            error.source = error.source or str(path)
            raise
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", source=str(path)) from None


class Suppressions:
    """Addresses that never get an email."""

    def __init__(self, app: App) -> None:
        self._app = app

    def add(self, address: str, reason: str = "manual") -> bool:
        """Never mail this address; False when that was so already."""
        from newsletter.domain.subscribers.address import parse_address

        with self._app.store.write() as tx:
            return tx.suppressions.add(parse_address(address).key, reason, "by hand", self._app.clock())

    def remove(self, address: str) -> bool:
        """Take a suppression back; consent decides again."""
        from newsletter.domain.subscribers.address import parse_address

        with self._app.store.write() as tx:
            return tx.suppressions.remove(parse_address(address).key)


class Maintenance:
    """Hourly maintenance."""

    def __init__(self, app: App) -> None:
        self._app = app

    def run(self) -> Mapping[str, int]:
        """What time brings about: pauses end, a reminder, what is forgotten; to be rung hourly."""
        from newsletter.actions.maintenance import run_maintenance

        done = run_maintenance(self._app.store, self._app.clock())
        if done["reminded"]:
            self._app.bell.set()
        return done
