"""One timer run of the daemon when something fails; the acceptance tests run the daemon as a process."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from newsletter.daemon import Daemon
from tests.support.publishing import AppHarness, open_app_harness


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
