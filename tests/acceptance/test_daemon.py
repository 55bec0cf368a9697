"""`newsletter run` as an owner runs it: the real command, a Tuesday, restarts, signals, and a second daemon."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from newsletter.daemon import run_jobs_now
from newsletter.store.transactions import SqlStore
from tests.conftest import Command
from tests.support.faulty_smtp import Fault, FaultySmtp
from tests.support.library import add_subscribers
from tests.support.processes import Process, wait_until

TUESDAY = datetime(2024, 3, 5, 8, 0, tzinfo=ZoneInfo("America/New_York"))
BUSY, INTERRUPTED = 75, 130


@pytest.fixture
def server() -> Iterator[FaultySmtp]:
    with FaultySmtp() as server:
        yield server


@pytest.fixture
def tips(home: Path, library: Path, server: FaultySmtp) -> Path:
    """The directory of a newsletter with twelve tips and three confirmed subscribers, which sends through `server`."""
    settings = (home / ".env").read_text()
    url = server.url("connections=2", "reply_timeout=20s", "final_timeout=20s")
    (home / ".env").write_text(re.sub("(?m)^NEWSLETTER_SENDER_URL=.*$", f"NEWSLETTER_SENDER_URL={url}", settings))
    shutil.copytree(library, home / "data")
    with closing(SqlStore(home / "data" / "newsletter.db")) as store:
        add_subscribers(store, 3)
    return home


@contextmanager
def daemon(home: Path, as_of: datetime) -> Iterator[Process]:
    """The daemon, running; its clock starts at `as_of`."""
    with Process(home, "run", "--no-web", "--as-of", as_of.isoformat()) as process:
        wait_until(lambda: holder(home) == process.pid or not process.is_running, what="the daemon starts")
        yield process


def holder(home: Path) -> int:
    """The process that holds the sending lock, by its own record."""
    lock = home / "data" / "newsletter.db.sender"
    try:
        return int(json.loads(lock.read_text())["pid"])
    except (OSError, ValueError):
        return 0


def rows(home: Path, query: str) -> list[tuple[object, ...]]:
    database = sqlite3.connect(home / "data" / "newsletter.db")
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


def count(home: Path, table: str, state: str) -> int:
    return len([True for (found,) in rows(home, f"SELECT state FROM {table}") if found == state])  # noqa: S608


def got(server: FaultySmtp) -> list[str]:
    """Who got the issue: everybody but the owner, who gets a preview when the daemon starts."""
    return sorted(email.recipient for email in server.emails if not email.recipient.startswith("owner@"))


def test_it_sends_on_tuesday_and_not_before(tips: Path, server: FaultySmtp) -> None:
    with daemon(tips, TUESDAY - timedelta(seconds=4)) as process:
        early = got(server)
        wait_until(lambda: rows(tips, "SELECT state FROM issue") == [("done",)], what="the issue is done")
        process.send(signal.SIGTERM)
        ended = process.ends()
    [(slot, started_at)] = rows(tips, "SELECT slot, started_at FROM issue")

    assert early == []
    assert got(server) == ["reader1@a.example", "reader2@a.example", "reader3@a.example"]
    assert slot == "2024-03-05"
    assert str(started_at) >= "2024-03-05 13:00:00"
    assert ended == 0
    assert "Traceback" not in process.said


def test_a_restart_sends_nothing_twice_and_sends_a_missed_slot_late(tips: Path, server: FaultySmtp) -> None:
    for start in (TUESDAY, TUESDAY + timedelta(hours=1), TUESDAY + timedelta(days=7, hours=3)):
        issues = 1 if start < TUESDAY + timedelta(days=1) else 2
        with daemon(tips, start) as process:
            wait_until(lambda: count(tips, "issue", "done") >= issues, what="the issue is done")  # noqa: B023 - used immediately
            process.waits(2.5)  # one more timer run, which must not send anything
            process.send(signal.SIGTERM)
            assert process.ends() == 0

    assert got(server) == sorted([f"reader{number}@a.example" for number in (1, 2, 3)] * 2)
    assert rows(tips, "SELECT slot FROM issue ORDER BY slot") == [("2024-03-05",), ("2024-03-12",)]


def test_sigterm_lets_the_email_in_flight_finish_and_exits_0(tips: Path, server: FaultySmtp) -> None:
    server.faults.append(Fault("dot", "stall", times=1))
    with daemon(tips, TUESDAY) as process:
        assert server.stalling.wait(30)
        process.send(signal.SIGTERM)
        process.send(signal.SIGTERM)
        process.waits(0.5)
        still_running = process.is_running
        server.release()
        ended = process.ends()

    assert (still_running, ended) == (True, 0)
    assert count(tips, "delivery", "sending") == 0
    assert (
        count(tips, "delivery", "deferred") == 1
    )  # the server hung up after the final dot, so it is in doubt and recorded


def test_a_killed_daemon_continues_where_it_was(tips: Path, server: FaultySmtp) -> None:
    server.faults.append(Fault("dot", "stall", times=1))
    with daemon(tips, TUESDAY) as process:
        assert server.stalling.wait(30)
        process.kill()
    server.release()
    with daemon(tips, TUESDAY + timedelta(minutes=1)) as process:
        wait_until(lambda: rows(tips, "SELECT state FROM issue") == [("done",)], what="the issue is done")
        process.send(signal.SIGTERM)
        assert process.ends() == 0

    assert set(got(server)) == {"reader1@a.example", "reader2@a.example", "reader3@a.example"}
    assert len(got(server)) <= 3 + 2  # what was in flight over two connections may be sent twice
    assert "in doubt after a crash" in process.said


def test_a_second_daemon_is_refused_and_names_the_first(tips: Path) -> None:
    with daemon(tips, TUESDAY - timedelta(days=1)) as first:
        second = Process(tips, "run", "--no-web")
        ended = second.ends()

        assert ended == BUSY
        assert f"newsletter run (process {first.pid}" in second.said
        assert len(second.said.strip().splitlines()) == 1
        assert first.is_running


def test_issues_send_lets_the_daemon_send_and_reports_the_result(
    tips: Path, server: FaultySmtp, run_cli: Command
) -> None:
    with daemon(tips, TUESDAY - timedelta(days=1)) as process:
        sent = run_cli("--json", "issues", "send", "--now", "--as-of", (TUESDAY - timedelta(days=1)).isoformat())
        document = json.loads(sent.stdout)
        owners = rows(tips, "SELECT role, pid FROM sender_run")

        assert process.is_running
    assert (sent.returncode, document["state"], document["counts"]["sent"]) == (0, "done", 3)
    assert owners == [("newsletter run", process.pid)]
    assert got(server) == ["reader1@a.example", "reader2@a.example", "reader3@a.example"]


def test_the_daemon_sends_a_resumed_issue(tips: Path, server: FaultySmtp, run_cli: Command) -> None:
    server.faults.append(Fault("rcpt", "550 5.7.1 you are on a list", times=3))
    with daemon(tips, TUESDAY):
        wait_until(lambda: rows(tips, "SELECT state FROM issue") == [("paused",)], what="the breaker trips")
        alert = [("alert", "owner@tips.example")]
        wait_until(lambda: rows(tips, "SELECT kind, address FROM notice") == alert, what="the owner is notified")
        resumed = run_cli("issues", "resume", "1", "--as-of", TUESDAY.isoformat())

        assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    emails = [recipient for recipient in got(server) if recipient.startswith("reader")]
    assert emails == ["reader1@a.example", "reader2@a.example", "reader3@a.example"]


def test_a_second_ctrl_c_does_not_wait_for_a_silent_server(tips: Path, server: FaultySmtp) -> None:
    server.faults.append(Fault("dot", "stall"))
    with Process(tips, "issues", "send", "--as-of", TUESDAY.isoformat()) as sender:
        assert server.stalling.wait(30)
        sender.send(signal.SIGINT)
        wait_until(lambda: "Ctrl-C again" in sender.said, what="it says that it finishes the emails in flight")
        sender.send(signal.SIGINT)
        ended = sender.ends(timeout=10)
    server.faults.clear()
    server.release()
    again = Process(tips, "issues", "resume", "--as-of", TUESDAY.isoformat())

    assert ended == INTERRUPTED
    assert "Traceback" not in sender.said
    assert again.ends() == 0, again.said
    assert got(server) == ["reader1@a.example", "reader2@a.example", "reader3@a.example"]


def test_a_clock_set_back_does_not_silence_the_timers() -> None:
    rung = threading.Event()
    scheduler = BackgroundScheduler(timezone=ZoneInfo("Europe/Berlin"))
    tomorrow = datetime.now(scheduler.timezone) + timedelta(days=1)
    scheduler.add_job(rung.set, IntervalTrigger(seconds=2), id="letters", next_run_time=tomorrow)
    scheduler.start()
    before = rung.wait(0.2)
    run_jobs_now(scheduler)
    after = rung.wait(10)
    coming = scheduler.get_job("letters").next_run_time
    scheduler.shutdown()

    assert (before, after) == (False, True)
    assert coming < tomorrow - timedelta(hours=23)
