"""Issues and their frozen audiences in the database; `domain.delivery.issue` decides which state follows.

The names T0, T1 and T5 are explained in docs/delivery.md.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from newsletter.domain.calendar.course import Course
from newsletter.domain.calendar.quarterly import QuarterRun
from newsletter.domain.calendar.substitutes import NO_SUBSTITUTES, Candidate, SubstituteEmail
from newsletter.domain.delivery.delivery import Event, SkipReason, State, transition
from newsletter.domain.delivery.health import Results
from newsletter.domain.delivery.issue import IssueEvent, IssueFacts, IssueState, issue_transition
from newsletter.domain.delivery.one_a_day import Day
from newsletter.domain.errors import NotFound
from newsletter.domain.lists import issue_id, issue_name, list_of_issue, list_option
from newsletter.domain.tips.tip import TipState
from newsletter.mail.replies import is_about_the_mailbox
from newsletter.store import statements
from newsletter.store.audiences import SqlAudiences
from newsletter.store.courses import SqlCourses
from newsletter.store.health import results_of
from newsletter.store.invariants import HAS_OPEN, broken_invariants
from newsletter.store.issue_facts import read_issues
from newsletter.store.lists import SqlLists
from newsletter.store.maintenance import SqlMaintenance
from newsletter.store.sqlite.database import Access
from newsletter.store.suppressions import REMOVE_BOUNCED
from newsletter.store.tables import CompiledIssue, Issue, Tip
from newsletter.store.times import to_ms, to_text
from newsletter.store.tip_history import days_of
from newsletter.store.tips import SqlTips

_RAN = """SELECT t.id, t.key, t.title, max(i.day),
    (SELECT count(*) FROM vote v WHERE v.tip_id = t.id AND v.useful),
    (SELECT count(*) FROM vote v WHERE v.tip_id = t.id AND NOT v.useful),
    sum((SELECT count(*) FROM farewell f WHERE f.issue_id = i.id))
    FROM issue i JOIN tip t ON t.id = i.tip_id
    WHERE i.list_id = :list AND i.quarter IS NULL AND i.state IN ('sending', 'paused', 'done')
    AND i.day BETWEEN :first AND :last AND t.complete AND t.state <> 'retired' AND t.problem = ''
    GROUP BY t.id"""
_FINISH = f"""UPDATE issue SET state = 'done', done_at = :now
    WHERE id = :issue AND state = 'sending' AND NOT ({HAS_OPEN})"""  # noqa: S608 - a constant
MAX_NUMBER = 2**63 - 1  # of SQLite
LIVE = (IssueState.PLANNED, IssueState.PREPARING, IssueState.SENDING)


class SqlIssues(SqlAudiences):
    """Implements ports.issues.Issues in one transaction."""

    def __init__(self, access: Access, list_id: int) -> None:
        super().__init__(access, list_id)
        self._issues = select(Issue).where(Issue.list_id == list_id)
        self._newest_slot = select(func.max(col(Issue.slot))).where(Issue.list_id == list_id)

    def get(self, number: int) -> IssueFacts:
        """One issue with counts; raises NotFound."""
        row = self._session.get(Issue, number) if abs(number) <= MAX_NUMBER else None
        if row is None:
            key = SqlLists(self._session, self._list_id).shown_key(list_of_issue(number))
            name = issue_name(number, key) if key else f"issue {number}"
            raise NotFound(f"there is no {name}", fix=f"See: newsletter issues list{list_option(key)}")
        return read_issues(self._session, [row], counted=True)[0]

    def for_slot(self, slot: date) -> IssueFacts | None:
        """The issue of a slot. Without counts: the daemon asks every two seconds, and counting a million rows takes one."""
        return next(iter(self._without_counts(self._issues.where(Issue.slot == slot))), None)

    def each(self) -> list[IssueFacts]:
        """Every issue with counts, newest first."""
        rows = self._session.exec(self._issues.order_by(col(Issue.planned_at).desc(), col(Issue.id).desc())).all()
        return read_issues(self._session, rows, counted=True)

    def open(self) -> list[IssueFacts]:
        """The issues that are planned, preparing or sending, oldest first, without counts."""
        return self._in_state(*LIVE)

    def paused(self) -> list[IssueFacts]:
        """The paused issues, oldest first, without counts."""
        return self._in_state(IssueState.PAUSED)

    def _in_state(self, *states: IssueState) -> list[IssueFacts]:
        return self._without_counts(self._issues.where(col(Issue.state).in_(states)).order_by(col(Issue.id)))

    def _without_counts(self, query: SelectOfScalar[Issue]) -> list[IssueFacts]:
        return read_issues(self._session, self._session.exec(query).all(), counted=False)

    def last_number(self) -> int:
        """The number of the newest issue; 0 if there is none."""
        last = self._session.exec(select(func.max(col(Issue.id))).where(Issue.list_id == self._list_id)).one()
        return max(last or 0, 0)

    def next_number(self, first: int) -> int:
        """The number of the next issue."""
        return max(issue_id(self._list_id, first), self.last_number() + 1)

    def last_slot(self) -> date | None:
        """The newest slot that has an issue."""
        return self._session.exec(self._newest_slot).one()

    def newest_slots(self) -> tuple[date | None, date | None]:
        """The newest slot that has an issue, and the newest one whose issue was sent."""
        sent = self._newest_slot.where(col(Issue.started_at).is_not(None))
        return self.last_slot(), self._session.exec(sent).one()

    def last_due(self, now: datetime) -> IssueFacts | None:
        """The issue of the newest slot that has one and has begun, without counts."""
        query = self._issues.where(col(Issue.slot).is_not(None), col(Issue.due_at) <= now)
        return next(iter(self._without_counts(query.order_by(col(Issue.slot).desc()).limit(1))), None)

    def recent(self, limit: int) -> list[IssueFacts]:
        """The newest issues, newest first, without counts."""
        return self._without_counts(self._issues.order_by(col(Issue.id).desc()).limit(limit))

    def last_slot_before(self, slot: date) -> date | None:
        """The newest slot before this one that has an issue."""
        return self._session.exec(self._newest_slot.where(col(Issue.slot) < slot)).one()

    def from_slot(self, slot: date) -> list[IssueFacts]:
        """The issues of this slot and of later ones, in the order of their slots, without counts."""
        return self._without_counts(self._issues.where(col(Issue.slot) >= slot).order_by(col(Issue.slot)))

    def plan(
        self, slot: date | None, due_at: datetime, now: datetime, *, first: int = 1, day: date | None = None
    ) -> IssueFacts:
        """T0. Write transactions are IMMEDIATE, so a second process finds the row of the first."""
        row = self._session.exec(self._issues.where(Issue.slot == slot)).first() if slot else None
        if row is None:
            row = Issue(
                id=self.next_number(first),
                list_id=self._list_id,
                slot=slot,
                day=slot or day or due_at.date(),
                due_at=due_at,
                state=IssueState.PLANNED,
                secret=secrets.token_bytes(16),
                planned_at=now,
            )
            self._session.add(row)
            self._session.flush()
        return read_issues(self._session, [row], counted=False)[0]

    def quarter_of(self, number: int) -> str:
        """The quarter of a quarterly issue; "" for every other issue."""
        return self._session.exec(select(Issue.quarter).where(Issue.id == number)).first() or ""

    def for_quarter(self, quarter: str) -> IssueFacts | None:
        """The issue of a quarter, without counts."""
        return next(iter(self._without_counts(self._issues.where(Issue.quarter == quarter))), None)

    def plan_quarter(
        self, quarter: str, tip_id: int, due_at: datetime, now: datetime, *, first: int = 1, day: date | None = None
    ) -> IssueFacts:
        """T0. Its tip is bound without a run, so the calendar ignores it."""
        found = self.for_quarter(quarter)
        if found:
            return found
        row = Issue(
            id=self.next_number(first),
            list_id=self._list_id,
            quarter=quarter,
            day=day or due_at.date(),
            tip_id=tip_id,
            due_at=due_at,
            state=IssueState.PREPARING,
            secret=secrets.token_bytes(16),
            planned_at=now,
        )
        self._session.add(row)
        self._session.flush()
        return read_issues(self._session, [row], counted=False)[0]

    def ran_between(self, first: date, last: date) -> list[QuarterRun]:
        """The tips that were sent in these days. Votes have no time, so those of an earlier run count as well."""
        rows = self._db.execute(_RAN, {"list": self._list_id, "first": first.isoformat(), "last": last.isoformat()})
        return [QuarterRun(row[0], row[1], row[2], date.fromisoformat(row[3]), *row[4:]) for row in rows]

    def change(self, number: int, event: IssueEvent, now: datetime, *, reason: str = "") -> IssueFacts:
        """Apply an event; raises IllegalTransition. A missed issue gives its number back, and gets one below zero."""
        row = self._session.get_one(Issue, number)
        row.state = issue_transition(IssueState(row.state), event)
        row.reason = reason
        if event in (IssueEvent.CANCEL, IssueEvent.FINISH):
            row.done_at = now
        if event in (IssueEvent.CANCEL, IssueEvent.MISS):
            self._restore_tip(row)
        if event is IssueEvent.UNBIND:
            row.tip_id, row.run = None, None
        if event is IssueEvent.MISS and row.started_at is not None:  # its deliveries refer to its number
            row.started_at = None  # nothing was sent
        elif event is IssueEvent.MISS:
            row.id = min(self._session.exec(select(func.min(col(Issue.id)))).one() or 0, 0) - 1
        self._session.flush()
        return self.get(row.id or number)

    def discard(self, number: int) -> None:
        """Delete an issue that was never frozen, so nothing refers to it."""
        self._session.delete(self._session.get_one(Issue, number))
        self._session.flush()

    def bind(self, number: int, tip_id: int, *, is_course: bool = False) -> None:
        """Bind a tip. `run` counts its runs; UNIQUE(tip, run) prevents a second first run. A course issue is no run of its tip."""
        row = self._session.get_one(Issue, number)
        if is_course:
            row.tip_id, row.run = tip_id, None
            return
        if row.tip_id == tip_id and row.run:
            return
        runs = self._session.exec(select(func.max(Issue.run)).where(Issue.tip_id == tip_id)).one()
        row.tip_id, row.run = tip_id, (runs or 0) + 1
        self._session.flush()

    def freeze(
        self,
        number: int,
        subject: str,
        compiled: bytes,
        now: datetime,
        *,
        candidates: Sequence[Candidate] = (),
        others: Mapping[str, SubstituteEmail] = NO_SUBSTITUTES,
        course: Course | None = None,
        days: Iterable[Day] = (),
    ) -> int:
        """T1: save the emails and copy the audience in one transaction; the size of the audience."""
        row = self._session.get_one(Issue, number)
        row.subject = subject
        SqlMaintenance(self._db, row.list_id).prepare_freeze(now)
        SqlCourses(self._db, row.list_id).take_in(row.day or row.due_at.date(), now)
        self._session.merge(CompiledIssue(issue_id=number, data=compiled))
        self._session.flush()
        row.audience = self._freeze(row, candidates, others, course)
        self._wait_a_day(row, days)
        if row.tip_id is not None and row.run:
            row.tip_was = SqlTips(self._session, self._list_id).mark_sent(row.tip_id, row.day or row.due_at.date())
        row.state, row.reason = issue_transition(IssueState(row.state), IssueEvent.FREEZE), ""
        row.started_at = now
        self._session.flush()
        return row.audience

    def compiled(self, number: int) -> bytes:
        """The compiled email; raises NotFound before T1."""
        row = self._session.get(CompiledIssue, number)
        if row is None:
            raise NotFound(f"issue {number} has no compiled email yet")
        return row.data

    def secret(self, number: int) -> bytes:
        """The key of the Message-IDs."""
        return self._session.get_one(Issue, number).secret

    def finish_if_done(self, number: int, now: datetime) -> bool:
        """T5: the statement itself looks for open deliveries, so no other process can add one in between."""
        return self._execute(_FINISH, issue=number, now=to_text(now)) > 0

    def retry(self, number: int, states: Sequence[str], now: datetime, *, again: bool = False) -> int:
        """Requeue deliveries and, if there were any, reopen an issue that was done. See ports.issues."""
        changed = 0
        for state in states:
            to = transition(State(state), Event.RETRY)
            if state == State.HELD and not again:
                changed += self._execute(statements.RETRY_HELD_ONCE, to=to.value, issue=number)
            else:
                changed += self._execute(statements.RETRY, to=to.value, issue=number, state=state)
        changed -= self._skip_received(number, now)
        if changed and self._session.get_one(Issue, number).state == IssueState.DONE:
            self.change(number, IssueEvent.REOPEN, now)
        return changed

    def _skip_received(self, number: int, now: datetime) -> int:
        """Skip what a later issue of the course has brought instead; how many."""
        row = self._session.get_one(Issue, number)
        if row.run is not None or row.slot is None:
            return 0
        reason = SkipReason.ALREADY_RECEIVED.value
        return self._execute(statements.SKIP_RECEIVED, issue=number, reason=reason, now=to_ms(now))

    def retry_rejected(self, number: int, now: datetime) -> int:
        """Requeue rejected deliveries, but not to addresses that are suppressed.

        A suppression that this issue has caused by a reply that is not about the mailbox is lifted first.
        """
        to = transition(State.REJECTED, Event.RETRY).value
        for subscriber, reply in self._db.execute(statements.REJECTED, {"issue": number}).fetchall():
            if reply and not is_about_the_mailbox(reply):
                self._db.execute(REMOVE_BOUNCED, (number, subscriber))
        changed = self._execute(statements.REOPEN_ALL, to=to, issue=number) - self._skip_received(number, now)
        if changed and self._session.get_one(Issue, number).state == IssueState.DONE:
            self.change(number, IssueEvent.REOPEN, now)
        return changed

    def skip_open(self, number: int, reason: str, now: datetime) -> int:
        """Skip what is pending or deferred (of a cancelled issue); the outcome of emails in flight is still recorded."""
        return self._end_open(number, Event.SKIP, SkipReason(reason), now)

    def give_up_open(self, number: int, now: datetime) -> int:
        """Fail what is pending or deferred, because it is too late."""
        return self._end_open(number, Event.GIVE_UP, SkipReason.TOO_LATE, now)

    def _end_open(self, number: int, event: Event, reason: SkipReason, now: datetime) -> int:
        changed, values = 0, {"reason": reason.value, "now": to_ms(now), "issue": number}
        for state in (State.PENDING, State.DEFERRED):
            to = transition(state, event).value
            changed += self._execute(statements.SKIP_ALL, to=to, state=state.value, **values)
        return changed

    def results(self, number: int) -> Results:
        """What came of an issue; see store.health."""
        return results_of(self._db, number, self.get(number).counts)

    def broken_invariants(self) -> list[str]:
        """A sentence for each invariant that does not hold."""
        return broken_invariants(self._db)

    def _restore_tip(self, row: Issue) -> None:
        """If no email of the issue can have arrived: give its tip its earlier state and its place in the queue back."""
        if row.tip_id is None or self.may_have_reached(row.id or 0):
            return
        if row.tip_was:
            before = select(func.max(col(Issue.day))).where(
                Issue.tip_id == row.tip_id,
                Issue.id != row.id,
                col(Issue.run).is_not(None),
                col(Issue.started_at).is_not(None),
            )
            last = self._session.exec(before).one()
            earlier = days_of(self._session.get_one(Tip, row.tip_id).earlier_runs)
            days = [*earlier, *([date.fromisoformat(str(last))] if last else [])]
            SqlTips(self._session, self._list_id).unmark_sent(
                row.tip_id, TipState(row.tip_was), max(days, default=None)
            )
        row.run, row.tip_was = None, ""
