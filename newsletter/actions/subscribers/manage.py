"""Manage subscribers as the owner: list, show, count, add, import, pause, unsubscribe and erase."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

from newsletter.actions.calendar.course import is_course, standing_of
from newsletter.actions.subscribers.erase import erase
from newsletter.actions.subscribers.import_subscribers import import_subscribers, read_lines
from newsletter.actions.subscribers.listing import Listing
from newsletter.actions.subscribers.onboarding import series_of
from newsletter.actions.subscribers.preferences import pause_until
from newsletter.actions.subscribers.subscribe import Added, add_subscriber
from newsletter.actions.subscribers.unsubscribe import end_all, end_subscription
from newsletter.domain.calendar.course import Standing
from newsletter.domain.errors import InputError
from newsletter.domain.lists import list_of_issue
from newsletter.domain.subscribers.address import parse_address
from newsletter.domain.subscribers.imported import ImportRequest, Report
from newsletter.domain.subscribers.subscriber import Consent, DeliveryFacts, Subscriber, Subscription, UnsubscribeCount
from newsletter.domain.subscribers.subscription import LONGEST_PAUSE, ON_THE_LIST, Status, Verdict
from newsletter.mail.tokens import Signer
from newsletter.ports.clock import Clock
from newsletter.ports.store import Store
from newsletter.ports.subscribers import get_subscriber

MOST_SHOWN = 10  # tips and comments in the statistics


@dataclass(frozen=True, slots=True)
class SubscriberRecord:
    """One subscriber with the consent log and the deliveries, oldest first.

    list: the key of the list whose subscription `subscriber` shows. subscriptions: with every list, by its key. lists: the
    keys of all lists, retired ones too, by id.
    """

    subscriber: Subscriber
    consents: list[Consent]
    deliveries: list[DeliveryFacts]
    list: str
    subscriptions: Mapping[str, Subscription]
    lists: Mapping[int, str]

    def list_of(self, issue: int) -> str:
        """The key of the list of an issue, by its id."""
        return self.lists.get(list_of_issue(issue), "")


@dataclass(frozen=True, slots=True)
class Exported:
    """rows: (address, subscriber, record, key of the list) of each subscription; None for an address that is only suppressed.

    several: it has subscriptions of several lists. erased: how many erased addresses are not in it, since only hashes of
    them are known.
    """

    rows: Iterator[tuple[str, Subscriber | None, str, str]]
    several: bool
    erased: int


@dataclass(frozen=True, slots=True)
class Stats:
    """How many subscribers there are by status, and why and after which tips they unsubscribed.

    comments: (when, reason, words), newest first. quarterly: unsubscribed, but want one tip every three months.
    """

    counts: Mapping[str, int]
    quarterly: int
    by_reason: list[UnsubscribeCount]
    by_tip: list[UnsubscribeCount]
    comments: list[tuple[datetime, str, str]]
    course: Standing | None = None
    series: Standing | None = None


@dataclass(frozen=True)
class Subscribers:
    """The subscribers of one newsletter, for the owner. Addresses are texts; each method may raise InputError.

    signer: called only where it is needed, so that the other commands work without NEWSLETTER_SECRET_KEY.
    make_keys: an endless iterator over fresh, unguessable subscriber keys. zone: the newsletter's.
    day_first: in files, 4/9/2024 is September 4.
    """

    store: Store
    signer: Callable[[], Signer]
    make_keys: Callable[[], Iterator[str]]
    clock: Clock
    zone: tzinfo = UTC
    day_first: bool = False

    # -- look ----------------------------------------------------------------------------------

    @contextmanager
    def listing(self, status: str | None = None) -> Iterator[Listing[Subscriber]]:
        """The subscribers, or those with one status, in the order they signed up. Rows are read while the block runs."""
        with self.store.read() as tx:

            def total() -> int:
                counts = tx.subscribers.count()
                return counts.get(status, 0) if status else sum(counts.values())

            yield Listing(tx.subscribers.each(status), total)

    @contextmanager
    def exported(self, status: str | None = None, *, everywhere: bool = False) -> Iterator[Exported]:
        """Everything that an export contains, read while the block runs. everywhere: of all lists, retired ones too."""
        with self.store.read() as tx:
            lists = tx.lists.each(retired=True) if everywhere else [tx.lists.mine()]

            def rows() -> Iterator[tuple[str, Subscriber | None, str, str]]:
                for one in lists:
                    seen = tx.of_list(one.id)
                    for found in seen.subscribers.each(status):
                        yield found.address, found, seen.subscribers.record(found.id), one.key
                if status in (None, "suppressed"):
                    for address, record in tx.suppressions.without_subscriber():
                        yield address, None, record, ""

            yield Exported(rows(), len(lists) > 1, 0 if status else tx.suppressions.erased())

    def get(self, address: str) -> Subscriber:
        """The subscriber with this address. Raises NotFound."""
        wanted = parse_address(address)
        with self.store.read() as tx:
            return get_subscriber(tx.subscribers, wanted)

    def record(self, address: str, *, of_any: bool = False) -> SubscriberRecord:
        """The subscriber with consent log and deliveries. Raises NotFound.

        of_any: if they have no subscription of this list, show that of another one.
        """
        wanted = parse_address(address)
        with self.store.read() as tx:
            found = get_subscriber(tx.subscribers, wanted)
            lists = {one.id: one.key for one in tx.lists.each(retired=True)}
            subscriptions = tx.subscribers.subscriptions(found.id)
            shown = tx
            if of_any and found.status is Status.NONE and subscriptions:
                active = [one for one in subscriptions if one.status in ON_THE_LIST]
                shown = tx.of_list((active or subscriptions)[0].list_id)
                found = get_subscriber(shown.subscribers, wanted)
            return SubscriberRecord(
                found,
                tx.subscribers.consents(found.id),
                tx.subscribers.deliveries(found.id),
                lists[shown.list_id],
                {lists[one.list_id]: one for one in subscriptions},
                lists,
            )

    def stats(self) -> Stats:
        """Counts of subscribers and of unsubscribes."""
        with self.store.read() as tx:
            return Stats(
                dict(tx.subscribers.count()),
                tx.subscribers.quarterly(self.clock()),
                tx.unsubscribes.by_reason(),
                tx.unsubscribes.by_tip(MOST_SHOWN),
                tx.unsubscribes.words(MOST_SHOWN),
                standing_of(tx) if is_course(tx) else None,
                standing_of(series) if (series := series_of(tx)) else None,
            )

    # -- change --------------------------------------------------------------------------------

    def add(
        self, address: str, name: str = "", *, confirmed_source: str | None = None, lists: Sequence[str] = ()
    ) -> Added:
        """Add a subscriber: confirmed with a proof of consent, otherwise asked by email to confirm.

        lists: the keys of the lists; () for this one. Raises Refused for a suppressed, unsubscribed or erased address, UsageError for an empty proof.
        """
        return add_subscriber(
            self.store,
            self.signer(),
            address_text=address,
            name=name,
            confirmed_source=confirmed_source,
            key=next(self.make_keys()),
            now=self.clock(),
            lists=lists,
        )

    def pause(self, address: str, weeks: int, *, everywhere: bool = False) -> datetime:
        """Send no emails for 1 to 52 weeks; until when. everywhere: of no list that they get. Raises NotFound."""
        wanted, now = parse_address(address), self.clock()
        until = now + timedelta(weeks=weeks)
        if not now < until <= now + LONGEST_PAUSE:
            raise InputError("a pause can last 1 to 52 weeks")
        with self.store.write() as tx:
            subscriptions = tx.subscribers.subscriptions(get_subscriber(tx.subscribers, wanted).id)
            active = [tx.of_list(one.list_id) for one in subscriptions if one.status in ON_THE_LIST]
            for seen in (active if everywhere else []) or [tx]:
                found = get_subscriber(seen.subscribers, wanted)
                pause_until(seen, found, until.astimezone(self.zone), now, "command")
        return until

    def unsubscribe(self, address: str, *, everywhere: bool = False) -> list[str]:
        """Unsubscribe an address; the keys of the lists that this ended. No email follows. Raises NotFound.

        everywhere: from all lists, and from the tip every three months.
        """
        wanted, now = parse_address(address), self.clock()
        with self.store.write() as tx:
            subscriber = get_subscriber(tx.subscribers, wanted)
            if everywhere:
                ended = end_all(tx, subscriber.key, "command", now)
            else:
                done = end_subscription(tx, subscriber, "command", now)
                ended = [tx.list_id] if done.verdict is Verdict.DO else []
            return [one.key for one in tx.lists.each(retired=True) if one.id in ended]

    def erase(self, address: str) -> str:
        """Erase a subscriber for good; the address as it was stored. Raises NotFound."""
        wanted, signer, now = parse_address(address), self.signer(), self.clock()
        with self.store.write() as tx:
            subscriber = get_subscriber(tx.subscribers, wanted)
            erase(tx, signer, subscriber, now)
        return subscriber.address

    def import_file(
        self,
        path: Path,
        request: ImportRequest,
        *,
        watch_lines: Callable[[Iterable[str]], Iterable[str]] = lambda lines: lines,
    ) -> Report:
        """Import a CSV file; see `import_subscribers`. watch_lines: wraps the lines, to show progress while reading."""
        try:
            return import_subscribers(
                self.store,
                self.signer(),
                watch_lines(read_lines(path)),
                replace(request, name=path.name, day_first=self.day_first),
                make_key=self.make_keys().__next__,
                now=self.clock(),
            )
        except InputError as error:
            error.source = error.source or str(path)
            raise
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", source=str(path)) from None
