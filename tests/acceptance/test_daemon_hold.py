"""`newsletter run` on a copied database: the website works, nothing is sent, and `db adopt` starts it."""

from __future__ import annotations

import signal
import urllib.request
from contextlib import closing
from pathlib import Path
from urllib.error import URLError

from newsletter.store.copy_guard import path_of
from newsletter.store.transactions import SqlStore
from tests.conftest import Command
from tests.support.library import add_subscribers
from tests.support.processes import Process, free_port, wait_until


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except URLError:
        return False


def test_a_copy_waits_until_it_is_adopted_and_then_sends(newsletter: Command, home: Path) -> None:
    port = free_port()
    with (home / ".env").open("a") as env:
        env.write(f"NEWSLETTER_LISTEN=127.0.0.1:{port}\n")
    store = SqlStore(home / "data/newsletter.db")
    add_subscribers(store, 1)
    store.close()
    newsletter("issues", "send", "--as-of", "2026-11-24T08:00")
    path_of(home / "data/newsletter.db").unlink()

    with Process(home, "run", "--as-of", "2026-12-01T08:00") as process:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), what="the pages answer")
        before = len(list((home / "mail").rglob("new/*")))
        newsletter("db", "adopt", "--yes")
        wait_until(lambda: len(list((home / "mail").rglob("new/*"))) > before, what="the issue of that day is sent")
        process.send(signal.SIGTERM)
        assert process.ends() == 0

    assert before == 1
    assert "on hold, nothing is sent: it is a copy" in process.said
    assert "adopted" in process.said


def test_a_database_that_is_deleted_while_it_is_on_hold_is_named_once(newsletter: Command, home: Path) -> None:
    with closing(SqlStore(home / "data/newsletter.db")) as store:
        add_subscribers(store, 1)
    newsletter("issues", "send", "--as-of", "2026-11-24T08:00")
    path_of(home / "data/newsletter.db").unlink()

    with Process(home, "run", "--no-web") as process:
        wait_until(lambda: "on hold" in process.said, what="it is on hold")
        (home / "data/newsletter.db").unlink()
        wait_until(lambda: "somebody deleted" in process.said, what="the deletion is noticed")
        process.send(signal.SIGTERM)
        assert process.ends() == 0

    assert process.said.count("somebody deleted") == 1
