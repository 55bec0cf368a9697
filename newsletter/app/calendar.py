"""The calendar: the forecast, and the owner's overrides of its slots."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from newsletter.domain.calendar.forecast import HORIZON

if TYPE_CHECKING:
    from newsletter.actions.calendar.explain import WhyDate
    from newsletter.actions.calendar.plan import LastSlotStatus
    from newsletter.app.wiring import App
    from newsletter.domain.calendar.forecast import ForecastSlot, Runway
    from newsletter.domain.calendar.simulation import Simulation


class Calendar:
    """Look ahead in the calendar and override its slots."""

    def __init__(self, app: App) -> None:
        self._app = app

    def forecast(self, weeks: int = HORIZON, changes: Sequence[str] = ()) -> list[ForecastSlot]:
        """What goes out in the coming slots; with `changes`, if the owner did that."""
        from newsletter.actions.calendar.plan import upcoming_slots

        with self._app.store.read() as tx:
            return upcoming_slots(tx, self._app.rules, self._app.clock(), weeks, changes).lines()

    def runway(self) -> Runway:
        """How long the library lasts."""
        from newsletter.domain.calendar.forecast import runway

        return runway(self.forecast())

    def simulate(self, *, years: int, readers: int, churn: float, seed: int = 1) -> Simulation:
        """Play years of the calendar with readers who come and go."""
        from newsletter.actions.calendar.plan import upcoming_slots
        from newsletter.domain.calendar.simulation import simulate

        with self._app.store.read() as tx:
            ahead = upcoming_slots(tx, self._app.rules, self._app.clock(), 1)
        return simulate(ahead.plan, ahead.slots[0], years=years, readers=readers, churn=churn, seed=seed)

    def why(self, slot: date) -> WhyDate:
        """Why this tip in this slot."""
        from newsletter.actions.calendar.explain import why_date

        return why_date(self._app.store, self._app.rules, slot, self._app.clock())

    def last_slot(self) -> LastSlotStatus:
        """What became of the last slot."""
        from newsletter.actions.calendar.plan import last_slot

        with self._app.store.read() as tx:
            return last_slot(tx, self._app.rules, self._app.clock())

    def parse_slot(self, text: str) -> date:
        """A slot's day as a person writes it."""
        from newsletter.actions.calendar.overrides import parse_slot

        return parse_slot(text, self._app.schedule)

    def skip(self, slot: date, reason: str = "") -> None:
        """No issue on that day."""
        from newsletter.actions.calendar.overrides import skip

        skip(self._app.store, self._app.rules, slot, reason, self._app.clock())

    def hold(self, slot: date, reason: str = "") -> None:
        """No issue on that day before it is approved."""
        from newsletter.actions.calendar.overrides import hold

        hold(self._app.store, self._app.rules, slot, reason, self._app.clock())

    def approve(self, slot: date) -> str:
        """What is planned for that day may go; the tip's key."""
        from newsletter.actions.calendar.overrides import approve

        return approve(self._app.store, self._app.rules, slot, self._app.clock())

    def unskip(self, slot: date) -> bool:
        """Take back what was said of that day; False when nothing was."""
        from newsletter.actions.calendar.overrides import clear_override

        return clear_override(self._app.store, self._app.rules, slot, self._app.clock())

    def swap(self, slot: date) -> tuple[ForecastSlot, ForecastSlot]:
        """Let the tips of that day and of the next change places; the two as they were."""
        from newsletter.actions.calendar.overrides import swap

        return swap(self._app.store, self._app.rules, slot, self._app.clock())
