"""The timers of the daemon. APScheduler is only a timer: what there is to do comes from the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from newsletter.app import App
from newsletter.daemon.runs import POLL_INTERVAL, Daemon
from newsletter.domain.calendar.schedule import WEEKDAYS, Schedule

OWNER_INTERVAL = timedelta(minutes=1)  # previews, reports and alerts
WATCH_INTERVAL = timedelta(seconds=1)
HEARTBEAT_INTERVAL = timedelta(seconds=30)


def make_scheduler(app: App, daemon: Daemon) -> BackgroundScheduler:
    """The timers, running."""
    zone = app.schedule.zone
    scheduler = BackgroundScheduler(
        timezone=zone, job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
    )
    daemon.on_lists = SlotTimers(scheduler, daemon.send_issues)
    # For deferred deliveries, for resumed issues, and for a slot that came while the daemon was down.
    scheduler.add_job(daemon.send_issues, _every(POLL_INTERVAL), id="issues")
    scheduler.add_job(daemon.watch_database, _every(WATCH_INTERVAL), id="watch")
    # Without `next_run_time`, these would first run after their interval.
    now = datetime.now(zone)
    scheduler.add_job(daemon.notify_owner, _every(OWNER_INTERVAL), id="owner", next_run_time=now)
    scheduler.add_job(daemon.send_heartbeat, _every(HEARTBEAT_INTERVAL), id="heartbeat")
    scheduler.add_job(daemon.run_maintenance, _every(timedelta(hours=1)), id="maintenance", next_run_time=now)
    scheduler.start()
    return scheduler


class SlotTimers:
    """A timer for the slots of each list, so that an issue starts with its minute. Lists come and change while it runs."""

    def __init__(self, scheduler: BackgroundScheduler, send_issues: Callable[[], None]) -> None:
        self._scheduler, self._send_issues = scheduler, send_issues
        self._known: dict[str, Schedule] = {}

    def __call__(self, lists: Sequence[App]) -> None:
        """Have timers for these lists, as they are now, and for no others."""
        wanted = {f"slot {app.list_key}": app.schedule for app in lists}
        for name in self._known.keys() - wanted.keys():
            self._scheduler.remove_job(name)
        for name, schedule in wanted.items():
            if self._known.get(name) != schedule:
                self._scheduler.add_job(self._send_issues, _slots(schedule), id=name, replace_existing=True)
        self._known = wanted


def _slots(schedule: Schedule) -> CronTrigger:
    """The minutes in which slots begin. In weeks without a slot, nothing is due."""
    return CronTrigger(
        day_of_week=",".join(WEEKDAYS[day] for day in schedule.days.weekdays),
        hour=schedule.at.hour,
        minute=schedule.at.minute,
        timezone=schedule.zone,
    )


def run_jobs_now(scheduler: BackgroundScheduler) -> None:
    """Run every timer immediately, and from then on by the clock as it is now."""
    for job in scheduler.get_jobs():
        job.modify(next_run_time=datetime.now(scheduler.timezone))


def _every(interval: timedelta) -> IntervalTrigger:
    return IntervalTrigger(seconds=int(interval.total_seconds()))
