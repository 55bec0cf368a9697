"""From a slot to a frozen issue: take the slot, choose the tip, compile the letter, freeze the audience; sends nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from newsletter.actions.calendar.plan import UNSENT, Rules, choice_for, is_over, is_skipped, why_waiting
from newsletter.actions.issues.audience import offers_for
from newsletter.actions.issues.compile import ONLY_A_TEASER, RenderContext, compile_issue, issue_content
from newsletter.domain.calendar.plan import Kind
from newsletter.domain.calendar.schedule import Due, due_slot
from newsletter.domain.calendar.substitutes import Candidate, SubstituteEmail, SubstitutesMissing
from newsletter.domain.delivery.issue import IssueEvent, IssueFacts, IssueState
from newsletter.domain.errors import Refused
from newsletter.ports.calendar import Override
from newsletter.ports.store import Store, Tx

_TOO_LATE = "found after the late window"
_HELD = "on hold or not approved in time"
_NOBODY = "there are no confirmed subscribers to send it to"


# -- T0 to T1 ----------------------------------------------------------------------------------------


def publish_due(store: Store, render_context: RenderContext, rules: Rules, now: datetime) -> IssueFacts | None:
    """Freeze the issue of the slot that is due; None when none is. Safe to call by anybody, at any time, again.

    A slot found too late is written down as missed, but only where an issue went before: a newsletter that is
    a day old has missed nothing.
    """
    due = due_slot(rules.schedule, now, rules.late_window)
    with store.read() as tx:  # rung every two seconds: look before taking the write lock
        if not _has_work(tx, rules, due):
            return None
    with store.write() as tx:
        if not _has_work(tx, rules, due):
            return None
        issue = tx.issues.plan(due.slot, due.due_at, now)
        if due.missed:
            tx.issues.change(issue.number, IssueEvent.MISS, now, reason=_why_missed(tx, rules, due.slot))
            return None
    return _prepare_and_freeze(store, render_context, issue, rules, now)


def _has_work(tx: Tx, rules: Rules, due: Due) -> bool:
    """Is there anything to write down for this slot? It waits for the first reader: no tip is spent on nobody."""
    if is_skipped(tx, due.slot):
        return False
    issue = tx.issues.for_slot(due.slot)
    if due.missed:
        last = tx.issues.last_slot()  # a day-old newsletter has missed nothing, nor has a clock that was set back
        return issue.state in UNSENT if issue else last is not None and last < due.slot
    if (issue and issue.state not in UNSENT) or tx.subscribers.mailable() == 0 or _waits(tx, rules, due.slot, None):
        return False
    if rules.approval or (issue and issue.state is IssueState.NO_CONTENT):
        tip = issue.tip_key if issue and issue.tip_key else choice_for(tx, rules, due.slot).tip
        known = tip is None and issue is not None and issue.state is IssueState.NO_CONTENT
        return not known and not _waits(tx, rules, due.slot, tip)
    return True


def _waits(tx: Tx, rules: Rules, slot: date | None, tip_key: str | None) -> str:
    return why_waiting(tx.calendar.overrides().get(slot), tip_key, rules) if slot else ""


def _why_missed(tx: Tx, rules: Rules, slot: date | None) -> str:
    held = slot and _waits(tx, rules, slot, choice_for(tx, rules, slot).tip)
    return _HELD if held else _TOO_LATE


def publish_early(store: Store, render_context: RenderContext, rules: Rules, now: datetime) -> IssueFacts:
    """Freeze the coming slot's issue before its time; that slot is then done. The command is the owner's approval.

    Raises Refused when it went already, is skipped or held, or when nobody would get it.
    """
    slot = rules.schedule.next_slot(now)
    with store.write() as tx:
        if tx.subscribers.mailable() == 0:
            raise Refused(_NOBODY, fix="See: newsletter subscribers list")
        override = tx.calendar.overrides().get(slot)
        if override and override.kind is not Override.APPROVE:
            words = {Override.SKIP: "skipped", Override.HOLD: "on hold"}[override.kind]
            raise Refused(f"the issue for {slot} is {words}", fix=f"First: newsletter calendar approve {slot}")
        issue = tx.issues.plan(slot, rules.schedule.starts_at(slot), now)
    if is_over(issue):
        raise Refused(f"the issue for {slot} is already {issue.state}", fix="See: newsletter issues list")
    return _prepare_and_freeze(store, render_context, issue, replace(rules, approval=False), now)


def publish_extra(store: Store, render_context: RenderContext, tip_key: str, rules: Rules, now: datetime) -> IssueFacts:
    """Freeze an issue outside the calendar. Raises NotFound, and Refused for a tip that is only a teaser."""
    with store.write() as tx:
        tip = tx.tips.get(tip_key)
        if not tip.card.complete:
            raise Refused(f"{tip_key} cannot be sent: {ONLY_A_TEASER}")
        if tx.subscribers.mailable() == 0:
            raise Refused(_NOBODY, fix="See: newsletter subscribers list")
        issue = tx.issues.plan(None, now, now)
        tx.issues.change(issue.number, IssueEvent.PREPARE, now)
        tx.issues.bind(issue.number, tip.card.id)
        issue = tx.issues.get(issue.number)
    return _prepare_and_freeze(store, render_context, issue, rules, now)


def finish_preparing(store: Store, render_context: RenderContext, rules: Rules, now: datetime) -> None:
    """Take up what a crash left between T0 and T1, if it is not too late for its slot and the owner does not hold it."""
    with store.read() as tx:
        left = [issue for issue in tx.issues.open() if issue.state is IssueState.PREPARING]
        somebody = bool(left) and tx.subscribers.mailable() > 0
        held = {issue.number for issue in left if _waits(tx, rules, issue.slot, issue.tip_key)}
    for issue in left:
        if issue.slot and now - issue.due_at > rules.late_window:
            _miss(store, rules, issue, now)
        elif issue.number not in held and (somebody or issue.quarter):
            freeze(store, render_context, issue, rules, now)


def _miss(store: Store, rules: Rules, issue: IssueFacts, now: datetime) -> None:
    with store.write() as tx:
        if tx.issues.get(issue.number).state is IssueState.PREPARING:
            reason = _HELD if _waits(tx, rules, issue.slot, issue.tip_key) else _TOO_LATE
            tx.issues.change(issue.number, IssueEvent.MISS, now, reason=reason)


def _prepare_and_freeze(
    store: Store, render_context: RenderContext, issue: IssueFacts, rules: Rules, now: datetime
) -> IssueFacts:
    if issue.state in (IssueState.PLANNED, IssueState.NO_CONTENT):
        issue = _choose(store, issue, rules, now)
    if issue.state is IssueState.PREPARING:
        issue = freeze(store, render_context, issue, rules, now)
    return issue


def _choose(store: Store, issue: IssueFacts, rules: Rules, now: datetime) -> IssueFacts:
    """Bind the next tip to the issue; without one the slot says so and stays open for a tip that comes in time."""
    with store.write() as tx:
        issue = tx.issues.get(issue.number)
        if issue.slot is None or issue.state not in (IssueState.PLANNED, IssueState.NO_CONTENT):
            return issue  # another process chose meanwhile
        choice = choice_for(tx, rules, issue.slot)
        if choice.kind is Kind.SKIPPED or _waits(tx, rules, issue.slot, choice.tip):
            return issue  # the owner spoke meanwhile
        if choice.tip is None:
            if issue.state is IssueState.PLANNED:
                tx.issues.change(issue.number, IssueEvent.FIND_NOTHING, now, reason=choice.reason)
            return tx.issues.get(issue.number)
        tx.issues.change(issue.number, IssueEvent.PREPARE, now)
        tx.issues.bind(issue.number, tx.tips.get(choice.tip).card.id)
        return tx.issues.get(issue.number)


def freeze(store: Store, render_context: RenderContext, issue: IssueFacts, rules: Rules, now: datetime) -> IssueFacts:
    """Compile outside any transaction (it takes a moment), then keep letters and audience in one."""
    key, letters = issue.tip_key or "", dict[str, SubstituteEmail]()
    with store.read() as tx:
        candidates = offers_for(tx, rules, issue.slot, key)
        wanted = {key, *(tx.issues.shares(candidates) if candidates else ())} - {""}
    while True:
        with store.read() as tx:
            sources = [issue_content(tx, rules, issue, tx.tips.get(tip)) for tip in sorted(wanted - letters.keys())]
        for source in sources:
            subject, compiled = compile_issue(render_context, source)
            letters[source.tip.card.key] = SubstituteEmail(subject, compiled.dumps())
        try:
            return _freeze_with(store, issue.number, letters, candidates, rules, now)
        except SubstitutesMissing as missing:  # who came meanwhile gets a tip that nobody needed before
            wanted |= missing.tips


def _freeze_with(
    store: Store,
    number: int,
    letters: Mapping[str, SubstituteEmail],
    candidates: Sequence[Candidate],
    rules: Rules,
    now: datetime,
) -> IssueFacts:
    with store.write() as tx:
        issue = tx.issues.get(number)
        key = issue.tip_key or ""
        held = _waits(tx, rules, issue.slot, key)
        somebody = bool(issue.quarter) or tx.subscribers.mailable() > 0
        if issue.state is IssueState.PREPARING and somebody and not held:
            own = letters[key]
            tx.issues.freeze(number, own.subject, own.compiled, now, candidates=candidates, others=letters)
        return tx.issues.get(number)
