"""Play a script on the real product: its pages' use cases, its commands' services, and its daemon, by a clock that moves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from newsletter.actions.subscribers.confirm import confirm_token
from newsletter.actions.subscribers.preferences import move_token
from newsletter.daemon import Daemon
from newsletter.domain.delivery.outcome import Outcome, Reply, Sent, Stage
from newsletter.domain.errors import BadToken, InputError, Refused
from newsletter.mail.tokens import Purpose
from newsletter.testing import MemorySender, SentEmail
from tests.support.library import add_tip
from tests.support.publishing import OWNER, AppHarness
from tests.support.reckoning import DAY, Email, Event, List

_SUBJECT = re.compile(rb"^Subject: (.*?)\r\n(?! )", re.MULTILINE | re.DOTALL)
_TOKEN = re.compile(rb"^List-Unsubscribe: <https://tips\.example/u/([^>]+)>", re.MULTILINE)
NIGHT = time(3)
WEEKS = {timedelta(weeks=weeks): weeks for weeks in (4, 8, 12)}


class Arrival(NamedTuple):
    """What is kept of an email that arrived: thousands of whole ones would fill the memory."""

    at: datetime
    address: str
    subject: str
    token: str


class Mailboxes(MemorySender):
    """Accepts every email, and keeps what `Arrival` has of those that can be unsubscribed from."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self.arrived: list[Arrival] = []
        self._clock = clock

    def take(self, email: SentEmail) -> Outcome:
        head = email.message.partition(b"\r\n\r\n")[0]
        subject, token = _SUBJECT.search(head), _TOKEN.search(head)
        if subject and token and email.envelope.recipient != OWNER:
            arrival = Arrival(self._clock(), email.envelope.recipient, subject[1].decode(), token[1].decode())
            self.arrived.append(arrival)
        return Sent(Reply(Stage.DOT, 250))


@dataclass
class Year:
    """One newsletter whose year is played. keys: the keys of people by their names in the script."""

    harness: AppHarness
    mailboxes: Mailboxes
    daemon: Daemon
    lists: Iterable[List]
    keys: dict[str, str] = field(default_factory=dict)
    signed_up: dict[str, int] = field(default_factory=dict)

    def play(self, events: Iterable[Event], until: date) -> list[Email]:
        """Live through all days of the script until this day; the emails that arrived."""
        moments: list[tuple[datetime, Event | time]] = [(event.at, event) for event in events]
        first = min(at for at, _event in moments).date()
        for plan in self.lists:
            for tip in plan.tips:
                self._add(tip)
            moments += [(datetime.combine(day, plan.at), plan.at) for day in plan.days if first <= day < until]
        moments += [(datetime.combine(day, NIGHT), NIGHT) for day in _days(first, until)]
        for at, event in sorted(moments, key=lambda one: one[0]):
            self._set_clock(at)
            if isinstance(event, Event):
                self._happens(event)
            elif event == NIGHT:
                self.daemon.run_maintenance()
            else:
                self._live()
        return self._emails()

    def _set_clock(self, at: datetime) -> None:
        self.harness.fake_clock.now = at.replace(tzinfo=self._zone).astimezone(ZoneInfo("UTC"))

    def _live(self) -> None:
        """What the timers of the daemon do at this moment, twice."""
        self.daemon.run_maintenance()
        self.daemon.send_issues()
        self.harness.fake_clock.forward(seconds=2)
        self.daemon.send_issues()

    @property
    def _zone(self) -> ZoneInfo:
        return self.harness.schedule.zone

    def _emails(self) -> list[Email]:
        with self.harness.store.read() as tx:
            days = {issue.number: issue.day for issue in tx.issues.each()}
        found = []
        for one in self.mailboxes.arrived:
            issue = int(self.harness.signer.open(Purpose.UNSUBSCRIBE, one.token)[1], 36)
            sent = one.at.astimezone(self._zone).date()
            found.append(Email(one.address, "tips", days[issue], one.subject, sent))
        return found

    # -- what happens ------------------------------------------------------------------------------

    def _happens(self, event: Event) -> None:
        if event.who:
            with suppress(InputError, BadToken):  # the pages say "you are not subscribed"
                self._person_does(event)
        else:
            with suppress(Refused):  # a retired tip is not pinned
                self._owner_does(event)

    def _person_does(self, event: Event) -> None:
        app, who = self.harness, event.who
        match event.what:
            case "is added":
                app.subscribers.add(event.address, who, confirmed_source="the old list")
                self.keys[who] = app.subscribers.get(event.address).key
            case "signs up":
                self._sign_up(event)
            case "confirms":
                app.confirm_links.confirm(confirm_token(app.signer, self.keys[who], self.signed_up[who]))
            case "moves":
                app.preferences.ask_to_move(self._token(who), event.address)
                app.preferences.move(move_token(app.signer, self.keys[who], int(app.clock().timestamp())))
            case "is erased":
                app.preferences.erase(self._token(who))
            case _:
                self._changes(event, self._token(who))

    def _changes(self, event: Event, token: str) -> None:
        preferences = self.harness.preferences
        match event.what:
            case "pauses" if event.until and (weeks := WEEKS.get(event.until - event.at)):
                preferences.pause(token, weeks)
            case "pauses" if event.until:
                preferences.pause_until(token, event.until.date().isoformat())
            case "resumes":
                preferences.resume(token)
            case "wants monthly" | "wants every issue":
                preferences.set_frequency(token, "monthly" if event.what == "wants monthly" else "weekly")
            case "unsubscribes":
                self.harness.unsubscribe_links.unsubscribe(preferences.unsubscribe_token(token), how="one-click")
            case other:
                raise ValueError(other)

    def _sign_up(self, event: Event) -> None:
        app, number = self.harness, len(self.signed_up)
        origin = f"192.0.{number % 200}.{event.at.day}"
        # Who comes back does so with the address they had last.
        with app.store.read() as tx:
            known = tx.subscribers.by_key(self.keys.get(event.who, ""))
        address = known.address if known else event.address
        app.signup.subscribe(address, event.who, form="page/1", origin=origin, proven=True)
        found = app.subscribers.get(address)
        self.keys[event.who] = found.key
        self.signed_up[event.who] = int(found.signup_at.timestamp())

    def _token(self, who: str) -> str:
        return self.harness.signer.sign(Purpose.PREFERENCES, self.keys[who])

    def _owner_does(self, event: Event) -> None:
        app = self.harness
        match event.what:
            case "adds":
                self._add(event.tip)
            case "puts":
                app.tips.move(event.tip, before=event.before or None)
            case "retires":
                app.tips.retire(event.tip)
            case "unretires":
                app.tips.unretire(event.tip)
            case "pins" if event.day:
                app.tips.pin(event.tip, event.day)
            case "unpins":
                app.tips.unpin(event.tip)
            case "skips" if event.day:
                app.calendar.skip(event.day)
            case "unskips" if event.day:
                app.calendar.clear_override(event.day)
            case other:
                raise ValueError(other)

    def _add(self, tip: str) -> None:
        add_tip(self.harness.files, tip, key=tip)


def _days(first: date, until: date) -> Iterable[date]:
    return (first + number * DAY for number in range((until - first).days))
