"""The verbs of the calendar, bound: the forecast, what the owner says of slots, and what the owner is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from newsletter.app.wiring import Parts
from newsletter.domain.calendar.forecast import HORIZON

if TYPE_CHECKING:
    from newsletter.actions.calendar.explain import LintResult, WhyDate, WhyTip
    from newsletter.actions.calendar.plan import LastSlotStatus
    from newsletter.actions.owner.links import SlotView
    from newsletter.domain.calendar.forecast import ForecastSlot, Runway
    from newsletter.domain.calendar.simulation import Simulation
    from newsletter.ports.calendar import HeartbeatCall


@dataclass
class CalendarVerbs(Parts):
    """What one can do with the calendar."""

    # -- looking ahead -------------------------------------------------------------------------

    def forecast(self, weeks: int = HORIZON, changes: Sequence[str] = ()) -> list[ForecastSlot]:
        """What goes out in the coming slots; with `changes`, if the owner did that."""
        from newsletter.actions.calendar.plan import upcoming_slots

        with self.store.read() as tx:
            return upcoming_slots(tx, self.rules, self.clock(), weeks, changes).lines()

    def runway(self) -> Runway:
        """How long the library lasts."""
        from newsletter.domain.calendar.forecast import runway

        return runway(self.forecast())

    def simulate(self, *, years: int, readers: int, churn: float, seed: int = 1) -> Simulation:
        """Play years of the calendar with readers who come and go."""
        from newsletter.actions.calendar.plan import upcoming_slots
        from newsletter.domain.calendar.simulation import simulate

        with self.store.read() as tx:
            ahead = upcoming_slots(tx, self.rules, self.clock(), 1)
        return simulate(ahead.plan, ahead.slots[0], years=years, readers=readers, churn=churn, seed=seed)

    def title_today(self, key: str) -> str:
        """A tip's title as it would be in a letter of today; raises NotFound."""
        with self.store.read() as tx:
            return tx.tips.get(key).dated(self.schedule.day_of(self.clock())).card.title

    def why_date(self, slot: date) -> WhyDate:
        """Why this tip in this slot."""
        from newsletter.actions.calendar.explain import why_date

        return why_date(self.store, self.rules, slot, self.clock())

    def why_tip(self, key: str, on: date | None = None) -> WhyTip:
        """When a tip goes out, and why not on a date."""
        from newsletter.actions.calendar.explain import why_tip

        return why_tip(self.store, self.rules, key, self.clock(), on)

    def lint_tips(self, keys: Sequence[str] = ()) -> list[LintResult]:
        """What will not age well, or not mail well."""
        from newsletter.actions.calendar.explain import lint_tips

        return lint_tips(self.store, tuple(keys), self.schedule.day_of(self.clock()))

    def lint_links(
        self, keys: Sequence[str] = (), progress: Callable[[int, int], None] | None = None
    ) -> list[LintResult]:
        """Which links of the tips are dead; asks the web. progress: (asked, of how many)."""
        from functools import partial

        from newsletter.actions.calendar.explain import lint_links
        from newsletter.http.link_checker import ask

        return lint_links(self.store, tuple(keys), partial(ask, on_progress=progress))

    def last_slot(self) -> LastSlotStatus:
        """What became of the last slot."""
        from newsletter.actions.calendar.plan import last_slot

        with self.store.read() as tx:
            return last_slot(tx, self.rules, self.clock())

    # -- the owner's word ----------------------------------------------------------------------

    def parse_slot(self, text: str) -> date:
        """A slot's day as a person writes it."""
        from newsletter.actions.calendar.overrides import parse_slot

        return parse_slot(text, self.schedule)

    def pin_tip(self, key: str, slot: date) -> str:
        """Give a tip its day; its title."""
        from newsletter.actions.calendar.overrides import pin

        return pin(self.store, self.rules, key, slot, self.clock())

    def unpin_tip(self, key: str) -> str:
        """Back into the queue; its title."""
        from newsletter.actions.calendar.overrides import unpin

        return unpin(self.store, key)

    def rerun_tip(self, key: str, rule: str | None = None, *, unseen: bool | None = None) -> str:
        """Say when a tip may run again, and for whom; None leaves that as it is. The whole rule in words."""
        from newsletter.actions.calendar.overrides import rerun

        return rerun(self.store, key, rule, self.clock(), unseen=unseen)

    def skip_slot(self, slot: date, reason: str = "") -> None:
        """No issue on that day."""
        from newsletter.actions.calendar.overrides import skip

        skip(self.store, self.rules, slot, reason, self.clock())

    def hold_slot(self, slot: date, reason: str = "") -> None:
        """No issue on that day before it is approved."""
        from newsletter.actions.calendar.overrides import hold

        hold(self.store, self.rules, slot, reason, self.clock())

    def approve_slot(self, slot: date) -> str:
        """What is planned for that day may go; the tip's key."""
        from newsletter.actions.calendar.overrides import approve

        return approve(self.store, self.rules, slot, self.clock())

    def unskip_slot(self, slot: date) -> bool:
        """Take back what was said of that day; False when nothing was."""
        from newsletter.actions.calendar.overrides import clear_override

        return clear_override(self.store, self.rules, slot, self.clock())

    def swap_slot(self, slot: date) -> tuple[ForecastSlot, ForecastSlot]:
        """Let the tips of that day and of the next change places; the two as they were."""
        from newsletter.actions.calendar.overrides import swap

        return swap(self.store, self.rules, slot, self.clock())

    def owner_view(self, token: str) -> SlotView:
        """What a link of a preview is about."""
        from newsletter.actions.owner.links import inspect_link

        return inspect_link(self.store, self.signer, self.rules, token, self.clock())

    def owner_act(self, token: str) -> SlotView:
        """Do what a link of a preview says."""
        from newsletter.actions.owner.links import act

        return act(self.store, self.signer, self.rules, token, self.clock())

    # -- what the owner is told ----------------------------------------------------------------

    def owner_round(self) -> int:
        """Tell the owner what is new, leave a mark; rung every minute. How many mails wait now."""
        from newsletter.actions.owner.reports import notify_owner

        now = self.clock()
        if self.store.hold():
            return 0
        self.store.beat(now)
        if not self.site.owner:
            return 0
        mails = notify_owner(self.store, self.rules, self.site.owner, now)
        if mails:
            self.bell.set()
        return mails

    def call_watchdog(self) -> HeartbeatCall | None:
        """Call the watchdog if it is time to, and write down how that went; it may take a while. None: nothing to call for."""
        from newsletter.actions.heartbeat import claim_heartbeat, finish_heartbeat
        from newsletter.http.heartbeat import ping

        if not self.settings.ping_url or self.store.hold():
            return None
        slot = claim_heartbeat(self.store, self.rules, self.clock())
        return finish_heartbeat(self.store, slot, ping(self.settings.ping_url), self.clock()) if slot else None
