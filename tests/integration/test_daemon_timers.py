"""One timer run of the daemon when something fails; the acceptance tests run the daemon as a process."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from newsletter.daemon import Daemon
from newsletter.testing import MemorySender
from tests.support.publishing import OWNER, AppHarness, open_app_harness


def waiting(harness: AppHarness) -> int:
    with harness.store.read() as tx:
        return tx.transactional.waiting()


def test_an_error_that_could_not_be_reported_to_the_owner_is_reported_by_the_next_run_and_only_once(
    tmp_path: Path,
) -> None:
    with (
        open_app_harness(tmp_path, templates=str(tmp_path / "nowhere")) as harness,
        harness.store.sending("test", harness.clock()) as lock,
        closing(sqlite3.connect(tmp_path / "newsletter.db", isolation_level=None)) as other,
    ):
        daemon = Daemon(harness, lock)
        other.execute("CREATE TRIGGER full BEFORE INSERT ON notice BEGIN SELECT RAISE(ABORT, 'no room'); END")
        with pytest.raises(sqlite3.IntegrityError, match="no room"):
            daemon.send_issues()
        other.execute("DROP TRIGGER full")
        counts = []
        for _ in range(2):
            harness.fake_clock.forward(hours=1)
            daemon.send_issues()
            counts.append(waiting(harness))

    assert counts == [1, 1]


def test_an_error_ends_only_its_own_timer_run_and_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with (
        open_app_harness(tmp_path) as harness,
        harness.store.sending("test", harness.clock()) as lock,
        closing(sqlite3.connect(tmp_path / "newsletter.db", isolation_level=None)) as other,
    ):
        other.execute("ALTER TABLE told RENAME TO lost")
        Daemon(harness, lock).notify_owner()

    (said,) = [record.getMessage() for record in caplog.records if record.name == "newsletter.daemon"]
    assert "told" in said


def test_the_owner_is_told_once_by_email_without_the_database_when_it_is_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sender = MemorySender()
    with open_app_harness(tmp_path, sender) as harness, harness.store.sending("test", harness.clock()) as lock:
        daemon, path = Daemon(harness, lock), tmp_path / "newsletter.db"
        daemon.watch_database()
        path.rename(tmp_path / "away.db")
        for _ in range(3):
            daemon.watch_database()
            daemon.send_issues()
            daemon.notify_owner()
        (tmp_path / "away.db").rename(path)
        daemon.watch_database()
        daemon.watch_database()

    (alert,) = sender.emails
    assert alert.envelope.recipient == OWNER
    assert b"somebody deleted or renamed the database" in b" ".join(alert.message.split())
    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(said) == 1
