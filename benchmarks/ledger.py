"""What each guarantee of the ledger costs, per letter: claims before a byte leaves, and how hard a commit is."""

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
LOSES = {
    ("FULL", "claim"): "nothing; doubles: one a connection",
    ("NORMAL", "claim"): "nothing; a power cut doubles the last commits",
    ("OFF", "claim"): "a power cut may break the file",
    ("NORMAL", "no claim"): "nothing; what was in flight at a crash is not known",
}


def main() -> None:
    parser = arguments(__doc__ or "", letters=5000, rounds=5, directory="")
    options = parser.parse_args()
    where = machine()
    with scratch() as temporary:
        directory = Path(options.directory) if options.directory else temporary
        database = directory / "ledger-benchmark.db"
        fill(database, options.letters)
        app = open_app(database)
        number = app.publisher.publish_early(datetime.now(UTC)).number
        app.close()

        def contestant(
            how: Callable[[sqlite3.Connection, int], int], synchronous: str
        ) -> Callable[[], dict[str, float]]:
            return lambda: timed(database, how, synchronous, number, options.letters)

        ways = {"claim": one_by_one, "claim, 10 a commit": ten_a_commit, "no claim": without_claims}
        medians = interleaved(
            options.rounds,
            {
                f"{sync} · {way}": contestant(how, sync)
                for sync in ("FULL", "NORMAL", "OFF")
                for way, how in ways.items()
            },
        )
        for left in directory.glob("ledger-benchmark.db*"):
            left.unlink()
    base = medians["NORMAL · claim"]["µs"]
    rows = []
    for name, found in medians.items():
        synchronous, _, way = name.partition(" · ")
        loses = LOSES.get(
            (synchronous, way.partition(",")[0]), LOSES["OFF", "claim"] if synchronous == "OFF" else "as above"
        )
        rows.append([name, f"{found['µs'] / base:.2f} ×", f"{found['µs']:.1f}", loses])
    head = ["synchronous · claim", "to the default", "µs a letter", "what a crash costs"]
    report("What a letter costs in the ledger", head, rows, where, markdown=options.markdown)


def timed(
    database: Path, how: Callable[[sqlite3.Connection, int], int], synchronous: str, number: int, letters: int
) -> dict[str, float]:
    connection = connect_to_write(database)
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("PRAGMA wal_autocheckpoint = 8000")  # a commit bears its share of them here
    connection.execute(
        "UPDATE delivery SET state = 'pending', owner = NULL, attempts = 0, first_attempt_at = NULL,"
        " last_at = NULL, reply = NULL"
    )
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    began = time.perf_counter()
    sent = how(connection, number)
    took = time.perf_counter() - began
    connection.close()
    if sent != letters:
        sys.exit(f"{sent} of {letters} were recorded")
    return {"µs": took / letters * 1e6}


def one_by_one(connection: sqlite3.Connection, number: int) -> int:
    return claiming(connection, number, 1)


def ten_a_commit(connection: sqlite3.Connection, number: int) -> int:
    return claiming(connection, number, 10)


def claiming(connection: sqlite3.Connection, number: int, at_once: int) -> int:
    ledger, sent = SqliteLedger(connection, RLock(), 1), 0
    claims = ledger.advance(number, (), at_once, NOW)
    while claims:
        sent += len(claims)
        claims = ledger.advance(number, [Finished(claim, ACCEPTED, NOW) for claim in claims], at_once, NOW)
    return sent


def without_claims(connection: sqlite3.Connection, number: int) -> int:
    """Read who is next, say who got it: the least that any record can cost here."""
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
