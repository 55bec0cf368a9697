"""Backups: everything in one private file, checked before it counts, and restored whole or not at all."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import zlib
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from newsletter.app.backups import Backups, Report, Restored
from newsletter.domain.errors import InputError, NewsletterError, SchemaError
from newsletter.settings import load_settings
from newsletter.store.encryption import PIECE, decrypt, encrypt
from newsletter.store.sqlite import database
from newsletter.store.sqlite.database import HEAD, make_engine, upgrade
from newsletter.store.transactions import SqlStore
from tests.support.library import TUESDAY, add_subscribers

KEY, PICTURE = "a-key-of-the-old-machine-0123456789", b"\x89PNG\r\n\x1a\n" + bytes(1000)


class Place:
    """A newsletter in a directory of its own, as `newsletter init` makes it. environ: settings of the environment."""

    def __init__(self, home: Path, env: str, **environ: str) -> None:
        home.mkdir()
        self.home, self.environ = home, {f"NEWSLETTER_{name.upper()}": value for name, value in environ.items()}
        self.env = home / ".env"
        self.env.write_text(f"NEWSLETTER_DATA_DIR={home}/data\n{env}")
        upgrade(self.database)

    @property
    def database(self) -> Path:
        return self.home / "data" / "newsletter.db"

    @property
    def backups(self) -> Backups:
        return Backups(load_settings(self.environ, self.env), self.environ, self.env, lambda: TUESDAY)

    def add(self, subscribers: int) -> None:
        with closing(SqlStore(self.database)) as store:
            add_subscribers(store, subscribers)

    def subscribers(self) -> int:
        with closing(SqlStore(self.database)) as store, store.read() as tx:
            return sum(tx.subscribers.count().values())

    def hold(self) -> str:
        with closing(SqlStore(self.database)) as store:
            return store.hold_reason()

    def state(self) -> dict[str, bytes]:
        """Every file, but for the ones that SQLite and the lock keep only while they are open."""
        rest = ("-wal", "-shm", ".sender")
        found = [path for path in self.home.rglob("*") if path.is_file() and not path.name.endswith(rest)]
        return {str(path.relative_to(self.home)): path.read_bytes() for path in found}

    def restore(self, source: Path, passphrase: str = "", *, keep_settings: bool = False) -> Restored:
        return self.backups.restore(source, lambda: passphrase, keep_settings=keep_settings)


@pytest.fixture
def old(tmp_path: Path) -> Place:
    """The newsletter on the old machine, with a file for each setting that names one."""
    place = Place(
        tmp_path / "old",
        f"# mine\nNEWSLETTER_SECRET_KEY_FILE={tmp_path}/old/key.txt\nNEWSLETTER_TITLE='Anna’s \"Tips\"'\n"
        f"NEWSLETTER_LOGO={tmp_path}/old/logo.png\nNEWSLETTER_TEMPLATES={tmp_path}/old/own\n"
        f"NEWSLETTER_DISPOSABLE_DOMAINS={tmp_path}/old/domains.txt\n",
        sender_url="smtp://anna:pass%20word@relay.example:587",
    )
    (place.home / "key.txt").write_text(f"{KEY}\n")
    (place.home / "logo.png").write_bytes(PICTURE)
    (place.home / "domains.txt").write_text("trash.example\n")
    (place.home / "own" / "email").mkdir(parents=True)
    (place.home / "own" / "email" / "note.txt").write_text("Mine")
    (place.home / "data" / "media").mkdir()
    (place.home / "data" / "media" / "cat.jpg").write_bytes(b"a cat")
    place.add(3)
    return place


@pytest.fixture
def made(old: Place, tmp_path: Path) -> Path:
    """A backup of it."""
    old.backups.backup(tmp_path / "all.backup")
    return tmp_path / "all.backup"


@pytest.fixture
def new(tmp_path: Path) -> Place:
    """A newsletter that was just set up on another machine, where no path of the old one exists."""
    return Place(tmp_path / "new", "NEWSLETTER_SECRET_KEY=a-fresh-key-of-the-new-machine\n")


def check(path: Path, passphrase: str = "") -> Report:
    return Backups(load_settings({}), {}, Path(".env"), lambda: TUESDAY).verify(path, lambda: passphrase)


def change(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path)) as db, db:
        for sql in statements:
            db.execute(sql)
    return path


# -- what is in it -------------------------------------------------------------------------------


def test_a_backup_stands_up_on_another_machine_with_keys_settings_templates_and_pictures(
    old: Place, made: Path, new: Place
) -> None:
    before = load_settings(old.environ, old.env)
    shutil.rmtree(old.home)
    done = new.restore(made)
    after = load_settings({}, new.env)

    assert after.secret_key == before.secret_key == (KEY,)
    assert (after.title, after.sender_url) == (before.title, before.sender_url)
    assert after.data_dir == new.home / "data"
    assert after.logo
    assert after.logo.read_bytes() == PICTURE
    assert after.templates
    assert (after.templates / "email" / "note.txt").read_text() == "Mine"
    assert after.blocked_domains() == {"trash.example"}
    assert (new.home / "data" / "media" / "cat.jpg").read_bytes() == b"a cat"
    assert "# mine" in new.env.read_text()
    assert new.subscribers() == 3
    assert "it is a backup of" in new.hold()
    assert {path.name for path in done.kept} == {
        "newsletter.db.before-20240305-130000", ".env.before-20240305-130000",
    }  # fmt: skip
    assert {stat.S_IMODE(path.stat().st_mode) for path in (*done.placed, *done.kept, made)} == {0o600}


def test_a_backup_says_what_it_contains(made: Path) -> None:
    report = check(made)
    assert (report.counts["subscriber"], report.schema, report.made_at) == (3, HEAD, TUESDAY)
    assert report.is_complete
    assert not report.encrypted
    assert set(report.files) == {
        "backup.json", "env", "media/cat.jpg", "files/NEWSLETTER_LOGO/logo.png",
        "files/NEWSLETTER_SECRET_KEY/key.txt", "files/NEWSLETTER_TEMPLATES/email/note.txt",
        "files/NEWSLETTER_DISPOSABLE_DOMAINS/domains.txt",
    }  # fmt: skip


def test_the_database_that_sends_contains_no_keys(made: Path, new: Place) -> None:
    new.restore(made)
    assert KEY.encode() not in new.database.read_bytes()


def test_paths_that_exist_unchanged_stay_as_they_are(old: Place, made: Path) -> None:
    done = old.restore(made)
    assert [path.name for path in done.placed] == [".env"], "only the setting of the environment was new there"
    assert load_settings({}, old.env).logo == old.home / "logo.png"


def test_a_file_that_a_setting_names_and_that_cannot_be_read_stops_the_backup(old: Place, tmp_path: Path) -> None:
    settings = old.backups
    (old.home / "domains.txt").unlink()
    with pytest.raises(NewsletterError, match=r"NEWSLETTER_DISPOSABLE_DOMAINS names .*domains\.txt"):
        settings.backup(tmp_path / "x.backup")
    assert [path.name for path in tmp_path.iterdir() if "backup" in path.name] == []


def test_a_backup_never_replaces_a_file(old: Place, made: Path) -> None:
    before = made.read_bytes()
    with pytest.raises(NewsletterError, match="already exists"):
        old.backups.backup(made)
    assert made.read_bytes() == before


# -- restoring -----------------------------------------------------------------------------------


def test_keys_that_signed_links_since_the_backup_stay_valid(old: Place, made: Path) -> None:
    (old.home / "key.txt").write_text("a-newer-key-that-signs-now-01234,a-key-of-the-old-machine-0123456789")
    old.restore(made)
    assert load_settings({}, old.env).secret_key == ("a-newer-key-that-signs-now-01234", KEY)


def test_only_the_database_is_restored_if_the_settings_are_kept(made: Path, new: Place) -> None:
    before = new.env.read_bytes()
    new.restore(made, keep_settings=True)
    assert new.env.read_bytes() == before
    assert new.subscribers() == 3


def test_what_the_environment_overrides_is_named(made: Path, new: Place) -> None:
    new.environ["NEWSLETTER_SECRET_KEY"] = "a-key-of-the-container-0123456789"
    new.environ["NEWSLETTER_TITLE"] = "Another"
    assert new.restore(made).overridden == ["NEWSLETTER_TITLE"]


def test_the_bare_database_of_an_older_version_is_restored_and_held(tmp_path: Path, new: Place) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parents[1] / "migrations"))
    engine = make_engine(tmp_path / "backup.db").execution_options(immediate=1.0)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0007")
    engine.dispose()
    change(
        tmp_path / "backup.db",
        "INSERT INTO suppression (address_key, reason, source, at) VALUES ('a@b.example', 'owner', '', '2024-01-01 00:00:00')",
    )
    env = new.env.read_bytes()
    report = new.restore(tmp_path / "backup.db").report

    assert (report.is_complete, report.schema, report.made_at) == (False, "0007", None)
    assert report.counts["suppression"] == 1
    assert new.env.read_bytes() == env
    assert "it is a backup of" in new.hold()


def test_a_backup_that_is_copied_over_the_database_by_hand_is_held(old: Place, made: Path) -> None:
    shutil.copy(made, old.database)
    assert "it is a backup of" in old.hold()


def test_a_damaged_database_is_replaced_and_kept(old: Place, made: Path) -> None:
    with old.database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * 100_000)
    broken = old.database.read_bytes()
    kept = next(path for path in old.restore(made).kept if path.name.startswith("newsletter.db"))
    assert kept.read_bytes() == broken
    assert old.subscribers() == 3


@pytest.mark.parametrize("moment", ["sending", "full"])
def test_a_restore_that_cannot_finish_changes_nothing_that_matters(
    old: Place, made: Path, moment: str, tmp_path: Path
) -> None:
    before = old.state()
    if moment == "sending":
        with closing(SqlStore(old.database)) as store, store.sending("daemon", TUESDAY):
            before = old.state()
            with pytest.raises(NewsletterError, match="already sending"):
                old.restore(made)
            assert old.state() == before
    else:
        (old.home / "data" / "restored").write_text("a file where a directory should be")
        (old.home / "logo.png").write_bytes(PICTURE + b"another")
        before = old.state()
        with pytest.raises((NewsletterError, OSError)):
            old.restore(made)
        assert old.state() == before


# -- files that are refused ----------------------------------------------------------------------


def forged(name: str = "media/x", mode: int = 0o100644, size: int = 1, data: bytes = b"x") -> str:
    return f"INSERT INTO sqlar VALUES ('{name}', {mode}, 0, {size}, x'{data.hex()}')"  # noqa: S608


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        (forged("../../etc/cron.d/x"), "the file name"),
        (forged("/etc/passwd"), "the file name"),
        (forged("media/../../x"), "the file name"),
        (forged("media/x\\y"), "the file name"),
        (forged(mode=0o120777), "not a plain file"),
        (forged(mode=0o040755), "not a plain file"),
        (forged(size=10**12), "which says it has"),
        (forged(size=10**7, data=b"no zlib"), "which is damaged"),
        ("UPDATE sqlar SET data = zeroblob(9), sz = 9 WHERE name = 'backup.json'", "the list of files"),
        ("DELETE FROM sqlar WHERE name LIKE 'files/NEWSLETTER_LOGO/%'", "the list of files"),
        ("UPDATE issue SET audience = 9", ""),
    ],
)  # fmt: skip
def test_a_forged_backup_is_refused_before_anything_changes(made: Path, new: Place, sql: str, words: str) -> None:
    change(made, sql)
    before = new.state()
    if words:
        with pytest.raises(InputError, match=words):
            new.restore(made)
        assert new.state() == before
    else:
        new.restore(made)  # there is no issue, so nothing contradicts


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(made: Path, new: Place) -> None:
    bomb = zlib.compress(bytes(10_000_000))
    change(made, forged(size=200_000, data=bomb))
    with pytest.raises(InputError, match="which is damaged"):
        new.restore(made)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20_000])


def scribble(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[8192:40_000] = b"\xa5" * (40_000 - 8192)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (cut, "is damaged"),
        (scribble, "is damaged"),
        (lambda path: path.write_text("email\n"), "it is a text file"),
        (lambda path: path.write_bytes(b""), "is not a backup of a newsletter"),
        (lambda path: change(path, "DROP TABLE suppression"), "is not a backup of a newsletter"),
    ],
)
def test_a_damaged_backup_is_refused_before_anything_changes(
    made: Path, new: Place, spoil: Callable[[Path], object], words: str
) -> None:
    spoil(made)
    before = new.state()
    with pytest.raises(NewsletterError, match=words):
        check(made)
    with pytest.raises(NewsletterError, match=words):
        new.restore(made)
    assert new.state() == before


def test_a_backup_of_a_newer_program_is_refused(made: Path, new: Place) -> None:
    change(made, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaError, match="Upgrade the program first"):
        new.restore(made)


def test_settings_that_cannot_be_used_are_refused_before_the_database_changes(made: Path, new: Place) -> None:
    change(made, "UPDATE sqlar SET data = CAST('NEWSLETTER_SCHEDULE=never' AS BLOB), sz = 25 WHERE name = 'env'")
    with pytest.raises(InputError, match="--keep-settings"):
        new.restore(made)
    assert new.subscribers() == 0


# -- encryption ----------------------------------------------------------------------------------


def test_an_encrypted_backup_needs_its_passphrase(old: Place, tmp_path: Path, new: Place) -> None:
    file = tmp_path / "secret.backup"
    assert old.backups.backup(file, lambda: "correct horse").encrypted
    assert b"anna" not in file.read_bytes()
    before = new.state()
    with pytest.raises(InputError, match=r"the passphrase of .*secret.backup is wrong"):
        new.restore(file, "battery staple")
    assert new.state() == before
    assert check(file, "correct horse").counts["subscriber"] == 3
    new.restore(file, "correct horse")
    assert new.subscribers() == 3


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 3 * PIECE])
def test_encryption_keeps_every_byte(tmp_path: Path, size: int) -> None:
    plain = os.urandom(size)
    (tmp_path / "plain").write_bytes(plain)
    encrypt(tmp_path / "plain", tmp_path / "sealed", "words")
    decrypt(tmp_path / "sealed", tmp_path / "again", "words")
    assert (tmp_path / "again").read_bytes() == plain


def test_pieces_can_be_neither_cut_off_nor_swapped_nor_changed(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(os.urandom(3 * PIECE))
    encrypt(tmp_path / "plain", tmp_path / "sealed", "words")
    sealed = (tmp_path / "sealed").read_bytes()
    head, step = len(sealed) - 3 * (PIECE + 16), PIECE + 16
    first, second, third = (sealed[head + place * step : head + (place + 1) * step] for place in range(3))
    start = sealed[:head]
    changed = bytes([second[0] ^ 1]) + second[1:]
    for number, forged_one in enumerate(
        (start + first + second, start + first + third + second, start + first + changed + third)
    ):
        (tmp_path / "forged").write_bytes(forged_one)
        with pytest.raises(InputError, match="damaged or incomplete"):
            decrypt(tmp_path / "forged", tmp_path / f"out{number}", "words")


def test_a_backup_in_the_directory_of_backups_is_listed_newest_first(old: Place) -> None:
    for days in (1, 2):
        backups = Backups(old.backups.settings, {}, old.env, lambda days=days: TUESDAY + timedelta(days=days))  # type: ignore[misc]
        path = backups.default_path()
        backups.backup(path)
        os.utime(path, (days, days))
    assert [path.name for path in old.backups.each()] == [
        "newsletter-20240307-130000.backup", "newsletter-20240306-130000.backup",
    ]  # fmt: skip
