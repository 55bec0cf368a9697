"""Explain the query plan of every statement on one million deliveries; fail if one scans the whole table."""

from __future__ import annotations

import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

from common import arguments, fill, log, machine, open_app, report, scratch
from sqlalchemy import event
from sqlalchemy.engine import Engine

from newsletter.app import App
from newsletter.domain.delivery.delivery import Claim, Finished
from newsletter.domain.delivery.outcome import Cause, Deferred, InDoubt, Outcome, Rejected, Reply, Sent, Stage
from newsletter.domain.subscribers.address import Address
from newsletter.domain.subscribers.subscriber import NewSubscriber
from newsletter.domain.subscribers.subscription import Status
from newsletter.ports.sending import SendingLock
from newsletter.store.transactions import SqlStore

PARTIAL = ("delivery_pending", "delivery_deferred", "delivery_sending")
"""Indexes with the rows of one open state only: a scan of these is not longer than the work to do."""


def main() -> None:
    parser = arguments(__doc__ or "", subscribers=1_000_000)
    options = parser.parse_args()
    where = machine()
    with scratch() as directory:
        database = directory / "n.db"
        log(f"creating {options.subscribers:,} subscribers")
        fill(database, options.subscribers)
        statements: dict[str, None] = {}
        times = run_everything(open_app(database), database, statements)
        plans = list(explained(database, statements))
    rows = [[what, f"{seconds * 1000:,.1f}"] for what, seconds in times.items()]
    report(f"{options.subscribers:,} deliveries", ["operation", "ms"], rows, where, markdown=options.markdown)
    bad = [(sql, steps) for sql, steps in plans if any(map(is_full_scan, steps))]
    whole = sum(any(step.endswith("PRIMARY KEY (issue_id=?)") for step in steps) for _, steps in plans)
    print(
        f"\n{len(plans)} statements on deliveries and suppressions: {len(bad)} scan the whole table, {whole} scan one issue, and none of these runs for every email."
    )
    for sql, steps in bad if options.markdown else plans:
        print(f"\n{'FULL SCAN' if (sql, steps) in bad else 'ok'}: {sql}\n    " + "\n    ".join(steps))
    sys.exit(1 if bad else 0)


def is_full_scan(step: str) -> bool:
    return bool(re.match(r"SCAN (?:delivery|d|suppression|x)\b", step)) and not step.endswith(PARTIAL)


def explained(database: Path, statements: dict[str, None]) -> Iterator[tuple[str, list[str]]]:
    with sqlite3.connect(database) as connection:
        for sql in statements:
            if re.match(r"\s*(?:SELECT|INSERT|UPDATE|DELETE)", sql) and re.search("delivery|suppression", sql):
                rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}", named_values(sql)).fetchall()
                yield " ".join(sql.split()), [row[3] for row in rows]
    connection.close()


def named_values(sql: str) -> list[int]:
    """A value for every `?` that is left."""
    return [1] * sql.count("?")


@contextmanager
def traced(statements: dict[str, None]) -> Iterator[None]:
    """Collect every statement on the connections of SQLAlchemy; the ledger has a connection of its own."""

    def trace(connection: sqlite3.Connection, *_: object) -> None:
        connection.set_trace_callback(lambda sql: statements.setdefault(as_written(sql)))

    event.listen(Engine, "checkout", trace)
    try:
        yield
    finally:
        event.remove(Engine, "checkout", trace)


def run_everything(app: App, database: Path, statements: dict[str, None]) -> dict[str, float]:
    """Freeze, interrupt at 99 %, resume, and finish an issue, with every operation on deliveries once."""
    now, times = datetime.now(UTC), {}

    def timed(operation: str, run: Callable[[], object]) -> None:
        began = time.perf_counter()
        run()
        times[operation] = time.perf_counter() - began
        log(f"{operation}: {times[operation] * 1000:,.1f} ms")

    store = TracedStore(database)
    with traced(statements):
        timed("compile and freeze", lambda: app.publisher.publish_early(now))
        interrupt(database, now)

        def resume() -> None:
            with store.sending("a benchmark", now) as right:
                right.ledger.advance(1, (), 10, now)

        timed("resume at 99 %: requeue and claim ten", resume)
        with store.sending("a benchmark", now) as right:
            work(right, now)
        with app.store.write() as tx:
            timed("finish_if_done while open", lambda: tx.issues.finish_if_done(1, now))
            timed("counts of the issue", lambda: tx.issues.get(1))
            timed("add a subscriber", lambda: tx.subscribers.add(NEWCOMER, now))
            timed("deliveries of one subscriber", lambda: tx.subscribers.deliveries(5))
            timed("list the failed deliveries", lambda: list(tx.issues.deliveries(1, "failed")))
            timed("requeue the failed deliveries", lambda: tx.issues.retry(1, ["failed", "held"], now))
            timed("skip the open deliveries", lambda: tx.issues.skip_open(1, "cancelled", now))
            timed("finish_if_done", lambda: tx.issues.finish_if_done(1, now))
    statements.update(TracedStore.statements)
    store.close()
    app.close()
    return times


def interrupt(database: Path, now: datetime) -> None:
    """Leave what a process that died at 99 % leaves: ten deliveries in flight, some deferred, some failed."""
    ms = int(now.timestamp() * 1000)
    connection = sqlite3.connect(database)
    with connection:
        [(last,)] = connection.execute("SELECT max(subscriber_id) FROM delivery").fetchall()
        done = last - last // 100
        connection.execute("UPDATE delivery SET state = 'sent', attempts = 1 WHERE subscriber_id <= ?", (done,))
        connection.execute("UPDATE delivery SET state = 'failed' WHERE subscriber_id % 5003 = 0 AND state = 'sent'")
        connection.execute(
            "UPDATE delivery SET state = 'sending', owner = 0, attempts = 1, first_attempt_at = ?"
            " WHERE subscriber_id > ? AND subscriber_id <= ? + 10", (ms, done, done)
        )  # fmt: skip
        connection.execute(
            "UPDATE delivery SET state = 'deferred', attempts = 1, first_attempt_at = ?, next_attempt_at = ?"
            " WHERE subscriber_id > ? - 200", (ms, ms - 1000, last)
        )  # fmt: skip
    connection.close()


ADDRESS = "new@domain.example"
NEWCOMER = NewSubscriber(
    Address(ADDRESS, ADDRESS), "", "newcomer", Status.CONFIRMED, "import", signup_at=datetime.now(UTC)
)


class TracedStore(SqlStore):
    """A store that collects the statements of its ledger."""

    statements: ClassVar[dict[str, None]] = {}

    def _connect(self) -> sqlite3.Connection:
        connection = super()._connect()
        connection.set_trace_callback(lambda sql: self.statements.setdefault(as_written(sql)))
        return connection


def work(right: SendingLock, now: datetime) -> None:
    """Record every kind of outcome once, then reopen a rejected delivery."""
    ledger = right.ledger
    replies: list[Outcome | None] = [
        Sent(Reply(Stage.DOT, 250, "2.0.0", "ok")),
        Deferred(Reply(Stage.RCPT, 451, "4.7.1", "later")),
        Rejected(Reply(Stage.RCPT, 550, "5.1.1", "no such user"), Cause.BAD_ADDRESS),
        InDoubt(Reply(Stage.DOT, 0, "", "no reply")),
        None,
    ]
    later = now + timedelta(seconds=1)
    claims: list[Claim] = ledger.advance(1, (), 250, later)
    pairs = zip(claims, replies * (len(claims) // len(replies)), strict=False)
    ledger.advance(1, [Finished(claim, outcome, later) for claim, outcome in pairs], 5, later)
    ledger.next_due_at(1)
    ledger.reopen(1, [claims[2].subscriber_id], later)


def as_written(sql: str) -> str:
    """A traced statement without its values, so that each statement is explained once."""
    return re.sub(r"'[^']*'(?=[,)\s]|$)|\b\d+\b", _value_or_state, sql)


def _value_or_state(found: re.Match[str]) -> str:
    kept = ("'pending'", "'deferred'", "'sending'", "'rejected'", "'cancelled'", "'hard_bounce'")
    return found[0] if found[0] in (*kept, "1") else "?"


if __name__ == "__main__":
    main()
