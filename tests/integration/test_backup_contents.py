"""A backup that is a sound file, and still no database that this program can use, is refused before anything is replaced."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from newsletter.domain.errors import InputError
from newsletter.store.sqlite.backup import backup, stage
from tests.support.library import TUESDAY, add_subscribers, add_tip, freeze_issue, new_store


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of a newsletter with an issue."""
    directory = tmp_path_factory.mktemp("sound")
    with closing(new_store(directory)) as store:
        add_subscribers(store, 3)
        add_tip(store, "Listen")
        freeze_issue(store)
        backup(store.path, directory / "sound.backup", TUESDAY)
    return directory / "sound.backup"


def changed(sound: Path, directory: Path, statement: str) -> Path:
    shutil.copyfile(sound, directory / "changed.backup")
    with closing(sqlite3.connect(directory / "changed.backup")) as db, db:
        db.execute(statement)
    return directory / "changed.backup"


def test_a_backup_as_we_make_it_is_accepted(sound: Path, tmp_path: Path) -> None:
    assert stage(sound, tmp_path / "staged").counts["subscriber"] == 3


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("DROP TABLE delivery", "has no table delivery"),
        ("ALTER TABLE subscriber RENAME COLUMN name TO called", "has no column subscriber.name"),
        ("DROP INDEX delivery_sending", "has no index delivery_sending"),
        ("DROP TRIGGER library_after_insert", "has no trigger library_after_insert"),
        ("CREATE TRIGGER undo AFTER INSERT ON suppression BEGIN DELETE FROM suppression; END", "has a trigger undo"),
        ("CREATE VIEW everybody AS SELECT * FROM subscriber", "has a view everybody"),
        ("UPDATE alembic_version SET version_num = '0001'", "not those of the version"),
        ("INSERT INTO alembic_version VALUES ('0002')", "several versions"),
        ("UPDATE subscription SET status = 'vip' WHERE subscriber_id = 2", "no readable status"),
        ("UPDATE subscription SET signup_at = 'yesterday' WHERE subscriber_id = 2", "no readable signup_at"),
        ("UPDATE subscription SET paused_until = '9999' WHERE subscriber_id = 2", "no readable paused_until"),
        ("UPDATE subscription SET confirmed_at = '2024-02-30 25:00:00.000000'", "no readable confirmed_at"),
        ("UPDATE subscriber SET address = x'ff00' WHERE id = 2", "no readable address"),
        ("UPDATE subscriber SET address = 'a@x.example' || char(10) || 'Bcc: b@x.example'", "no readable address"),
        ("UPDATE subscriber SET address = 'a' || char(0) || '@x.example' WHERE id = 2", "no readable address"),
        ("UPDATE issue SET slot = 'Tuesday'", "no readable slot"),
        ("UPDATE tip SET state = 'maybe'", "no readable state"),
    ],
)
def test_a_sound_file_with_other_tables_or_values_is_refused(
    sound: Path, tmp_path: Path, statement: str, problem: str
) -> None:
    with pytest.raises(InputError, match=problem) as refused:
        stage(changed(sound, tmp_path, statement), tmp_path / "staged")
    assert "Nothing was changed" in str(refused.value.fix)
