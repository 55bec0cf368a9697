"""The deliveries of the sending process on SQLite: outcomes in, claims out, one commit per call.

The names T2, T3 and Tr are explained in docs/delivery.md. It uses plain SQL on one connection: with the ORM, a commit
costs forty times as much. Other threads of this process may write at the same time (the write lock), and so may the web
server and commands (SQLite's own lock), but never a second sender (the `flock` of `store.sqlite.sending_lock`).
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import RLock

from newsletter.domain.delivery.delivery import (
    BACK_OFF,
    IN_DOUBT_FOR,
    Change,
    Claim,
    Event,
    Finished,
    SkipReason,
    State,
    apply_outcome,
    recover,
    transition,
)
from newsletter.domain.delivery.one_a_day import LONGEST
from newsletter.domain.delivery.outcome import InDoubt, Outcome, Sent
from newsletter.domain.errors import NewsletterError, Unavailable
from newsletter.domain.lists import list_of_issue
from newsletter.store import statements as sql
from newsletter.store.sender_runs import record_recovered
from newsletter.store.sqlite.connection import BUSY_FOR, transaction
from newsletter.store.sqlite.errors import translated
from newsletter.store.sqlite.watch import FileWatch
from newsletter.store.suppressions import REMOVE_BOUNCED
from newsletter.store.times import from_ms, to_ms, to_text

log = logging.getLogger(__name__)

# Plain strings: to bind an enum takes the sqlite3 module a microsecond.
_CLAIMED = {state.value: transition(state, Event.CLAIM).value for state in (State.PENDING, State.DEFERRED)}

LONGEST_WAIT = max(BACK_OFF[-1], IN_DOUBT_FOR)

_Row = tuple[int, int, int | None, str, str | None, str, str, str | None, str | None, int | None, int, int]


class SqliteLedger:
    """Implements ports.sending.Ledger. Only the holder of the sending lock has one.

    connection: of `connect_to_write`. owner: the id of the sender run. busy_for: seconds it waits for another process
    that writes. on_commit: called after each commit of `advance`. watch: of the database file.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        lock: RLock,
        owner: int,
        *,
        hold_in_doubt: bool = False,
        on_commit: Callable[[], None] = lambda: None,
        watch: FileWatch | None = None,
    ) -> None:
        self._db = connection
        self._on_commit = on_commit
        self._watch = watch
        self.busy_for = BUSY_FOR
        self._lock = lock
        self._owner = owner
        self._hold = hold_in_doubt
        self._deferred_due: dict[
            int, int
        ] = {}  # issue -> when its first deferred row is due (ms), so that we rarely ask
        self._unwritten: Sequence[
            Finished
        ] = ()  # outcomes that could not be written; the next `advance` writes them first

    def advance(
        self,
        issue: int,
        finished: Sequence[Finished],
        take: int,
        now: datetime,
        due_by: datetime | None = None,
        *,
        spread: float = 0.0,
    ) -> list[Claim]:
        """T3, then T2, in one transaction; see ports.sending.

        If it raises (a full disk, a locked database), nothing is claimed, and the next call writes `finished`.
        """
        with self._lock:
            if self._unwritten:
                finished = [*self._unwritten, *finished]
            # Kept until the commit: if it fails, these emails are sent, and only this process knows that.
            self._unwritten = finished
            if self._watch:
                self._check_file(self._watch)
            with translated(), transaction(self._db, self.busy_for):
                self._write(finished)
                claims = self._claim(issue, take, now, due_by or now, spread) if take else []
            self._unwritten = ()
        # Outside the lock and the transaction: it may start a checkpoint.
        self._on_commit()
        return claims

    def reopen(self, issue: int, subscriber_ids: Iterable[int], now: datetime) -> None:
        """Undo a run of rejections: rejected rows become pending. Suppressions by an earlier end of the issue are deleted.

        Rows that were deferred because of a policy rejection are due immediately, and their 48 hours start again.
        """
        to, ms = transition(State.REJECTED, Event.RETRY), to_ms(now)
        with self._transaction():
            for subscriber in subscriber_ids:
                self._db.execute(sql.REOPEN, (to, issue, subscriber))
                self._db.execute(sql.DUE_NOW, (ms, issue, subscriber))
                self._db.execute(REMOVE_BOUNCED, (issue, subscriber))
            self._deferred_due.pop(issue, None)

    def next_due_at(self, issue: int) -> datetime | None:
        """When the next open row may be tried; 1970 if one is pending, None if none is open."""
        with self._transaction():
            if self._first(sql.HAS_PENDING, issue):
                return from_ms(0)
            row = self._first(sql.FIRST_DEFERRED, issue)
        return from_ms(row[0]) if row and row[0] is not None else None

    def claimed_since(self, since: datetime) -> list[tuple[datetime, str]]:
        """(time, domain) of each email since then; called once when sending starts, and only if there is a rate limit."""
        with self._transaction():
            rows = self._db.execute(sql.CLAIMED_SINCE, (to_ms(since), to_text(since), to_text(since))).fetchall()
        return [(from_ms(ms), address.rpartition("@")[2]) for ms, address in rows]

    def recover(self, now: datetime) -> int:
        """Tr: recover the rows that dead processes left in `sending`; how many. Called once, before the first claim.

        Two other things may be left: open rows of an issue that was cancelled with emails in flight, and due times
        that are too far in the future because a clock was wrong.
        """
        with self._transaction():
            number = self._recover_sending(now)
            # In the same transaction as the recovery, so that a crash cannot separate the two.
            record_recovered(self._db, self._owner, number)
            for state in (State.PENDING, State.DEFERRED):
                to = transition(state, Event.SKIP)
                self._db.execute(sql.SKIP_CANCELLED.format(state=state.value), (to, SkipReason.CANCELLED, to_ms(now)))
            latest = {"latest": to_ms(now + LONGEST_WAIT), "latest_day": to_ms(now + timedelta(days=LONGEST))}
            self._db.execute(sql.NOT_TOO_LATE, latest)
        return number

    def requeue(self, owner: int, now: datetime) -> int:
        """Tr for one sender that is certainly dead; how many rows it had claimed."""
        with self._transaction():
            return self._recover_sending(now, owner)

    def invalidate(self, issue: int) -> None:
        """Forget when this issue is due next, because another process has changed its rows."""
        self._deferred_due.pop(issue, None)

    def close(self) -> None:
        """Write the outcomes that could not be written before, and close the connection."""
        with self._lock:
            try:
                if self._unwritten:
                    self.advance(0, (), 0, self._unwritten[-1].at)
            except NewsletterError as error:
                if self._unwritten:
                    log.error("%d outcomes are lost, and their emails are in doubt: %s", len(self._unwritten), error)  # noqa: TRY400
            finally:
                self._db.close()

    def _check_file(self, watch: FileWatch) -> None:
        """Raises Unavailable if the file was deleted or replaced. What was sent is recorded, if that may still help."""
        try:
            watch.check()
        except Unavailable:
            # A file that was renamed comes back, perhaps; it must know what was sent.
            if self._unwritten and not watch.is_other:
                with translated(), transaction(self._db, self.busy_for):
                    self._write(self._unwritten)
                self._unwritten = ()
            raise

    def _write(self, finished: Sequence[Finished]) -> None:
        self._finish_sent(finished)
        for one in finished:
            if type(one.outcome) is not Sent:
                self._finish(one)

    def _recover_sending(self, now: datetime, owner: int | None = None) -> int:
        rows = self._db.execute(sql.SENDING, (owner, owner)).fetchall()
        for issue, subscriber, crashes, doubts in rows:
            change = recover(crashes + 1, doubts=doubts, hold_in_doubt=self._hold)
            self._db.execute(sql.RECOVER, (change.state, issue, subscriber))
            values = (
                issue,
                subscriber,
                to_text(now),
                change.event,
                "",
                0,
                "",
                "the sender died while it sent this email",
            )
            self._db.execute(sql.ADD_ATTEMPT, values)
        return len(rows)

    def _claim(self, issue: int, take: int, now: datetime, due_by: datetime, spread: float) -> list[Claim]:
        claims: list[Claim] = []
        found = self._first(sql.MAY_CLAIM, issue)
        if found is None:  # paused or cancelled since the last claim
            return claims
        meant_for = "quarterly" if found[0] else "confirmed"
        ms, due = to_ms(now), {"issue": issue, "list": list_of_issue(issue), "due": to_ms(due_by), "spread": spread}
        while len(claims) < take:
            rows = self._due(issue, due | {"limit": take - len(claims)})
            if not rows:
                break
            claims += self._claim_rows(issue, rows, meant_for, ms, now)
        return claims

    def _due(self, issue: int, values: Mapping[str, float]) -> list[_Row]:
        if values["spread"]:
            elsewhere: list[_Row] = self._db.execute(sql.DUE_SPREAD, values).fetchall()
            if elsewhere:
                return elsewhere
        if self._deferred_due.get(issue, 0) <= values["due"]:
            rows: list[_Row] = self._db.execute(sql.DUE_DEFERRED, values).fetchall()
            if rows:
                return rows
            row = self._first(sql.FIRST_DEFERRED, issue)
            self._deferred_due[issue] = row[0] if row and row[0] is not None else 1 << 62
        return self._db.execute(sql.DUE_PENDING, values).fetchall()

    def _claim_rows(self, issue: int, rows: Sequence[_Row], meant_for: str, ms: int, now: datetime) -> list[Claim]:
        claims, written = [], []
        for (
            subscriber,
            attempts,
            first,
            state,
            key,
            address,
            name,
            status,
            confirmed_at,
            tip,
            suppressed,
            troubles,
        ) in rows:
            # The audience is frozen, but the subscriber is as of now: an unsubscribe that is committed counts (I6).
            skip = _why_skip(key, status, suppressed, meant_for)
            if skip is not None:
                to = transition(State(state), Event.SKIP)
                self._db.execute(sql.SKIP, (to, skip, ms, issue, subscriber))
                continue
            written.append((_CLAIMED[state], self._owner, first or ms, issue, subscriber))
            joined_on = (confirmed_at or "")[:16]
            first_at = from_ms(first) if first else now
            claims.append(
                Claim(issue, subscriber, key or "", address, name, joined_on, attempts + 1, first_at, tip, troubles)
            )
        self._db.executemany(sql.CLAIM, written)
        return claims

    def _finish_sent(self, finished: Sequence[Finished]) -> None:
        """Write the accepted ones, nearly all, with one call; a row that is no longer ours stays as it is."""
        rows = []
        for claim, outcome, at in [(one.claim, one.outcome, one.at) for one in finished]:
            if type(outcome) is Sent:
                reply = f"{outcome.reply.stage} {outcome.reply}"
                rows.append((reply, to_ms(at), claim.issue_id, claim.subscriber_id, self._owner))
        self._db.executemany(sql.FINISH_SENT, rows)

    def _finish(self, one: Finished) -> None:
        claim, outcome = one.claim, one.outcome
        row = (claim.issue_id, claim.subscriber_id, self._owner)
        if one.in_trouble:
            self._db.execute(sql.ADD_TROUBLE, row)
        if outcome is None and one.not_before:
            until = to_ms(one.not_before)
            self._db.execute(sql.POSTPONE, (transition(State.SENDING, Event.DEFER), until, *row))
            self._note_due(claim.issue_id, until)
            return
        if outcome is None:
            self._db.execute(sql.REQUEUE, (transition(State.SENDING, Event.REQUEUE), *row))
            return
        doubts, crashes = 0, 0
        if isinstance(outcome, InDoubt):
            doubts, crashes = self._db.execute(sql.DOUBTS, row[:2]).fetchone() or (0, 0)
        change = apply_outcome(
            outcome,
            attempts=claim.attempts,
            first_attempt_at=claim.first_attempt_at,
            now=one.at,
            doubts=doubts,
            crashes=crashes,
            hold_in_doubt=self._hold,
        )
        next_ms = to_ms(change.next_attempt_at) if change.next_attempt_at else None
        reply = f"{outcome.reply.stage} {outcome.reply}"
        values = (change.state, reply, next_ms, to_ms(one.at), *row)
        if self._db.execute(sql.FINISH, values).rowcount == 0:
            return  # no longer ours: its owner writes the outcome
        self._add_attempt(claim, outcome, change, one.at)
        if next_ms is not None:
            self._note_due(claim.issue_id, next_ms)

    def _note_due(self, issue: int, due_ms: int) -> None:
        if issue in self._deferred_due:
            self._deferred_due[issue] = min(due_ms, self._deferred_due[issue])

    def _add_attempt(self, claim: Claim, outcome: Outcome, change: Change, at: datetime) -> None:
        reply = outcome.reply
        # The list of attempts shows that an email is in doubt; the state only says that it is deferred or held.
        event = "in_doubt" if isinstance(outcome, InDoubt) else change.event
        when = to_text(at)
        values = (claim.issue_id, claim.subscriber_id, when, event, reply.stage, reply.code, reply.enhanced, reply.text)
        self._db.execute(sql.ADD_ATTEMPT, values)

    def _first(self, query: str, *values: object) -> tuple[int | None, ...] | None:
        row: tuple[int | None, ...] | None = self._db.execute(query, values).fetchone()
        return row

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, translated(), transaction(self._db, self.busy_for):
            yield


def _why_skip(key: str | None, status: str | None, suppressed: int, meant_for: str) -> SkipReason | None:
    """Why a row of the audience must not be sent anymore; decided at the claim, never earlier."""
    if key is None:
        return SkipReason.ERASED
    if suppressed:
        return SkipReason.SUPPRESSED
    if status == meant_for:
        return None
    if status == "confirmed":
        return SkipReason.SUBSCRIBED
    known = {"unsubscribed": SkipReason.UNSUBSCRIBED, "quarterly": SkipReason.UNSUBSCRIBED, "paused": SkipReason.PAUSED}
    return known.get(status or "", SkipReason.NOT_CONFIRMED)
