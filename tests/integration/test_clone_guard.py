"""A copied or restored database mails nobody until it is adopted; a crash is no copy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from newsletter.domain.errors import Refused
from newsletter.store import identity
from newsletter.store.sql import SqlStore
from newsletter.testing import MemorySender
from tests.support.library import TUESDAY, add_readers, add_tip
from tests.support.newsroom import Newsroom, open_newsroom


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
    with copy._database.writing() as session:
        session.connection().exec_driver_sql("UPDATE installation SET machine = 'another', host = 'old-server'")
    why = copy.hold()
    copy.close()

    assert "another machine (old-server)" in why


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
