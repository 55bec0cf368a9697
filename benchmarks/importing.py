"""A long list of readers taken in while people sign up, beside the same row by row with SQLModel and email-validator."""

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

from common import CHECKOUT, Run, arguments, environ, interleaved, machine, measure, open_app, report, say, scratch

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
AGAIN_AFTER = 0.02  # seconds between one sign-up and the next


def main() -> None:
    parser = arguments(__doc__ or "", lines=1_000_000, sample=5_000, rounds=1)
    parser.add_argument("--role", choices=["list", "visitors", "peer"], help="for the processes of this benchmark")
    parser.add_argument("paths", nargs="*", type=Path)
    options = parser.parse_args()
    if options.role:
        {"list": write_list, "visitors": sign_up, "peer": row_by_row}[options.role](*options.paths, options.lines)
        return
    where = machine()
    with scratch() as directory:
        file = directory / "list.csv"
        say(f"writing {options.lines:,} lines")
        in_a_process("list", file, lines=options.lines)
        found = interleaved(
            options.rounds,
            {
                "ours, people signing up": lambda: ours(directory, file, options.lines),
                "row by row: SQLModel, email-validator": lambda: peer(directory, file, options.lines, options.sample),
            },
        )
    best = next(iter(found.values()))["s"]
    rows = [
        [name, f"{f['s'] / best:.2f} ×", f"{f['s']:,.1f}", f"{options.lines / f['s']:,.0f}", f"{f['cpu'] * 1e6 / options.lines:,.1f}",
         f"{f['MiB']:.0f}", f"{f['wait']:.2f}" if "wait" in f else ""]
        for name, f in found.items()
    ]  # fmt: skip
    head = ["import", "to ours", "s", "lines/s", "CPU µs a line", "peak MiB", "longest sign-up s"]
    report(f"{options.lines:,} lines of a Mailchimp export", head, rows, where, markdown=options.markdown)
    print(f"\nThe second is timed over {options.sample:,} lines and multiplied.")


def ours(directory: Path, file: Path, lines: int) -> dict[str, float]:
    """The whole command, from start to exit, on a new database; the longest sign-up meanwhile."""
    database = fresh(directory)
    command = ["-m", "newsletter", "subscribers", "import", str(file), "--confirmed", "--source", "a benchmark"]
    with visitors(database) as waits:
        run = measure([sys.executable, *command], environ(database))
    if f"{lines:,}" not in run.output:
        sys.exit(run.output)
    return {"s": run.wall, "cpu": run.cpu, "MiB": run.peak, "wait": max(waits)}


def peer(directory: Path, file: Path, lines: int, sample: int) -> dict[str, float]:
    """A sample, less what the process needs to start, as if all lines were like it."""
    empty, run = (in_a_process("peer", file, fresh(directory), lines=number) for number in (0, sample))
    factor = lines / sample
    return {"s": (run.wall - empty.wall) * factor, "cpu": (run.cpu - empty.cpu) * factor, "MiB": run.peak}


def fresh(directory: Path) -> Path:
    database = directory / "n.db"
    for old in directory.glob("n.db*"):
        old.unlink()
    subprocess.run(
        [sys.executable, "-m", "newsletter", "db", "upgrade"], env=environ(database), cwd=CHECKOUT, check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return database


def in_a_process(role: str, *paths: Path, lines: int) -> Run:
    """One of the roles; this process must stay small, since a child's peak begins with what its parent had."""
    command = [sys.executable, __file__, "--role", role, "--lines", str(lines), *map(str, paths)]
    return measure(command, dict(os.environ) | {"PYTHONPATH": str(CHECKOUT)})


@contextmanager
def visitors(database: Path) -> Iterator[list[float]]:
    """People who sign up all the while; how long each sign-up took, in seconds, once they are gone."""
    command = [sys.executable, __file__, "--role", "visitors", str(database)]
    env = dict(os.environ) | {"PYTHONPATH": str(CHECKOUT)}
    process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    waits: list[float] = []
    try:
        yield waits
    finally:
        said, _ = process.communicate()  # closes its stdin
        waits += map(float, said.split())


# -- roles ---------------------------------------------------------------------------------------------


def write_list(file: Path, lines: int) -> None:
    """Real lists repeat domains and first names and little else."""
    chance = random.Random(7)  # noqa: S311 - a list, no secret
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
    """Sign up as the form does, one after the other, until stdin is closed; prints the seconds each took."""
    from secrets import token_hex
    from select import select

    from newsletter.actions.subscribers.subscribe import subscribe
    from newsletter.domain.subscribers.address import parse_address

    store = open_app(database).store
    for number in count():
        address, began = parse_address(f"visitor{number}@visitors.example"), time.perf_counter()
        with store.write() as tx:
            subscribe(tx, address=address, name="", form="page/1", origin="", key=token_hex(8), now=datetime.now(UTC))
        print(time.perf_counter() - began)
        if select([sys.stdin], [], [], AGAIN_AFTER)[0]:
            break


def row_by_row(file: Path, database: Path, lines: int) -> None:
    """As one would write it first: a row, a check, a look, an object, a commit."""
    from email_validator import validate_email
    from sqlmodel import Session, col, create_engine, select

    from newsletter.keys import fresh_key
    from newsletter.store.sqlite.connection import set_pragmas
    from newsletter.store.tables import Consent, SubscriberRow

    engine = create_engine(f"sqlite:///{database}")
    now = datetime.now(UTC)
    with file.open(encoding="utf-8", newline="") as source, Session(engine) as session:
        raw = session.connection().connection.dbapi_connection
        set_pragmas(raw)  # type: ignore[arg-type]
        session.rollback()
        for row in islice(csv.DictReader(source), lines):
            address = validate_email(row["Email Address"], check_deliverability=False, test_environment=True).normalized
            if session.exec(select(SubscriberRow).where(col(SubscriberRow.address_key) == address.lower())).first():
                continue
            confirmed_at = datetime.fromisoformat(row["CONFIRM_TIME"]).replace(tzinfo=UTC)
            reader = SubscriberRow(
                key=fresh_key(), address=address, address_key=address.lower(), status="confirmed", source="import",
                name=f"{row['First Name']} {row['Last Name']}", signup_at=confirmed_at, confirmed_at=confirmed_at,
            )  # fmt: skip
            session.add(reader)
            session.flush()
            session.add(Consent(subscriber_id=reader.id or 0, at=now, what="import", proof="a benchmark"))
            session.commit()


if __name__ == "__main__":
    main()
