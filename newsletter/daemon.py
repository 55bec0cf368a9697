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
from newsletter.ports.sending import SendingRight

log = logging.getLogger(__name__)

LOOK_EVERY = timedelta(seconds=2)  # a sign-up, a resume or a retry never waits longer than this
SWITCH_AFTER = 0.0005  # seconds that sending threads may keep the interpreter while a visitor waits; Python has 0.005
TELL_EVERY = timedelta(minutes=1)  # what the owner should know: previews, reports, alarms
CALL_EVERY = timedelta(seconds=30)  # whether the watchdog elsewhere is to be called
TROUBLE_PAUSE = (timedelta(seconds=30), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))


class Daemon:
    """What each ring does, one ring at a time; holds the right to send."""

    def __init__(self, app: App, right: SendingRight) -> None:
        self._app = app
        self._right = right
        self._turn = threading.Lock()
        self._troubles = 0
        self._not_before = app.clock()
        self._told: set[str] = set()

    def letters(self) -> None:
        """Publish what is due and send what is open; after trouble with the next hop, wait a little longer each time."""
        with self._turn:
            wait_for = self._not_before - self._app.clock()
            if self._app.stop.is_set() or timedelta() < wait_for <= TROUBLE_PAUSE[-1]:  # more: the clock was set back
                return
            try:
                self._app.publish_due()
                for number in self._app.unfinished():
                    self._send(number)
            except NewsletterError as error:
                self._later(str(error))
                log.error("%s", error)  # noqa: TRY400 - the sentence is for a person
                self._tell_once(str(error))
            except Exception:
                self._later("a fault of the program")
                log.exception("a fault while sending; the next ring tries again")

    def owner(self) -> None:
        """Tell the owner what is new; what was told stands in the database, so that no ring tells it twice."""
        with _ring("while telling the owner"):
            self._app.owner_round()

    def watchdog(self) -> None:
        """Call the watchdog elsewhere; an alarm of its own, for it may keep us waiting."""
        with _ring("while calling the watchdog"):
            call = self._app.call_watchdog()
            if call and call.done_at:
                log.info("the watchdog was called for %s", call.slot)
            elif call:
                more = "it is tried again" if call.next_attempt_at else "given up"
                log.warning("the watchdog could not be called for %s (%s); %s", call.slot, call.reply, more)

    def upkeep(self) -> None:
        """What time brings about for readers: pauses end, reminders, what is forgotten."""
        with _ring("in the housekeeping"):
            self._app.housekeeping()

    def notices(self) -> None:
        """Send transactional mails until `stop`: when the bell rings, since a visitor waits for it, else now and then."""
        while not self._app.stop.is_set():
            with _ring("while sending a notice"):
                self._app.flush_notices()
            self._app.bell.wait(LOOK_EVERY.total_seconds())
            self._app.bell.clear()

    def _send(self, number: int) -> None:
        due_at = self._right.ledger.next_due_at(number)
        if due_at is not None and due_at > self._app.clock():
            return
        done = self._app.deliver(self._right, number)
        if done.final:
            log.info("issue %d: %d sent, %d not", number, done.sent, done.final - done.sent)
        if done.trouble and not done.paused:
            self._later(done.trouble)
        elif done.final:
            self._troubles = 0

    def _later(self, why: str) -> None:
        pause = TROUBLE_PAUSE[min(self._troubles, len(TROUBLE_PAUSE) - 1)]
        self._troubles += 1
        self._not_before = self._app.clock() + pause
        log.warning("%s; next try in %d s", why, pause.total_seconds())

    def _tell_once(self, words: str) -> None:
        if words not in self._told:
            self._app.tell_owner("The issue could not be sent", [words], "Mend that; the daemon goes on by itself")
            self._told.add(words)


@contextmanager
def _ring(doing: str) -> Iterator[None]:
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
    sys.setswitchinterval(SWITCH_AFTER)
    app.serves = web
    if not web:
        stand_back()
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a long send makes it warn of every ring it leaves out
    if not _is_adopted(app, asked_to_stop, web=web):
        return 0
    with app.store.sending(DAEMON, app.clock(), hold_in_doubt=app.settings.holds_in_doubt) as right:
        if right.recovered:
            log.warning("%d letters were in doubt after a crash and are put back", right.recovered)
        app.press  # noqa: B018 - a missing key or a broken template directory is said now, not on Tuesday
        app.sender()
        server = None
        if web:
            from newsletter.web import make_server

            server = make_server(app)
            server.start()
        daemon = Daemon(app, right)
        post = threading.Thread(target=daemon.notices, name="notices", daemon=True)
        post.start()
        scheduler = _alarm_clock(app, daemon)
        log.info("running; the next issue is due %s", _due_words(app))
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
    why = app.hold()
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
            if not app.hold():
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
            ring_now(scheduler)
        seen_at = now


def ring_now(scheduler: BackgroundScheduler) -> None:
    """Every alarm at once, and from then on by the clock as it goes now."""
    for job in scheduler.get_jobs():
        job.modify(next_run_time=datetime.now(scheduler.timezone))


def _alarm_clock(app: App, daemon: Daemon) -> BackgroundScheduler:
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
    scheduler.add_job(daemon.letters, slot, id="slot")
    scheduler.add_job(daemon.letters, IntervalTrigger(seconds=int(LOOK_EVERY.total_seconds())), id="letters")
    scheduler.add_job(daemon.owner, IntervalTrigger(seconds=int(TELL_EVERY.total_seconds())), id="owner")
    scheduler.add_job(daemon.watchdog, IntervalTrigger(seconds=int(CALL_EVERY.total_seconds())), id="watchdog")
    scheduler.add_job(daemon.upkeep, IntervalTrigger(hours=1), id="upkeep", next_run_time=datetime.now(schedule.zone))
    scheduler.start()
    return scheduler


def _listen_to_signals() -> socket.socket:
    """A socket that can be read once SIGTERM or SIGINT has come.

    Not an Event: one that a handler sets waits for ever if the handler interrupted the thread that waits for it.
    """
    ear, mouth = socket.socketpair()
    mouth.setblocking(False)

    def tell(_number: int, _frame: object) -> None:
        with suppress(BlockingIOError):
            mouth.send(b"!")

    signal.signal(signal.SIGTERM, tell)
    signal.signal(signal.SIGINT, tell)
    return ear


def _due_words(app: App) -> str:
    slot = app.schedule.next_slot(app.clock())
    return app.schedule.starts_at(slot).astimezone(app.schedule.zone).strftime("%A %d %B %Y, %H:%M %Z")
