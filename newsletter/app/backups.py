"""Backups of everything that a newsletter needs: the database, its settings with the files they name, and its media."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from newsletter import __version__, files
from newsletter.domain.errors import InputError, NewsletterError
from newsletter.files import reading_as_owner_of
from newsletter.ports.clock import Clock
from newsletter.settings import Settings, load_settings
from newsletter.settings.bundle import edited, env_for_backup, env_here, named_files
from newsletter.settings.env_reader import read_env
from newsletter.store.encryption import decrypt, encrypt, is_encrypted
from newsletter.store.sqlite.backup import Contents, backup, replace, stage
from newsletter.store.sqlite.database import revision, sqlite_path
from newsletter.store.sqlite.errors import BACKUPS
from newsletter.store.sqlite.members import LARGEST, Member, add_members
from newsletter.store.sqlite.sending_lock import sending_lock
from newsletter.store.transactions import SqlStore

Passphrase = Callable[[], str]
KEY = "NEWSLETTER_SECRET_KEY"
_WORKSPACE = ".backup-"
MANIFEST, ENV, MEDIA, RESTORED = "backup.json", "env", "media", "restored"


@dataclass(frozen=True, slots=True)
class Report:
    """What is in a backup. made_at, program: None and "" for the bare database of an older version.

    counts: rows of subscriber, suppression, tip, and issue. files: names of the files inside, without the database.
    """

    file: Path
    encrypted: bool
    schema: str
    made_at: datetime | None
    program: str
    counts: Mapping[str, int]
    files: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """Does it have the settings, too?"""
        return ENV in self.files


@dataclass(slots=True)
class Restored:
    """What a restore did. kept: what was there before, under its new names. placed: files that were written.

    overridden: settings that the environment sets to another value than the backup, so that the backup's has no effect.
    """

    report: Report
    kept: list[Path] = field(default_factory=list)
    placed: list[Path] = field(default_factory=list)
    overridden: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Backups:
    """Makes, checks, lists, and restores backups. env_file: the env file of this newsletter, which may not exist."""

    settings: Settings
    environ: Mapping[str, str]
    env_file: Path
    clock: Clock

    @property
    def database(self) -> Path:
        """The file of the database."""
        return sqlite_path(self.settings.database_url)

    @property
    def directory(self) -> Path:
        """Where backups are kept unless another file is named."""
        return self.database.parent / BACKUPS

    def is_in_use(self) -> bool:
        """Is there anything to lose: subscribers, issues, or a database that cannot be read?"""
        try:
            if revision(self.database) is None:
                return False
            with closing(SqlStore(self.database)) as store, store.read() as tx:
                return sum(tx.subscribers.count().values()) > 0 or tx.issues.last_number() > 0
        except NewsletterError:
            return True

    def default_path(self) -> Path:
        """A name for a new backup in the directory of backups."""
        return self.directory / f"newsletter-{self.clock():%Y%m%d-%H%M%S}.backup"

    def each(self) -> list[Path]:
        """The backups in the directory, newest first."""
        found = [path for path in self.directory.glob("*") if path.is_file() and path.suffix != ".part"]
        return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)

    def backup(self, target: Path, passphrase: Passphrase | None = None) -> Report:
        """Write one private file with everything, and check it. It appears under its name only when it is complete.

        passphrase: asked for only after the file is known to be free. Raises NewsletterError.
        """
        if target.exists():
            raise NewsletterError(f"{target} already exists", fix="Choose a file that does not exist")
        if target.parent == self.directory:
            files.make_directory(self.directory)
        if not target.parent.is_dir():
            raise NewsletterError(
                f"there is no directory {target.parent}", fix="Create it first, or choose another one"
            )
        if not os.access(target.parent, os.W_OK | os.X_OK):
            raise NewsletterError(f"the directory {target.parent} cannot be written", fix="Choose another one")
        secret = passphrase() if passphrase else ""
        now = self.clock()
        part = target.with_name(f".{target.name}.part")
        part.unlink(missing_ok=True)
        try:
            with self._workspace(target.parent) as workspace:
                plain = workspace / "plain"
                backup(self.database, plain, now)
                members = self._members(now)
                add_members(plain, members, int(now.timestamp()))
                report = self._report(target, stage(plain, workspace / "checked"), encrypted=bool(secret))
                if secret:
                    encrypt(plain, part, secret)
                else:
                    plain.replace(part)
                    files.give_to_owner_of(target.parent, part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return report

    def verify(self, source: Path, passphrase: Passphrase) -> Report:
        """Open a backup again and check all of it; nothing else is changed. Raises InputError, SchemaError."""
        with self._workspace(None) as workspace, self._opened(source, workspace, passphrase) as contents:
            return self._report(source, contents, encrypted=is_encrypted(source))

    def restore(self, source: Path, passphrase: Passphrase, *, keep_settings: bool = False) -> Restored:
        """Put a backup in the place of this newsletter; what was here is kept under other names.

        Everything is checked first. Files come next, then the database, which sends nothing until it is adopted, and
        last the env file: whatever interrupts this, the same command can be run again. Raises InputError, SchemaError,
        SettingsError, and Busy.
        """
        now = self.clock()
        files.make_directory(self.database.parent)
        with (
            self._workspace(self.database.parent) as workspace,
            self._opened(source, workspace, passphrase) as contents,
            sending_lock(self.database, "restore", now),
        ):
            done = Restored(self._report(source, contents, encrypted=is_encrypted(source)))
            stamp = self._unused(f"before-{now:%Y%m%d-%H%M%S}")
            inside = {member.name: member.content for member in contents.members}
            env = None if keep_settings else self._place_settings(inside, done, stamp, workspace)
            self._place(inside, MEDIA, self.settings.data_dir, done, stamp)
            kept = self.database.with_name(f"{self.database.name}.{stamp}")
            if replace(self.database, workspace / "database", kept):
                done.kept.append(kept)
            if env is not None:
                self._replace_env(env, done, stamp)
        return done

    def _unused(self, stamp: str) -> str:
        """The stamp with a number, if another restore in the same second has used it."""
        numbers = (stamp, *(f"{stamp}-{number}" for number in range(2, 1000)))
        return next(one for one in numbers if not self.database.with_name(f"{self.database.name}.{one}").exists())

    # -- what is in it -----------------------------------------------------------------------------

    def _members(self, now: datetime) -> list[Member]:
        with reading_as_owner_of(self.env_file or self.database):
            named = named_files(self.settings, self.environ, self.env_file)
        media = self.settings.data_dir / MEDIA
        with reading_as_owner_of(media):
            pictures = [
                Member(f"{MEDIA}/{path.relative_to(media).as_posix()}", _picture(path))
                for path in sorted(media.rglob("*"))
                if path.is_file()
            ]
        manifest = {
            "format": 1,
            "made_at": now.isoformat(),
            "program": __version__,
            "named": {one.variable: {"path": str(one.path), "inside": one.inside} for one in named},
        }
        return [
            Member(MANIFEST, json.dumps(manifest, indent=2).encode()),
            Member(ENV, env_for_backup(self.environ, self.env_file).encode()),
            *(Member(name, content) for one in named for name, content in one.contents.items()),
            *pictures,
        ]

    def _report(self, file: Path, contents: Contents, *, encrypted: bool) -> Report:
        names = tuple(member.name for member in contents.members)
        program = str(_manifest(contents, file).get("program", ""))
        return Report(file, encrypted, contents.schema, contents.made_at, program, contents.counts, names)

    @contextmanager
    def _workspace(self, place: Path | None) -> Iterator[Path]:
        """A private directory, on the disk of `place`, so that files can be renamed into place."""
        if place:
            _remove_abandoned(place)
        with TemporaryDirectory(prefix=_WORKSPACE, dir=place) as directory:
            handle = os.open(directory, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                yield Path(directory)
            finally:
                os.close(handle)

    @contextmanager
    def _opened(self, source: Path, workspace: Path, passphrase: Passphrase) -> Iterator[Contents]:
        """Decrypt, check, and upgrade a copy of the database, at `workspace/database`."""
        plain = source
        if not source.is_file():  # a pipe would let us wait forever
            raise InputError(f"{source} is not a plain file", fix="Nothing was changed. Name a backup")
        if is_encrypted(source):
            plain = workspace / "plain"
            decrypt(source, plain, passphrase())
        yield stage(plain, workspace / "database")

    # -- settings ----------------------------------------------------------------------------------

    def _place_settings(self, inside: Mapping[str, bytes], done: Restored, stamp: str, workspace: Path) -> str | None:
        """Write the files that the settings name; returns the text of the env file, None for a bare database."""
        if ENV not in inside:
            return None
        named = json.loads(inside[MANIFEST]).get("named", {})
        changes: dict[str, str | None] = {}
        for variable, one in named.items():
            path, folder = Path(str(one["path"])), str(one["inside"])
            if _is_same(path, folder, inside):
                continue
            base = self.settings.data_dir / RESTORED
            self._place(inside, folder, base, done, stamp, without="files/")
            changes[str(variable)] = str(base / folder.removeprefix("files/"))
        checked = workspace / "env"
        text = self._checked_env(env_here(inside[ENV].decode(), self.env_file, changes), checked, done.report.file)
        restored = read_env(checked)
        done.overridden += [
            name for name, value in sorted(restored.items()) if self.environ.get(name, value).strip() != value.strip()
        ]
        return text

    def _checked_env(self, text: str, path: Path, source: Path) -> str:
        """The text with the keys of this newsletter; written to `path`. Raises InputError if it cannot be used."""
        files.write(path, text.encode())
        try:
            old = load_settings({}, path).secret_key
        except NewsletterError as error:
            raise InputError(
                f"the settings in {source} cannot be used here: {error.message}",
                fix="The database was not changed. To restore it without the settings, pass --keep-settings",
            ) from None
        missing = [key for key in self.settings.secret_key if key not in old]
        if not missing or not self.is_in_use():
            return text
        # What is replaced may have sent links since the backup, so its keys stay valid, and first.
        text = edited(text, {KEY: ",".join([*missing, *old]), f"{KEY}_FILE": None})
        files.write(path, text.encode())
        return text

    def _replace_env(self, text: str, done: Restored, stamp: str) -> None:
        path = self.env_file.resolve() if self.env_file.is_symlink() else self.env_file
        if not path.exists():
            files.make_directory(path.parent)
            files.write(path, text.encode())
        elif (before := path.read_bytes()) == text.encode():
            return
        else:
            kept = path.with_name(f"{path.name}.{stamp}")
            files.write(kept, before, like=path)
            done.kept.append(kept)
            try:
                files.write(path, text.encode(), like=path)
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                path.write_bytes(text.encode())  # a file that is mounted into a container cannot be renamed
        done.placed.append(path)

    def _place(
        self, inside: Mapping[str, bytes], folder: str, base: Path, done: Restored, stamp: str, *, without: str = ""
    ) -> None:
        """Write the files of one folder below `base`; a different file in their place is renamed first."""
        for name, content in inside.items():
            if name != folder and not name.startswith(f"{folder}/"):
                continue
            path = base / name.removeprefix(without)
            if path.is_symlink() or (path.exists() and not path.is_file()):
                raise NewsletterError(f"{path} is in the way of the restored file", fix="Rename it, and try again")
            if path.exists():
                if path.read_bytes() == content:
                    continue
                kept = path.with_name(f"{path.name}.{stamp}")
                path.rename(kept)
                done.kept.append(kept)
            files.make_directory(path.parent)
            files.write(path, content)
            done.placed.append(path)


def _remove_abandoned(place: Path) -> None:
    """Delete what killed backups and restores left behind: it has all keys, and may be large. Those at work lock theirs."""
    for directory in place.glob(f"{_WORKSPACE}*"):
        with suppress(OSError):
            handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(directory)
            finally:
                os.close(handle)


def _picture(path: Path) -> bytes:
    if path.stat().st_size > LARGEST:
        raise NewsletterError(
            f"{path} is larger than {LARGEST // 1_000_000} MB, so it cannot be in a backup",
            fix="Nothing was written. Move that file to another directory",
        )
    try:
        return path.read_bytes()
    except PermissionError:
        raise NewsletterError(
            f"{path} cannot be read by the owner of its directory",
            fix="Nothing was written. Remove that file or link, or change its owner",
        ) from None


def _manifest(contents: Contents, file: Path) -> Mapping[str, object]:
    text = next((member.content for member in contents.members if member.name == MANIFEST), b"{}")
    try:
        found = json.loads(text)
        named = found.get("named", {})
        names = {member.name for member in contents.members}
        is_sound = all(_belongs(str(one["inside"]), names) for one in named.values())
    except (ValueError, AttributeError, TypeError, KeyError):
        is_sound = False
    if not is_sound:
        raise InputError(f"the list of files in {file} is damaged", fix="Nothing was changed. Use another backup")
    return dict(found)


def _belongs(inside: str, names: set[str]) -> bool:
    return inside.startswith("files/") and (inside in names or any(name.startswith(f"{inside}/") for name in names))


def _is_same(path: Path, folder: str, inside: Mapping[str, bytes]) -> bool:
    """Does the path of the old machine exist here, with the same content?"""
    wanted = {
        name.removeprefix(folder).lstrip("/"): content for name, content in inside.items() if _is_in(name, folder)
    }
    try:
        return bool(wanted) and all((path / name).read_bytes() == content for name, content in wanted.items())
    except OSError:
        return False


def _is_in(name: str, folder: str) -> bool:
    return name == folder or name.startswith(f"{folder}/")
