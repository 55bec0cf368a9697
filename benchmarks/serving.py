"""Request every kind of page, first and repeatedly, and sign up while an issue is sent."""

from __future__ import annotations

import random
import re
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from json import dumps
from pathlib import Path
from urllib.parse import quote, urlencode

from common import (
    CHECKOUT,
    arguments,
    environ,
    fill_in_a_process,
    free_port,
    log,
    machine,
    open_app,
    program,
    report,
    scratch,
    smtp_sink,
    wait_for,
)
from visitors import get, post, visit

from newsletter.mail.tokens import Purpose
from newsletter.mail.verp import base36

Server = tuple[int, int]  # the port it listens on, and its process
COMMAND = (sys.executable, str(CHECKOUT / "benchmarks" / "without_signup_limits.py"))
BARE = (sys.executable, str(CHECKOUT / "benchmarks" / "bare.py"))
NEWEST = date(2025, 4, 29)
COLUMNS = ("requests/s", "p50 ms", "p99 ms", "CPU ms")
GOAL = 500
SIGNED_UP = {"form": ("application/x-www-form-urlencoded", 303), "JSON": ("application/json", 202)}


def main() -> None:
    parser = arguments(
        __doc__ or "", tips=2000, subscribers=60_000, requests=2000, clients=8, rounds=3, sink="", only="all of it"
    )
    options = parser.parse_args()
    where, wanted = machine(), options.only
    with scratch() as directory:
        site = Site(directory, options.tips, options.requests, options.clients)
        if wanted != "signups":
            site.fill_archive()
            rows = medians(options.rounds, [site.read_all, site.peers])
            show(f"{options.tips:,} tips, {options.clients} concurrent clients", rows, where, markdown=options.markdown)
        if wanted != "pages":
            site.fill_subscribers(options.subscribers)
            site.sink = program("smtp-sink", options.sink)
            rows = medians(options.rounds, [site.sign_up_all])
            show(
                f"Sign-ups, with an issue to {options.subscribers:,} subscribers",
                rows,
                where,
                markdown=options.markdown,
            )


Measured = Iterator[tuple[str, Mapping[str, float]]]


def medians(rounds: int, contests: Sequence[Callable[[], Measured]]) -> dict[str, dict[str, float]]:
    """Run every contest once per round; the median of each figure of its rows."""
    seen: dict[str, list[Mapping[str, float]]] = {}
    for number in range(1, rounds + 1):
        for contest in contests:
            for name, figures in contest():
                seen.setdefault(name, []).append(figures)
                log(f"round {number}: {name}: " + ", ".join(f"{key} {value:,.3g}" for key, value in figures.items()))
    return {
        name: {key: statistics.median(one[key] for one in found) for key in COLUMNS} for name, found in seen.items()
    }


def show(title: str, found: Mapping[str, Mapping[str, float]], where: str, *, markdown: bool) -> None:
    rows = [
        [name, f"{one['requests/s'] / GOAL:.1f} ×", f"{one['requests/s']:,.0f}", f"{one['p50 ms']:.1f}", f"{one['p99 ms']:.1f}",
         f"{one['CPU ms']:.2f}"]
        for name, one in found.items()
    ]  # fmt: skip
    report(title, ["request", f"to {GOAL}/s", *COLUMNS[:-1], "CPU ms per request"], rows, where, markdown=markdown)
    print()


@dataclass
class Site:
    """One newsletter: its prepared databases, and the processes that serve it."""

    directory: Path
    tips: int
    requests: int
    clients: int
    sink: str = ""

    # -- content -----------------------------------------------------------------------------------

    def fill_archive(self) -> None:
        """Create a library of published tips from the paragraphs of the starter tips."""
        log(f"creating {self.tips:,} tips")
        texts, self.chance = write_tips(self.directory / "tips", self.tips), random.Random(1)  # noqa: S311 - the same every time
        app = open_app(self.directory / "archive.db")
        app.database.upgrade()
        app.tips.import_files([texts], format_="markdown")
        app.close()
        database = sqlite3.connect(self.directory / "archive.db")
        with database:
            database.execute("UPDATE tip SET state = 'archive'")
        self.keys = [key for (key,) in database.execute("SELECT key FROM tip")]
        self.labels = database.execute("SELECT kind, slug, count(*) FROM tip_label GROUP BY kind, slug").fetchall()
        database.close()
        self.words = sorted({word for path in texts.iterdir() for word in re.findall(r"[a-z]{4,}", path.read_text())})

    def fill_subscribers(self, subscribers: int) -> None:
        fill_in_a_process(self.directory / "subscribers.db", subscribers, self.directory / "email.eml")

    # -- pages -------------------------------------------------------------------------------------------

    def read_all(self) -> Measured:
        """Request every kind of page from a server that has just started: each page once, then repeatedly."""
        with self.serving("archive.db", "web") as server:
            for name, paths in self.addresses().items():
                requests = [get(path) for path in paths]
                again = (requests * -(-self.requests // len(requests)))[: self.requests]
                if len(requests) > 1:
                    yield f"{name}, first request", self.request(server, requests)
                    yield f"{name}, repeated", self.request(server, again)
                else:
                    yield name, self.request(server, again)

    def addresses(self) -> dict[str, list[str]]:
        """URL paths by kind of page; a list with one path is requested repeatedly."""
        lists = [f"/archive/page/{page}" for page in range(1, -(-self.tips // 20) + 1)]
        lists += [f"/archive/{NEWEST.year - past}" for past in range(self.tips // 52)]
        for kind, slug, number in self.labels:
            folder = {"category": "categories", "tag": "tags"}[kind]
            lists += [f"/{folder}/{slug}/page/{page}" for page in range(1, -(-number // 20) + 1)]
        searches = [f"/search?q={quote(' '.join(self.chance.sample(self.words, 2)))}" for _ in range(self.requests)]
        tips = [f"/tips/{key}" for key in self.keys]
        for some in (lists, tips):
            self.chance.shuffle(some)
        feeds = {"Atom feed": ["/feed.xml"], "JSON feed": ["/feed.json"], "sitemap": ["/sitemap.xml"]}
        return {"a tip": tips, "a list": lists, "a search": searches, **feeds, "front page": ["/"]}

    def request(self, server: Server, requests: Sequence[bytes]) -> Mapping[str, float]:
        return visit(*server, requests, clients=self.clients).figures()

    def peers(self) -> Measured:
        """A fixed page from the same libraries."""
        port = free_port()
        for name, path, command in (("a fixed page from bare FastAPI", "/", [*BARE, str(port)]),):
            with running(command, {}, port) as process:
                yield name, self.request((port, process.pid), [get(path)] * self.requests)

    # -- sign-ups ----------------------------------------------------------------------------------------

    def sign_up_all(self) -> Measured:
        """Sign up new addresses without and during the sending of an issue, by the same process and by another one."""
        for kind in SIGNED_UP:
            with self.serving("subscribers.db", "web") as server:
                yield f"{kind}, nothing else going on", self.sign_up(server, kind)
        for place, scene in (("by the daemon", self.daemon), ("by another process", self.beside)):
            for kind, rate in (("form", 0), ("JSON", 0), ("form", GOAL)):
                limited = f", {rate} per second" if rate else ""
                with scene() as server:
                    figures = self.sign_up(server, kind, rate)
                    self.check_it_is_sending()
                yield f"{kind}{limited}, an issue is sent {place}", figures

    def sign_up(self, server: Server, kind: str, rate: float = 0.0) -> Mapping[str, float]:
        content, status = SIGNED_UP[kind]
        ticket = self.ticket()
        requests = []
        for number in range(self.requests):
            fields = {"email": f"new{number}@host{number % 991}.example", "name": "Grace Hopper", "ticket": ticket}
            body = dumps(fields) if kind == "JSON" else urlencode(fields)
            requests.append(post("/subscribe", body, content, content if kind == "JSON" else "text/html"))
        return visit(*server, requests, clients=self.clients, rate=rate, expect=status).figures()

    def ticket(self) -> str:
        """The token in the form of a visitor who opened it ten seconds ago."""
        return open_app(self.directory / "subscribers.db").signer.sign(Purpose.FORM, base36(int(time.time()) - 10))

    @contextmanager
    def daemon(self) -> Iterator[Server]:
        """`newsletter run`: scheduler, sender, and web server in one process."""
        with smtp_sink(self.sink) as port, self.serving("subscribers.db", "run", port) as server:
            self.wait_until_it_sends()
            yield server

    @contextmanager
    def beside(self) -> Iterator[Server]:
        """`newsletter web`, and `newsletter run --no-web` in another process."""
        with (
            smtp_sink(self.sink) as port,
            self.serving("subscribers.db", "web", port) as server,
            running([*COMMAND, "run", "--no-web"], self.environ(port)),
        ):
            self.wait_until_it_sends()
            yield server

    def check_it_is_sending(self) -> None:
        if self.query_database("SELECT NOT EXISTS (SELECT 1 FROM delivery WHERE state = 'pending')"):
            sys.exit("the issue was complete before the sign-ups were; pass a larger number as --subscribers")

    def wait_until_it_sends(self) -> None:
        until = time.monotonic() + 60
        while not self.query_database("SELECT EXISTS (SELECT 1 FROM delivery WHERE state = 'sent')"):
            if time.monotonic() > until:
                sys.exit("no email was sent within a minute")
            time.sleep(0.05)

    def query_database(self, query: str) -> bool:
        database = sqlite3.connect(self.directory / "run.db")
        try:
            return bool(database.execute(query).fetchone()[0])
        finally:
            database.close()

    # -- processes ---------------------------------------------------------------------------------------

    @contextmanager
    def serving(self, database: str, command: str, sink: int = 25) -> Iterator[Server]:
        """Serve a fresh copy of a database with a newsletter command."""
        for left in self.directory.glob("run.db*"):
            left.unlink()
        shutil.copy(self.directory / database, self.directory / "run.db")
        self.port = free_port()
        with running([*COMMAND, command], self.environ(sink), self.port) as process:
            yield self.port, process.pid

    def environ(self, sink: int) -> dict[str, str]:
        return environ(
            self.directory / "run.db",
            sink,
            PYTHONPATH=str(CHECKOUT),
            NEWSLETTER_LISTEN=f"127.0.0.1:{self.port}",
            NEWSLETTER_TIMEZONE="UTC",
            NEWSLETTER_SCHEDULE=f"{datetime.now(UTC):%a} 00:00".lower(),
        )


@contextmanager
def running(command: Sequence[str], env: Mapping[str, str], port: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process until the end of the block. port: wait until it listens there; 0 does not wait."""
    process = subprocess.Popen(command, env=env or None, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        if port:
            wait_for(port)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def write_tips(folder: Path, number: int) -> Path:
    """Write one tip per week as a file with five to eight paragraphs, two categories, and three tags; the folder."""
    chance, seeds = random.Random(7), sorted((CHECKOUT / "seeds").glob("*.md"))  # noqa: S311
    bodies = [path.read_text(encoding="utf-8").split("---\n", 2)[2].strip() for path in seeds]
    parts = [part for body in bodies for part in body.split("\n\n")]
    nouns = sorted({word for body in bodies for word in re.findall(r"[a-z]{5,12}", body)})
    folder.mkdir()
    for week in range(number):
        words = chance.sample(nouns, 4)
        title = f"{' '.join(words[:3])} and {words[3]}".capitalize()
        head = [
            f'title: "{title}"', f"date: {NEWEST - timedelta(weeks=week)}", f'takeaway: "Try {words[0]} before {words[1]}."',
            f"categories: [{', '.join(chance.sample(CATEGORIES, 2))}]", f"tags: [{', '.join(chance.sample(nouns[::40], 3))}]",
        ]  # fmt: skip
        body = "\n\n".join(chance.sample(parts, chance.randint(5, 8)))
        (folder / f"{week:05}.md").write_text("\n".join(["---", *head, "---", body, ""]), encoding="utf-8")
    return folder


CATEGORIES = ("Conversations", "Phone", "Writing", "Teams", "Leaders", "Listening", "Apologies", "Waiting")
Scene = Callable[[], AbstractContextManager[Server]]

if __name__ == "__main__":
    main()
