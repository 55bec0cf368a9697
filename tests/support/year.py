"""Play a script on the real product: its pages' use cases, its commands' services, and its daemon, by a clock that moves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from newsletter.actions.subscribers.confirm import confirm_token
from newsletter.actions.subscribers.preferences import move_token
from newsletter.app import App
from newsletter.daemon import Daemon
from newsletter.domain.delivery.outcome import Outcome, Reply, Sent, Stage
from newsletter.domain.errors import BadToken, InputError, Refused
from newsletter.domain.lists import MailingList, Order
from newsletter.domain.subscribers.subscription import ON_THE_LIST
from newsletter.domain.tips.tip import TipState, TipText, identity
from newsletter.mail.tokens import Purpose
from newsletter.testing import MemorySender, SentEmail
from tests.support.publishing import OWNER, AppHarness
from tests.support.reckoned_library import List
from tests.support.reckoning import Email, Event
from tests.support.slots import days_from

_SUBJECT = re.compile(rb"^Subject: (.*?)\r\n(?! )", re.MULTILINE | re.DOTALL)
_LIST = re.compile(rb"^List-ID: [^<]*<([^.>]+)\.", re.MULTILINE)
_TOKEN = re.compile(rb"^List-Unsubscribe: <https://tips\.example/u/([^>]+)>", re.MULTILINE)
NOON = time(11)
LATER = timedelta(days=1, seconds=5)  # some seconds after the emails that wait for a day are due
WEEKS = {timedelta(weeks=weeks): weeks for weeks in (4, 8, 12)}


class Arrival(NamedTuple):
    """What is kept of an email that arrived: thousands of whole ones would fill the memory."""

    at: datetime
    address: str
    list: str
    subject: str
    token: str


class Mailboxes(MemorySender):
    """Accepts every email, and keeps what `Arrival` has of those of an issue.

    arrived: emails that arrived before. tokens: of the last email, by list and by the key of the subscriber.
    """

    def __init__(self, clock: Callable[[], datetime], arrived: Iterable[Arrival] = ()) -> None:
        super().__init__()
        self.arrived: list[Arrival] = []
        self.tokens: dict[tuple[str, str], str] = {}
        self._clock = clock
        for one in arrived:
            self._keep(one)

    def take(self, email: SentEmail) -> Outcome:
        head = email.message.partition(b"\r\n\r\n")[0]
        if (found := _LIST.search(head)) and email.envelope.recipient != OWNER:
            subject, token = (pattern.search(head) for pattern in (_SUBJECT, _TOKEN))
            assert subject
            assert token
            words = (found[1].decode(), subject[1].decode(), token[1].decode())
            self._keep(Arrival(self._clock(), email.envelope.recipient, *words))
        return Sent(Reply(Stage.DOT, 250))

    def _keep(self, email: Arrival) -> None:
        self.arrived.append(email)
        self.tokens[email.list, email.token.partition(".")[0]] = email.token


@dataclass
class Year:
    """One newsletter whose year is played.

    daemon: None if nothing is to be sent. keys: the keys of people by their names in the script. signed_up: when they did so last, in seconds, and for which lists.
    """

    harness: AppHarness
    lists: Iterable[List]
    mailboxes: Mailboxes
    daemon: Daemon | None = None
    keys: dict[str, str] = field(default_factory=dict)
    signed_up: dict[str, tuple[int, list[int]]] = field(default_factory=dict)

    def set_up(self, **schedules: str) -> None:
        """Add the lists beside the first one, with these schedules, and the tips of every list."""
        for key, schedule in schedules.items():
            plan = next(plan for plan in self.lists if plan.key == key)
            order = Order.COURSE if plan.is_course else Order.TOGETHER
            own = {"title": key.capitalize(), "schedule": schedule}
            self.harness.lists.add(MailingList(0, key, 0, own=own, order=order, then=plan.then))
        for plan in self.lists:
            if plan.welcome:
                self.harness.lists.edit(plan.key, onboarding=plan.welcome)
        for plan in self.lists:
            for tip in plan.tips:
                self._add(plan.key, tip)

    def play(self, events: Iterable[Event], until: date) -> None:
        """Live from the first event until a day, which is left out."""
        first = min(event.at for event in events)
        slots = {datetime.combine(day, plan.at) for plan in self.lists for day in plan.days}
        if any(event.what == "wants one a day" for event in events):
            slots |= {slot + LATER for slot in slots}
        moments: list[tuple[datetime, Event | None]] = [(event.at, event) for event in events]
        moments += [
            (at, None) for at in slots | {datetime.combine(day, NOON) for day in days_from(first.date(), until)}
        ]
        for at, event in sorted((one for one in moments if first <= one[0]), key=lambda one: one[0]):
            if at.date() >= until:
                return
            self.set_clock(at)
            if self.daemon and (event is None or event.what == "signs up"):
                self.daemon.run_maintenance()  # every hour, in fact
            if event:
                self.happens(event)
            elif at in slots:
                self.live(again=at.day < 8)

    def set_clock(self, at: datetime) -> None:
        """at: a local time."""
        self.harness.fake_clock.now = at.replace(tzinfo=self._zone).astimezone(ZoneInfo("UTC"))

    def live(self, *, again: bool = True) -> None:
        """What the timers of the daemon do at this moment. again: and two seconds later."""
        for _time in range(1 + again):
            if self.daemon:
                self.daemon.send_issues()
            self.harness.fake_clock.forward(seconds=2)

    def emails(self) -> list[Email]:
        """The emails of issues that have arrived."""
        days = {number: day for app in self.harness.each_list() for number, day in _issues(app).items()}
        found = []
        for one in self.mailboxes.arrived:
            issue = int(self.harness.signer.open(Purpose.UNSUBSCRIBE, one.token)[1], 36)
            found.append(Email(one.address, one.list, days[issue], one.subject, one.at.astimezone(self._zone).date()))
        return found

    @property
    def _zone(self) -> ZoneInfo:
        return self.harness.schedule.zone

    # -- what happens ------------------------------------------------------------------------------

    def happens(self, event: Event) -> None:
        """One event of the script, now."""
        # The pages say "you are not subscribed", or that a link is no longer valid; a retired tip is not pinned.
        with suppress(InputError, BadToken, Refused):
            if event.who:
                self._person_does(event)
            else:
                self._owner_does(event)

    def _person_does(self, event: Event) -> None:
        app, who = self.harness, event.who
        match event.what:
            case "is added":
                for key in event.lists:
                    app.of_list(key).subscribers.add(event.address, who, confirmed_source="the old list")
                self.keys[who] = app.subscribers.get(event.address).key
            case "signs up":
                self._sign_up(event)
            case "confirms":
                app.confirm_links.confirm(confirm_token(app.signer, self.keys[who], *self.signed_up[who]))
            case "moves":
                app.preferences.ask_to_move(self._token(who), event.address)
                app.preferences.move(move_token(app.signer, self.keys[who], int(app.clock().timestamp())))
            case "is erased":
                app.preferences.erase(self._token(who))
            case _:
                self._changes(event, self._token(who))

    def _changes(self, event: Event, token: str) -> None:
        page, key = self.harness.preferences, event.list
        match event.what:
            case "pauses" if event.until and (weeks := WEEKS.get(event.until - event.at)):
                page.pause(token, weeks, key)
            case "pauses" if event.until:
                page.pause_until(token, event.until.date().isoformat(), key)
            case "resumes":
                page.resume(token, key)
            case "wants monthly" | "wants every issue":
                page.set_frequency(token, "monthly" if event.what == "wants monthly" else "weekly", key)
            case "wants one a day" | "wants all":
                page.set_one_a_day(token, event.what == "wants one a day")
            case "unsubscribes":
                self._unsubscribe(event, token)
            case other:
                raise ValueError(other)

    def _unsubscribe(self, event: Event, token: str) -> None:
        """By the link in the last email of the list that they got, or by the button of the preferences page."""
        app = self.harness
        found = self.mailboxes.tokens.get((event.list, self.keys[event.who]))
        if found is None and app.of_list(event.list).preferences.view(token).status in ON_THE_LIST:
            found = app.preferences.unsubscribe_token(token, event.list)
        if found:
            app.unsubscribe_links.unsubscribe(found, how="one-click")

    def _sign_up(self, event: Event) -> None:
        app, number = self.harness, len(self.signed_up)
        origin = f"192.0.{number % 200}.{event.at.day}"
        # Whoever comes back does so with the address they had last.
        with app.store.read() as tx:
            known = tx.subscribers.by_key(self.keys.get(event.who, ""))
        address = known.address if known else event.address
        lists = [app.of_list(key).list_id for key in event.lists]
        app.signup.subscribe(address, event.who, form="page/1", origin=origin, proven=True, lists=lists)
        self.keys[event.who] = app.subscribers.get(address).key
        self.signed_up[event.who] = int(app.clock().timestamp()), lists

    def _token(self, who: str) -> str:
        return self.harness.signer.sign(Purpose.PREFERENCES, self.keys[who])

    def _owner_does(self, event: Event) -> None:
        app = self.harness.of_list(event.list)
        match event.what:
            case "adds":
                self._add(event.list, event.tip)
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

    def _add(self, key: str, tip: str) -> None:
        with self.harness.of_list(key).store.write() as tx:
            text = TipText(title=tip, body="Say it *once*.")
            tx.tips.add(text, identity(tip, None), tip, TipState.FRESH, self.harness.clock())


def _issues(app: App) -> Mapping[int, date]:
    with app.store.read() as tx:
        return {issue.number: issue.day for issue in tx.issues.each()}
