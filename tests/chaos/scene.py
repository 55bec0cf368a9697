"""The setting of the chaos tests: a newsletter, a server process that logs what it accepts, and the final account."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from newsletter.domain.delivery.delivery import OPEN
from newsletter.domain.delivery.issue import IssueFacts, IssueState
from newsletter.domain.subscribers.address import Address
from newsletter.domain.subscribers.subscriber import DeliveryFacts, NewSubscriber
from newsletter.domain.subscribers.subscription import Status
from newsletter.store.transactions import SqlStore
from tests.support.library import TUESDAY, add_tip, new_store
from tests.support.processes import Process, wait_until

CONNECTIONS = 8
SLOT_TIME = TUESDAY.isoformat()
_SETTINGS = """NEWSLETTER_SECRET_KEY=a-key-that-only-tests-have-0123456789
NEWSLETTER_FROM="Anna Beispiel <tips@tips.example>"
NEWSLETTER_OWNER=owner@tips.example
NEWSLETTER_BASE_URL=https://tips.example
NEWSLETTER_POSTAL_ADDRESS="1 Market Street, Springfield"
"""


def make_library(directory: Path, subscribers: int) -> Path:
    """A database with this many confirmed subscribers and three tips, to be copied; its path."""
    store = new_store(directory)
    with store.write() as tx:
        for number in range(1, subscribers + 1):
            address = f"subscriber{number}@a.example"
            subscriber = NewSubscriber(
                Address(address, address), "", f"k{number:015d}", Status.CONFIRMED, "test", TUESDAY
            )
            tx.subscribers.add(subscriber, TUESDAY)
    for title in ("One", "Two", "Three"):
        add_tip(store, title)
    store.close()
    return store.path


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@dataclass
class Account:
    """The result of one issue according to the server's log and to the database."""

    issue: IssueFacts
    rows: dict[str, DeliveryFacts]
    copies: Counter[str]
    message_ids: dict[str, set[str]]
    subjects: dict[str, set[str]]
    broken: list[str]

    @property
    def skipped(self) -> list[str]:
        """Subscribers without an email whose row does not give a reason."""
        named = {"skipped", "rejected", "failed", "held"}
        return [who for who, row in self.rows.items() if not self.copies[who] and row.state not in named]

    @property
    def duplicates(self) -> int:
        """How many emails were accepted more than once, each extra copy counted."""
        return sum(number - 1 for number in self.copies.values())

    @property
    def open(self) -> list[str]:
        return [who for who, row in self.rows.items() if row.state in OPEN]

    def check(self, *, kills: int) -> None:
        """Check every promise that must hold after any number of kills, once the issue is done."""
        assert self.skipped == []
        assert [who for who, row in self.rows.items() if row.state == "sent" and not self.copies[who]] == []
        assert set(self.copies) <= set(self.rows)
        assert self.duplicates <= kills * CONNECTIONS
        assert [who for who, ids in self.message_ids.items() if len(ids) != 1] == []
        assert self.broken == []
        assert (self.issue.state, self.open) == (IssueState.DONE, [])

    def __str__(self) -> str:
        counts = {state: count for state, count in self.issue.counts.items() if count}
        return f"{len(self.rows)} subscribers: {counts}; {self.duplicates} duplicates, {len(self.skipped)} skipped"


@dataclass
class Scene:
    """One newsletter and its server. pipelining: one thread drives all connections. together: a second process helps.

    Use with `with`: whatever still runs at the end is killed."""

    directory: Path
    library: Path
    slow: float = 0.004
    odds: Sequence[str] = ()
    seed: int = 0
    pipelining: bool = True
    together: bool = False
    port: int = field(default_factory=_free_port)
    _running: list[Process] = field(default_factory=list)

    def __enter__(self) -> Self:
        (self.directory / "data").mkdir(parents=True)
        shutil.copy(self.library, self.directory / "data" / "newsletter.db")
        sender = f"smtp://127.0.0.1:{self.port}?connections={CONNECTIONS}&reply_timeout=10s&final_timeout=10s"
        (self.directory / ".env").write_text(
            f"{_SETTINGS}NEWSLETTER_SENDER_URL={sender}\nNEWSLETTER_SECOND_PROCESS={int(self.together)}\n"
        )
        self.store = SqlStore(self.directory / "data" / "newsletter.db")
        [(self.subscribers,)] = self.rows("SELECT count(*) FROM subscriber")
        self.server = self.start_server()
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()
        for process in self._running:
            process.__exit__()

    def start_server(self) -> Process:
        """Start the server on its port with its existing log; returns once it listens."""
        odds = [part for odd in self.odds for part in ("--odds", odd)]
        odds += [] if self.pipelining else ["--no-pipelining"]
        server = Process(
            self.directory, "--port", str(self.port), "--log", str(self.log), "--slow", str(self.slow),
            "--seed", str(self.seed), *odds, how="-m tests.chaos.server",
        )  # fmt: skip
        self._running.append(server)
        wait_until(lambda: server.said != "", what="the server listens")
        return server

    def start(self, *arguments: str) -> Process:
        """Start a newsletter command."""
        process = Process(self.directory, *arguments)
        self._running.append(process)
        return process

    def run(self, *arguments: str) -> int:
        """Run a newsletter command; its exit code."""
        return self.start(*arguments).ends()

    def start_python(self, program: str) -> Process:
        """Start a one-line Python program in the directory of the newsletter."""
        process = Process(self.directory, program, how="-c")
        self._running.append(process)
        return process

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the database, selected with SQL."""
        with sqlite3.connect(self.store.path) as database:
            found = database.execute(query).fetchall()
        database.close()
        return found

    def write(self, change: str) -> None:
        """Change the database with SQL."""
        with sqlite3.connect(self.store.path) as database:
            database.execute(change)
        database.close()

    def second_process(self) -> int:
        """The process id of the second process that is sending now; 0: there is none."""
        lives = self.rows("SELECT pid FROM sender_run WHERE role = 'second process' AND NOT ended ORDER BY id DESC")
        return next((pid for (pid,) in lives if Path(f"/proc/{pid}/cmdline").exists()), 0)

    @property
    def log(self) -> Path:
        return self.directory / "accepted.jsonl"

    def taken(self) -> int:
        """How many emails the server has accepted so far."""
        return self.log.read_bytes().count(b"\n") if self.log.exists() else 0

    def wait_for_emails(self, number: int, sender: Process) -> bool:
        """Wait until the server has accepted this many more or nearly all, or the sender ended; does it still run?"""
        goal = min(self.taken() + number, max(self.taken(), self.subscribers))
        wait_until(lambda: not sender.is_running or self.taken() >= goal, what=f"{number} more emails")
        return sender.is_running

    def account(self, number: int = 1) -> Account:
        """Compare the server's log with the database."""
        emails = [json.loads(line) for line in self.log.read_text().splitlines()]
        ids, subjects = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
        for email in emails:
            ids[email["recipient"]].add(email["message_id"])
            subjects[email["recipient"]].add(email["subject"])
        with self.store.read() as tx:
            issue = tx.issues.get(number)
            rows = {row.address: row for row in tx.issues.deliveries(number)}
            copies = Counter(one["recipient"] for one in emails)
            return Account(issue, rows, copies, ids, subjects, tx.issues.broken_invariants())
