"""Change preferences by the personal link: name, pause, frequency, address and erasure; also send the link by email."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from newsletter.actions.subscribers.confirm import queue_welcome
from newsletter.actions.subscribers.erase import erase
from newsletter.actions.subscribers.my_data import data_of
from newsletter.actions.subscribers.onboarding import enter_list, is_in_series
from newsletter.actions.subscribers.signup_limits import SignupLimiter, origin_key
from newsletter.actions.subscribers.subscribe import clean_name, named_lists
from newsletter.actions.subscribers.unsubscribe import unsubscribe_token
from newsletter.domain.errors import BadToken, InputError, UsageError
from newsletter.domain.lists import ALL_LISTS, FIRST_LIST, open_to_all
from newsletter.domain.subscribers.address import Address, parse_address
from newsletter.domain.subscribers.subscriber import Consent, Subscriber
from newsletter.domain.subscribers.subscription import (
    CONFIRM_EMAIL_EVERY,
    CONFIRM_WITHIN,
    LONGEST_PAUSE,
    ON_THE_LIST,
    PAUSES,
    Frequency,
    Status,
    Verdict,
)
from newsletter.domain.written_dates import WrittenDates
from newsletter.mail.tokens import Purpose, Signer
from newsletter.ports.clock import Clock
from newsletter.ports.store import Store, Tx

Change = Callable[[Tx, Subscriber, datetime], None]


@dataclass(frozen=True, slots=True)
class OfferedList:
    """A list on the preferences page, and the subscriber as it sees them: with the status NONE if they never had it.

    may_join: one click subscribes them.
    """

    list_id: int
    subscriber: Subscriber
    may_join: bool


@dataclass(frozen=True)
class Preferences:
    """Follow a personal link.

    Methods with a `token` raise BadToken, even if the link was valid once and the subscriber was erased since. Methods
    that change something return the subscriber as they are afterward, or None if they no longer exist.
    list_key: which list, ALL_LISTS, or "" for the first one.
    make_key: a fresh, unguessable subscriber key. email_queued: called after a transaction that may have queued an email.
    """

    store: Store
    signer: Signer
    limiter: SignupLimiter
    zone: ZoneInfo
    day_first: bool
    make_key: Callable[[], str]
    clock: Clock
    email_queued: Callable[[], None]

    def view(self, token: str) -> Subscriber:
        """The subscriber whose link it is; changes nothing."""
        subscriber_key = self._open(token)
        with self.store.read() as tx:
            return _subscriber(tx, subscriber_key)

    def lists(self, token: str) -> list[OfferedList]:
        """The lists that they have or may join, in their order; none if that is the first one alone."""
        subscriber_key = self._open(token)
        with self.store.read() as tx:
            subscriber = _subscriber(tx, subscriber_key)
            had = {
                one.list_id for one in tx.subscribers.subscriptions(subscriber.id) if one.status is not Status.EXPIRED
            }
            is_subscribed = _is_subscribed(tx, subscriber) and not subscriber.suppressed
            lists = tx.lists.each()
            public = {one.id for one in open_to_all(lists)}
            shown = [one.id for one in lists if one.id in had or one.id in public]
            if shown == [FIRST_LIST]:
                return []
            seen = [(tx.of_list(one), _subscriber(tx.of_list(one), subscriber_key)) for one in shown]
            return [
                OfferedList(
                    one.list_id,
                    found,
                    one.list_id in public and is_subscribed and found.status not in (*ON_THE_LIST, Status.PENDING),
                )
                for one, found in seen
                if not is_in_series(one, found)
            ]

    def data(self, token: str) -> dict[str, Any]:
        """Everything stored about the subscriber, ready for JSON."""
        subscriber_key = self._open(token)
        with self.store.read() as tx:
            return data_of(tx, _subscriber(tx, subscriber_key), self._iso)

    def unsubscribe_token(self, token: str, list_key: str = "") -> str:
        """The unsubscribe token of the same subscriber, for the button on the preferences page."""
        subscriber_key = self._open(token)
        with self.store.read() as tx:
            (seen, *_) = _seen_from(tx, subscriber_key, "" if list_key == ALL_LISTS else list_key)
            return unsubscribe_token(self.signer, subscriber_key, seen.list_id)

    # -- the changes ---------------------------------------------------------------------------

    def rename(self, token: str, name: str) -> Subscriber | None:
        """Set another name, or none."""
        return self._change(token, lambda tx, found, _: tx.subscribers.change(found.id, name=clean_name(name)))

    def pause(self, token: str, weeks: int, list_key: str = "") -> Subscriber | None:
        """Send no emails for 4, 8 or 12 weeks. Raises InputError for another number."""
        if weeks not in PAUSES:
            raise InputError("a pause can last 4, 8, or 12 weeks", fix="Choose one of these, or a date")

        def change(tx: Tx, subscriber: Subscriber, now: datetime) -> None:
            pause_until(tx, subscriber, (now + timedelta(weeks=weeks)).astimezone(self.zone), now, "preferences")

        return self._change(token, change, list_key)

    def pause_until(self, token: str, day_text: str, list_key: str = "") -> Subscriber | None:
        """Send no emails before a date, as people write it, in the newsletter's time zone. Raises InputError unless it is within a year."""
        try:
            day = WrittenDates(self.clock(), self.zone, self.day_first).day(day_text)
            until = datetime.combine(day, time(), self.zone).astimezone(UTC)
        except (UsageError, OverflowError):
            raise InputError("this is not a date", fix="Enter it as year-month-day, for example 2027-01-15") from None

        def change(tx: Tx, subscriber: Subscriber, now: datetime) -> None:
            if not now < until <= now + LONGEST_PAUSE:
                raise InputError("a pause can last up to one year", fix="Choose a date within the next year")
            pause_until(tx, subscriber, until.astimezone(self.zone), now, "preferences")

        return self._change(token, change, list_key)

    def resume(self, token: str, list_key: str = "") -> Subscriber | None:
        """End a pause now."""

        def change(tx: Tx, subscriber: Subscriber, now: datetime) -> None:
            if subscriber.status is Status.PAUSED:
                tx.subscribers.set_status(subscriber.id, Status.CONFIRMED, now)
                tx.subscribers.log_consent(subscriber.id, Consent(now, "resume", "preferences"))

        return self._change(token, change, list_key)

    def set_frequency(self, token: str, text: str, list_key: str = "") -> Subscriber | None:
        """Set the frequency to weekly or monthly. Raises InputError."""
        if text not in set(Frequency):
            raise InputError("the frequency can be weekly or monthly", fix="Choose one of the two")

        def change(tx: Tx, subscriber: Subscriber, now: datetime) -> None:
            _require_subscribed(subscriber)
            if subscriber.pace != text:
                tx.subscribers.change(subscriber.id, pace=text)
                tx.subscribers.log_consent(subscriber.id, Consent(now, "pace", f"{text}, preferences"))
                tx.maintenance.end_pauses(now)  # also finds out whether a monthly subscriber had this month's email

        return self._change(token, change, list_key)

    def join(self, token: str, list_key: str) -> Subscriber | None:
        """Subscribe to another list. Their click on a personal page is the consent. Raises InputError."""

        def change(tx: Tx, subscriber: Subscriber, now: datetime) -> None:
            if subscriber.status in ON_THE_LIST or is_in_series(tx, subscriber):
                return
            found = tx.lists.mine()
            if subscriber.suppressed or not _is_subscribed(tx, subscriber) or not found.public or found.retired_at:
                raise _not_subscribed()
            tx.subscribers.sign_up_again(subscriber.id, "", now, source="preferences")
            joined = enter_list(tx, subscriber.key, Consent(now, "confirm", "preferences"))
            queue_welcome([joined], subscriber, now)

        return self._change(token, change, list_key)

    def set_one_a_day(self, token: str, wanted: bool) -> Subscriber | None:  # noqa: FBT001 - the one thing it says
        """At most one email a day from all lists together, or as many as there are."""

        def change(tx: Tx, subscriber: Subscriber, now: datetime) -> None:
            if subscriber.one_a_day is not wanted:
                tx.subscribers.change(subscriber.id, one_a_day=wanted)
                proof = f"{'yes' if wanted else 'no'}, preferences"
                tx.subscribers.log_consent(subscriber.id, Consent(now, "one-a-day", proof))

        return self._change(token, change)

    def ask_to_move(self, token: str, address_text: str) -> Subscriber | None:
        """Email a link to a new address; the old one stays until that link is followed. Raises InputError.

        The answer never tells whether the new address is known: an address of another subscriber, a suppressed address,
        one that was asked within a day, and one whose mailbox got enough emails get none, and the page is the same.
        """
        wanted = parse_address(address_text)

        def change(tx: Tx, subscriber: Subscriber, now: datetime) -> None:
            if not _is_subscribed(tx, subscriber):
                raise _not_subscribed()
            since = now - CONFIRM_EMAIL_EVERY
            asked = subscriber.new_address_at is not None and subscriber.new_address_at > since
            if wanted.key == subscriber.address_key:
                tx.subscribers.move(subscriber.id, wanted)  # only another spelling
            elif not (
                asked
                or _is_taken(tx, wanted)
                or tx.subscribers.is_move_requested(wanted.key, since)
                or self.limiter.has_enough(tx, wanted.key, now)
            ):
                self.limiter.count_email(tx, wanted.key, now)
                tx.subscribers.change(subscriber.id, new_address=wanted, new_address_at=now)
                values = {"subscriber_key": subscriber.key, "asked_at": int(now.timestamp())}
                tx.transactional.add("confirm_address", wanted.text, values, now)

        return self._change(token, change)

    def erase(self, token: str) -> Subscriber | None:
        """Erase the subscriber for good."""
        return self._change(token, lambda tx, subscriber, now: erase(tx, self.signer, subscriber, now))

    # -- moving to the new address -------------------------------------------------------------

    def view_move(self, token: str) -> tuple[Verdict, str]:
        """What the link in the email to the new address would do, and that address; changes nothing."""
        with self.store.read() as tx:
            return self._move_verdict(tx, token, self.clock())[:2]

    def move(self, token: str) -> tuple[Verdict, str]:
        """Move the subscription: from the next claim on, emails go to the new address."""
        now = self.clock()
        with self.store.write() as tx:
            verdict, shown, subscriber = self._move_verdict(tx, token, now)
            if verdict is Verdict.DO and subscriber.new_address:
                tx.subscribers.move(subscriber.id, subscriber.new_address)
                consent = Consent(now, "move", "link in the email to the new address")
                tx.subscribers.log_consent(subscriber.id, consent)
        return verdict, shown

    def _move_verdict(self, tx: Tx, token: str, now: datetime) -> tuple[Verdict, str, Subscriber]:
        fields = self.signer.open(Purpose.MOVE, token)
        if len(fields) != 2 or not fields[1].isdecimal():
            raise BadToken("this link is not complete")
        subscriber = _subscriber(tx, fields[0])
        asked_at, wanted = subscriber.new_address_at, subscriber.new_address
        if asked_at is None or int(asked_at.timestamp()) != int(fields[1]) or now - asked_at > CONFIRM_WITHIN:
            return Verdict.STALE, "", subscriber
        if wanted is None:
            return Verdict.ALREADY, subscriber.address, subscriber
        # Asked again here: someone else may have signed up with the new address since.
        may_move = not _is_taken(tx, wanted) and _is_subscribed(tx, subscriber)
        return Verdict.DO if may_move else Verdict.STALE, wanted.text, subscriber

    # -- the personal link by email ------------------------------------------------------------

    def send_link(self, email: str, *, origin: str) -> None:
        """Email the personal link to a known subscriber, once in 24 hours. Raises InputError and TooMany.

        For any other address the same rows are written, then rolled back or marked as not wanted, so that the response
        time does not tell whether the address is known. origin: the IP address of the visitor.
        """
        address, network, now = parse_address(email), origin_key(origin), self.clock()
        with self.store.write() as tx:  # a transaction of its own: a refused request must still be counted
            self.limiter.count_link_request(tx, network, now)
        with self.store.write() as tx:
            _queue_link(tx, address, self.make_key(), now)
        self.email_queued()

    # -- helpers -------------------------------------------------------------------------------

    def _iso(self, at: date | None) -> str | None:
        """A date, or a time in the newsletter's zone, for JSON."""
        local = at.astimezone(self.zone) if isinstance(at, datetime) else at
        return local.isoformat() if local else None

    def _open(self, token: str) -> str:
        return self.signer.open(Purpose.PREFERENCES, token)[0]

    def _change(self, token: str, change: Change, list_key: str = "") -> Subscriber | None:
        subscriber_key = self._open(token)
        now = self.clock()
        with self.store.write() as tx:
            for seen in _seen_from(tx, subscriber_key, list_key):
                change(seen, _subscriber(seen, subscriber_key), now)
            changed = tx.subscribers.by_key(subscriber_key)
        self.email_queued()
        return changed


def pause_until(tx: Tx, subscriber: Subscriber, until: datetime, now: datetime, channel: str) -> None:
    """Pause inside a transaction. until: aware, in the newsletter's zone. channel: "preferences" or "command".

    Raises InputError unless they are subscribed.
    """
    _require_subscribed(subscriber)
    tx.subscribers.set_status(subscriber.id, Status.PAUSED, now, paused_until=until)
    tx.subscribers.log_consent(subscriber.id, Consent(now, "pause", f"until {until.date().isoformat()}, {channel}"))


def move_token(signer: Signer, subscriber_key: str, asked_at: int) -> str:
    """The token of the link in the email to a new address (seconds since 1970)."""
    return signer.sign(Purpose.MOVE, subscriber_key, str(asked_at))


def _queue_link(tx: Tx, address: Address, key: str, now: datetime) -> None:
    subscriber = tx.subscribers.by_address(address.key)
    had = tx.subscribers.subscriptions(
        subscriber.id if subscriber else 0
    )  # asked for unknown ones, too: see `send_link`
    had = [one for one in had if one.status not in (Status.PENDING, Status.EXPIRED)]
    since = now - CONFIRM_EMAIL_EVERY
    if (
        subscriber is not None
        and not subscriber.suppressed
        and had
        and (subscriber.link_mailed_at is None or subscriber.link_mailed_at <= since)
    ):
        tx.subscribers.change(subscriber.id, link_mailed_at=now)
        best = next((one for one in had if one.status in ON_THE_LIST), had[0])
        named = named_lists([tx.of_list(best.list_id)])
        tx.transactional.add("manage_link", subscriber.address, {"subscriber_key": subscriber.key, **named}, now)
        return
    nobody = f"{key}@nobody.invalid"
    with tx.rolled_back():
        tx.suppressions.add(nobody, "", "", now)
    tx.transactional.add("manage_link", nobody, {"subscriber_key": key}, now, wanted=False)


def _subscriber(tx: Tx, subscriber_key: str) -> Subscriber:
    subscriber = tx.subscribers.by_key(subscriber_key)
    if subscriber is None:
        raise BadToken("this link is no longer valid")
    return subscriber


def _seen_from(tx: Tx, subscriber_key: str, list_key: str) -> list[Tx]:
    """The transaction, seen from the list with this key. Raises InputError, for a list that is not theirs to know as well."""
    if not list_key:
        return [tx]
    had = tx.subscribers.subscriptions(_subscriber(tx, subscriber_key).id)
    if list_key == ALL_LISTS:
        return [tx.of_list(one.list_id) for one in had if one.status in ON_THE_LIST]
    known, lists = {FIRST_LIST, *(one.list_id for one in had)}, tx.lists.each(retired=True)
    ids = [one.id for one in lists if one.key == list_key and (one.id in known or (one.public and not one.retired_at))]
    if not ids:
        raise InputError("nothing was selected", fix="Go back and choose one of the buttons")
    return [tx.of_list(one) for one in ids]


def _require_subscribed(subscriber: Subscriber) -> None:
    if subscriber.status not in ON_THE_LIST:
        raise _not_subscribed()


def _not_subscribed() -> InputError:
    return InputError("you are not subscribed", fix="Sign up again")


def _is_subscribed(tx: Tx, subscriber: Subscriber) -> bool:
    """Are they subscribed to any list?"""
    return any(one.status in ON_THE_LIST for one in tx.subscribers.subscriptions(subscriber.id))


def _is_taken(tx: Tx, address: Address) -> bool:
    return tx.subscribers.by_address(address.key) is not None or tx.suppressions.get(address.key) is not None
