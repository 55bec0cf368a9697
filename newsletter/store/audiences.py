"""Who gets which email of an issue: the frozen audiences in the database, and the emails about other tips than its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise

from sqlalchemy import func
from sqlmodel import col, select

from newsletter.domain.calendar.course import Course
from newsletter.domain.calendar.quarterly import ASKED_BEFORE
from newsletter.domain.calendar.substitutes import Candidate, SubstituteEmail, SubstitutesMissing
from newsletter.domain.delivery.delivery import Event, SkipReason, State, transition
from newsletter.domain.delivery.one_a_day import LONGEST, Day
from newsletter.store import statements
from newsletter.store.courses import SqlCourses
from newsletter.store.issue_results import SqlIssueResults
from newsletter.store.sqlite.database import Access
from newsletter.store.subscriptions import DELIVERABLE, QUARTERLY
from newsletter.store.substitutes import shares, tip_histories, was_substitute
from newsletter.store.tables import Delivery, Issue, SubstituteEmailRow, Tip
from newsletter.store.times import to_ms, to_text


class SqlAudiences(SqlIssueResults):
    """The part of ports.issues.Issues that is about audiences."""

    def __init__(self, access: Access, list_id: int) -> None:
        super().__init__(access)
        self._session, self._list_id = access.session, list_id

    def _freeze(
        self,
        row: Issue,
        candidates: Sequence[Candidate],
        others: Mapping[str, SubstituteEmail],
        course: Course | None,
    ) -> int:
        """Copy the audience into deliveries; its size."""
        number = row.id or 0
        if course:
            return self._freeze_course(row, course, others)
        if candidates:
            return self._freeze_shares(row, candidates, others)
        if row.quarter:
            values = {"asked_before": to_text(row.due_at - ASKED_BEFORE), "tip": row.tip_id}
            return self._execute(statements.FREEZE.format(audience=QUARTERLY), issue=number, list=row.list_id, **values)
        return self._execute(statements.FREEZE.format(audience=DELIVERABLE), issue=number, list=row.list_id)

    def _wait_a_day(self, row: Issue, days: Iterable[Day]) -> None:
        """Let those wait who want at most one email a day, and get one of another list on that day. With one list, nobody."""
        slots = (*days,)
        if len(slots) < 2 or self._db.execute("SELECT 1 FROM mailing_list LIMIT 1 OFFSET 1").fetchone() is None:
            return
        today = slots[0]
        since = to_text(today.begins - timedelta(days=LONGEST + 1))
        # Their numbers in the statement: SQLite then looks up these few, and not every delivery of a subscriber.
        issues = ", ".join(str(number) for (number,) in self._db.execute(statements.STARTED_SINCE, (since, row.id)))
        sql, waited, before = statements.WAIT_A_DAY.format(issues=issues), None, State.PENDING
        for day, then in pairwise(slots):
            values = {"at": to_ms(then.at), "begins": to_text(day.begins), "ends": to_text(day.ends),
                      "begins_ms": to_ms(day.begins), "ends_ms": to_ms(day.ends)}  # fmt: skip
            to = transition(before, Event.WAIT)
            if not self._execute(sql, issue=row.id, to=to.value, before=before.value, waited=waited, **values):
                return
            waited, before = to_ms(then.at), to

    def _freeze_shares(self, row: Issue, candidates: Sequence[Candidate], others: Mapping[str, SubstituteEmail]) -> int:
        """Copy the audience into deliveries, each with a tip, and save the emails of the substitute tips."""
        histories = tip_histories(self._session, candidates)
        frozen = self._execute(
            statements.FREEZE_SHARES.format(shares=shares(histories)),
            issue=row.id,
            list=row.list_id,
            own=row.tip_id,
            skipped=transition(State.PENDING, Event.SKIP).value,
            reason=SkipReason.ALREADY_RECEIVED.value,
        )
        self._save_others(row.id or 0, others)
        return frozen

    def _freeze_course(self, row: Issue, course: Course, others: Mapping[str, SubstituteEmail]) -> int:
        """Copy the audience into deliveries, each with the next tip, and save the emails of these tips."""
        number, dated = row.id or 0, self._session.get_one(Tip, row.tip_id).key if row.run else ""
        courses, day = SqlCourses(self._db, row.list_id), row.day or row.due_at.date()
        frozen = courses.freeze(number, course, dated, day)
        courses.publish(self._save_others(number, others), day)
        return frozen

    def _save_others(self, number: int, others: Mapping[str, SubstituteEmail]) -> Collection[int | None]:
        """Save the email of every tip in `delivery.tip_id`; the ids of these tips."""
        picked = self._session.exec(select(Delivery.tip_id).where(Delivery.issue_id == number).distinct()).all()
        keys = dict(self._session.exec(select(Tip.id, Tip.key).where(col(Tip.id).in_(picked))).all())
        if missing := keys.values() - others.keys():
            raise SubstitutesMissing(missing)
        for tip_id, key in keys.items():
            email = others[key]
            self._session.add(
                SubstituteEmailRow(issue_id=number, tip_id=tip_id or 0, subject=email.subject, data=email.compiled)
            )
        return keys.keys()

    def shares(self, candidates: Sequence[Candidate]) -> Mapping[str, int]:
        """How many subscribers would get each tip; the key "" counts those who have received all of them."""
        histories = tip_histories(self._session, candidates)
        counted = f"SELECT pick, count(*) FROM ({shares(histories)}) GROUP BY pick"  # noqa: S608 - constants and ids
        counts = dict(self._db.execute(counted, {"list": self._list_id}).fetchall())
        found = {past.candidate.tip: counts[past.tip] for past in histories if past.tip in counts}
        return found | ({"": counts[0]} if 0 in counts else {})

    def was_substitute(self, candidate: Candidate) -> bool:
        """Did any subscriber get this tip as a substitute since then?"""
        return was_substitute(self._session, candidate)

    def substitutes(self, number: int) -> Mapping[int, bytes]:
        """The compiled emails of the substitute tips, by tip id."""
        rows = self._session.exec(select(SubstituteEmailRow).where(SubstituteEmailRow.issue_id == number))
        return {row.tip_id: row.data for row in rows}

    def tip_of(self, number: int, subscriber_id: int) -> int | None:
        """The id of the tip in this subscriber's email."""
        query = select(func.coalesce(Delivery.tip_id, Issue.tip_id)).join(Issue, col(Issue.id) == Delivery.issue_id)
        return self._session.exec(
            query.where(Delivery.issue_id == number, Delivery.subscriber_id == subscriber_id)
        ).first()

    def _execute(self, sql: str, **values: object) -> int:
        """Run a statement; how many rows it changed."""
        return self._db.execute(sql, values).rowcount
