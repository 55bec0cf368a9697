"""A newsletter with several lists, played by its daemon with a clock that moves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple, cast
from zoneinfo import ZoneInfo

from newsletter.daemon import Daemon
from newsletter.domain.delivery.outcome import Outcome
from newsletter.domain.lists import MailingList
from newsletter.domain.subscribers.subscription import Status
from newsletter.store.transactions import SqlStore
from newsletter.testing import MemorySender, SentEmail
from tests.support.library import TUESDAY, add_subscriber, add_tip
from tests.support.publishing import OWNER, AppHarness, open_app_harness

ZONE = ZoneInfo("America/New_York")
BEFORE = TUESDAY - timedelta(days=9)


class Arrival(NamedTuple):
    """An email that arrived: when, as `Tue 08:00` in New York, for whom, and of which list."""

    at: str
    who: str
    list: str


class Mailboxes(MemorySender):
    """Accepts everything, and notes the issues."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self.arrived: list[Arrival] = []
        self._clock = clock

    def take(self, email: SentEmail) -> Outcome:
        named = email.message.partition(b"\r\nList-ID:")[2].partition(b">")[0].rpartition(b"<")[2].decode()
        if named and email.envelope.recipient != OWNER:
            key = named.removesuffix(".tips.example")
            who = email.envelope.recipient.partition("@")[0]
            self.arrived.append(Arrival(f"{self._clock().astimezone(ZONE):%a %H:%M}", who, key))
        return super().take(email)


@contextmanager
def several_lists(
    directory: Path, lists: Mapping[str, str], people: Iterable[str], **settings: str
) -> Iterator[tuple[AppHarness, Mailboxes]]:
    """The first list on Tuesdays at 8:00, and others by their schedules; three tips each, and everybody is in all of them."""
    with open_app_harness(directory, None, schedule="tue 08:00", **settings) as harness:
        harness.sender_override = mailboxes = Mailboxes(harness.clock)
        ids = [add_subscriber(harness.files, f"{name}@a.example") for name in people]
        with harness.store.write() as tx:
            for key, schedule in lists.items():
                tx.lists.add(MailingList(0, key, 0, own={"title": key.title(), "schedule": schedule}), BEFORE)
        for app in harness.each_list():
            for title in ("One", "Two", "Three"):
                add_tip(cast("SqlStore", app.store), f"{title} of {app.list_key}")
            with app.store.write() as tx:
                for number in ids:
                    tx.subscribers.set_status(number, Status.CONFIRMED, BEFORE)
        yield harness, mailboxes


def live(harness: AppHarness, *hours: float, days: int = 1) -> None:
    """Let a daemon look at these hours after 8:00 on Tuesday and on the days after it; it is restarted for each look."""
    for day in range(days):
        for hour in hours:
            harness.fake_clock.now = TUESDAY + timedelta(days=day, hours=hour)
            with harness.store.sending("test", harness.clock()) as lock:
                Daemon(harness, lock).send_issues()
