"""From a slot to a frozen issue: insert the issue (T0), choose its tip, compile the email, freeze the audience (T1).

Several processes may do this at the same time. The slot is unique in the database, and each step checks the state of
the issue again in its own write transaction, so the later process finds the work done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from newsletter.actions.calendar.approval import void_changed, words_of
from newsletter.actions.calendar.course import audience_of
from newsletter.actions.calendar.plan import (
    UNSENT,
    Rules,
    choice_as_it_is,
    choice_for,
    current_slot,
    is_over,
    open_slots,
)
from newsletter.actions.issues.audience import Audience, audience_for
from newsletter.actions.issues.compile import INCOMPLETE, RenderContext, compile_issue, issue_content
from newsletter.actions.issues.errors import Errors
from newsletter.actions.issues.pass_over import MAX_PASSED_OVER, Settled, problem_of, record, settle
from newsletter.actions.issues.release import release
from newsletter.actions.issues.work import HELD, TOO_LATE, begins_empty, has_work, passes_empty, waits, why_missed
from newsletter.actions.owner.queue import alert_values, notify
from newsletter.actions.trouble import record_key
from newsletter.domain.calendar.overrides import Override
from newsletter.domain.calendar.plan import Choice, Kind
from newsletter.domain.calendar.quarterly import LATE
from newsletter.domain.calendar.substitutes import SubstituteEmail, SubstitutesMissing
from newsletter.domain.delivery.issue import IssueEvent, IssueFacts, IssueState, how_to_fix, why_every_email, why_held
from newsletter.domain.delivery.one_a_day import days_of
from newsletter.domain.errors import Refused
from newsletter.domain.tips.season_rule import in_words
from newsletter.domain.tips.tip import TipFull, TipState
from newsletter.ports.store import Store, Tx

_NO_AUDIENCE = "there are no confirmed subscribers to send it to"
_SEE_DOCTOR = "Run newsletter doctor to see whether emails can be sent now"


@dataclass(frozen=True, slots=True)
class Publisher:
    """Takes a slot and freezes its issue. Every `now` is aware.

    errors: finds what stops an issue; None sends it whatever it contains (`--anyway`).
    """

    store: Store
    render_context: RenderContext
    rules: Rules
    errors: Errors | None = None

    def publish_due(self, now: datetime) -> IssueFacts | None:
        """Freeze the issue of the slot that is due; None when none is. Safe to call from any process, again.

        A slot found too late is recorded as missed, but only if there was an issue before: a newsletter that is a day
        old has missed nothing.
        """
        with self.store.read() as tx:  # the daemon asks every two seconds: look before taking the write lock
            due = current_slot(tx, self.rules, now)
            if due is None or not has_work(tx, self.rules, due):
                return None
            held = tx.issues.for_slot(due.slot)
            is_empty = begins_empty(tx, self.rules, due.slot)
        if is_empty and passes_empty(self.store, self.rules, due.slot, now):
            return None
        is_held = held and held.state is IssueState.PLANNED and held.pause_reason and not due.missed
        if is_held and held and self._settle(due.slot, now).hold == held.pause_reason:
            return held  # nothing has changed since it was held
        with self.store.write() as tx:
            due = current_slot(tx, self.rules, now)
            if due is None or not has_work(tx, self.rules, due):
                return None
            # T0: another process may have inserted it in the meantime; then `plan` returns that one.
            issue = tx.issues.plan(due.slot, due.due_at, now, first=self.rules.first_issue)
            if due.missed:
                why = issue.pause_reason or why_missed(tx, self.rules, due.slot)
                tx.issues.change(issue.number, IssueEvent.MISS, now, reason=why)
                return None
        return self.prepare(issue, now)

    def publish_early(self, now: datetime) -> IssueFacts:
        """Freeze the next slot's issue before its time, which counts as the owner's approval; the slot is then done.

        Raises Refused if it was sent already, is skipped or held, or if nobody would get it.
        """
        with self.store.read() as tx:
            coming = _early_slot(tx, self.rules, now)
        self._refuse_errors(coming, now)
        with self.store.write() as tx:
            slot = _early_slot(tx, self.rules, now)
            _require_audience(tx, self.rules, choice_for(tx, self.rules, slot))
            override = tx.calendar.overrides().get(slot)
            if override and override.kind is not Override.APPROVE:
                words = {Override.SKIP: "skipped", Override.HOLD: "on hold"}[override.kind]
                raise Refused(
                    f"the issue for {in_words(slot)} is {words}",
                    fix=f"Run this first: newsletter calendar approve {slot}{self.rules.option}",
                )
            issue = tx.issues.plan(slot, self.rules.schedule.starts_at(slot), now, first=self.rules.first_issue)
        if is_over(issue):
            raise Refused(
                f"the issue for {in_words(slot)} is already {issue.state}",
                fix=f"See: newsletter issues list{self.rules.option}",
            )
        return replace(self, rules=replace(self.rules, approval=False)).prepare(issue, now)

    def publish_extra(self, tip_key: str, now: datetime) -> IssueFacts:
        """Freeze an issue outside the calendar. Raises NotFound, and Refused for a tip with errors or only a teaser."""
        self._refuse_errors(self.rules.schedule.day_of(now), now, tip_key)
        with self.store.write() as tx:
            tip = tx.tips.get(tip_key)
            if not tip.card.complete:
                raise Refused(f"{tip_key} cannot be sent: {INCOMPLETE}")
            _require_audience(tx, self.rules)
            day = self.rules.schedule.day_of(now)
            issue = tx.issues.plan(None, now, now, first=self.rules.first_issue, day=day)
            tx.issues.change(issue.number, IssueEvent.PREPARE, now)
            tx.issues.bind(issue.number, tip.card.id)
            issue = tx.issues.get(issue.number)
        return self.prepare(issue, now)

    def publish_extras(self, now: datetime) -> IssueFacts | None:
        """Freeze the extra issues whose time has come, within the late window; the last one, or None."""
        since = now - self.rules.late_window
        with self.store.read() as tx:  # the daemon asks every two seconds: look before taking the write lock
            due = [extra for extra in tx.calendar.extras_until(now) if extra.can_be_sent and extra.at >= since]
            if not due or tx.subscribers.mailable() == 0:
                return None
        issue = None
        for extra in due:
            with self.store.write() as tx:
                if extra not in tx.calendar.extras_until(now):  # another process was faster, or the owner unpinned it
                    continue
                tx.calendar.pin(extra.key, None)
                issue = tx.issues.plan(None, extra.at, now, first=self.rules.first_issue, day=extra.day)
                tx.issues.change(issue.number, IssueEvent.PREPARE, now)
                tx.issues.bind(issue.number, tx.tips.get(extra.key).card.id)
                issue = tx.issues.get(issue.number)
            issue = self.prepare(issue, now)
        return issue

    def finish_preparing(self, now: datetime) -> None:
        """Finish issues that a crash left between T0 and T1, unless it is too late or the owner holds them.

        An extra issue or a quarterly email that has been held until then is given up as well.
        """
        with self.store.read() as tx:
            left = [issue for issue in tx.issues.open() if issue.state in (IssueState.PLANNED, IssueState.PREPARING)]
            has_audience = bool(left) and tx.subscribers.mailable() > 0
            held = {issue.number for issue in left if waits(tx, self.rules, issue.slot, issue.tip_key)}
        for issue in left:
            is_late = now - issue.due_at > (LATE if issue.quarter else self.rules.late_window)
            if is_late:
                self._miss(issue, now)
            elif issue.state is IssueState.PREPARING and issue.number not in held and (has_audience or issue.quarter):
                self.freeze(issue, now)

    def prepare(self, issue: IssueFacts, now: datetime) -> IssueFacts:
        """Choose the tip of an issue and freeze it, as far as it is not done; the issue as it then is."""
        for _attempt in range(MAX_PASSED_OVER):  # once, unless a tip is retired or damaged while it is compiled
            if issue.state in (IssueState.PLANNED, IssueState.NO_CONTENT):
                issue = self._choose(issue, now)
            if issue.state is IssueState.PREPARING:
                issue = self.freeze(issue, now)
            if issue.state is not IssueState.PLANNED or issue.pause_reason:
                break
        return issue

    def freeze(self, issue: IssueFacts, now: datetime) -> IssueFacts:
        """Compile outside any transaction, since it takes a moment, then save emails and audience in one (T1).

        A tip that cannot be sent after all is taken out of the issue, unless the owner asked for this one: then it is held.
        """
        if stopped := self._stop_bound(issue, now) or self._stop_changed(issue):
            return stopped
        emails = dict[str, SubstituteEmail]()
        if issue.is_course:
            with self.store.write() as tx:
                tx.courses.settle()
        with self.store.read() as tx:
            audience = audience_for(tx, self.rules, issue)
        wanted = set(audience.keys)
        while True:
            with self.store.read() as tx:
                # In the second round, only the tips that are new are compiled.
                tips = [tx.tips.get(tip) for tip in sorted(wanted - emails.keys())]
                contents = [issue_content(tx, self.rules, issue, tip) for tip in tips]
            if self._has_broken_substitute(tips, issue, now):
                return self.freeze(issue, now)  # without that one
            for content in contents:
                subject, compiled = compile_issue(self.render_context, content)
                emails[content.tip.card.key] = SubstituteEmail(subject, compiled.dumps())
            try:
                return self._freeze_with(issue.number, emails, audience, now) or self.freeze(issue, now)
            except SubstitutesMissing as missing:  # somebody confirmed meanwhile, and gets a tip nobody needed before
                wanted |= missing.tips

    # -- steps -------------------------------------------------------------------------------------

    def _settle(self, slot: date, now: datetime) -> Settled:
        settled = settle(self.store, self.rules, self.errors, slot, now)
        record(self.store, settled.checked)
        return settled

    def _errors_of(self, tip: TipFull, slot: date, now: datetime) -> tuple[str, ...]:
        return self.errors.of_tip(tip, slot, now) if self.errors else ()

    def _refuse_errors(self, slot: date, now: datetime, key: str | None = None) -> None:
        """Raises Refused if the tip of the slot, or this one, has errors. For a slot, other tips are passed over first."""
        with self.store.read() as tx:
            bound = tx.issues.for_slot(slot) if key is None else None
            name = key or (bound.tip_key if bound else None)
            tip = tx.tips.get(name) if name else None
        if tip is None:
            settled = self._settle(slot, now)
            why, name = settled.hold, settled.choice.tip
        else:
            why = why_held(tip.card.key, self._errors_of(tip, slot, now)) if tip.card.complete else ""
        if why:
            raise Refused(f"the issue is not sent, because {why}", fix=how_to_fix(name or "", why, self.rules.option))

    def _stop_bound(self, issue: IssueFacts, now: datetime) -> IssueFacts | None:
        """The issue without its tip, or held, if the tip it is bound to cannot be sent; None if it can."""
        with self.store.read() as tx:
            issue = tx.issues.get(issue.number)
            tip = tx.tips.get(issue.tip_key) if issue.tip_key else None
        if issue.state is not IssueState.PREPARING or tip is None:
            return issue
        slot = issue.slot or self.rules.schedule.day_of(issue.due_at)
        is_gone = not tip.card.complete or tip.card.state is TipState.RETIRED
        found = () if is_gone else self._errors_of(tip, slot, now)
        if not (is_gone or found):
            return None
        if found and self.errors and (every := self.errors.of_every_email(slot, now)):
            return self._hold(issue, why_every_email(problem_of(every)), now)
        if found:
            record(self.store, {tip.card.key: (tip, found)})
        if found and not issue.slot and not issue.quarter:  # the owner asked for this tip
            return self._hold(issue, why_held(tip.card.key, found), now)
        return self._release(issue, tip, now)

    def _stop_changed(self, issue: IssueFacts) -> IssueFacts | None:
        """The issue, if the owner approved it with other words: then it waits for her again. None if it may be sent."""
        is_changed = issue.slot and self.rules.approval and void_changed(self.store, self._words, issue.slot)
        return issue if is_changed else None

    def _words(self, tip: TipFull, slot: date) -> str:
        return words_of(self.render_context.renderer, self.render_context.site, tip, slot)

    def _release(self, issue: IssueFacts, tip: TipFull, now: datetime) -> IssueFacts:
        with self.store.write() as tx:
            current = tx.issues.get(issue.number)
            if current.state is IssueState.PREPARING and current.tip_id == tip.card.id:
                release(tx, current, now, f"its tip {tip.card.key} cannot be sent")
            return replace(issue, state=IssueState.CANCELLED) if issue.quarter else tx.issues.get(issue.number)

    def _has_broken_substitute(self, tips: Sequence[TipFull], issue: IssueFacts, now: datetime) -> bool:
        """Has one of these tips an error? It is recorded, so the next look does not take it as a substitute."""
        slot = issue.slot or self.rules.schedule.day_of(issue.due_at)
        others = [tip for tip in tips if tip.card.key != issue.tip_key]
        checked = {tip.card.key: (tip, self._errors_of(tip, slot, now)) for tip in others}
        record(self.store, checked)
        return any(found for _tip, found in checked.values())

    def _hold(self, issue: IssueFacts, why: str, now: datetime) -> IssueFacts:
        """Record why the issue is held; it is sent once the errors are gone."""
        with self.store.write() as tx:
            current = tx.issues.get(issue.number)
            if current.state in UNSENT and current.pause_reason != why:
                tx.issues.change(issue.number, IssueEvent.HOLD, now, reason=why)
            return tx.issues.get(issue.number)

    def _miss(self, issue: IssueFacts, now: datetime) -> None:
        with self.store.write() as tx:
            # Another process may have frozen it since we read it.
            if tx.issues.get(issue.number).state is issue.state:
                reason = HELD if waits(tx, self.rules, issue.slot, issue.tip_key) else issue.pause_reason or TOO_LATE
                tx.issues.change(issue.number, IssueEvent.MISS, now, reason=reason)
                if issue.slot is None:  # the owner is told about slots by the calendar
                    day = in_words(issue.day)
                    words = f"The issue for {day} was missed, because {reason}."
                    values = alert_values(f"No issue was sent on {day}", [words], _SEE_DOCTOR)
                    notify(tx, "alarm", f"{issue.number} missed", self.render_context.site.owner, values, now)

    def _choose(self, issue: IssueFacts, now: datetime) -> IssueFacts:
        """Bind the next tip that can be sent. Without any tip the issue becomes `no_content`, until one is added in time.

        If only tips with errors are left, or the email of every tip has one, it is held.
        """
        if issue.slot is None:
            return issue
        settled = self._settle(issue.slot, now)
        if stopped := self._hold(issue, settled.hold, now) if settled.hold else self._stop_changed(issue):
            return stopped
        with self.store.write() as tx:
            issue = tx.issues.get(issue.number)
            if issue.slot is None or issue.state not in (IssueState.PLANNED, IssueState.NO_CONTENT):
                return issue  # another process chose meanwhile
            choose = choice_for if self.errors else choice_as_it_is
            choice = choose(tx, self.rules, issue.slot)
            is_other = choice.tip != settled.choice.tip
            if choice.kind is Kind.SKIPPED or waits(tx, self.rules, issue.slot, choice.tip) or is_other:
                return issue  # the owner decided meanwhile
            if choice.tip is None:
                if issue.state is IssueState.PLANNED:
                    tx.issues.change(issue.number, IssueEvent.FIND_NOTHING, now, reason=choice.reason)
                return tx.issues.get(issue.number)
            tx.issues.change(issue.number, IssueEvent.PREPARE, now)
            tip = tx.tips.get(choice.tip).card.id
            tx.issues.bind(issue.number, tip, is_course=choice.kind is Kind.COURSE)
            return tx.issues.get(issue.number)

    def _freeze_with(
        self, number: int, emails: Mapping[str, SubstituteEmail], audience: Audience, now: datetime
    ) -> IssueFacts | None:
        """T1; the issue as it then is. None if one of the tips has been retired meanwhile."""
        with self.store.write() as tx:
            issue = tx.issues.get(number)
            key = issue.tip_key or ""
            is_held = waits(tx, self.rules, issue.slot, key)
            has_audience = bool(issue.quarter) or tx.subscribers.mailable() > 0
            # Asked again in the transaction: while we compiled, another process may have frozen or cancelled the issue,
            # or the owner may have put it on hold, or retired its tip or one of the substitutes.
            if issue.state is not IssueState.PREPARING or not has_audience or is_held:
                return issue
            if key not in emails or not all(_is_sendable(tx, tip) for tip in emails):
                return None
            own = emails[key]
            candidates, course = audience.candidates, audience.course
            days = days_of(issue.due_at, now, self.rules.schedule.zone)
            tx.issues.freeze(
                number, own.subject, own.compiled, now, candidates=candidates, others=emails, course=course, days=days
            )
            record_key(tx, self.render_context.signer, now)
            return tx.issues.get(number)


def hold_due(store: Store, rules: Rules, why: str, now: datetime) -> None:
    """Hold the issue of the slot that is due, because no email can be made at all. why: a clause."""
    with store.write() as tx:
        due = current_slot(tx, rules, now)
        if due is None or due.missed or not has_work(tx, rules, due) or begins_empty(tx, rules, due.slot):
            return
        issue = tx.issues.plan(due.slot, due.due_at, now, first=rules.first_issue)
        if issue.state in UNSENT and issue.pause_reason != why:
            tx.issues.change(issue.number, IssueEvent.HOLD, now, reason=why)


def _is_sendable(tx: Tx, key: str) -> bool:
    card = tx.tips.get(key).card
    return card.complete and card.state is not TipState.RETIRED


def _early_slot(tx: Tx, rules: Rules, now: datetime) -> date:
    """The slot that `publish_early` sends: one that waits for the owner, else the next of the schedule, even if it is done."""
    first, coming = next(open_slots(tx, rules, now)), rules.schedule.next_slot(now)
    return coming if coming < first and is_over(tx.issues.for_slot(coming)) else first


def _require_audience(tx: Tx, rules: Rules, choice: Choice | None = None) -> None:
    if not (audience_of(tx, choice) if choice else tx.subscribers.mailable()):
        raise Refused(_NO_AUDIENCE, fix=f"See: newsletter subscribers list{rules.option}")
