"""What each timer of the daemon runs; any of them may run again, or late, without harm."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter

from newsletter.app import App
from newsletter.domain.delivery.delivery import OPEN
from newsletter.domain.english import ended
from newsletter.domain.errors import NewsletterError, SettingsError, TemplateError, Unavailable
from newsletter.domain.lists import issue_name
from newsletter.ports.sending import SendingLock

log = logging.getLogger("newsletter.daemon")

POLL_INTERVAL = timedelta(seconds=2)  # the longest that a sign-up, a resume or a retry waits
TELL_AGAIN = timedelta(hours=6)
RETRY_DELAYS = (timedelta(seconds=30), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
_EVERYTHING = (
    ""  # what waits, if it is not the key of a list: all of them, because of their mail server or the database
)


@dataclass
class _Waiting:
    """For how long nothing is tried, after how many failures in a row. is_clear: no trouble is recorded."""

    not_before: datetime
    failures: int = 0
    is_clear: bool = False  # trouble of an earlier process is recorded too

    def is_over(self, now: datetime) -> bool:
        """May it be tried again? More than the longest wait: the clock was set back."""
        return not timedelta() < self.not_before - now <= RETRY_DELAYS[-1]


class Daemon:
    """What each timer runs. Issues are sent by one run at a time, which uses the sending lock, one list after another.

    What fails for one list keeps only that list waiting, what fails with the mail server keeps all of them.
    """

    def __init__(self, app: App, lock: SendingLock) -> None:
        self._app = app
        self._lock = lock
        self._one_run = threading.Lock()
        self._waiting: dict[str, _Waiting] = {}
        self._alerted: set[str] = set()
        self._told: dict[str, datetime] = {}
        self.on_lists: Callable[[Sequence[App]], object] = lambda _lists: None  # called with the lists as they are now

    def send_issues(self) -> None:
        """Publish what is due and send what is open; after an error, back off a little longer each time."""
        with self._one_run:  # two timers call this, and a batch may take longer than the interval between them
            if self._app.stop.is_set() or self._waits(_EVERYTHING):
                return
            lists, open_issues = list[App](), list[tuple[datetime, int, App]]()
            with self._guarded(self._app, _EVERYTHING):
                lists += self._lists()
            for app in lists:
                open_issues += self._publish(app)
            # Those of earlier weeks too: deferred deliveries are retried for 48 hours, and a crash leaves others.
            for _due_at, number, app in sorted(open_issues, key=itemgetter(0, 1)):
                with self._guarded(app, app.list_key):
                    self._send(app, number)

    def _lists(self) -> Sequence[App]:
        """The lists that can be used; the owner is told of the others."""
        usable, errors = self._app.usable_lists()
        self.on_lists(usable)
        for key, error in errors.items():
            self._alert_once(error, key)
        return usable

    def _publish(self, app: App) -> list[tuple[datetime, int, App]]:
        """Freeze what is due in a list; its unfinished issues, each with its due time."""
        found = list[tuple[datetime, int, App]]()
        if not self._waits(app.list_key):
            with self._guarded(app, app.list_key):
                app.issues.publish_due()
                found += [(issue.due_at, issue.number, app) for issue in app.issues.unfinished_issues()]
        return found

    @contextmanager
    def _guarded(self, app: App, what: str) -> Iterator[None]:
        """Wait after an error with a list or with all, and tell the owner of it. what: as in `_waiting_of`."""
        try:
            yield
        except NewsletterError as error:
            self._back_off(what, str(error), [app])
            if isinstance(error, Unavailable):  # `watch_database` tells the owner
                return
            log.error("%s", error)  # noqa: TRY400 - a person reads this sentence, and needs no traceback
            self._alert_once(error, app.shown_key)
        except Exception:
            self._back_off(what, "a bug in the program", [app])
            log.exception("an error while sending; the next run tries again")

    def watch_database(self) -> None:
        """Look whether the database is still the one that was opened; tell the owner by every way that needs none."""
        try:
            self._app.store.check()
        except Unavailable as error:
            now = self._app.clock()
            if now - self._told.get(error.message, now - TELL_AGAIN) < TELL_AGAIN:
                return
            self._told[error.message] = now
            log.error("%s", error)  # noqa: TRY400 - as above
            if failure := self._app.heartbeat.fail():
                log.warning("the heartbeat could not report it: %s", failure)
            with _timer_run("while alerting the owner"):
                self._app.owner.alert_without_database("The database cannot be used", [error.message], error.fix)
        except NewsletterError:
            return  # another command is writing, for example
        else:
            if self._told:
                log.info("the database can be used again")
            self._told.clear()

    def notify_owner(self) -> None:
        """Queue the owner's emails; what was reported is recorded in the database, so nothing is reported twice."""
        with _timer_run("while notifying the owner"):
            for app in self._app.each_list():
                with _timer_run("while notifying the owner"):
                    app.owner.notify()

    def send_heartbeat(self) -> None:
        """Send the heartbeat of the first list; it has a timer of its own, since the other server may be slow."""
        with _timer_run("while sending the heartbeat"):
            if alert := self._app.heartbeat.send_failure():
                log.error("an alert could not be emailed: %s", alert)
            call = self._app.heartbeat.send()
            if call and call.done_at:
                log.info("the heartbeat for %s was sent", call.slot)
            elif call:
                more = "it will be retried" if call.next_attempt_at else "given up"
                log.warning("the heartbeat for %s could not be sent (%s); %s", call.slot, call.reply, more)

    def run_maintenance(self) -> None:
        """Do what is due for subscribers: end pauses, send reminders, delete expired data."""
        with _timer_run("during maintenance"):
            for app in self._app.each_list():
                with _timer_run("during maintenance"):
                    app.maintenance.run()

    def send_transactional(self) -> None:
        """Send transactional emails until `stop`: immediately when one is queued here, else every POLL_INTERVAL."""
        while not self._app.stop.is_set():
            with _timer_run("while sending a transactional email"):
                self._app.transactional.send()
            self._app.email_queued.wait(POLL_INTERVAL.total_seconds())
            # The next round of the loop looks into the queue, so an email that was queued just before is not missed.
            self._app.email_queued.clear()

    def _send(self, app: App, number: int) -> None:
        due_at = self._lock.ledger.next_due_at(number)
        if due_at is not None and due_at > app.clock():
            return
        result = app.delivery.deliver(self._lock, number)
        if result.final:
            counts = app.issues.get(number).counts
            waiting = sum(counts.get(state.value, 0) for state in OPEN)
            more = f", {waiting} waiting" if waiting else ""
            name = issue_name(number, app.shown_key)
            log.info("%s: %d sent, %d not sent%s", name, result.sent, result.final - result.sent, more)
        # A paused issue is not tried again by itself, so there is nothing to back off from.
        if result.trouble and not result.paused:
            if result.sent:  # a mail server with a limit is not one that is down
                self._waiting_of(_EVERYTHING).failures = 0
            self._back_off(_EVERYTHING, result.trouble, self._app.each_list())
        elif result.final:
            self._clear(app)

    def _waits(self, what: str) -> bool:
        return not self._waiting_of(what).is_over(self._app.clock())

    def _waiting_of(self, what: str) -> _Waiting:
        """what: the key of a list, or _EVERYTHING."""
        return self._waiting.setdefault(what, _Waiting(self._app.clock()))

    def _clear(self, app: App) -> None:
        """Emails of this list leave."""
        if not self._waiting_of(app.list_key).is_clear:
            app.trouble.clear()
        self._waiting_of(app.list_key).is_clear = True
        for what in (app.list_key, _EVERYTHING):
            self._waiting_of(what).failures = 0

    def _back_off(self, what: str, why: str, lists: Sequence[App]) -> None:
        """Wait with a list or with all. lists: those whose emails do not leave."""
        waiting = self._waiting_of(what)
        pause = RETRY_DELAYS[min(waiting.failures, len(RETRY_DELAYS) - 1)]
        waiting.failures += 1
        waiting.not_before = self._app.clock() + pause
        log.warning("%s; next attempt in %d s", why, pause.total_seconds())
        for app in lists:
            self._waiting_of(app.list_key).is_clear = False
            with suppress(NewsletterError):  # the database may be what is in trouble
                app.trouble.record(why)

    def _alert_once(self, error: NewsletterError, key: str) -> None:
        """Tell the owner of an error of a list. key: "" for the first list."""
        if str(error) in self._alerted:
            return
        of, then = (f" for the list {key}", f" of the list {key}") if key else ("", "")
        fix = "Fix that; the daemon continues automatically"
        if isinstance(error, TemplateError):  # it is found whenever the daemon looks, not only when an issue is due
            no_more = "no issue of this list" if key else "no issue and no email to subscribers"
            lines = [ended(str(error)), f"Until this is fixed, {no_more} is sent."]
            fix = "Fix it, and run newsletter templates check; the daemon then continues automatically"
            self._app.owner.alert(f"Your templates cannot be used{of}", lines, fix)
        elif isinstance(error, SettingsError) and key:
            lines = [ended(str(error)), "Until this is fixed, no issue of this list is sent."]
            self._app.owner.alert(f"The list {key} cannot be used", lines, f"See newsletter lists show {key}. {fix}")
        else:
            self._app.owner.alert(f"The issue{then} could not be sent", [str(error)], fix)
        self._alerted.add(str(error))


@contextmanager
def _timer_run(doing: str) -> Iterator[None]:
    """Log an error and end only this run: the next one tries again."""
    try:
        yield
    except Unavailable as error:
        log.debug("%s", error)  # `watch_database` logs it, and not every two seconds
    except NewsletterError as error:
        log.warning("%s", error)
    except Exception:
        log.exception("an error %s; the next run tries again", doing)
