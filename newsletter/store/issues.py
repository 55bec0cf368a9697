"""Issues and their frozen audiences in the database; states change only as `domain.delivery.issue` allows."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, text
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from newsletter.domain.calendar.quarterly import ASKED_BEFORE, QuarterRun
from newsletter.domain.calendar.substitutes import NO_SUBSTITUTES, Candidate, SubstituteEmail, SubstitutesMissing
from newsletter.domain.delivery.delivery import Event, SkipReason, State, transition
from newsletter.domain.delivery.issue import IssueEvent, IssueFacts, IssueState, issue_transition
from newsletter.domain.errors import NotFound
from newsletter.domain.subscribers.subscriber import DeliveryFacts
from newsletter.domain.tips.tip import TipState
from newsletter.store import substitutes as sharing
from newsletter.store.deliveries import sql_time
from newsletter.store.invariants import HAS_OPEN, broken_invariants
from newsletter.store.issue_facts import read_issues
from newsletter.store.maintenance import SqlMaintenance
from newsletter.store.sqlite.connection import to_ms
from newsletter.store.subscribers import DELIVERABLE, QUARTERLY, delivery_facts
from newsletter.store.tables import CompiledIssue, Delivery, Issue, SubscriberRow, SubstituteEmailRow, Tip

_MAY_HAVE_REACHED = """SELECT 1 WHERE EXISTS (SELECT 1 FROM delivery WHERE issue_id = :issue
    AND (state IN ('sent', 'sending') OR crashes > 0))
    OR EXISTS (SELECT 1 FROM attempt WHERE issue_id = :issue AND event = 'in_doubt')"""
_RAN = """SELECT t.id, t.key, t.title, max(coalesce(i.slot, date(i.due_at))),
    (SELECT count(*) FROM vote v WHERE v.tip_id = t.id AND v.useful),
    (SELECT count(*) FROM vote v WHERE v.tip_id = t.id AND NOT v.useful),
    sum((SELECT count(*) FROM farewell f WHERE f.issue_id = i.id))
    FROM issue i JOIN tip t ON t.id = i.tip_id
    WHERE i.quarter IS NULL AND i.state IN ('sending', 'paused', 'done')
    AND coalesce(i.slot, date(i.due_at)) BETWEEN :first AND :last AND t.complete AND t.state <> 'retired'
    GROUP BY t.id"""
LIVE = (IssueState.PLANNED, IssueState.PREPARING, IssueState.SENDING)


class SqlIssues:
    """Implements issue_ports.Issues on one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, number: int) -> IssueFacts:
        """With counts; raises NotFound."""
        row = self._session.get(Issue, number)
        if row is None:
            raise NotFound(f"there is no issue {number}", fix="See: newsletter issues list")
        return read_issues(self._session, [row], counted=True)[0]

    def for_slot(self, slot: date) -> IssueFacts | None:
        """The issue of a slot, without counts: the daemon asks every two seconds, and counting a million takes one."""
        return next(iter(self._without_counts(select(Issue).where(Issue.slot == slot))), None)

    def each(self) -> list[IssueFacts]:
        """Newest first, with counts."""
        rows = self._session.exec(select(Issue).order_by(col(Issue.id).desc())).all()
        return read_issues(self._session, rows, counted=True)

    def open(self) -> list[IssueFacts]:
        """Planned, preparing or sending, oldest first, without counts."""
        return self._in_state(*LIVE)

    def paused(self) -> list[IssueFacts]:
        """Paused ones, oldest first, without counts."""
        return self._in_state(IssueState.PAUSED)

    def _in_state(self, *states: IssueState) -> list[IssueFacts]:
        return self._without_counts(select(Issue).where(col(Issue.state).in_(states)).order_by(col(Issue.id)))

    def _without_counts(self, query: SelectOfScalar[Issue]) -> list[IssueFacts]:
        return read_issues(self._session, self._session.exec(query).all(), counted=False)

    def last_number(self) -> int:
        """The number of the newest issue; 0 when there is none."""
        return self._session.exec(select(func.max(col(Issue.id)))).one() or 0

    def last_slot(self) -> date | None:
        """The newest slot that has an issue."""
        return self._session.exec(select(func.max(col(Issue.slot)))).one()

    def recent(self, limit: int) -> list[IssueFacts]:
        """Newest first, without counts."""
        return self._without_counts(select(Issue).order_by(col(Issue.id).desc()).limit(limit))

    def last_slot_before(self, slot: date) -> date | None:
        """The newest slot before this one that has an issue."""
        return self._session.exec(select(func.max(col(Issue.slot))).where(col(Issue.slot) < slot)).one()

    def from_slot(self, slot: date) -> list[IssueFacts]:
        """The issues of this slot and of later ones, without counts."""
        return self._without_counts(select(Issue).where(col(Issue.slot) >= slot).order_by(col(Issue.slot)))

    def plan(self, slot: date | None, due_at: datetime, now: datetime) -> IssueFacts:
        """T0. The write transaction is IMMEDIATE, so whoever comes second finds the first one's row."""
        row = self._session.exec(select(Issue).where(Issue.slot == slot)).first() if slot else None
        if row is None:
            row = Issue(
                slot=slot, due_at=due_at, state=IssueState.PLANNED, secret=secrets.token_bytes(16), planned_at=now
            )
            self._session.add(row)
            self._session.flush()
        return read_issues(self._session, [row], counted=False)[0]

    def quarter_of(self, number: int) -> str:
        """Of which quarter it is the letter."""
        return self._session.exec(select(Issue.quarter).where(Issue.id == number)).first() or ""

    def for_quarter(self, quarter: str) -> IssueFacts | None:
        """The letter of a quarter, without counts."""
        return next(iter(self._without_counts(select(Issue).where(Issue.quarter == quarter))), None)

    def plan_quarter(self, quarter: str, tip_id: int, due_at: datetime, now: datetime) -> IssueFacts:
        """T0. Its tip is bound without a run: for the calendar nothing has happened."""
        found = self.for_quarter(quarter)
        if found:
            return found
        row = Issue(
            quarter=quarter,
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
        """Votes have no time, so those of an earlier run of the same tip count too."""
        rows = self._session.connection().execute(text(_RAN), {"first": first.isoformat(), "last": last.isoformat()})
        return [QuarterRun(row[0], row[1], row[2], date.fromisoformat(row[3]), *row[4:]) for row in rows]

    def change(self, number: int, event: IssueEvent, now: datetime, *, reason: str = "") -> IssueFacts:
        """Apply an event; raises IllegalTransition."""
        row = self._session.get_one(Issue, number)
        row.state = issue_transition(IssueState(row.state), event)
        row.reason = reason
        if event is IssueEvent.FREEZE:
            row.started_at = now
        if event in (IssueEvent.CANCEL, IssueEvent.FINISH):
            row.done_at = now
        if event in (IssueEvent.CANCEL, IssueEvent.MISS):
            self._restore_tip(row)
        self._session.flush()
        return self.get(number)

    def bind(self, number: int, tip_id: int) -> None:
        """Bind a tip; `run` counts its runs, and UNIQUE(tip, run) keeps a first run single."""
        row = self._session.get_one(Issue, number)
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
    ) -> int:
        """T1: letters and audience in one transaction; the snapshot size."""
        row = self._session.get_one(Issue, number)
        row.subject = subject
        SqlMaintenance(self._session).end_pauses(now)
        self._session.merge(CompiledIssue(issue_id=number, data=compiled))
        self._session.flush()
        if candidates:
            frozen = self._assign_tips(number, row.tip_id, candidates, others)
        else:
            who, values = (QUARTERLY, _quarter_values(row)) if row.quarter else (DELIVERABLE, {})
            frozen = self._execute(
                "INSERT INTO delivery (issue_id, subscriber_id, state, attempts, crashes)"  # noqa: S608  (constants)
                f" SELECT :issue, s.id, 'pending', 0, 0 FROM subscriber s WHERE {who} ORDER BY s.id",
                issue=number,
                **values,
            )
        row.audience = frozen
        if row.tip_id is not None and not row.quarter:
            tip = self._session.get_one(Tip, row.tip_id)
            row.tip_was = tip.state
            tip.state, tip.last_sent_on = TipState.SENT, row.slot or row.due_at.date()
        self.change(number, IssueEvent.FREEZE, now)
        return frozen

    def _assign_tips(
        self, number: int, own: int | None, candidates: Sequence[Candidate], others: Mapping[str, SubstituteEmail]
    ) -> int:
        """The audience, each with their tip, and the letters of the other tips."""
        tip_histories = sharing.tip_histories(self._session, candidates)
        frozen = self._execute(
            "INSERT INTO delivery (issue_id, subscriber_id, state, attempts, crashes, tip_id, reason)"  # noqa: S608  (ids)
            " SELECT :issue, id, CASE pick WHEN 0 THEN :skipped ELSE 'pending' END, 0, 0,"
            f" nullif(nullif(pick, :own), 0), CASE pick WHEN 0 THEN :reason END FROM ({sharing.shares(tip_histories)})",
            issue=number,
            own=own,
            skipped=transition(State.PENDING, Event.SKIP).value,
            reason=SkipReason.ALREADY_RECEIVED.value,
        )
        picked = self._session.exec(select(Delivery.tip_id).where(Delivery.issue_id == number).distinct()).all()
        keys = {past.tip: past.candidate.tip for past in tip_histories if past.tip in picked}
        if missing := keys.values() - others.keys():
            raise SubstitutesMissing(missing)
        for tip_id, key in keys.items():
            letter = others[key]
            self._session.add(
                SubstituteEmailRow(issue_id=number, tip_id=tip_id, subject=letter.subject, data=letter.compiled)
            )
        return frozen

    def shares(self, candidates: Sequence[Candidate]) -> Mapping[str, int]:
        """How many would get each tip; "" for who has had all."""
        tip_histories = sharing.tip_histories(self._session, candidates)
        counted = text(f"SELECT pick, count(*) AS readers FROM ({sharing.shares(tip_histories)}) GROUP BY pick")  # noqa: S608  (ids)
        counts = {row.pick: row.readers for row in self._session.connection().execute(counted)}
        found = {past.candidate.tip: counts[past.tip] for past in tip_histories if past.tip in counts}
        return found | ({"": counts[0]} if 0 in counts else {})

    def was_substitute(self, candidate: Candidate) -> bool:
        """Did any reader get this tip in the place of another since then?"""
        return sharing.was_substitute(self._session, candidate)

    def substitutes(self, number: int) -> Mapping[int, bytes]:
        """The compiled letters of an issue's other tips."""
        rows = self._session.exec(select(SubstituteEmailRow).where(SubstituteEmailRow.issue_id == number))
        return {row.tip_id: row.data for row in rows}

    def tip_of(self, number: int, subscriber_id: int) -> int | None:
        """The tip that this reader's letter was about."""
        query = select(func.coalesce(Delivery.tip_id, Issue.tip_id)).join(Issue, col(Issue.id) == Delivery.issue_id)
        return self._session.exec(
            query.where(Delivery.issue_id == number, Delivery.subscriber_id == subscriber_id)
        ).first()

    def compiled(self, number: int) -> bytes:
        """The frozen letter; raises NotFound before the issue was frozen."""
        row = self._session.get(CompiledIssue, number)
        if row is None:
            raise NotFound(f"issue {number} has no compiled letter yet")
        return row.data

    def secret(self, number: int) -> bytes:
        """The key of the issue's Message-IDs."""
        return self._session.get_one(Issue, number).secret

    def finish_if_done(self, number: int, now: datetime) -> bool:
        """T5: guarded in the statement itself, so that it holds whoever else is at work."""
        changed = self._execute(
            f"UPDATE issue SET state = 'done', done_at = :now WHERE id = :issue AND state = 'sending' AND NOT ({HAS_OPEN})",  # noqa: S608
            issue=number,
            now=sql_time(now),
        )
        return changed > 0

    def retry(self, number: int, states: Sequence[str], now: datetime) -> int:
        """Put deliveries back to pending and, if there were any, a finished issue back to sending."""
        changed = 0
        for state in states:
            to = transition(State(state), Event.RETRY)
            changed += self._execute(
                "UPDATE delivery SET state = :to, attempts = 0, crashes = 0, first_attempt_at = NULL,"
                " next_attempt_at = NULL WHERE issue_id = :issue AND state = :state",
                to=to.value,
                issue=number,
                state=state,
            )
        if changed and self._session.get_one(Issue, number).state == IssueState.DONE:
            self.change(number, IssueEvent.REOPEN, now)
        return changed

    def skip_open(self, number: int, reason: str, now: datetime) -> int:
        """Skip what is still open (a cancelled issue); letters in flight end by themselves."""
        changed = 0
        for state in (State.PENDING, State.DEFERRED):
            changed += self._execute(
                "UPDATE delivery SET state = :to, reason = :reason, next_attempt_at = NULL, last_at = :now"
                " WHERE issue_id = :issue AND state = :state",
                to=transition(state, Event.SKIP).value,
                reason=SkipReason(reason).value,
                now=to_ms(now),
                issue=number,
                state=state.value,
            )
        return changed

    def deliveries(self, number: int, state: str | None = None) -> Iterator[DeliveryFacts]:
        """Every delivery of an issue; streams."""
        query = (
            select(Delivery, col(Issue.slot), SubscriberRow.address, Tip.key)
            .join(Issue, col(Issue.id) == Delivery.issue_id)
            .join(Tip, col(Tip.id) == func.coalesce(Delivery.tip_id, Issue.tip_id), isouter=True)
            .join(SubscriberRow, col(SubscriberRow.id) == Delivery.subscriber_id, isouter=True)
            .where(Delivery.issue_id == number)
            .order_by(col(Delivery.subscriber_id))
            .execution_options(yield_per=1000)
        )
        if state is not None:
            query = query.where(Delivery.state == state)
        for row, slot, address, tip in self._session.exec(query):
            yield delivery_facts(row, slot, address, tip)

    def broken_invariants(self) -> list[str]:
        """Each broken one in words."""
        return broken_invariants(self._session)

    def _restore_tip(self, row: Issue) -> None:
        """An issue that ends and can have reached nobody leaves its tip as it was, at its old place in the queue."""
        reached = self._session.connection().execute(text(_MAY_HAVE_REACHED), {"issue": row.id}).first()
        if row.tip_id is None or reached:
            return
        tip = self._session.get_one(Tip, row.tip_id)
        if row.tip_was:
            before = select(func.max(func.coalesce(Issue.slot, func.date(Issue.due_at)))).where(
                Issue.tip_id == tip.id,
                Issue.id != row.id,
                col(Issue.run).is_not(None),
                col(Issue.started_at).is_not(None),
            )
            last = self._session.exec(before).one()
            tip.last_sent_on = date.fromisoformat(str(last)) if last else None
            tip.state = row.tip_was if tip.state == TipState.SENT else tip.state
        row.run, row.tip_was = None, ""

    def _execute(self, sql: str, **values: Any) -> int:
        return int(self._session.connection().execute(text(sql), values).rowcount)


def _quarter_values(row: Issue) -> dict[str, object]:
    return {"asked_before": sql_time(row.due_at - ASKED_BEFORE), "tip": row.tip_id}
