"""A running newsletter asked for every kind of page, first and again, and for sign-ups while an issue is sent."""

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
    fill_apart,
    free_port,
    machine,
    open_app,
    program,
    report,
    say,
    scratch,
    smtp_sink,
    wait_for,
)
from visitors import get, post, visit

Server = tuple[int, int]  # the port it listens on, and its process
COMMAND = (sys.executable, str(CHECKOUT / "benchmarks" / "open_house.py"))
BARE = (sys.executable, str(CHECKOUT / "benchmarks" / "bare.py"))
NEWEST = date(2025, 4, 29)
COLUMNS = ("requests/s", "p50 ms", "p99 ms", "CPU ms")
GOAL = 500
SIGNED_UP = {"form": ("application/x-www-form-urlencoded", 303), "JSON": ("application/json", 202)}


def main() -> None:
    parser = arguments(
        __doc__ or "", tips=2000, readers=60_000, requests=2000, clients=8, rounds=3, sink="", only="all of it"
    )
    options = parser.parse_args()
    where, wanted = machine(), options.only
    with scratch() as directory:
        house = House(directory, options.tips, options.requests, options.clients)
        if wanted != "signups":
            house.fill_archive()
            rows = medians(options.rounds, [house.read_all, house.peers])
            show(f"{options.tips:,} tips, {options.clients} clients at once", rows, where, markdown=options.markdown)
        if wanted != "pages":
            house.fill_readers(options.readers)
            house.sink = program("smtp-sink", options.sink)
            rows = medians(options.rounds, [house.sign_up_all])
            show(f"Sign-ups, an issue to {options.readers:,} readers", rows, where, markdown=options.markdown)


Measured = Iterator[tuple[str, Mapping[str, float]]]


def medians(rounds: int, contests: Sequence[Callable[[], Measured]]) -> dict[str, dict[str, float]]:
    """Every contest once a round; the medians of what each of its lines gave."""
    seen: dict[str, list[Mapping[str, float]]] = {}
    for number in range(1, rounds + 1):
        for contest in contests:
            for name, figures in contest():
                seen.setdefault(name, []).append(figures)
                say(f"round {number}: {name}: " + ", ".join(f"{key} {value:,.3g}" for key, value in figures.items()))
    return {
        name: {key: statistics.median(one[key] for one in found) for key in COLUMNS} for name, found in seen.items()
    }


def show(title: str, found: Mapping[str, Mapping[str, float]], where: str, *, markdown: bool) -> None:
    rows = [
        [name, f"{one['requests/s'] / GOAL:.1f} ×", f"{one['requests/s']:,.0f}", f"{one['p50 ms']:.1f}", f"{one['p99 ms']:.1f}",
         f"{one['CPU ms']:.2f}"]
        for name, one in found.items()
    ]  # fmt: skip
    report(title, ["asked for", f"to {GOAL}/s", *COLUMNS[:-1], "CPU ms a request"], rows, where, markdown=markdown)
    print()


@dataclass
class House:
    """One newsletter, its databases to begin with, and the processes that serve it."""

    directory: Path
    tips: int
    requests: int
    clients: int
    sink: str = ""

    # -- what is in it -----------------------------------------------------------------------------------

    def fill_archive(self) -> None:
        """A library of tips that ran, made of the paragraphs of the starter tips."""
        say(f"making {self.tips:,} tips")
        texts, self.chance = written(self.directory / "tips", self.tips), random.Random(1)  # noqa: S311 - the same every time
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

    def fill_readers(self, readers: int) -> None:
        fill_apart(self.directory / "readers.db", readers, self.directory / "letter.eml")

    # -- pages -------------------------------------------------------------------------------------------

    def read_all(self) -> Measured:
        """Every kind of page of a server that has just started: all different, then again."""
        with self.serving("archive.db", "web") as server:
            for name, paths in self.addresses().items():
                requests = [get(path) for path in paths]
                again = (requests * -(-self.requests // len(requests)))[: self.requests]
                if len(requests) > 1:
                    yield f"{name}, the first time", self.ask(server, requests)
                    yield f"{name}, again", self.ask(server, again)
                else:
                    yield name, self.ask(server, again)

    def addresses(self) -> dict[str, list[str]]:
        """Addresses by kind of page; lists of one address are asked again and again."""
        lists = [f"/archive/page/{page}" for page in range(1, -(-self.tips // 20) + 1)]
        lists += [f"/archive/{NEWEST.year - past}" for past in range(self.tips // 52)]
        for kind, slug, number in self.labels:
            folder = {"category": "categories", "tag": "tags"}[kind]
            lists += [f"/{folder}/{slug}/page/{page}" for page in range(1, -(-number // 20) + 1)]
        searches = [f"/search?q={quote(' '.join(self.chance.sample(self.words, 2)))}" for _ in range(self.requests)]
        tips = [f"/tips/{key}" for key in self.keys]
        for some in (lists, tips):
            self.chance.shuffle(some)
        feeds = {"Atom feed": ["/feed.xml"], "JSON feed": ["/feed.json"], "site map": ["/sitemap.xml"]}
        return {"a tip": tips, "a list": lists, "a search": searches, **feeds, "front page": ["/"]}

    def ask(self, server: Server, requests: Sequence[bytes]) -> Mapping[str, float]:
        return visit(*server, requests, clients=self.clients).figures()

    def peers(self) -> Measured:
        """A fixed page by the same libraries, and a file by Python's own server."""
        folder = self.directory / "files"
        folder.mkdir(exist_ok=True)
        (folder / "page.html").write_text("x" * 9_000, encoding="utf-8")
        port = free_port()
        for name, path, command in (("a fixed page by bare FastAPI", "/", [*BARE, str(port)]),):
            with running(command, {}, port) as process:
                yield name, self.ask((port, process.pid), [get(path)] * self.requests)

    # -- sign-ups ----------------------------------------------------------------------------------------

    def sign_up_all(self) -> Measured:
        """New addresses, with nothing else going on and while an issue is sent, in this process and beside it."""
        for kind in SIGNED_UP:
            with self.serving("readers.db", "web") as server:
                yield f"{kind}, nothing is sent", self.sign_up(server, kind)
        for place, scene in (("by the daemon", self.daemon), ("by another process", self.beside)):
            for kind, rate in (("form", 0), ("JSON", 0), ("form", GOAL)):
                paced = f", {rate} a second" if rate else ""
                with scene() as server:
                    figures = self.sign_up(server, kind, rate)
                    self.insist_it_is_sending()
                yield f"{kind}{paced}, an issue is sent {place}", figures

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
        """What the form has in it for somebody who opened it ten seconds ago."""
        from newsletter.mail.tokens import Purpose
        from newsletter.mail.verp import base36

        return open_app(self.directory / "readers.db").signer.sign(Purpose.FORM, base36(int(time.time()) - 10))

    @contextmanager
    def daemon(self) -> Iterator[Server]:
        """`newsletter run`: alarm clock, sending and web in one process."""
        with smtp_sink(self.sink) as port, self.serving("readers.db", "run", port) as server:
            self.wait_until_it_sends()
            yield server

    @contextmanager
    def beside(self) -> Iterator[Server]:
        """`newsletter web` and, in another process, `newsletter run --no-web`."""
        with (
            smtp_sink(self.sink) as port,
            self.serving("readers.db", "web", port) as server,
            running([*COMMAND, "run", "--no-web"], self.environ(port)),
        ):
            self.wait_until_it_sends()
            yield server

    def insist_it_is_sending(self) -> None:
        if self.ask_database("SELECT NOT EXISTS (SELECT 1 FROM delivery WHERE state = 'pending')"):
            sys.exit("the issue was sent before the sign-ups were taken: say --readers with a larger number")

    def wait_until_it_sends(self) -> None:
        until = time.monotonic() + 60
        while not self.ask_database("SELECT EXISTS (SELECT 1 FROM delivery WHERE state = 'sent')"):
            if time.monotonic() > until:
                sys.exit("nothing is sent")
            time.sleep(0.05)

    def ask_database(self, query: str) -> bool:
        database = sqlite3.connect(self.directory / "run.db")
        try:
            return bool(database.execute(query).fetchone()[0])
        finally:
            database.close()

    # -- processes ---------------------------------------------------------------------------------------

    @contextmanager
    def serving(self, database: str, command: str, sink: int = 25) -> Iterator[Server]:
        """A fresh copy of a database, served by a command of ours."""
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
    """A process until the end of the block; port: wait until it listens there."""
    process = subprocess.Popen(command, env=env or None, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        if port:
            wait_for(port)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def written(folder: Path, number: int) -> Path:
    """Files of tips: five to eight paragraphs each, so many weeks back, two categories and three tags."""
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
