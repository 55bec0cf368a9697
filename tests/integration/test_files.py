"""Files: who can read them, to whom they belong, and what is said about a file that cannot be used."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from itertools import takewhile
from pathlib import Path
from tempfile import gettempdir

import pytest

from newsletter import files
from newsletter.app.backups import Backups
from newsletter.app.database import Database
from newsletter.domain.errors import Busy, InputError, NewsletterError, Refused
from newsletter.settings import load_settings
from newsletter.store.sqlite import errors
from newsletter.store.sqlite.backup import stage
from newsletter.store.sqlite.database import files_of, revision, upgrade
from newsletter.store.sqlite.members import LARGEST
from newsletter.store.transactions import SqlStore
from tests.conftest import CHECKOUT
from tests.support.library import TUESDAY, add_subscribers

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to other users")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def used(directory: Path) -> Path:
    """A database that was written and has sent, with every file that belongs to it."""
    path = directory / "newsletter.db"
    upgrade(path)
    store = SqlStore(path)
    with store.sending("test", TUESDAY):
        add_subscribers(store, 1)
        with store.read():
            assert {one.name for one in directory.iterdir()} >= {one.name for one in files_of(path)}
            assert {mode(one) for one in directory.iterdir()} == {0o600}
            assert len({one.stat().st_uid for one in directory.iterdir()}) == 1
    store.close()
    return path


# -- modes and owners ----------------------------------------------------------------------------


def test_only_the_owner_can_read_the_data_directory_and_what_is_in_it(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        used(tmp_path / "new" / "data")
    finally:
        os.umask(old)
    assert {mode(tmp_path / "new"), mode(tmp_path / "new" / "data")} == {0o700}


def test_a_database_that_everyone_can_read_is_reported_and_an_upgrade_closes_it(tmp_path: Path) -> None:
    path = tmp_path / "open" / "newsletter.db"
    upgrade(path)
    path.chmod(0o644)
    path.parent.chmod(0o755)
    checked = Database(
        load_settings({"NEWSLETTER_DATABASE_URL": f"sqlite:///{path}"}), lambda: TUESDAY, lambda: SqlStore(path)
    )
    ((message, fix),) = checked.wrong_files()
    upgrade(path)

    assert str(path) in message
    assert fix == f"Run: chmod -R go-rwx {path.parent}"
    assert mode(path) == 0o600
    assert checked.wrong_files() == []


def test_access_that_was_given_to_a_group_is_kept(tmp_path: Path) -> None:
    upgrade(tmp_path / "n.db")
    (tmp_path / "n.db").chmod(0o660)
    upgrade(tmp_path / "n.db")
    assert mode(tmp_path / "n.db") == 0o660


@as_root
def test_what_root_writes_belongs_to_the_owner_of_the_directory_and_then_of_the_database(tmp_path: Path) -> None:
    os.chown(tmp_path, NOBODY, NOBODY)
    path = used(tmp_path / "data")
    assert {one.stat().st_uid for one in (path.parent, path)} == {NOBODY}
    os.chown(path, 1, 1)
    SqlStore(path).mark_active(TUESDAY)
    with SqlStore(path).sending("again", TUESDAY):
        assert {one.stat().st_uid for one in path.parent.iterdir()} == {1}


@as_root
def test_a_file_that_root_left_is_named_with_the_command_that_gives_it_back(tmp_path: Path) -> None:
    path = tmp_path / "newsletter.db"
    upgrade(path)
    for one in (tmp_path, path):
        os.chown(one, NOBODY, NOBODY)
    (tmp_path / "newsletter.db.sender").touch()
    checked = Database(
        load_settings({"NEWSLETTER_DATABASE_URL": f"sqlite:///{path}"}), lambda: TUESDAY, lambda: SqlStore(path)
    )
    ((message, fix),) = checked.wrong_files()
    with SqlStore(path).sending("root", TUESDAY):  # the next command that root runs gives it back, too
        pass

    assert message.startswith(f"{path}.sender belong to another user")
    assert fix.startswith("Run: sudo chown -R nobody:")
    assert checked.wrong_files() == []


@as_root
def test_root_gives_nothing_away_through_a_link(tmp_path: Path) -> None:
    secret, directory = tmp_path / "secret", tmp_path / "data"
    secret.write_text("of root")
    directory.mkdir()
    upgrade(directory / "n.db")
    os.chown(directory / "n.db", NOBODY, NOBODY)
    (directory / "n.db.sender").symlink_to(secret)
    with pytest.raises(OSError, match="symbolic links"), SqlStore(directory / "n.db").sending("root", TUESDAY):
        pass
    (directory / "n.db.sender").unlink()
    (directory / "n.db.sender").hardlink_to(secret)
    files.give_to_owner_of(directory / "n.db", directory / "n.db.sender")

    assert secret.stat().st_uid == 0


def run(program: str, *arguments: str) -> bool:
    """Did a program of the system succeed?"""
    found = shutil.which(program)
    return found is not None and not subprocess.run([found, *arguments], capture_output=True, check=False).returncode  # noqa: S603


# -- files that cannot be used -------------------------------------------------------------------


def why(path: Path) -> str:
    """What a command says that reads the database."""
    store = SqlStore(path)

    def read() -> object:
        with store.read() as tx:
            return tx.subscribers.count(), list(tx.subscribers.each())

    with pytest.raises(NewsletterError) as caught:
        read()
    store.close()
    return str(caught.value)


def other_program(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE moz_bookmarks (id INTEGER)")
    connection.close()


def damage(path: Path) -> None:
    """Overwrite everything after the page of the schema, as a broken disk does."""
    upgrade(path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(8192)
        file.write(b"\xa5" * (size - 8192))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Path.exists, "there is no newsletter database at"),
        (lambda path: path.touch(), "is empty. Restore a backup"),
        (lambda path: path.mkdir(), "is a directory, not a database. Add the name of the file"),
        (lambda path: path.write_text("email,name\n" * 99), "is not a database: it is a text file. Nothing was changed"),
        (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0\xff" * 999), "is not a database: it is not one"),
        (lambda path: path.write_bytes(b"\0" * 8192), "is damaged (it has only zeros); nothing was changed"),
        (other_program, "is the database of another program (its tables: moz_bookmarks); nothing was changed"),
        (damage, "is damaged (database disk image is malformed); nothing was changed. Stop the newsletter"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_database_of_ours_is_named_for_what_it_is(tmp_path: Path, make: object, words: str) -> None:
    path = tmp_path / "n.db"
    assert callable(make)
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    assert words in why(path)
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_damaged_database_names_the_newest_backup(tmp_path: Path) -> None:
    damage(tmp_path / "n.db")
    (tmp_path / "backups").mkdir()
    for hour, name in enumerate(("later.backup", "earlier.backup", "half.part")):
        (tmp_path / "backups" / name).touch()
        os.utime(tmp_path / "backups" / name, (0, 100 if hour == 0 else hour))
    assert f"newsletter db restore {tmp_path / 'backups' / 'later.backup'}" in why(tmp_path / "n.db")


def test_a_file_that_is_no_backup_is_named_and_the_settings_are_not_blamed(tmp_path: Path) -> None:
    (tmp_path / "export.csv").write_text("email\nanna@a.example\n")
    with pytest.raises(InputError, match="is not a backup of a newsletter: it is a text file") as refused:
        stage(tmp_path / "export.csv", tmp_path / "staged")
    assert "NEWSLETTER_DATABASE_URL" not in f"{refused.value} {refused.value.fix}"


@pytest.mark.parametrize("kind", ["pipe", "directory", "device"])
def test_a_pipe_or_a_directory_in_place_of_a_backup_is_refused_without_waiting(tmp_path: Path, kind: str) -> None:
    settings = load_settings({"NEWSLETTER_DATA_DIR": str(tmp_path), "NEWSLETTER_SECRET_KEY": "k" * 32})
    backups = Backups(settings, {}, tmp_path / ".env", lambda: TUESDAY)
    source = Path("/dev/zero") if kind == "device" else tmp_path / kind
    if kind == "pipe":
        os.mkfifo(source)
    elif kind == "directory":
        source.mkdir()
    for read in (backups.verify, backups.restore):
        with pytest.raises(InputError, match="is not a plain file"):
            read(source, lambda: "")
    assert not (tmp_path / "newsletter.db").exists()


def test_a_file_that_no_backup_can_hold_is_named_before_it_is_written(tmp_path: Path) -> None:
    (tmp_path / ".env").touch()
    settings = load_settings(
        {"NEWSLETTER_DATA_DIR": str(tmp_path), "NEWSLETTER_SECRET_KEY": "k" * 32}, tmp_path / ".env"
    )
    upgrade(tmp_path / "newsletter.db")
    (tmp_path / "media").mkdir()
    with (tmp_path / "media" / "film.png").open("wb") as file:
        file.truncate(LARGEST + 1)  # a sparse file
    backups = Backups(settings, {}, tmp_path / ".env", lambda: TUESDAY)
    with pytest.raises(NewsletterError, match=r"media/film.png is larger than 100 MB"):
        backups.backup(tmp_path / "a.backup")
    assert not (tmp_path / "a.backup").exists()


def test_the_next_backup_deletes_what_a_killed_one_left_behind(tmp_path: Path) -> None:
    (tmp_path / ".env").touch()
    upgrade(tmp_path / "newsletter.db")
    for name in ("left", "at-work"):
        (tmp_path / f".backup-{name}").mkdir()
        (tmp_path / f".backup-{name}" / "plain").write_text("keys")
    at_work = os.open(tmp_path / ".backup-at-work", os.O_RDONLY)
    fcntl.flock(at_work, fcntl.LOCK_EX)
    settings = load_settings({"NEWSLETTER_DATA_DIR": str(tmp_path)}, tmp_path / ".env")
    Backups(settings, {}, tmp_path / ".env", lambda: TUESDAY).backup(tmp_path / "a.backup")
    os.close(at_work)
    assert [path.name for path in tmp_path.glob(".backup-*")] == [".backup-at-work"]


def test_the_database_of_another_program_is_not_set_up(tmp_path: Path) -> None:
    other_program(tmp_path / "n.db")
    before = (tmp_path / "n.db").read_bytes()
    with pytest.raises(NewsletterError, match="another program"):
        upgrade(tmp_path / "n.db")
    assert (tmp_path / "n.db").read_bytes() == before


def test_an_empty_file_becomes_a_new_database(tmp_path: Path) -> None:
    (tmp_path / "n.db").touch()
    upgrade(tmp_path / "n.db")
    assert revision(tmp_path / "n.db")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (sqlite3.SQLITE_FULL, "the disk is full, so the database n.db cannot be written. Nothing was changed"),
        (sqlite3.SQLITE_IOERR_WRITE, "the disk failed while the database n.db was used"),
        (sqlite3.SQLITE_CORRUPT, "is damaged"),
        (sqlite3.SQLITE_BUSY, "another process is writing to the database. Try again in a moment"),
        (sqlite3.SQLITE_ERROR, "the database n.db refused: oh"),
    ],
)
def test_an_error_of_sqlite_is_translated_by_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    error = sqlite3.OperationalError("oh")
    error.sqlite_errorcode = code
    found = errors.translate(error, Path("n.db"))
    assert words in str(found)
    assert isinstance(found, Busy) is (code == sqlite3.SQLITE_BUSY)


def test_a_full_disk_is_named_and_the_database_keeps_its_last_state(tmp_path: Path) -> None:
    upgrade(tmp_path / "n.db")
    store = SqlStore(tmp_path / "n.db")

    def fill() -> None:
        with store.write() as tx:
            tx.access.db.execute("PRAGMA max_page_count = 1")
            for number in range(300):
                tx.suppressions.add(f"{number}@{'x' * 200}.example", "owner", "test", TUESDAY)

    with pytest.raises(NewsletterError, match="the disk is full"):
        fill()
    with store.read() as tx:
        assert tx.suppressions.count() == 0
    store.close()


@as_root
def test_a_database_of_another_user_is_named_with_its_owner_and_two_ways_out(tmp_path: Path) -> None:
    path = tmp_path / "data" / "newsletter.db"
    upgrade(path)
    parents = takewhile(lambda parent: parent != Path(gettempdir()), tmp_path.parents)
    for directory in (tmp_path, *parents, path.parent):
        directory.chmod(0o755)
    script = (
        f"import os, sys; sys.path.insert(0, {str(CHECKOUT)!r});"
        "from newsletter.store.sqlite.database import revision; from pathlib import Path;"
        f"os.setgid({NOBODY}); os.setuid({NOBODY}); print(revision(Path({str(path)!r})))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)  # noqa: S603
    assert f"{path} belongs to root, and this command runs as nobody" in done.stderr
    assert "sudo -u root" in done.stderr


@as_root
def test_a_disk_that_is_mounted_read_only_is_named(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if not run("mount", "-t", "tmpfs", "none", str(disk)):
        pytest.skip("this machine does not allow root to mount a disk")
    try:
        upgrade(disk / "n.db")
        assert run("mount", "-o", "remount,ro", str(disk))
        store = SqlStore(disk / "n.db")
        with pytest.raises(NewsletterError, match="is on a disk that is mounted read-only"):
            store.mark_active(TUESDAY)
        store.close()
    finally:
        assert run("umount", str(disk))


@pytest.mark.parametrize("kind", ["link", "broken link", "directory", "pipe"])
def test_an_export_is_written_through_no_link_and_in_place_of_no_pipe(tmp_path: Path, kind: str) -> None:
    target, other = tmp_path / "out.csv", tmp_path / "precious"
    other.write_text("precious")
    if kind == "link":
        target.symlink_to(other)
    elif kind == "broken link":
        target.symlink_to(tmp_path / "nowhere")
    elif kind == "directory":
        target.mkdir()
    else:
        os.mkfifo(target)
    with pytest.raises(Refused, match="nothing is written there"):
        files.write_export(target, b"new")
    assert other.read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


def test_an_export_takes_the_place_of_a_file_whole_and_private(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old")
    target.chmod(0o644)
    files.write_export(target, b"new")
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"new", 0o600)
    assert list(tmp_path.iterdir()) == [target]
