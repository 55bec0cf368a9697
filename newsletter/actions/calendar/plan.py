"""Read the plan from the store: the slot that is due, the slots ahead, what goes out in them, and what became of the last one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import islice

from newsletter.actions.calendar.approval import Words, as_it_is
from newsletter.actions.calendar.course import audience_of, passed_empty, with_course
from newsletter.domain.calendar.choose import TipChooser, choose
from newsletter.domain.calendar.forecast import ForecastSlot, forecast, played_until
from newsletter.domain.calendar.overrides import Override, SlotOverride
from newsletter.domain.calendar.plan import Choice, Plan, Policy, TipPlan
from newsletter.domain.calendar.schedule import Due, Schedule, SlotHistory, due_slot
from newsletter.domain.delivery.issue import IN_PROGRESS, IssueFacts, IssueState
from newsletter.domain.errors import Refused
from newsletter.domain.lists import list_option
from newsletter.domain.slot_days import slots_from
from newsletter.domain.tips.season_rule import in_words
from newsletter.domain.tips.tip import TipCard, TipState
from newsletter.domain.written_dates import WrittenDates
from newsletter.ports.store import Store, Tx

ENDED = (IssueState.DONE, IssueState.CANCELLED, IssueState.MISSED)
LOOK_AHEAD = 8  # slots, in which the next issue with a tip is looked for
UNSENT = (IssueState.PLANNED, IssueState.PREPARING, IssueState.NO_CONTENT)


@dataclass(frozen=True, slots=True)
class Rules:
    """The owner's settings for the calendar.

    approval: an issue is sent only after the owner has approved it. first_issue: the number of the first issue. day_first:
    people who write the newsletter's language put the day before the month. list_key: "" for the first list.
    """

    schedule: Schedule
    late_window: timedelta
    policy: Policy = field(default_factory=Policy)
    approval: bool = False
    first_issue: int = 1
    day_first: bool = False
    list_key: str = ""

    @property
    def option(self) -> str:
        """What makes a command in an advice be about this list."""
        return list_option(self.list_key)

    def dates(self, now: datetime) -> WrittenDates:
        """Reads dates as people write them."""
        return WrittenDates(now, self.schedule.zone, self.day_first)


@dataclass(frozen=True, slots=True)
class NextIssue:
    """The issue that is sent next.

    due_at: aware. tip: with the title it will have on that day, or None. reason: why this tip, or why none. audience: a
    number of subscribers. waits: why the issue is not sent although its time has come; "" when it is sent.
    """

    slot: date
    due_at: datetime
    tip: TipCard | None
    reason: str
    audience: int
    waits: str = ""


# -- one slot ----------------------------------------------------------------------------------------


def plan_of(tx: Tx, rules: Rules) -> Plan:
    """Everything the choice of a tip depends on, as it is now."""
    skips = {
        slot: override.about for slot, override in tx.calendar.overrides().items() if override.kind is Override.SKIP
    }
    return with_course(tx, Plan(tuple(tx.calendar.plans()), rules.policy, skips, rules.schedule.days))


def choice_for(tx: Tx, rules: Rules, slot: date, problems: Mapping[str, str] | None = None) -> Choice:
    """What goes out in this slot. problems: of tips by their keys, in place of those that are recorded."""
    known = problems or {}
    return choose(slot, _with_problems(plan_of(tx, rules), lambda tip: known.get(tip.key, tip.problem)))


def choice_as_it_is(tx: Tx, rules: Rules, slot: date) -> Choice:
    """What goes out in this slot if no tip had a problem."""
    return choose(slot, _with_problems(plan_of(tx, rules), lambda _tip: ""))


def _with_problems(plan: Plan, problem_of: Callable[[TipPlan], str]) -> Plan:
    tips = (tip if tip.problem == problem_of(tip) else replace(tip, problem=problem_of(tip)) for tip in plan.tips)
    return replace(plan, tips=tuple(tips))


def is_skipped(tx: Tx, slot: date) -> bool:
    """Did the owner skip this slot?"""
    override = tx.calendar.overrides().get(slot)
    return override is not None and override.kind is Override.SKIP


def is_over(issue: IssueFacts | None) -> bool:
    """Is there an issue, and has it ended?"""
    return issue is not None and issue.state in ENDED


def must_be_open(tx: Tx, rules: Rules, slot: date, now: datetime) -> None:
    """Check that the owner can still change this slot. Raises Refused when its issue is over or being sent, or its time is over."""
    issue = tx.issues.for_slot(slot)
    if is_over(issue):
        raise Refused(f"the issue for {in_words(slot)} is already {issue.state if issue else ''}")
    if issue and issue.state in IN_PROGRESS:
        fix = f"To stop it, run: newsletter issues pause {issue.argument}, or cancel {issue.argument}"
        raise Refused(f"the issue for {in_words(slot)} is already being sent", fix=fix)
    fix = f"To see the slots ahead, run: newsletter calendar{rules.option}"
    if rules.schedule.starts_at(slot) + rules.late_window < now:
        raise Refused(f"{in_words(slot)} has passed", fix=fix)
    if issue is None and (why := slot_history(tx, now).why_not(slot, rules.schedule)):
        raise Refused(f"no issue goes out on {in_words(slot)}: {why}", fix=fix)


def why_waiting(override: SlotOverride | None, tip_key: str | None, rules: Rules) -> str:
    """Why this tip may not be sent yet although it is due: on hold, or not approved. "" when it may."""
    if override and override.kind is Override.HOLD:
        return ": ".join(filter(None, ("you put it on hold", override.about)))
    if not rules.approval or not tip_key:
        return ""
    if override is None or override.kind is not Override.APPROVE or override.about != tip_key:
        return "it is waiting for your approval"
    return (
        "the email has changed since you approved it, so it is waiting for your approval again"
        if override.is_void
        else ""
    )


def held_for_errors(issue: IssueFacts | None) -> str:
    """The errors for which an issue is held, as a clause; "" if it is not."""
    return issue.pause_reason if issue and issue.state in (IssueState.PLANNED, IssueState.PREPARING) else ""


def next_issue(store: Store, rules: Rules, now: datetime, words: Words | None = None) -> NextIssue:
    """The slot that is due and has no finished issue, or else the next one. `publish_due` follows the same rules.

    words: compares those of the email with those that were approved; without it, what was last found counts.
    """
    with store.read() as tx:
        slot = next(slot for slot in open_slots(tx, rules, now) if not is_skipped(tx, slot))
        issue = tx.issues.for_slot(slot)
        plan = plan_of(tx, rules)
        choice = choose(slot, plan)
        key, reason = _bound(issue) or (choice.tip, choice.reason)
        override, audience = tx.calendar.overrides().get(slot), audience_of(tx, choice)
        tip = titled(tx.tips.get(key).card, plan, slot) if key else None
    if words and rules.approval:
        override = as_it_is(store, words, slot, override)
    waits = why_waiting(override, key, rules) if not issue or issue.state in UNSENT else ""
    return NextIssue(slot, rules.schedule.starts_at(slot), tip, reason, audience, waits or held_for_errors(issue))


def titled(card: TipCard, plan: Plan, slot: date) -> TipCard:
    """The card with the title it will have on that day."""
    return replace(card, title=next(tip.title_on(slot) for tip in plan.tips if tip.key == card.key))


def _bound(issue: IssueFacts | None) -> tuple[str | None, str] | None:
    return (issue.tip_key, f"bound to issue {issue.shown}") if issue and issue.tip_key else None


# -- which days are slots ----------------------------------------------------------------------------


def slot_history(tx: Tx, now: datetime) -> SlotHistory:
    """The history that decides which days are slots."""
    newest, sent = tx.issues.newest_slots()
    ready_at = None if newest else tx.calendar.ready_at()
    # Before that moment there was nothing to be early for: `--as-of` plays an earlier time, or the clock was set back.
    return SlotHistory(newest, sent, ready_at if ready_at and ready_at <= now else None)


def current_slot(tx: Tx, rules: Rules, now: datetime) -> Due | None:
    """The last slot that has begun, whether or not it has an issue; None before the first one.

    A day of the schedule is not a slot if the history does not allow it; then it is the newest slot that has an issue.
    """
    due, history = due_slot(rules.schedule, now, rules.late_window), slot_history(tx, now)
    issue = tx.issues.for_slot(due.slot)
    if _is_open_to(issue, history) if issue else history.allows(due.slot, rules.schedule):
        return due
    last = tx.issues.last_due(now)
    if last is None or last.slot is None:
        return None
    late_for = now - last.due_at
    return Due(last.slot, last.due_at, late_for, missed=late_for > rules.late_window)


def open_slots(tx: Tx, rules: Rules, now: datetime) -> Iterator[date]:
    """The slots that can still get an issue, in ascending order, without end. One that is skipped is among them until it begins."""
    schedule, history = rules.schedule, slot_history(tx, now)
    due = due_slot(schedule, now, rules.late_window)
    earliest = schedule.day_of(now - rules.late_window) - timedelta(days=1)
    for issue in tx.issues.from_slot(earliest):
        is_in_time = now - issue.due_at <= rules.late_window
        is_dropped = issue.slot is None or is_over(issue) or (issue.due_at <= now and is_skipped(tx, issue.slot))
        if issue.slot and is_in_time and not is_dropped and _is_open_to(issue, history):
            yield issue.slot
    is_over_for = due.missed or is_skipped(tx, due.slot) or passed_empty(tx, due.slot)
    slot = schedule.after(due.slot) if is_over_for else due.slot
    while not history.allows(slot, schedule):
        slot = schedule.after(slot)
    yield from slots_from(slot, schedule.days)


def _is_open_to(issue: IssueFacts, history: SlotHistory) -> bool:
    """False for an issue that was never sent while a later one was."""
    return not (issue.state in UNSENT and issue.slot and history.sent and issue.slot < history.sent)


def coming_slot(tx: Tx, rules: Rules, now: datetime) -> date:
    """The slot of the next issue that somebody who subscribes now will get: one whose audience is not frozen yet."""
    overrides = tx.calendar.overrides()

    def is_ahead(slot: date) -> bool:
        issue = tx.issues.for_slot(slot)
        is_frozen = issue is not None and (issue.state in ENDED or issue.state in IN_PROGRESS)
        is_skipped = slot in overrides and overrides[slot].kind is Override.SKIP
        return rules.schedule.starts_at(slot) > now and not is_frozen and not is_skipped

    return next(filter(is_ahead, open_slots(tx, rules, now)))


def coming_issue(tx: Tx, rules: Rules, now: datetime) -> date | None:
    """The day of the next issue that somebody who subscribes now will get; None if no tip is planned."""
    slot = coming_slot(tx, rules, now)
    lines = upcoming_slots(tx, rules, now, slots_until(rules, slot, now) + LOOK_AHEAD).lines(extras=True)
    return next((line.date for line in lines if line.tip and (line.at or line.date >= slot)), None)


# -- the slots ahead ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UpcomingSlots:
    """The slots ahead, and the plan they are played from.

    bound: the number of the issue within its list by slot, where an issue already has its tip; the plan has that tip pinned to the slot.
    """

    slots: tuple[date, ...]
    plan: Plan
    bound: Mapping[date, int]

    def lines(self, count: int | None = None, *, extras: bool = False) -> list[ForecastSlot]:
        """What goes out in these slots, or in the first `count` of them. extras: also what goes out between them."""
        found = forecast(self.slots[:count], self.plan)
        return [self._line(line) for line in found if extras or line.at is None]

    def _line(self, line: ForecastSlot) -> ForecastSlot:
        is_bound = line.at is None and line.date in self.bound
        return replace(line, reason=f"bound to issue {self.bound[line.date]}") if is_bound else line

    def chooser_at(self, slot: date) -> TipChooser:
        """The chooser as it will be when this slot comes."""
        return played_until(slot, self.slots, self.plan)


def upcoming_slots(tx: Tx, rules: Rules, now: datetime, count: int, changes: Iterable[str] = ()) -> UpcomingSlots:
    """The first open slot and the open slots after it, `count` in all.

    changes: what the owner might do, for a dry run; see `Plan.with_change` for the syntax and for the errors raised.
    """
    slots = tuple(islice(open_slots(tx, rules, now), count))
    issues = {issue.slot: issue for issue in tx.issues.from_slot(slots[0])}
    plan = plan_of(tx, rules)
    # An extra issue that was not sent in time is not sent anymore.
    too_late = now - rules.late_window
    unpinned = (
        replace(tip, pin=None, pin_at=None) if tip.pin_at and tip.pin_at < too_late else tip for tip in plan.tips
    )
    plan = replace(plan, tips=tuple(unpinned))
    bound = {
        slot: issues[slot] for slot in slots if slot in issues and issues[slot].tip_key and not _moves_on(issues[slot])
    }
    # An issue keeps its tip whatever the owner has changed since, so here it goes before pins and skips.
    for slot, issue in bound.items():
        tips = tuple(_bind(tip, slot) if tip.key == issue.tip_key else tip for tip in plan.tips)
        plan = replace(plan, tips=tips, skips={day: why for day, why in plan.skips.items() if day != slot})
    for change in changes:
        plan = plan.with_change(change, rules.dates(now).day)
    return UpcomingSlots(slots, plan, {slot: issue.shown for slot, issue in bound.items()})


def _moves_on(issue: IssueFacts) -> bool:
    """Is it an issue of a course whose subscribers are still to move on? Then the plan has all of its tips."""
    return issue.is_course and issue.state is IssueState.PREPARING


def slots_until(rules: Rules, slot: date, now: datetime) -> int:
    """How many slots `upcoming_slots` must look ahead to reach this one; 1 or more."""
    # Two more: the last slot may still be open, and before a change of the days an issue may have got a slot between two others.
    return rules.schedule.slots_between(rules.schedule.last_slot(now), slot) + 2


def _bind(tip: TipPlan, slot: date) -> TipPlan:
    """The tip as if its run in this slot were still ahead.

    The issue keeps its tip even if that was retired or cut down since, so the tip must be sendable in the forecast.
    """
    runs = tuple(day for day in tip.runs if day != slot)
    state = TipState.SENT if tip.state is TipState.RETIRED else tip.state
    return replace(tip, pin=slot, pin_at=None, runs=runs, position=-1, state=state, complete=True)


# -- the last slot -----------------------------------------------------------------------------------

_FINE = (IssueState.DONE, IssueState.SENDING, IssueState.CANCELLED)
_STATE_WORDS = {
    IssueState.DONE: "was sent",
    IssueState.CANCELLED: "was canceled",
    IssueState.NO_CONTENT: "had no tip to send",
    IssueState.MISSED: "was missed",
}
EARLY = timedelta(days=1)
"""An issue that is sent early has the next slot; a day, for a schedule that the owner has changed."""
GRACE = timedelta(minutes=15)
"""How long after the start of a slot its issue may be missing without an alert: it is being compiled, or a server is booting."""


@dataclass(frozen=True, slots=True)
class LastSlotStatus:
    """What became of the last slot that began.

    words: the status as a clause. fix: what to do, if that depends on more than the state. ok: the issue was sent, is being sent, or was not meant to be sent. explained: the issue
    was sent, or the reason why not is known. argument: its issue as a command takes it.
    """

    slot: date
    words: str
    ok: bool
    explained: bool
    state: IssueState | None = None
    argument: str = ""
    fix: str = ""


def last_slot(tx: Tx, rules: Rules, now: datetime) -> LastSlotStatus:
    """What became of the last slot."""
    newest = tx.issues.newest_slots()[0]
    if newest and newest - rules.schedule.next_slot(now) > EARLY:
        coming = in_words(next(open_slots(tx, rules, now)))
        words = f"there is an issue for {in_words(newest)} already, so the clock of this computer is wrong, or it was"
        fix = f"Set the clock of this computer; as it is now, the next issue goes out on {coming}"
        return LastSlotStatus(newest, words, ok=False, explained=True, fix=fix)
    due = current_slot(tx, rules, now)
    if due is None:
        return LastSlotStatus(rules.schedule.last_slot(now), "no issue has been due yet", ok=True, explained=True)
    issue, override = tx.issues.for_slot(due.slot), tx.calendar.overrides().get(due.slot)
    if override and override.kind is Override.SKIP and (not issue or issue.state in UNSENT):
        about = f": {override.about}" if override.about else ""
        return LastSlotStatus(due.slot, f"{in_words(due.slot)} was skipped{about}", ok=True, explained=True)
    if issue and issue.state not in (IssueState.PLANNED, IssueState.PREPARING):
        why = f" ({issue.pause_reason})" if issue.pause_reason else ""
        words = f"the issue for {in_words(due.slot)} {_STATE_WORDS.get(issue.state, f'is {issue.state}')}{why}"
        return LastSlotStatus(
            due.slot, words, issue.state in _FINE, explained=True, state=issue.state, argument=issue.argument
        )
    if issue and (why := held_for_errors(issue)):
        words = f"the issue for {in_words(due.slot)} is held, because {why}"
        return LastSlotStatus(due.slot, words, ok=False, explained=True, state=issue.state)
    return _without_result(tx, rules, due, override, is_begun=issue is not None)


def _without_result(tx: Tx, rules: Rules, due: Due, override: SlotOverride | None, *, is_begun: bool) -> LastSlotStatus:
    """The status of a slot whose issue is missing or not frozen yet."""
    waits = why_waiting(override, choice_for(tx, rules, due.slot).tip, rules)
    # A new newsletter has missed nothing: its first slot is still ahead, unless the owner has one to decide about.
    if not is_begun and not waits and tx.issues.last_slot_before(due.slot) is None:
        return LastSlotStatus(due.slot, "no issue has been due yet", ok=True, explained=True)
    if tx.subscribers.mailable() == 0 or passed_empty(tx, due.slot):
        return LastSlotStatus(
            due.slot, f"there were no subscribers for the issue of {in_words(due.slot)}", ok=True, explained=True
        )
    if waits:
        return LastSlotStatus(
            due.slot, f"the issue for {in_words(due.slot)} has not been sent: {waits}", ok=False, explained=True
        )
    if due.late_for < GRACE:
        return LastSlotStatus(
            due.slot, f"the issue for {in_words(due.slot)} is about to be sent", ok=True, explained=True
        )
    return LastSlotStatus(
        due.slot, f"nothing was sent on {in_words(due.slot)}, and the reason is unknown", ok=False, explained=False
    )
