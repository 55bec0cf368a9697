"""The daemon: alarm clock, sending and web in one process; what is due comes from the database, never from the clock.

APScheduler only rings. Each ring asks the database what there is to do, so a missed ring, a double one, a restart or
a clock that jumps changes nothing: the slot is unique, the ledger knows who has the letter.
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

from newsletter.app import DAEMON, App
from newsletter.app.wiring import stand_back
from newsletter.domain.calendar.schedule import WEEKDAYS
from newsletter.domain.errors import NewsletterError
from newsletter.ports.sending import SendingLock

log = logging.getLogger(__name__)

POLL_INTERVAL = timedelta(seconds=2)  # a sign-up, a resume or a retry never waits longer than this
SWITCH_INTERVAL = (
    0.0005  # seconds that sending threads may keep the interpreter while a visitor waits; Python has 0.005
)
OWNER_INTERVAL = timedelta(minutes=1)  # what the owner should know: previews, reports, alarms
HEARTBEAT_INTERVAL = timedelta(seconds=30)  # whether the watchdog elsewhere is to be called
RETRY_DELAYS = (timedelta(seconds=30), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))


class Daemon:
    """What each ring does, one ring at a time; holds the right to send."""

    def __init__(self, app: App, right: SendingLock) -> None:
        self._app = app
        self._right = right
        self._turn = threading.Lock()
        self._failures = 0
        self._not_before = app.clock()
        self._alerted: set[str] = set()

    def send_issues(self) -> None:
        """Publish what is due and send what is open; after trouble with the next hop, wait a little longer each time."""
        with self._turn:
            wait_for = self._not_before - self._app.clock()
            if self._app.stop.is_set() or timedelta() < wait_for <= RETRY_DELAYS[-1]:  # more: the clock was set back
                return
            try:
                self._app.issues.publish_due()
                for number in self._app.issues.unfinished():
                    self._send(number)
            except NewsletterError as error:
                self._back_off(str(error))
                log.error("%s", error)  # noqa: TRY400 - the sentence is for a person
                self._alert_once(str(error))
            except Exception:
                self._back_off("a fault of the program")
                log.exception("a fault while sending; the next ring tries again")

    def notify_owner(self) -> None:
        """Tell the owner what is new; what was told stands in the database, so that no ring tells it twice."""
        with _timer_run("while telling the owner"):
            self._app.owner.notify()

    def send_heartbeat(self) -> None:
        """Call the watchdog elsewhere; an alarm of its own, for it may keep us waiting."""
        with _timer_run("while calling the watchdog"):
            call = self._app.heartbeat.send()
            if call and call.done_at:
                log.info("the watchdog was called for %s", call.slot)
            elif call:
                more = "it is tried again" if call.next_attempt_at else "given up"
                log.warning("the watchdog could not be called for %s (%s); %s", call.slot, call.reply, more)

    def run_maintenance(self) -> None:
        """What time brings about for readers: pauses end, reminders, what is forgotten."""
        with _timer_run("in the housekeeping"):
            self._app.maintenance.run()

    def send_transactional(self) -> None:
        """Send transactional mails until `stop`: when the bell rings, since a visitor waits for it, else now and then."""
        while not self._app.stop.is_set():
            with _timer_run("while sending a notice"):
                self._app.transactional.send()
            self._app.bell.wait(POLL_INTERVAL.total_seconds())
            self._app.bell.clear()

    def _send(self, number: int) -> None:
        due_at = self._right.ledger.next_due_at(number)
        if due_at is not None and due_at > self._app.clock():
            return
        done = self._app.issues.deliver(self._right, number)
        if done.final:
            log.info("issue %d: %d sent, %d not", number, done.sent, done.final - done.sent)
        if done.trouble and not done.paused:
            self._back_off(done.trouble)
        elif done.final:
            self._failures = 0

    def _back_off(self, why: str) -> None:
        pause = RETRY_DELAYS[min(self._failures, len(RETRY_DELAYS) - 1)]
        self._failures += 1
        self._not_before = self._app.clock() + pause
        log.warning("%s; next try in %d s", why, pause.total_seconds())

    def _alert_once(self, words: str) -> None:
        if words not in self._alerted:
            self._app.owner.alert(
                "The issue could not be sent", [words], "Fix that; the daemon continues automatically"
            )
            self._alerted.add(words)


@contextmanager
def _timer_run(doing: str) -> Iterator[None]:
    """What goes wrong inside is logged and ends this ring alone."""
    try:
        yield
    except NewsletterError as error:
        log.warning("%s", error)
    except Exception:
        log.exception("a fault %s; the next ring tries again", doing)


def run(app: App, *, web: bool = True) -> int:
    """Run until SIGTERM or SIGINT; letters in flight are finished and recorded. 0 after a clean end.

    Raises Busy when another process sends on this database, and whatever keeps the web from listening.
    """
    asked_to_stop = _listen_to_signals()
    sys.setswitchinterval(SWITCH_INTERVAL)
    app.serves = web
    if not web:
        stand_back()
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a long send makes it warn of every ring it leaves out
    if not _is_adopted(app, asked_to_stop, web=web):
        return 0
    with app.store.sending(DAEMON, app.clock(), hold_in_doubt=app.settings.holds_in_doubt) as right:
        if right.recovered:
            log.warning("%d letters were in doubt after a crash and are put back", right.recovered)
        app.render_context  # noqa: B018 - a missing key or a broken template directory is said now, not on Tuesday
        app.sender()
        server = None
        if web:
            from newsletter.web import make_server

            server = make_server(app)
            server.start()
        daemon = Daemon(app, right)
        post = threading.Thread(target=daemon.send_transactional, name="notices", daemon=True)
        post.start()
        scheduler = _make_scheduler(app, daemon)
        log.info("running; the next issue is due %s", _next_issue_text(app))
        try:
            _wait(app, scheduler, asked_to_stop)
        finally:
            log.info("stopping; letters in flight are finished")
            app.stop.set()
            app.bell.set()
            scheduler.shutdown(wait=True)
            post.join()
            if server:
                server.stop()
    return 0


def _is_adopted(app: App, asked_to_stop: socket.socket, *, web: bool) -> bool:
    """A database that is a copy mails nobody: only the pages answer until somebody adopts it. False: told to stop."""
    why = app.database.hold_reason()
    if not why:
        return True
    log.error("in hold, nothing is mailed: %s. If no other copy of it mails, say: newsletter db adopt", why)
    server = None
    if web:
        from newsletter.web import make_server

        server = make_server(app)
        server.start()
    try:
        while not (app.stop.is_set() or select.select([asked_to_stop], [], [], 1)[0]):
            if not app.database.hold_reason():
                log.info("adopted")
                return True
        return False
    finally:
        if server:
            server.stop()


def _wait(app: App, scheduler: BackgroundScheduler, asked_to_stop: socket.socket) -> None:
    """Until somebody says stop. A clock that is set back by a day would keep the alarms silent for a day."""
    seen_at = app.clock()
    while not (app.stop.is_set() or select.select([asked_to_stop], [], [], 1)[0]):
        now = app.clock()
        if now < seen_at:
            run_jobs_now(scheduler)
        seen_at = now


def run_jobs_now(scheduler: BackgroundScheduler) -> None:
    """Every alarm at once, and from then on by the clock as it goes now."""
    for job in scheduler.get_jobs():
        job.modify(next_run_time=datetime.now(scheduler.timezone))


def _make_scheduler(app: App, daemon: Daemon) -> BackgroundScheduler:
    schedule = app.schedule
    scheduler = BackgroundScheduler(
        timezone=schedule.zone, job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
    )
    slot = CronTrigger(
        day_of_week=WEEKDAYS[schedule.weekday],
        hour=schedule.at.hour,
        minute=schedule.at.minute,
        timezone=schedule.zone,
    )
    scheduler.add_job(daemon.send_issues, slot, id="slot")
    scheduler.add_job(daemon.send_issues, IntervalTrigger(seconds=int(POLL_INTERVAL.total_seconds())), id="letters")
    scheduler.add_job(daemon.notify_owner, IntervalTrigger(seconds=int(OWNER_INTERVAL.total_seconds())), id="owner")
    scheduler.add_job(
        daemon.send_heartbeat, IntervalTrigger(seconds=int(HEARTBEAT_INTERVAL.total_seconds())), id="watchdog"
    )
    scheduler.add_job(
        daemon.run_maintenance, IntervalTrigger(hours=1), id="upkeep", next_run_time=datetime.now(schedule.zone)
    )
    scheduler.start()
    return scheduler


def _listen_to_signals() -> socket.socket:
    """A socket that can be read once SIGTERM or SIGINT has come.

    Not an Event: one that a handler sets waits for ever if the handler interrupted the thread that waits for it.
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
    slot = app.schedule.next_slot(app.clock())
    return app.schedule.starts_at(slot).astimezone(app.schedule.zone).strftime("%A %d %B %Y, %H:%M %Z")
