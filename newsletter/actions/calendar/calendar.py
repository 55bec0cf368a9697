"""The calendar: what is planned for each slot, and the owner's overrides of single slots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime

from newsletter.actions.calendar.approval import Words, as_it_is
from newsletter.actions.calendar.course import is_course, with_exact_shares
from newsletter.actions.calendar.plan import (
    LastSlotStatus,
    Rules,
    coming_issue,
    coming_slot,
    last_slot,
    must_be_open,
    slots_until,
    upcoming_slots,
    why_waiting,
)
from newsletter.actions.calendar.why import WhyDate, why_date
from newsletter.domain.calendar.course import CourseSimulation
from newsletter.domain.calendar.forecast import HORIZON, ForecastSlot, Runway, runway
from newsletter.domain.calendar.overrides import Override, SlotOverride
from newsletter.domain.calendar.plan import Kind
from newsletter.domain.calendar.schedule import Schedule
from newsletter.domain.calendar.simulation import Simulation, play_course, simulate
from newsletter.domain.dates import AMERICAN
from newsletter.domain.delivery.issue import IssueEvent, IssueState
from newsletter.domain.errors import InputError, Refused, SettingsError, TemplateError, UsageError
from newsletter.domain.slot_days import WEEK, WEEKDAYS
from newsletter.domain.tips.season_rule import in_words
from newsletter.ports.clock import Clock
from newsletter.ports.store import Store, Tx

MAX_REASON = 200  # characters
SWAP_WITHIN = 8  # slots after the one to swap, in which its partner must be


@dataclass(frozen=True, slots=True)
class Calendar:
    """Look ahead in the calendar and override its slots.

    A slot is the local date of an issue. Every override can be repeated without harm. All of them raise Refused when
    the issue of the slot is over or already being sent, and when the late window of the slot has ended.
    words: those of an email, for its approval.
    """

    store: Store
    rules: Rules
    clock: Clock
    words: Words

    # -- look ahead ----------------------------------------------------------------------------------

    def forecast(self, weeks: int = HORIZON, changes: Sequence[str] = ()) -> list[ForecastSlot]:
        """What goes out in the next `weeks` weeks, and in extra issues between the slots; with `changes`, what would go out if the owner made them.

        changes: as `Plan.with_change` reads them. Raises UsageError and NotFound for a change that cannot be made.
        """
        with self.store.read() as tx:
            count = self.rules.schedule.slots_in(weeks)
            ahead = upcoming_slots(tx, self.rules, self.clock(), count, changes)
            return with_exact_shares(tx, lambda slot: ahead.chooser_at(slot).course_at(slot), ahead.lines(extras=True))

    def next_extra(self) -> ForecastSlot | None:
        """The first extra issue before the next slot that is not skipped."""
        ahead = (line for line in self.forecast(SWAP_WITHIN) if line.at or line.kind is not Kind.SKIPPED)
        line = next(ahead, None)
        return line if line and line.at else None

    def neighbors(self, slot: date) -> list[ForecastSlot]:
        """What goes out within a week of this slot, for an answer to an override."""
        weeks = min(max((slot - self.rules.schedule.day_of(self.clock())).days // 7 + 3, 1), HORIZON)
        return [line for line in self.forecast(weeks) if abs(line.date - slot) <= WEEK]

    def waiting(self, lines: Sequence[ForecastSlot]) -> Mapping[date, str]:
        """For each of these slots whose issue will not be sent before the owner approves it: why, as a clause."""
        with self.store.read() as tx:
            overrides = tx.calendar.overrides()
        slots = {line.date: line.tip for line in lines if not line.at}
        found = {slot: why_waiting(self._as_it_is(slot, overrides), tip, self.rules) for slot, tip in slots.items()}
        return {slot: why for slot, why in found.items() if why}

    def runway(self) -> Runway:
        """How long the library lasts."""
        return runway([line for line in self.forecast() if line.at is None])

    def simulate(self, *, years: int, subscribers: int, churn: float, seed: int = 1) -> Simulation:
        """Play years of the calendar for subscribers who come and go; see `domain.calendar.simulation.simulate`."""
        with self.store.read() as tx:
            ahead = upcoming_slots(tx, self.rules, self.clock(), 1)
        return simulate(ahead.plan, ahead.slots[0], years=years, subscribers=subscribers, churn=churn, seed=seed)

    def is_course(self) -> bool:
        """Is the list a course?"""
        with self.store.read() as tx:
            return is_course(tx)

    def simulate_course(self, *, years: int, subscribers: int, churn: float, seed: int = 1) -> CourseSimulation | None:
        """Play years of a course: as many new subscribers come as unsubscribe from a newsletter of this size.

        They begin with the first tip; unsubscribers leave from every place. None for a list that is no course.
        """
        with self.store.read() as tx:
            if not is_course(tx):
                return None
            ahead = upcoming_slots(tx, self.rules, self.clock(), 1)
        return play_course(ahead.plan, ahead.slots[0], years=years, subscribers=subscribers, churn=churn, seed=seed)

    def why(self, slot: date) -> WhyDate:
        """Why this slot has the tip it has. Raises NotFound for a slot that was never planned or is too far away."""
        with self.store.read() as tx:
            return why_date(tx, self.rules, slot, self.clock())

    def coming_day(self) -> date:
        """The day of the next issue that somebody who subscribes now will get, as the welcome email names it.

        While no tip is planned, the day of the next slot.
        """
        now = self.clock()
        with self.store.read() as tx:
            return coming_issue(tx, self.rules, now) or coming_slot(tx, self.rules, now)

    def last_slot(self) -> LastSlotStatus:
        """What became of the last slot that began."""
        with self.store.read() as tx:
            return last_slot(tx, self.rules, self.clock())

    # -- overrides -----------------------------------------------------------------------------------

    def parse_slot(self, text: str) -> date:
        """Read the day of a slot, as people write it. Raises UsageError; for another weekday it names the nearest slots."""
        return self._slot(self.rules.dates(self.clock()).day(text))

    def extra_on(self, text: str) -> str | None:
        """The key of the tip of an extra issue on this date, if that is not a day of the schedule. Raises UsageError."""
        day = self.rules.dates(self.clock()).day(text)
        with self.store.read() as tx:
            return None if self.rules.schedule.is_slot(day) else _extra_on(tx, day)

    def is_date(self, text: str) -> bool:
        """Is this a date as people write it?"""
        try:
            self.rules.dates(self.clock()).day(text)
        except UsageError:
            return False
        return True

    def parse_pin(self, text: str) -> tuple[date, datetime | None]:
        """Read the day of a slot, or a day and the time of an extra issue (aware). Raises UsageError."""
        now, schedule = self.clock(), self.rules.schedule
        dates = self.rules.dates(now)
        day, time = dates.moment(text)
        if time is None:
            return self._slot(day, f'; to send an extra issue that day, add a time, as in "{day} 10:00"'), None
        at = dates.aware(day, time)
        if schedule.is_slot(day) and at == schedule.starts_at(day):
            return day, None
        if at <= now:
            raise UsageError(f"{in_words(day)} at {AMERICAN.time(time)} has passed", fix="Choose a later time")
        return day, at

    def _slot(self, day: date, more: str = "") -> date:
        schedule = self.rules.schedule
        if schedule.is_slot(day):
            return day
        with self.store.read() as tx:
            if tx.issues.for_slot(day):  # from before a change of the weekday
                return day
            extra, other = _extra_on(tx, day), _other_list_on(tx, day)
        near = [slot for slot in schedule.around(day) if slot >= schedule.start]
        now = self.clock()
        if day >= schedule.day_of(now):  # a slot that has passed is no advice then
            near = [slot for slot in near if schedule.starts_at(slot) > now]
        if extra:
            more += f"; to take back the extra issue of that day, run: newsletter tips unpin {extra}"
        if other:
            more += f"; or, as it is a day of the list {other}, add --list {other}"
        raise UsageError(
            f"{in_words(day)} is a {WEEKDAYS[day.weekday()]}, but issues go out {schedule.days.when()}",
            fix=f"Use {' or '.join(map(in_words, near))}{more}",
        )

    def skip(self, slot: date, reason: str = "") -> None:
        """Plan no issue for this slot; an issue that is being prepared is canceled, and its tip stays next in the queue."""
        now = self.clock()
        with self.store.write() as tx:
            must_be_open(tx, self.rules, slot, now)
            tx.calendar.set_override(slot, SlotOverride(Override.SKIP, _one_line(reason)))
            issue = tx.issues.for_slot(slot)
            if issue and issue.state is IssueState.PREPARING:
                tx.issues.change(issue.number, IssueEvent.CANCEL, now, reason="skipped")

    def hold(self, slot: date, reason: str = "") -> None:
        """Send no issue in this slot before it is approved; when the late window ends first, the slot is missed."""
        now = self.clock()
        with self.store.write() as tx:
            must_be_open(tx, self.rules, slot, now)
            tx.calendar.set_override(slot, SlotOverride(Override.HOLD, _one_line(reason)))

    def approve(self, slot: date) -> str:
        """Approve what is planned for this slot, in place of any other override; the tip's key.

        The approval is for the words of the email as it is now. Raises Refused also when no tip is planned, and when no
        email can be made.
        """
        now = self.clock()
        with self.store.read() as tx:
            must_be_open(tx, self.rules, slot, now)
            # Without the override: a skipped slot has no tip to approve.
            lines = upcoming_slots(tx, self.rules, now, slots_until(self.rules, slot, now), [f"unskip {slot}"]).lines()
            line = next(line for line in lines if line.date == slot)
            tip = tx.tips.get(line.tip) if line.tip else None
        if tip is None:
            why = f"there is nothing to approve on {in_words(slot)}: {line.reason}"
            raise Refused(why, fix=f"See: newsletter calendar{self.rules.option}")
        try:
            words = self.words(tip, slot)
        except TemplateError as error:
            fix = "Fix it first, and run: newsletter templates check"
            raise Refused(f"there is no email to approve: {error}", fix=fix) from error
        with self.store.write() as tx:
            must_be_open(tx, self.rules, slot, now)
            tx.calendar.set_override(slot, None)
            if self._line_of(tx, slot, now).tip != tip.card.key or tx.tips.get(tip.card.key).text != tip.text:
                raise Refused(
                    f"the plan for {in_words(slot)} has just changed",
                    fix=f"See: newsletter calendar{self.rules.option}",
                )
            tx.calendar.set_override(slot, SlotOverride(Override.APPROVE, tip.card.key, words))
            return tip.card.key

    def clear_override(self, slot: date) -> bool:
        """Remove the override of this slot; False when it had none."""
        now = self.clock()
        with self.store.write() as tx:
            must_be_open(tx, self.rules, slot, now)
            had_one = slot in tx.calendar.overrides()
            tx.calendar.set_override(slot, None)
            return had_one

    def swap(self, slot: date) -> tuple[ForecastSlot, ForecastSlot]:
        """Pin this slot's tip to the next slot that has a tip, and that one's tip to this slot; the two as they were.

        Raises Refused also when one of the two is missing, and when this slot's tip is bound to an issue already.
        """
        now = self.clock()
        with self.store.write() as tx:
            must_be_open(tx, self.rules, slot, now)
            if is_course(tx):
                fix = "To change their order, run: newsletter tips move KEY --before KEY"
                raise Refused("a course has many tips in each issue, so there is nothing to swap", fix=fix)
            ahead = upcoming_slots(tx, self.rules, now, slots_until(self.rules, slot, now) + SWAP_WITHIN)
            lines = [line for line in ahead.lines() if line.date >= slot and line.tip]
            if len(lines) < 2 or lines[0].date != slot or slot in ahead.bound:
                raise Refused(
                    f"the tip for {in_words(slot)} cannot be swapped",
                    fix=f"See: newsletter calendar{self.rules.option}",
                )
            first, second = lines[0], lines[1]
            for key, day in ((str(first.tip), second.date), (str(second.tip), first.date)):
                for tip in tx.calendar.plans():
                    if tip.pin == day and not tip.pin_at:
                        tx.calendar.pin(tip.key, None)
                tx.calendar.pin(key, day)
            override = tx.calendar.overrides().get(slot)
            if override and override.kind is Override.APPROVE:  # it approved the other tip
                tx.calendar.set_override(slot, None)
            return first, second

    def _as_it_is(self, slot: date, overrides: Mapping[date, SlotOverride]) -> SlotOverride | None:
        found = overrides.get(slot)
        return as_it_is(self.store, self.words, slot, found) if self.rules.approval else found

    def _line_of(self, tx: Tx, slot: date, now: datetime) -> ForecastSlot:
        lines = upcoming_slots(tx, self.rules, now, slots_until(self.rules, slot, now)).lines()
        return next(line for line in lines if line.date == slot)


def _other_list_on(tx: Tx, day: date) -> str:
    """The key of another list whose own schedule has a slot on this day; "" without one."""
    mine = tx.lists.mine()
    for one in tx.lists.each():
        with suppress(SettingsError):  # `newsletter doctor` reports it
            if one.id != mine.id and "schedule" in one.own and Schedule.parse(one.own["schedule"], "UTC").is_slot(day):
                return one.key
    return ""


def _extra_on(tx: Tx, day: date) -> str | None:
    plans = (plan for plan in tx.calendar.plans() if plan.pin == day and plan.pin_at and plan.is_sendable)
    return next((plan.key for plan in plans), None)


def _one_line(text: str) -> str:
    words = " ".join(text.split())
    if len(words) > MAX_REASON:
        raise InputError(f"the reason has {len(words)} characters", fix=f"Shorten it to {MAX_REASON}")
    return words
