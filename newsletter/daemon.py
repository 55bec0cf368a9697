"""The daemon: scheduler, sender and web server in one process.

APScheduler is only a timer. Each run of a timer asks the database what there is to do, so a missed run, a duplicate
one, a restart or a clock that jumps changes nothing: the slot is unique, and each delivery has its state.
"""

from __future__ import annotations

import logging
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from newsletter.app import App
from newsletter.app.process import lower_priority
from newsletter.domain.calendar.schedule import WEEKDAYS
from newsletter.domain.delivery.delivery import OPEN
from newsletter.domain.delivery.processes import SenderRole
from newsletter.domain.english import ended
from newsletter.domain.errors import Busy, NewsletterError, TemplateError, Unavailable
from newsletter.ports.sending import SendingLock

log = logging.getLogger(__name__)

POLL_INTERVAL = timedelta(seconds=2)  # the longest that a sign-up, a resume or a retry waits
SWITCH_INTERVAL = 0.0005  # seconds a sending thread keeps the interpreter while a web request waits; Python has 0.005
OWNER_INTERVAL = timedelta(minutes=1)  # previews, reports and alerts
WATCH_INTERVAL = timedelta(seconds=1)
TELL_AGAIN = timedelta(hours=6)
HEARTBEAT_INTERVAL = timedelta(seconds=30)
RETRY_DELAYS = (timedelta(seconds=30), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))


class Daemon:
    """What each timer runs. Issues are sent by one run at a time, which uses the sending lock."""

    def __init__(self, app: App, lock: SendingLock) -> None:
        self._app = app
        self._lock = lock
        self._one_run = threading.Lock()
        self._failures = 0
        self._is_clear = False  # trouble of an earlier process is recorded too
        self._not_before = app.clock()
        self._alerted: set[str] = set()
        self._told: dict[str, datetime] = {}

    def send_issues(self) -> None:
        """Publish what is due and send what is open; after an error, back off a little longer each time."""
        with self._one_run:  # two timers call this, and a batch may take longer than the interval between them
            wait_for = self._not_before - self._app.clock()
            if self._app.stop.is_set() or timedelta() < wait_for <= RETRY_DELAYS[-1]:  # more: the clock was set back
                return
            try:
                self._app.issues.publish_due()
                # Those of earlier weeks too: deferred deliveries are retried for 48 hours, and a crash leaves others.
                for number in self._app.issues.unfinished():
                    self._send(number)
            except NewsletterError as error:
                self._back_off(str(error))
                if isinstance(error, Unavailable):  # `watch_database` tells the owner
                    return
                log.error("%s", error)  # noqa: TRY400 - a person reads this sentence, and needs no traceback
                self._alert_once(error)
            except Exception:
                self._back_off("a bug in the program")
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
            self._app.owner.notify()

    def send_heartbeat(self) -> None:
        """Send the heartbeat; it has a timer of its own, since the other server may be slow."""
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
            self._app.maintenance.run()

    def send_transactional(self) -> None:
        """Send transactional emails until `stop`: immediately when one is queued here, else every POLL_INTERVAL."""
        while not self._app.stop.is_set():
            with _timer_run("while sending a transactional email"):
                self._app.transactional.send()
            self._app.email_queued.wait(POLL_INTERVAL.total_seconds())
            # The next round of the loop looks into the queue, so an email that was queued just before is not missed.
            self._app.email_queued.clear()

    def _send(self, number: int) -> None:
        due_at = self._lock.ledger.next_due_at(number)
        if due_at is not None and due_at > self._app.clock():
            return
        result = self._app.delivery.deliver(self._lock, number)
        if result.final:
            counts = self._app.issues.get(number).counts
            waiting = sum(counts.get(state.value, 0) for state in OPEN)
            more = f", {waiting} waiting" if waiting else ""
            log.info("issue %d: %d sent, %d not sent%s", number, result.sent, result.final - result.sent, more)
        # A paused issue is not tried again by itself, so there is nothing to back off from.
        if result.trouble and not result.paused:
            if result.sent:  # a mail server with a limit is not one that is down
                self._failures = 0
            self._back_off(result.trouble)
        elif result.final:
            if not self._is_clear:
                self._app.trouble.clear()
            self._failures, self._is_clear = 0, True

    def _back_off(self, why: str) -> None:
        pause = RETRY_DELAYS[min(self._failures, len(RETRY_DELAYS) - 1)]
        self._failures += 1
        self._not_before = self._app.clock() + pause
        log.warning("%s; next attempt in %d s", why, pause.total_seconds())
        self._is_clear = False
        with suppress(NewsletterError):  # the database may be what is in trouble
            self._app.trouble.record(why)

    def _alert_once(self, error: NewsletterError) -> None:
        if str(error) in self._alerted:
            return
        if isinstance(error, TemplateError):  # it is found whenever the daemon looks, not only when an issue is due
            lines = [ended(str(error)), "Until this is fixed, no issue and no email to subscribers is sent."]
            fix = "Fix it, and run newsletter templates check; the daemon then continues automatically"
            self._app.owner.alert("Your templates cannot be used", lines, fix)
        else:
            fix = "Fix that; the daemon continues automatically"
            self._app.owner.alert("The issue could not be sent", [str(error)], fix)
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


def run(app: App, *, web: bool = True) -> int:
    """Run until SIGTERM or SIGINT; emails in flight finish and are recorded. 0 after a clean end.

    Raises Busy if another process sends from this database, and any error that keeps the web server from listening.
    """
    stop_requested = _listen_to_signals()
    sys.setswitchinterval(SWITCH_INTERVAL)
    app.serves = web
    if not web:
        lower_priority()
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # during a long batch it warns of every skipped run
    # While it is on hold, the website is served without the sending lock.
    if not _is_adopted(app, stop_requested, web=web):
        return 0
    with app.issues.sending_lock(SenderRole.DAEMON) as lock:
        if lock.recovered:
            log.warning("%d emails were in doubt after a crash and are requeued", lock.recovered)
        _check_ready(app)
        with _web_server(app, web=web):
            _run_timers(app, Daemon(app, lock), stop_requested)
    return 0


def _check_ready(app: App) -> None:
    """Report a missing key now, and not on Tuesday. Broken templates keep nothing but the issue: the owner is told."""
    try:
        app.delivery.check_ready()
    except TemplateError as error:
        log.error("the templates cannot be used, so no issue is sent until they are fixed: %s", error)  # noqa: TRY400


def _run_timers(app: App, daemon: Daemon, stop_requested: socket.socket) -> None:
    transactional = threading.Thread(target=daemon.send_transactional, name="transactional", daemon=True)
    transactional.start()
    scheduler = _make_scheduler(app, daemon)
    log.info("running; the next issue is due %s", _next_issue_text(app))
    try:
        _wait(app, scheduler, stop_requested)
    finally:
        log.info("stopping; emails in flight are finished first")
        app.stop.set()
        app.email_queued.set()  # ends the wait of that thread
        # Jobs that are running see `stop`, finish the emails in flight, and record them.
        scheduler.shutdown(wait=True)
        transactional.join()


@contextmanager
def _web_server(app: App, *, web: bool) -> Iterator[None]:
    if not web:
        yield
        return
    from newsletter.web import make_server  # noqa: PLC0415 - imports fastapi

    server = make_server(app, with_broken_templates=True)
    # Listen before anything is sent: if the port is taken, the daemon ends here.
    server.start()
    try:
        yield
    finally:
        server.stop()


def _is_adopted(app: App, stop_requested: socket.socket, *, web: bool) -> bool:
    """Wait while the database is on hold as a copy, and only serve the website. False: asked to stop meanwhile."""
    why = app.database.hold_reason()
    if not why:
        return True
    log.error("on hold, nothing is sent: %s. If no other copy of it sends, run: newsletter db adopt", why)
    told = ""
    with _web_server(app, web=web):
        while not (app.stop.is_set() or select.select([stop_requested], [], [], 1)[0]):
            try:
                if not app.database.hold_reason():
                    log.info("adopted")
                    return True
            except Busy:
                continue
            except Unavailable as error:
                if str(error) != told:
                    log.error("%s", error)  # noqa: TRY400 - as above
                told = str(error)
        return False


def _wait(app: App, scheduler: BackgroundScheduler, stop_requested: socket.socket) -> None:
    """Wait until asked to stop. A clock set back by a day would otherwise silence the timers for a day."""
    seen_at = app.clock()
    while not (app.stop.is_set() or select.select([stop_requested], [], [], 1)[0]):
        now = app.clock()
        if now < seen_at:
            run_jobs_now(scheduler)
        seen_at = now


def run_jobs_now(scheduler: BackgroundScheduler) -> None:
    """Run every timer immediately, and from then on by the clock as it is now."""
    for job in scheduler.get_jobs():
        job.modify(next_run_time=datetime.now(scheduler.timezone))


def _make_scheduler(app: App, daemon: Daemon) -> BackgroundScheduler:
    schedule = app.schedule
    scheduler = BackgroundScheduler(
        timezone=schedule.zone, job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
    )
    # In weeks without a slot, nothing is due.
    slot = CronTrigger(
        day_of_week=",".join(WEEKDAYS[day] for day in schedule.days.weekdays),
        hour=schedule.at.hour,
        minute=schedule.at.minute,
        timezone=schedule.zone,
    )
    scheduler.add_job(daemon.send_issues, slot, id="slot")
    # For deferred deliveries, for resumed issues, and for a slot that came while the daemon was down.
    scheduler.add_job(daemon.send_issues, _every(POLL_INTERVAL), id="issues")
    scheduler.add_job(daemon.watch_database, _every(WATCH_INTERVAL), id="watch")
    # Without `next_run_time`, these would first run after their interval.
    now = datetime.now(schedule.zone)
    scheduler.add_job(daemon.notify_owner, _every(OWNER_INTERVAL), id="owner", next_run_time=now)
    scheduler.add_job(daemon.send_heartbeat, _every(HEARTBEAT_INTERVAL), id="heartbeat")
    scheduler.add_job(daemon.run_maintenance, _every(timedelta(hours=1)), id="maintenance", next_run_time=now)
    scheduler.start()
    return scheduler


def _every(interval: timedelta) -> IntervalTrigger:
    return IntervalTrigger(seconds=int(interval.total_seconds()))


def _listen_to_signals() -> socket.socket:
    """A socket that becomes readable once SIGTERM or SIGINT was received.

    Not an Event: one that a handler sets waits forever if the handler interrupted the thread that waits for it.
    """
    receiver, notifier = socket.socketpair()
    notifier.setblocking(False)

    def notify(_number: int, _frame: object) -> None:
        with suppress(BlockingIOError):
            notifier.send(b"!")

    signal.signal(signal.SIGTERM, notify)
    signal.signal(signal.SIGINT, notify)
    return receiver


def _next_issue_text(app: App) -> str:
    due_at, dates = app.issues.next().due_at.astimezone(app.schedule.zone), app.site.dates
    return f"{due_at:%A}, {dates.day(due_at)}, {dates.time(due_at)} {due_at:%Z}"
