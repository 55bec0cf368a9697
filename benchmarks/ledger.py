"""The cost per email of each guarantee: claims that are committed before sending, and `PRAGMA synchronous`."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock

from common import arguments, fill, interleaved, machine, open_app, report, scratch

from newsletter.domain.delivery.delivery import Finished
from newsletter.domain.delivery.outcome import Reply, Sent, Stage
from newsletter.store.deliveries import SqliteLedger
from newsletter.store.sqlite.connection import connect_to_write

NOW = datetime(2025, 3, 4, 13, tzinfo=UTC)
ACCEPTED = Sent(Reply(Stage.DOT, 250, "2.0.0", "Ok: queued as 4ZbK2Q1x2Tz9vQ"))
LOSSES = {
    ("FULL", "claim"): "nothing; at most one duplicate per connection",
    ("NORMAL", "claim"): "nothing; after a power failure, duplicates of the last commits",
    ("OFF", "claim"): "a power failure may corrupt the file",
    ("NORMAL", "no claim"): "nothing; which emails were in flight is not known",
}


def main() -> None:
    parser = arguments(__doc__ or "", emails=5000, rounds=5, directory="")
    options = parser.parse_args()
    where = machine()
    with scratch() as temporary:
        directory = Path(options.directory) if options.directory else temporary
        database = directory / "ledger-benchmark.db"
        fill(database, options.emails)
        app = open_app(database)
        number = app.publisher.publish_early(datetime.now(UTC)).number
        app.close()

        def contestant(
            record: Callable[[sqlite3.Connection, int], int], synchronous: str
        ) -> Callable[[], dict[str, float]]:
            return lambda: timed(database, record, synchronous, number, options.emails)

        ways = {"claim": one_by_one, "claim, 10 per commit": ten_per_commit, "no claim": without_claims}
        medians = interleaved(
            options.rounds,
            {
                f"{sync} · {way}": contestant(record, sync)
                for sync in ("FULL", "NORMAL", "OFF")
                for way, record in ways.items()
            },
        )
        for left in directory.glob("ledger-benchmark.db*"):
            left.unlink()
    base = medians["NORMAL · claim"]["µs"]
    rows = []
    for name, found in medians.items():
        synchronous, _, way = name.partition(" · ")
        loss = LOSSES.get(
            (synchronous, way.partition(",")[0]), LOSSES["OFF", "claim"] if synchronous == "OFF" else "as above"
        )
        rows.append([name, f"{found['µs'] / base:.2f} ×", f"{found['µs']:.1f}", loss])
    head = ["synchronous · claim", "to the default", "µs per email", "what a crash costs"]
    report("The cost of recording one email", head, rows, where, markdown=options.markdown)


def timed(
    database: Path, record: Callable[[sqlite3.Connection, int], int], synchronous: str, number: int, emails: int
) -> dict[str, float]:
    connection = connect_to_write(database)
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("PRAGMA wal_autocheckpoint = 8000")  # so that each commit bears its share of the checkpoints
    connection.execute(
        "UPDATE delivery SET state = 'pending', owner = NULL, attempts = 0, first_attempt_at = NULL,"
        " last_at = NULL, reply = NULL"
    )
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    began = time.perf_counter()
    sent = record(connection, number)
    took = time.perf_counter() - began
    connection.close()
    if sent != emails:
        sys.exit(f"only {sent} of {emails} were recorded")
    return {"µs": took / emails * 1e6}


def one_by_one(connection: sqlite3.Connection, number: int) -> int:
    return claiming(connection, number, 1)


def ten_per_commit(connection: sqlite3.Connection, number: int) -> int:
    return claiming(connection, number, 10)


def claiming(connection: sqlite3.Connection, number: int, size: int) -> int:
    """Claim and record `size` deliveries per commit, as the sender does."""
    ledger, sent = SqliteLedger(connection, RLock(), 1), 0
    claims = ledger.advance(number, (), size, NOW)
    while claims:
        sent += len(claims)
        claims = ledger.advance(number, [Finished(claim, ACCEPTED, NOW) for claim in claims], size, NOW)
    return sent


def without_claims(connection: sqlite3.Connection, number: int) -> int:
    """Read the next delivery and record its outcome: the least that any record can cost here."""
    query = """SELECT s.id, s.address FROM delivery d INDEXED BY delivery_pending JOIN subscriber s ON s.id = d.subscriber_id
        WHERE d.issue_id = ? AND d.state = 'pending' ORDER BY d.subscriber_id LIMIT 1"""
    update = "UPDATE delivery SET state = 'sent', reply = ?, last_at = ? WHERE issue_id = ? AND subscriber_id = ?"
    sent, reply, at = 0, f"{ACCEPTED.reply.stage} {ACCEPTED.reply}", int(NOW.timestamp() * 1000)
    while row := connection.execute(query, (number,)).fetchone():
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(update, (reply, at, number, row[0]))
        connection.execute("COMMIT")
        sent += 1
    return sent


if __name__ == "__main__":
    main()
