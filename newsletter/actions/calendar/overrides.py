"""What the owner says of slots and tips: pin, re-run, skip, hold, approve, swap; each can be said again without harm, and chooses nothing."""

from __future__ import annotations

from datetime import date, datetime

from newsletter.actions.calendar.plan import Rules, must_be_open, upcoming_slots, weeks_until
from newsletter.domain.calendar.forecast import ForecastSlot
from newsletter.domain.calendar.plan import parse_day
from newsletter.domain.calendar.schedule import WEEK, Schedule
from newsletter.domain.delivery.issue import IssueEvent, IssueState
from newsletter.domain.errors import InputError, Refused, UsageError
from newsletter.domain.tips.season_rule import WEEKDAYS, in_words
from newsletter.ports.calendar import Override, SlotOverride
from newsletter.ports.store import Store, Tx

MAX_REASON = 200  # characters


def parse_slot(text: str, schedule: Schedule) -> date:
    """A day as a person writes it, which must be a slot's; raises UsageError with the slots next to it."""
    day = parse_day(text.strip())
    if day.weekday() != schedule.weekday:
        before = schedule.slot_on_or_before(day)
        here, there = WEEKDAYS[day.weekday()], WEEKDAYS[schedule.weekday]
        raise UsageError(f"{day} is a {here}; issues go out on a {there}", fix=f"Say {before} or {before + WEEK}")
    return day


def skip(store: Store, rules: Rules, slot: date, reason: str, now: datetime) -> None:
    """No issue in this slot; one that was being made is cancelled, and its tip stays next. Raises Refused if it went."""
    with store.write() as tx:
        must_be_open(tx, rules, slot, now)
        tx.calendar.set_override(slot, SlotOverride(Override.SKIP, _one_line(reason)))
        issue = tx.issues.for_slot(slot)
        if issue and issue.state is IssueState.PREPARING:
            tx.issues.change(issue.number, IssueEvent.CANCEL, now, reason="skipped")


def hold(store: Store, rules: Rules, slot: date, reason: str, now: datetime) -> None:
    """No issue in this slot before it is approved; once the late window is over it is missed. Raises Refused if it went."""
    with store.write() as tx:
        must_be_open(tx, rules, slot, now)
        tx.calendar.set_override(slot, SlotOverride(Override.HOLD, _one_line(reason)))


def approve(store: Store, rules: Rules, slot: date, now: datetime) -> str:
    """What is planned for this slot may go, whatever was said before; the tip's key. Raises Refused if there is none."""
    with store.write() as tx:
        must_be_open(tx, rules, slot, now)
        tx.calendar.set_override(slot, None)
        line = _line_of(tx, rules, slot, now)
        if line.tip is None:
            raise Refused(
                f"there is nothing to approve on {in_words(slot)}: {line.reason}", fix="See: newsletter calendar"
            )
        tx.calendar.set_override(slot, SlotOverride(Override.APPROVE, line.tip))
        return line.tip


def clear_override(store: Store, rules: Rules, slot: date, now: datetime) -> bool:
    """Take back what was said of this slot; False when nothing was. Raises Refused if it is over."""
    with store.write() as tx:
        must_be_open(tx, rules, slot, now)
        said = slot in tx.calendar.overrides()
        tx.calendar.set_override(slot, None)
        return said


def swap(store: Store, rules: Rules, slot: date, now: datetime) -> tuple[ForecastSlot, ForecastSlot]:
    """Let this slot's tip and that of the next one that has one change places, by pins; the two lines as they were.

    Raises Refused where there are no two tips, or where this one is bound already.
    """
    with store.write() as tx:
        must_be_open(tx, rules, slot, now)
        ahead = upcoming_slots(tx, rules, now, weeks_until(rules, slot, now) + 8)
        lines = [line for line in ahead.lines() if line.date >= slot and line.tip]
        if len(lines) < 2 or lines[0].date != slot or slot in ahead.bound:
            raise Refused(f"the tip for {in_words(slot)} cannot be swapped", fix="See: newsletter calendar")
        first, second = lines[0], lines[1]
        for key, day in ((str(first.tip), second.date), (str(second.tip), first.date)):
            for tip in tx.calendar.plans():
                if tip.pin == day:
                    tx.calendar.pin(tip.key, None)
            tx.calendar.pin(key, day)
        override = tx.calendar.overrides().get(slot)
        if override and override.kind is Override.APPROVE:  # that was about the other tip
            tx.calendar.set_override(slot, None)
        return first, second


def _line_of(tx: Tx, rules: Rules, slot: date, now: datetime) -> ForecastSlot:
    lines = upcoming_slots(tx, rules, now, weeks_until(rules, slot, now)).lines()
    return next(line for line in lines if line.date == slot)


def _one_line(text: str) -> str:
    words = " ".join(text.split())
    if len(words) > MAX_REASON:
        raise InputError(f"the reason has {len(words)} characters", fix=f"Shorten it to {MAX_REASON}")
    return words
