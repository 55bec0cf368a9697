"""A database that is deleted, replaced, or overwritten while it is in use: nothing more is sent or written."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from newsletter.domain.delivery.delivery import Finished
from newsletter.domain.delivery.outcome import Reply, Sent, Stage
from newsletter.domain.errors import NewsletterError, Refused, Unavailable
from newsletter.store.sqlite.backup import backup, replace, stage
from newsletter.store.sqlite.stale_log import check_log
from newsletter.store.sqlite.wal import move
from newsletter.store.sqlite.watch import read_content
from newsletter.store.transactions import SqlStore
from tests.support.library import TUESDAY, add_subscriber, add_subscribers, freeze_issue, new_store

ACCEPTED = Sent(Reply(Stage.DOT, 250, "", "OK"))


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a new database."""
    with closing(new_store(tmp_path_factory.mktemp("empty"))) as store:
        return store.path


@pytest.fixture
def store(tmp_path: Path, empty: Path) -> Iterator[SqlStore]:
    """A store that has sent before, with a copy of its file (`raw`) and a backup beside it; then somebody subscribed."""
    shutil.copyfile(empty, tmp_path / "newsletter.db")
    store = SqlStore(tmp_path / "newsletter.db")
    add_subscribers(store, 3)
    with store.sending("daemon", TUESDAY):
        pass
    move(store.path)
    shutil.copyfile(store.path, tmp_path / "raw")
    backup(store.path, tmp_path / "backup", TUESDAY)
    add_subscriber(store, "later@b.example")
    move(store.path)
    store.check()
    yield store
    store.close()


def another(store: SqlStore) -> Path:
    """A database of another newsletter, which has sent."""
    (store.path.parent / "other").mkdir()
    with closing(new_store(store.path.parent / "other")) as other:
        other.mark_active(TUESDAY)
    return other.path


def beside(store: SqlStore, name: str) -> Path:
    return store.path.with_name(name)


WAYS: dict[str, Callable[[SqlStore], object]] = {
    "deleted": lambda store: store.path.unlink(),
    "renamed": lambda store: store.path.rename(beside(store, "away")),
    "its directory is renamed": lambda store: store.path.parent.rename(store.path.parent.with_name("away")),
    "a copy of it is moved there": lambda store: beside(store, "raw").replace(store.path),
    "a backup is moved there": lambda store: beside(store, "backup").replace(store.path),
    "a copy of it is copied there": lambda store: shutil.copyfile(beside(store, "raw"), store.path),
    "a backup is copied there": lambda store: shutil.copyfile(beside(store, "backup"), store.path),
    "another newsletter is copied there": lambda store: shutil.copyfile(another(store), store.path),
    "emptied": lambda store: os.truncate(store.path, 0),
    "cut off": lambda store: os.truncate(store.path, 5000),
    "overwritten with text": lambda store: store.path.write_text("tips\n" * 1000),
    "its log is deleted": lambda store: beside(store, "newsletter.db-wal").unlink(),
    "the memory of its log is deleted": lambda store: beside(store, "newsletter.db-shm").unlink(),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_database_that_is_not_the_same_any_more_is_noticed_and_nothing_is_written(store: SqlStore, way: str) -> None:
    WAYS[way](store)
    with pytest.raises(Unavailable, match=r"newsletter\.db"):
        store.check()
    with pytest.raises(Unavailable):
        add_subscriber(store, "lost@c.example")
    with pytest.raises(Unavailable), store.read():
        pass
    with pytest.raises((Unavailable, Refused)), store.sending("daemon", TUESDAY):
        pass


@pytest.mark.parametrize("way", ["deleted", "renamed", "a copy of it is moved there", "a backup is moved there"])
def test_a_transaction_that_has_begun_is_not_committed_into_a_file_that_nobody_finds(store: SqlStore, way: str) -> None:
    def write() -> None:
        with store.write() as tx:
            tx.suppressions.add("gone@c.example", "manual", "test", TUESDAY)
            WAYS[way](store)

    with pytest.raises(Unavailable):
        write()


def test_a_database_that_comes_back_is_used_again(store: SqlStore) -> None:
    store.path.rename(beside(store, "away"))
    with pytest.raises(Unavailable):
        store.check()
    beside(store, "away").rename(store.path)
    store.check()
    add_subscriber(store, "new@c.example")


def test_own_work_and_that_of_commands_is_no_replacement(store: SqlStore) -> None:
    with closing(SqlStore(store.path)) as command:
        add_subscriber(command, "new@c.example")
        move(store.path)
        command.adopt(TUESDAY)
        move(store.path)
    store.check()
    add_subscriber(store, "newer@c.example")
    store.check()


def test_a_checkpoint_that_is_running_is_no_replacement(store: SqlStore) -> None:
    with store.write() as tx:
        for number in range(300):
            tx.suppressions.add(f"gone{number}@c.example", "manual", "test", TUESDAY)
    move(store.path)
    half = beside(store, "half")
    shutil.copyfile(store.path, half)
    os.truncate(half, half.stat().st_size - 8192)  # the first page says that there are two pages more
    assert read_content(half) == read_content(store.path) is not None


def test_a_log_that_went_with_the_last_connection_is_not_missed(store: SqlStore) -> None:
    """SQLite deletes it then; the next connection makes a new one."""
    store.close()
    assert not beside(store, "newsletter.db-wal").exists()
    add_subscriber(store, "new@c.example")
    store.check()
    store.close()
    store.check()


def test_a_restore_by_command_while_the_website_runs_is_no_damage(store: SqlStore) -> None:
    stage(beside(store, "backup"), beside(store, "staged"))
    replace(store.path, beside(store, "staged"), beside(store, "kept"))
    move(store.path)
    store.check()
    assert "it is a backup of" in store.hold_reason()
    with store.read() as tx:
        assert sum(tx.subscribers.count().values()) == 3


@pytest.mark.parametrize("way", ["deleted", "a copy of it is copied there", "emptied"])
def test_a_sender_claims_nothing_more_and_ends(store: SqlStore, way: str) -> None:
    issue = freeze_issue(store)
    with store.sending("daemon", TUESDAY) as lock:
        claims = lock.ledger.advance(issue, [], 2, TUESDAY)
        WAYS[way](store)
        with pytest.raises(Unavailable):
            store.check()
        with pytest.raises(Unavailable):
            lock.ledger.advance(issue, [Finished(claims[0], ACCEPTED, TUESDAY)], 2, TUESDAY)
    assert len(claims) == 2


def test_what_was_sent_is_recorded_in_a_database_that_was_renamed_and_comes_back(store: SqlStore) -> None:
    issue = freeze_issue(store)
    away = store.path.parent.with_name("for a moment")
    with store.sending("daemon", TUESDAY) as lock:
        claims = lock.ledger.advance(issue, [], 2, TUESDAY)
        store.path.parent.rename(away)
        with pytest.raises(Unavailable):
            store.check()
        with pytest.raises(Unavailable):
            lock.ledger.advance(issue, [Finished(one, ACCEPTED, TUESDAY) for one in claims], 2, TUESDAY)
        away.rename(store.path.parent)
        store.check()
        assert len(lock.ledger.advance(issue, [], 9, TUESDAY)) == 2
    with store.read() as tx:
        assert tx.issues.get(issue).counts["sent"] == 2


def test_a_copy_that_is_put_back_during_an_issue_is_held_after_a_restart(store: SqlStore) -> None:
    issue = freeze_issue(store)
    with store.sending("daemon", TUESDAY) as lock:
        claims = lock.ledger.advance(issue, [], 2, TUESDAY)
        move(store.path)
        store.check()
        raw = store.path.read_bytes()
        lock.ledger.advance(issue, [Finished(one, ACCEPTED, TUESDAY) for one in claims], 0, TUESDAY)
        move(store.path)
        store.check()
        store.path.write_bytes(raw)
    store.close()
    after = SqlStore(store.path)
    with closing(after), pytest.raises(Refused, match="an older state"), after.sending("daemon", TUESDAY):
        pass


@pytest.mark.parametrize("name", ["raw", "backup"])
def test_the_log_of_the_database_before_does_not_get_into_the_file_that_is_put_there(
    store: SqlStore, name: str
) -> None:
    wanted = beside(store, name).read_bytes()
    store.mark_active(TUESDAY)
    add_subscriber(store, "in-the-log@c.example")
    store.path.write_bytes(wanted)
    store.close()
    assert store.path.read_bytes() == wanted
    assert any(store.path.parent.glob("newsletter.db-wal.*"))
    with closing(SqlStore(store.path)) as after:
        assert after.hold_reason()


def test_a_log_that_a_killed_process_left_next_to_another_file_is_named(store: SqlStore, tmp_path: Path) -> None:
    with store.write() as tx:
        for number in range(300):
            tx.suppressions.add(f"gone{number}@c.example", "manual", "test", TUESDAY)
    move(store.path)
    add_subscriber(store, "in-the-log@c.example")
    killed = tmp_path / "killed"
    killed.mkdir()
    for name, suffix in (("raw", ""), ("newsletter.db-wal", "-wal"), ("newsletter.db.identity", ".identity")):
        shutil.copyfile(beside(store, name), killed / f"newsletter.db{suffix}")
    before = (killed / "newsletter.db").read_bytes()
    with pytest.raises(Unavailable, match="still had changes of the database before it"):
        check_log(killed / "newsletter.db")
    assert (killed / "newsletter.db").read_bytes() == before


def test_a_database_that_was_copied_with_its_log_after_a_crash_loses_nothing(store: SqlStore, tmp_path: Path) -> None:
    add_subscriber(store, "in-the-log@c.example")
    moved = tmp_path / "moved"
    moved.mkdir()
    for suffix in ("", "-wal", ".identity"):
        shutil.copyfile(f"{store.path}{suffix}", moved / f"newsletter.db{suffix}")
    with closing(SqlStore(moved / "newsletter.db")) as after, after.read() as tx:
        assert sum(tx.subscribers.count().values()) == 5


def test_after_it_was_deleted_the_next_command_says_what_to_restore(store: SqlStore) -> None:
    store.path.unlink()
    store.close()
    (store.path.parent / "backups").mkdir()
    beside(store, "backup").rename(store.path.parent / "backups/b.backup")
    with pytest.raises(NewsletterError, match=r"is gone.*db restore .*b\.backup"), SqlStore(store.path).read():
        pass


def test_a_restore_after_a_deletion_does_not_take_in_the_log_that_was_left(store: SqlStore) -> None:
    add_subscriber(store, "in-the-log@c.example")
    store.path.unlink()
    stage(beside(store, "backup"), beside(store, "staged"))
    replace(store.path, beside(store, "staged"), beside(store, "kept"))
    store.close()
    with closing(sqlite3.connect(store.path)) as db:
        assert db.execute("SELECT count(*) FROM subscriber").fetchone() == (3,)
    assert beside(store, "kept-wal").exists()
