"""The daemon: scheduler, sender and web server in one process.

Each run of a timer asks the database what there is to do, so a missed run, a duplicate one, a restart or a clock that jumps
changes nothing: the slot is unique, and each delivery has its state.
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
from operator import itemgetter

from apscheduler.schedulers.background import BackgroundScheduler

from newsletter.app import App
from newsletter.app.process import lower_priority
from newsletter.daemon.runs import Daemon
from newsletter.daemon.timers import make_scheduler, run_jobs_now
from newsletter.domain.delivery.processes import SenderRole
from newsletter.domain.errors import Busy, TemplateError, Unavailable

__all__ = ["Daemon", "run", "run_jobs_now"]

log = logging.getLogger(__name__)

SWITCH_INTERVAL = 0.0005  # seconds a sending thread keeps the interpreter while a web request waits; Python has 0.005


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
    scheduler = make_scheduler(app, daemon)
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
    """When the next issue of all lists is due, and of which, if there are several."""
    lists = app.each_list()
    due_at, first = min(((one.issues.next().due_at, one) for one in lists), key=itemgetter(0))
    local, dates = due_at.astimezone(first.schedule.zone), first.site.dates
    of = f" ({first.list_key})" if len(lists) > 1 else ""
    return f"{local:%A}, {dates.day(local)}, {dates.time(local)} {local:%Z}{of}"
