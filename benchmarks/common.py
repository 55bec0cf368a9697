"""Shared code of the benchmarks: a newsletter with many subscribers, Debian's smtp-sink, process measurements, tables."""

from __future__ import annotations

import argparse
import os
import platform
import re
import secrets
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from newsletter.app import App

CHECKOUT = Path(__file__).resolve().parents[1]
CONFIRMED_AT = "2025-03-04 09:00:00.000000"


def log(text: str) -> None:
    """Print progress to stderr; stdout has only the results."""
    print(text, file=sys.stderr, flush=True)


def arguments(description: str, **options: object) -> argparse.ArgumentParser:
    """A parser with --markdown and an option for each keyword, which has its default and type."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--markdown", action="store_true", help="print tables as in docs/performance.md")
    for name, default in options.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(default, bool):
            parser.add_argument(flag, action="store_true")
        else:
            parser.add_argument(flag, type=type(default), default=default)
    return parser


# -- a newsletter --------------------------------------------------------------------------------------


@contextmanager
def scratch() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="newsletter-bench-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def environ(database: Path, port: int = 25, *, connections: int = 10, **more: str) -> dict[str, str]:
    """The environment of a newsletter that sends to a local port, without NEWSLETTER_ variables of the current user."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NEWSLETTER_")}
    return kept | {
        "NEWSLETTER_DATABASE_URL": f"sqlite:///{database}",
        "NEWSLETTER_SENDER_URL": f"smtp://127.0.0.1:{port}?tls=none&connections={connections}",
        "NEWSLETTER_SECRET_KEY": "a-key-for-benchmarks-only-0123456789",
        "NEWSLETTER_FROM": "Tip of the Week <tips@tips.example>",
        "NEWSLETTER_BASE_URL": "https://tips.example",
        "NEWSLETTER_POSTAL_ADDRESS": "1 Market Street, Springfield",
        "NEWSLETTER_OWNER": "owner@tips.example",
        **more,
    }


def fill(database: Path, subscribers: int) -> None:
    """Create a newsletter with the starter tips and this many confirmed subscribers."""
    app = open_app(database)
    app.database.upgrade()
    app.tips.import_files(sorted((CHECKOUT / "seeds").glob("*.md")), format_="markdown", queue=True)
    app.close()
    rows = (
        (number, secrets.token_hex(8), address, address)
        for number in range(1, subscribers + 1)
        for address in [f"user{number}@domain{number % 997}.example"]
    )
    connection = sqlite3.connect(database)
    with connection:
        connection.executemany(
            "INSERT INTO subscriber (id, key, address, address_key, name, new_address, new_address_key)"
            " VALUES (?, ?, ?, ?, '', '', '')",
            rows,
        )
        connection.execute(
            "INSERT INTO subscription (list_id, subscriber_id, status, signup_at, confirmed_at)"
            " SELECT 1, id, 'confirmed', :at, :at FROM subscriber ORDER BY id", {"at": CONFIRMED_AT},
        )  # fmt: skip
    connection.close()


def open_app(database: Path) -> App:
    """The newsletter of this database; see `fill_in_a_process` for the imports."""
    from newsletter.app import App  # noqa: PLC0415 - this process must stay small
    from newsletter.settings import load_settings  # noqa: PLC0415 - this process must stay small

    return App(load_settings(environ(database)))


def fill_in_a_process(database: Path, subscribers: int, email: Path) -> None:
    """Run `fill` and write the next email to a file, in another process so that this one stays small.

    The peak memory of a child includes that of its parent at the fork (getrusage keeps it across exec), so a large
    parent would be measured too.
    """
    log(f"creating {subscribers:,} subscribers")
    env = dict(os.environ) | {"PYTHONPATH": str(CHECKOUT)}
    subprocess.run([sys.executable, __file__, str(database), str(subscribers), str(email)], env=env, check=True)


# -- processes -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """The measurements of one whole process. wall, cpu: seconds. peak: MiB."""

    wall: float
    cpu: float
    peak: float
    output: str


def measure(command: Sequence[str], env: Mapping[str, str] | None = None) -> Run:
    """Run a command to its end; exits with its output if it fails."""
    with tempfile.TemporaryFile("w+") as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, env=env, cwd=CHECKOUT, stdout=output, stderr=subprocess.STDOUT)
        family = ProcessFamily(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read()
    if process.returncode:
        sys.exit(f"{' '.join(command)}\nexited with {process.returncode}:\n{printed}")
    return Run(wall, usage.ru_utime + usage.ru_stime, max(usage.ru_maxrss / 1024, family.peak()), printed)


class ProcessFamily:
    """The peak memory of a process and its children, sampled twice a second; shared memory counts once."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._most = 0.0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def peak(self) -> float:
        """MiB; 0 if the process had no child, or on a system without /proc."""
        self._thread.join()
        return self._most

    def _watch(self) -> None:
        with suppress(OSError):
            while True:
                children = [
                    int(child)
                    for children in Path(f"/proc/{self._pid}/task").glob("*/children")
                    for child in children.read_text().split()
                ]
                if children:
                    self._most = max(self._most, sum(map(shares_of, [self._pid, *children])))
                Path(f"/proc/{self._pid}/stat").read_bytes()
                time.sleep(0.5)


def shares_of(pid: int) -> float:
    """The memory of a process in MiB (PSS): a page that n processes share counts as 1/n."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def program(name: str, given: str = "") -> str:
    """The path of a program of Debian's postfix package. given: a path from the command line, which is used instead."""
    found = given or shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if not found:
        sys.exit(f"{name} is not installed; run apt-get install postfix, or pass --{name.removeprefix('smtp-')} PATH")
    return found


def postfix_environ(path: str) -> dict[str, str]:
    """The environment with the libraries of a postfix package that was unpacked and not installed."""
    libraries = Path(path).resolve().parents[1] / "lib" / "postfix"
    return dict(os.environ) | ({"LD_LIBRARY_PATH": str(libraries)} if libraries.is_dir() else {})


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@contextmanager
def smtp_sink(path: str, *options: str) -> Iterator[int]:
    """Run Debian's smtp-sink on a free port of the loopback interface; yields the port."""
    port = free_port()
    drop = ["-u", "nobody"] if os.geteuid() == 0 else []
    sink = subprocess.Popen([path, *drop, *options, f"127.0.0.1:{port}", "1000"], env=postfix_environ(path))
    try:
        wait_for(port)
        yield port
    finally:
        sink.terminate()
        sink.wait()


def wait_for(port: int) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    sys.exit(f"no server listens on port {port}")


# -- results -------------------------------------------------------------------------------------------


def interleaved(
    rounds: int, contestants: Mapping[str, Callable[[], Mapping[str, float]]]
) -> dict[str, dict[str, float]]:
    """Run every contestant once per round, in turn; the median of each figure."""
    seen: dict[str, list[Mapping[str, float]]] = {name: [] for name in contestants}
    for number in range(1, rounds + 1):
        for name, run in contestants.items():
            figures = run()
            seen[name].append(figures)
            log(f"round {number}: {name}: " + ", ".join(f"{key} {value:,.4g}" for key, value in figures.items()))
    return {
        name: {key: statistics.median(figures[key] for figures in runs) for key in runs[0]}
        for name, runs in seen.items()
    }


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, markdown: bool) -> str:
    if markdown:
        lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)
    widths = [max(len(row[n]) for row in [head, *rows]) for n in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) if n == 0 else cell.rjust(width) for n, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in [head, *rows]
    )  # fmt: skip


def machine() -> str:
    """The date, processor, cores, load, and versions of Python and SQLite."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    today = datetime.now(UTC).date().isoformat()
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{today}: {model}, {os.cpu_count()} cores, load before {load}; Python {platform.python_version()},"
        f" SQLite {sqlite3.sqlite_version}."
    )


def report(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], where: str, *, markdown: bool) -> None:
    given = " ".join(["", *(word for word in sys.argv[1:] if word != "--markdown")])
    chosen = re.sub(r" --(?:sink|source|directory)[ =]\S+", "", given)  # paths of this machine
    command = f"python benchmarks/{Path(sys.argv[0]).name}{chosen}"
    mark = "### " if markdown else ""
    print(f"{mark}{title}\n\n{table(head, rows, markdown=markdown)}\n")
    print(f"`{command}`, {where}" if markdown else f"{command}\n{where}")


if __name__ == "__main__":
    fill(Path(sys.argv[1]), int(sys.argv[2]))
    Path(sys.argv[3]).write_bytes(open_app(Path(sys.argv[1])).preview.message())
