"""The day of the next issue, as pages say it."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from newsletter.app import App

KEEP_FOR = timedelta(seconds=30)


class ComingDay:
    """Reads the day from the calendar at most every 30 seconds: with a large library, that takes 30 milliseconds."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._known: tuple[datetime, date] | None = None

    def __call__(self) -> date:
        """The day of the next issue that somebody who subscribes now gets."""
        now, known = self._app.clock(), self._known
        if known and abs(now - known[0]) < KEEP_FOR and now < self._app.schedule.starts_at(known[1]):
            return known[1]
        day = self._app.calendar.coming_day()
        self._known = (now, day)
        return day
