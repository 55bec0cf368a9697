"""A copied or restored database sends nothing until it is adopted; a crash does not make a copy."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from newsletter.domain.errors import Refused
from newsletter.store.copy_guard import file_of, machine_id, path_of
from newsletter.store.sqlite.backup import backup
from newsletter.store.transactions import SqlStore
from newsletter.testing import MemorySender
from tests.support.library import TUESDAY, add_subscribers, add_tip
from tests.support.publishing import AppHarness, open_app_harness


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    """A newsletter that has sent one issue."""
    with open_app_harness(tmp_path, MemorySender()) as harness:
        add_subscribers(harness.files, 1)
        add_tip(harness.files, "One")
        harness.issues.send()
        yield harness


def copy_of(harness: AppHarness, directory: Path, *, whole: bool) -> SqlStore:
    directory.mkdir()
    backup(harness.files.path, directory / "newsletter.db", TUESDAY)
    if whole:
        shutil.copy(path_of(harness.files.path), directory)
    return SqlStore(directory / "newsletter.db")


def change_counter(harness: AppHarness, change: int) -> None:
    path = path_of(harness.files.path)
    mark = json.loads(path.read_text())
    path.write_text(json.dumps({**mark, "beat": mark["beat"] + change}))


def test_a_newsletter_that_keeps_running_is_not_held(harness: AppHarness) -> None:
    for _ in range(3):
        harness.store.mark_active(TUESDAY)
    assert harness.database.hold_reason() == ""
    with harness.store.sending("again", TUESDAY):
        pass


def test_a_copy_sends_nothing_until_it_is_adopted_and_the_original_keeps_sending(
    harness: AppHarness, tmp_path: Path
) -> None:
    copy = copy_of(harness, tmp_path / "copy", whole=False)
    why = copy.hold_reason()
    with pytest.raises(Refused, match="db adopt"), copy.sending("a copy", TUESDAY):
        pass
    copy.adopt(TUESDAY)
    with copy.sending("a copy", TUESDAY):
        pass
    copy.close()

    assert "it is a backup of" in why
    assert harness.database.hold_reason() == ""


def test_an_older_state_that_is_restored_is_held(harness: AppHarness, tmp_path: Path) -> None:
    backup(harness.files.path, tmp_path / "backup.db", TUESDAY)
    harness.store.mark_active(TUESDAY)
    harness.close()
    for rest in ("-wal", "-shm"):
        tmp_path.joinpath(f"newsletter.db{rest}").unlink(missing_ok=True)
    shutil.copy(tmp_path / "backup.db", tmp_path / "newsletter.db")
    restored = SqlStore(tmp_path / "newsletter.db")
    why = restored.hold_reason()
    restored.adopt(TUESDAY)
    after = restored.hold_reason()
    restored.close()

    assert "older state" in why
    assert after == ""


def test_both_files_on_another_machine_are_held(harness: AppHarness, tmp_path: Path) -> None:
    if not machine_id():
        pytest.skip("this machine has no /etc/machine-id, so the guard does not check it")
    copy = copy_of(harness, tmp_path / "copy", whole=True)
    with copy._database.writing() as access:
        access.db.execute("UPDATE installation SET machine = 'another', host = 'old-server'")
    why = copy.hold_reason()
    copy.close()

    assert "another machine (old-server)" in why


def moved(harness: AppHarness, directory: Path, how: Callable[[Path, Path], object]) -> SqlStore:
    """Copy or move the whole directory of the newsletter while it is closed."""
    harness.close()
    how(harness.files.path.parent, directory)
    return SqlStore(directory / harness.files.path.name)


def record(store: SqlStore, **values: str) -> None:
    """Change what the database has recorded of its file."""
    with store._database.writing() as access:
        for name, value in values.items():
            access.db.execute(f"UPDATE installation SET {name} = ?", (value,))  # noqa: S608


@pytest.mark.parametrize("machine", ["", "as it is"])
def test_a_copied_directory_is_held_and_the_original_keeps_sending(
    harness: AppHarness, tmp_path: Path, machine: str
) -> None:
    if not machine:  # as in a container, which has no machine id
        record(harness.files, machine="")
    copy = moved(harness, tmp_path.parent / f"copy of {tmp_path.name}", shutil.copytree)
    why, first = copy.hold_reason(), harness.database.hold_reason()
    with pytest.raises(Refused, match="db adopt"), copy.sending("a copy", TUESDAY):
        pass
    copy.adopt(TUESDAY)
    after = copy.hold_reason()
    copy.close()

    assert f"the database that sent emails was another file, at {harness.files.path}" in why
    assert (first, after) == ("", "")


def test_a_directory_that_is_moved_keeps_sending(harness: AppHarness, tmp_path: Path) -> None:
    store = moved(harness, tmp_path.parent / f"moved {tmp_path.name}", lambda old, new: old.rename(new))
    assert store.hold_reason() == ""
    store.close()


def test_a_volume_that_is_mounted_again_keeps_sending_and_a_copied_disk_does_not(harness: AppHarness) -> None:
    record(harness.files, device="4711")
    assert harness.database.hold_reason() == "", "the same path with another device number: mounted again"
    harness.store.mark_active(TUESDAY)
    record(harness.files, path="/elsewhere/newsletter.db")
    assert harness.database.hold_reason() == "", "only moved"
    record(harness.files, device="4711")
    assert "its disk is a copy" in harness.database.hold_reason()


def test_a_file_that_was_replaced_by_its_copy_is_held(harness: AppHarness, tmp_path: Path) -> None:
    harness.close()
    shutil.copy2(harness.files.path, tmp_path / "aside.db")
    (tmp_path / "aside.db").rename(harness.files.path)
    held = {check.id: check for check in harness.doctor.check()}["installation"]

    assert not held.ok
    assert "newsletter db adopt" in held.fix


def test_what_an_older_program_did_not_record_is_recorded_at_the_next_mark(harness: AppHarness, tmp_path: Path) -> None:
    record(harness.files, inode="", device="", path="")
    assert harness.database.hold_reason() == ""
    harness.store.mark_active(TUESDAY)
    copy = moved(harness, tmp_path.parent / f"copy of {tmp_path.name}", shutil.copytree)
    assert "copy" in copy.hold_reason()
    copy.close()


@pytest.mark.parametrize(
    ("kind", "reliable"), [("ext4", True), ("fuse.grpcfuse", False), ("9p", False), ("nfs4", True)]
)
def test_a_file_system_with_unstable_inodes_is_not_checked(tmp_path: Path, kind: str, *, reliable: bool) -> None:
    database, mounts = tmp_path / "n.db", tmp_path / "mounts"
    database.touch()
    device = database.stat().st_dev
    mounts.write_text(
        "22 27 0:0 / /proc rw - proc proc rw\n"
        f"27 1 {os.major(device)}:{os.minor(device)} / /data rw,relatime shared:1 - {kind} /dev/vda rw\n"
    )
    found = file_of(database, mounts)

    assert bool(found.inode) is reliable
    assert found.path == str(database)
    assert file_of(database, tmp_path / "none").inode


def test_a_crash_between_the_two_writes_of_a_mark_does_not_hold_the_database(harness: AppHarness) -> None:
    change_counter(harness, -1)
    assert harness.database.hold_reason() == ""
    harness.store.mark_active(TUESDAY)
    assert harness.database.hold_reason() == ""
    change_counter(harness, -2)
    assert "restored from a copy" in harness.database.hold_reason()


def test_an_unreadable_mark_counts_as_missing(harness: AppHarness) -> None:
    path_of(harness.files.path).write_text("{")
    assert "copy" in harness.database.hold_reason()


def test_doctor_reports_the_hold_and_queued_emails_wait_for_the_adoption(harness: AppHarness) -> None:
    path_of(harness.files.path).unlink()
    harness.owner.alert("Something", ["happened"], "Look")
    held = {check.id: check for check in harness.doctor.check()}["installation"]
    memory = harness.memory()

    assert (held.ok, held.level) == (False, "error")
    assert harness.transactional.send() == 0
    assert memory.tried == []
    harness.adoption.adopt()
    assert harness.transactional.send() == 1
