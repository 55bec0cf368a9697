"""Import a long list of subscribers while people sign up, compared with SQLModel and email-validator row by row."""

from __future__ import annotations

import csv
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from secrets import token_hex
from select import select

from common import CHECKOUT, Run, arguments, environ, interleaved, log, machine, measure, open_app, report, scratch

FIRST = [
    "Anna",
    "Ben",
    "Carla",
    "David",
    "Eva",
    "Frank",
    "Gina",
    "Hugo",
    "Iris",
    "Käthe",
    "Luis",
    "Noah",
    "Olga",
    "Zoë",
]
LAST = ["Adams", "Baker", "Clark", "Davis", "Evans", "Fischer", "Garcia", "Hill", "Ito", "Lopez", "Müller", "O'Brien"]
HEAD = '"Email Address","First Name","Last Name",MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LAST_CHANGED,LEID'
SIGN_UP_EVERY = 0.02  # seconds between two sign-ups


def main() -> None:
    parser = arguments(__doc__ or "", lines=1_000_000, sample=5_000, rounds=1)
    parser.add_argument("--role", choices=["list", "visitors", "peer"], help="internal: the part of a child process")
    parser.add_argument("paths", nargs="*", type=Path)
    options = parser.parse_args()
    if options.role:
        {"list": write_list, "visitors": sign_up, "peer": row_by_row}[options.role](*options.paths, options.lines)
        return
    where = machine()
    with scratch() as directory:
        file = directory / "list.csv"
        log(f"writing {options.lines:,} lines")
        in_a_process("list", file, lines=options.lines)
        found = interleaved(
            options.rounds,
            {
                "newsletter, with sign-ups meanwhile": lambda: ours(directory, file, options.lines),
                "row by row: SQLModel, email-validator": lambda: peer(directory, file, options.lines, options.sample),
            },
        )
    best = next(iter(found.values()))["s"]
    rows = [
        [name, f"{f['s'] / best:.2f} ×", f"{f['s']:,.1f}", f"{options.lines / f['s']:,.0f}", f"{f['cpu'] * 1e6 / options.lines:,.1f}",
         f"{f['MiB']:.0f}", f"{f['wait']:.2f}" if "wait" in f else ""]
        for name, f in found.items()
    ]  # fmt: skip
    head = ["import", "to newsletter", "s", "lines/s", "CPU µs per line", "peak MiB", "longest sign-up s"]
    report(f"{options.lines:,} lines of a Mailchimp export", head, rows, where, markdown=options.markdown)
    print(f"\nThe second import is timed with {options.sample:,} lines and extrapolated.")


def ours(directory: Path, file: Path, lines: int) -> dict[str, float]:
    """Run the whole command on a new database; wait is the time of the slowest sign-up meanwhile."""
    database = fresh(directory)
    command = ["-m", "newsletter", "subscribers", "import", str(file), "--confirmed", "--source", "a benchmark"]
    with visitors(database) as waits:
        run = measure([sys.executable, *command], environ(database))
    if f"{lines:,}" not in run.output:
        sys.exit(run.output)
    return {"s": run.wall, "cpu": run.cpu, "MiB": run.peak, "wait": max(waits)}


def peer(directory: Path, file: Path, lines: int, sample: int) -> dict[str, float]:
    """Time a sample without the start of the process, and extrapolate to all lines."""
    empty, run = (in_a_process("peer", file, fresh(directory), lines=number) for number in (0, sample))
    factor = lines / sample
    return {"s": (run.wall - empty.wall) * factor, "cpu": (run.cpu - empty.cpu) * factor, "MiB": run.peak}


def fresh(directory: Path) -> Path:
    """An empty database in place of the one from an earlier run."""
    database = directory / "n.db"
    for old in directory.glob("n.db*"):
        old.unlink()
    subprocess.run(
        [sys.executable, "-m", "newsletter", "db", "upgrade"], env=environ(database), cwd=CHECKOUT, check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return database


def in_a_process(role: str, *paths: Path, lines: int) -> Run:
    """Run one of the roles; see `common.fill_in_a_process` why this process must stay small."""
    command = [sys.executable, __file__, "--role", role, "--lines", str(lines), *map(str, paths)]
    return measure(command, dict(os.environ) | {"PYTHONPATH": str(CHECKOUT)})


@contextmanager
def visitors(database: Path) -> Iterator[list[float]]:
    """Let people sign up during the block; yields a list that has the seconds of each sign-up afterwards."""
    command = [sys.executable, __file__, "--role", "visitors", str(database)]
    env = dict(os.environ) | {"PYTHONPATH": str(CHECKOUT)}
    process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    waits: list[float] = []
    try:
        yield waits
    finally:
        printed, _ = process.communicate()  # closing its stdin ends it
        waits += map(float, printed.split())


# -- roles ---------------------------------------------------------------------------------------------


def write_list(file: Path, lines: int) -> None:
    """Write a Mailchimp export. As in real lists, domains and first names repeat and little else does."""
    chance = random.Random(7)  # noqa: S311 - test data
    domains = [f"mail{number}.example" for number in range(7)] * 1000 + [
        f"firm{number}.example" for number in range(5000)
    ]
    with file.open("w", encoding="utf-8", newline="") as target:
        target.write(f"{HEAD}\r\n")
        for number in range(lines):
            first, last, domain = chance.choice(FIRST), chance.choice(LAST), chance.choice(domains)
            local = f"{first}.{last}{number}".lower().encode("ascii", "ignore").decode().replace("'", "")
            day = f"20{chance.randrange(10, 26)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"
            at = f"{day} {chance.randrange(24):02}:{chance.randrange(60):02}:{chance.randrange(60):02}"
            target.write(f"{local}@{domain},{first},{last},3,{at},192.0.2.1,{at},192.0.2.1,{at},{number}\r\n")


def sign_up(database: Path, _lines: int) -> None:
    """Sign up as the form does, one after the other, until stdin is closed; prints the seconds of each sign-up."""
    from newsletter.actions.subscribers.subscribe import subscribe  # noqa: PLC0415 - this process must stay small
    from newsletter.domain.subscribers.address import parse_address  # noqa: PLC0415 - this process must stay small

    store = open_app(database).store
    for number in count():
        address, began = parse_address(f"visitor{number}@visitors.example"), time.perf_counter()
        with store.write() as tx:
            subscribe(tx, address=address, name="", form="page/1", origin="", key=token_hex(8), now=datetime.now(UTC))
        print(time.perf_counter() - began)
        if select([sys.stdin], [], [], SIGN_UP_EVERY)[0]:
            break


def row_by_row(file: Path, database: Path, lines: int) -> None:
    """A first version of an import: for each row, validate, look it up, add it, and commit."""
    from email_validator import validate_email  # noqa: PLC0415 - this process must stay small
    from sqlmodel import Session, col, create_engine  # noqa: PLC0415 - this process must stay small
    from sqlmodel import select as select_rows  # noqa: PLC0415 - this process must stay small

    from newsletter.keys import fresh_key  # noqa: PLC0415 - this process must stay small
    from newsletter.store.sqlite.connection import set_pragmas  # noqa: PLC0415 - this process must stay small
    from newsletter.store.subscriptions import SubscriptionRow  # noqa: PLC0415 - this process must stay small
    from newsletter.store.tables import Consent, SubscriberRow  # noqa: PLC0415 - this process must stay small

    engine = create_engine(f"sqlite:///{database}")
    now = datetime.now(UTC)
    with file.open(encoding="utf-8", newline="") as source, Session(engine) as session:
        raw = session.connection().connection.dbapi_connection
        set_pragmas(raw)  # type: ignore[arg-type]
        session.rollback()
        for row in islice(csv.DictReader(source), lines):
            address = validate_email(row["Email Address"], check_deliverability=False, test_environment=True).normalized
            if session.exec(
                select_rows(SubscriberRow).where(col(SubscriberRow.address_key) == address.lower())
            ).first():
                continue
            confirmed_at = datetime.fromisoformat(row["CONFIRM_TIME"]).replace(tzinfo=UTC)
            subscriber = SubscriberRow(
                key=fresh_key(), address=address, address_key=address.lower(),
                name=f"{row['First Name']} {row['Last Name']}",
            )  # fmt: skip
            session.add(subscriber)
            session.flush()
            number = subscriber.id or 0
            session.add(
                SubscriptionRow(
                    list_id=1,
                    subscriber_id=number,
                    status="confirmed",
                    source="import",
                    signup_at=confirmed_at,
                    confirmed_at=confirmed_at,
                )
            )
            session.add(Consent(subscriber_id=number, at=now, what="import", proof="a benchmark"))
            session.commit()


if __name__ == "__main__":
    main()
