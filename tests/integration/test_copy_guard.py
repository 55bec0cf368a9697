"""A copied or restored database mails nobody until it is adopted; a crash is no copy."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from newsletter.domain.errors import Refused
from newsletter.store import copy_guard as identity
from newsletter.store.transactions import SqlStore
from newsletter.testing import MemorySender
from tests.support.library import TUESDAY, add_readers, add_tip
from tests.support.publishing import Newsroom, open_newsroom


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    """A newsletter that has mailed once."""
    with open_newsroom(tmp_path, MemorySender()) as room:
        add_readers(room.files, 1)
        add_tip(room.files, "One")
        room.send()
        yield room


def copy_of(room: Newsroom, directory: Path, *, whole: bool) -> SqlStore:
    directory.mkdir()
    room.backup(directory / "newsletter.db")
    if whole:
        shutil.copy(identity.path_of(room.files.path), directory)
    return SqlStore(directory / "newsletter.db")


def beats(room: Newsroom, change: int) -> None:
    path = identity.path_of(room.files.path)
    mark = json.loads(path.read_text())
    path.write_text(json.dumps({**mark, "beat": mark["beat"] + change}))


def test_a_newsletter_that_goes_on_as_ever_is_not_held(room: Newsroom) -> None:
    for _ in range(3):
        room.store.beat(TUESDAY)
    assert room.hold() == ""
    with room.store.sending("again", TUESDAY):
        pass


def test_a_copy_mails_nobody_until_it_is_adopted_and_then_the_first_one_is_left_alone(
    room: Newsroom, tmp_path: Path
) -> None:
    copy = copy_of(room, tmp_path / "copy", whole=False)
    why = copy.hold()
    with pytest.raises(Refused, match="db adopt"), copy.sending("a copy", TUESDAY):
        pass
    copy.adopt(TUESDAY)
    with copy.sending("a copy", TUESDAY):
        pass
    copy.close()

    assert "copy" in why
    assert room.hold() == ""


def test_an_older_state_that_is_put_back_is_held(room: Newsroom, tmp_path: Path) -> None:
    room.backup(tmp_path / "backup.db")
    room.store.beat(TUESDAY)
    room.close()
    for rest in ("-wal", "-shm"):
        tmp_path.joinpath(f"newsletter.db{rest}").unlink(missing_ok=True)
    shutil.copy(tmp_path / "backup.db", tmp_path / "newsletter.db")
    restored = SqlStore(tmp_path / "newsletter.db")
    why = restored.hold()
    restored.adopt(TUESDAY)
    after = restored.hold()
    restored.close()

    assert "older state" in why
    assert after == ""


def test_both_files_on_another_machine_are_held(room: Newsroom, tmp_path: Path) -> None:
    if not identity.machine_id():
        pytest.skip("this machine has no /etc/machine-id, and without one it is not asked for")
    copy = copy_of(room, tmp_path / "copy", whole=True)
    with copy._database.writing() as access:
        access.db.execute("UPDATE installation SET machine = 'another', host = 'old-server'")
    why = copy.hold()
    copy.close()

    assert "another machine (old-server)" in why


def moved(room: Newsroom, directory: Path, how: Callable[[Path, Path], object]) -> SqlStore:
    """The whole directory of the newsletter somewhere else; nobody has it open."""
    room.close()
    how(room.files.path.parent, directory)
    return SqlStore(directory / room.files.path.name)


def installed(store: SqlStore, **values: str) -> None:
    """Write into what the database knows of its file."""
    with store._database.writing() as access:
        for name, value in values.items():
            access.db.execute(f"UPDATE installation SET {name} = ?", (value,))  # noqa: S608


@pytest.mark.parametrize("machine", ["", "as it is"])
def test_a_whole_directory_that_is_copied_is_held_and_the_first_one_goes_on(
    room: Newsroom, tmp_path: Path, machine: str
) -> None:
    if not machine:  # as where no machine has an id
        installed(room.files, machine="")
    copy = moved(room, tmp_path.parent / f"copy of {tmp_path.name}", shutil.copytree)
    why, first = copy.hold(), room.hold()
    with pytest.raises(Refused, match="db adopt"), copy.sending("a copy", TUESDAY):
        pass
    copy.adopt(TUESDAY)
    after = copy.hold()
    copy.close()

    assert f"the file that mails was another one, at {room.files.path}" in why
    assert (first, after) == ("", "")


def test_a_directory_that_is_moved_goes_on(room: Newsroom, tmp_path: Path) -> None:
    store = moved(room, tmp_path.parent / f"moved {tmp_path.name}", lambda old, new: old.rename(new))
    assert store.hold() == ""
    store.close()


def test_a_volume_that_is_mounted_again_goes_on_and_a_copied_disk_does_not(room: Newsroom) -> None:
    installed(room.files, device="4711")
    assert room.hold() == "", "the same path with another device number: mounted again"
    room.store.beat(TUESDAY)
    installed(room.files, path="/elsewhere/newsletter.db")
    assert room.hold() == "", "only moved"
    installed(room.files, device="4711")
    assert "its disk is a copy" in room.hold()


def test_a_file_that_was_copied_away_and_put_back_is_held(room: Newsroom, tmp_path: Path) -> None:
    room.close()
    shutil.copy2(room.files.path, tmp_path / "aside.db")
    (tmp_path / "aside.db").rename(room.files.path)
    held = {check.id: check for check in room.doctor()}["installation"]

    assert not held.ok
    assert "newsletter db adopt" in held.fix


def test_what_an_older_program_did_not_write_down_is_learned_at_the_next_beat(room: Newsroom, tmp_path: Path) -> None:
    installed(room.files, inode="", device="", path="")
    assert room.hold() == ""
    room.store.beat(TUESDAY)
    copy = moved(room, tmp_path.parent / f"copy of {tmp_path.name}", shutil.copytree)
    assert "copy" in copy.hold()
    copy.close()


@pytest.mark.parametrize(("kind", "tells"), [("ext4", True), ("fuse.grpcfuse", False), ("9p", False), ("nfs4", True)])
def test_a_file_system_whose_inodes_do_not_last_is_not_asked(tmp_path: Path, kind: str, *, tells: bool) -> None:
    database, mounts = tmp_path / "n.db", tmp_path / "mounts"
    database.touch()
    device = database.stat().st_dev
    mounts.write_text(
        "22 27 0:0 / /proc rw - proc proc rw\n"
        f"27 1 {os.major(device)}:{os.minor(device)} / /data rw,relatime shared:1 - {kind} /dev/vda rw\n"
    )
    found = identity.file_of(database, mounts)

    assert bool(found.inode) is tells
    assert found.path == str(database)
    assert identity.file_of(database, tmp_path / "none").inode


def test_a_crash_between_the_two_writes_of_a_beat_holds_nothing(room: Newsroom) -> None:
    beats(room, -1)
    assert room.hold() == ""
    room.store.beat(TUESDAY)
    assert room.hold() == ""
    beats(room, -2)
    assert "put back" in room.hold()


def test_a_mark_that_cannot_be_read_is_as_none(room: Newsroom) -> None:
    identity.path_of(room.files.path).write_text("{")
    assert "copy" in room.hold()


def test_doctor_and_the_mails_that_wait_know_of_it(room: Newsroom) -> None:
    identity.path_of(room.files.path).unlink()
    room.tell_owner("Something", ["happened"], "Look")
    held = {check.id: check for check in room.doctor()}["installation"]
    memory = room.memory()

    assert (held.ok, held.level) == (False, "error")
    assert room.flush_notices() == 0
    assert memory.tried == []
    room.adopt()
    assert room.flush_notices() == 1
