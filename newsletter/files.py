"""Files that only their owner can read, and that root leaves to the owner of the newsletter.

A command that root runs once must not leave a file that the service cannot open. So a new file gets the owner of a file
or directory that was there before, as SQLite does it for its -wal and -shm files (unixOpen in os_unix.c). Nothing is
changed for a link or a file with a second name, since whoever can write into the directory could point it at any file.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EISDIR
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from newsletter.domain.errors import Refused

PRIVATE, PRIVATE_DIRECTORY = 0o600, 0o700
_EVERYONE = stat.S_IROTH | stat.S_IWOTH


def make_directory(path: Path, mode: int = PRIVATE_DIRECTORY) -> None:
    """Make a directory with the parents that are missing; each gets the owner of the one above it."""
    if path.is_dir():
        return
    make_directory(path.parent, mode)
    path.mkdir(mode=mode, exist_ok=True)
    give_to_owner_of(path.parent, path)


def create(path: Path, like: Path | None = None) -> int:
    """Create a private file and return its descriptor for writing. Raises FileExistsError, even for a broken link.

    like: whose owner it gets from root; the directory, unless it is given.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, PRIVATE)
    give_to_owner_of(like or path.parent, descriptor)
    return descriptor


def write(path: Path, content: bytes, like: Path | None = None) -> None:
    """Write a private file completely or not at all, in place of an older one. like: as for `create`."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(create(part, like), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def refuse_links(paths: Iterable[Path]) -> None:
    """Raise Refused for the first of these paths that is a symbolic link: it could point at any file."""
    for path in paths:
        if path.is_symlink():
            raise Refused(
                f"{path} is a symbolic link, and nothing is written through one",
                fix="Remove it, or name the place that it points to",
            )


def write_all(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write files that others may read, all of them or none, in place of older ones.

    files: contents by names below the directory, which may have one folder in them. They are written beside the directory
    of their name and renamed when all of them are complete. Nothing is written through a symbolic link.
    """
    make_directory(directory, mode=0o777)
    if not files:
        return
    staging = Path(mkdtemp(prefix=".export-", dir=directory))
    try:
        for name, content in files.items():
            part = staging / name
            part.parent.mkdir(exist_ok=True)
            with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            give_to_owner_of(directory, part)
        for name in files:  # now, since nothing should fail between the first renaming and the last
            make_directory((directory / name).parent, mode=0o777)
            refuse_links([(directory / name).parent])
            if (directory / name).is_dir():
                raise IsADirectoryError(
                    EISDIR, "this is a directory, and a file must be written here", str(directory / name)
                )
        for name in files:
            (staging / name).replace(directory / name)  # a link in its place is replaced, and not followed
    finally:
        rmtree(staging, ignore_errors=True)


def write_export(path: Path, content: bytes) -> None:
    """Write a file whose path somebody has typed, as `write` does. Raises Refused for a link, and for what is no file."""
    require_plain(path)
    write(path, content)


def require_plain(path: Path) -> None:
    """Raise Refused unless the path is free or a plain file: a link could point at any file, and a pipe cannot be replaced."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        what = "a symbolic link" if path.is_symlink() else "a directory" if path.is_dir() else "no plain file"
        raise Refused(f"{path} is {what}, so nothing is written there", fix="Remove it, or name another file")


def open_shared(path: Path, like: Path) -> int:
    """Open a file for reading and writing, and create it if it is missing; returns its descriptor. like: as for `create`."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, PRIVATE)
    give_to_owner_of(like, descriptor)
    return descriptor


def give_to_owner_of(like: Path, target: int | Path) -> None:
    """As root, make a file belong to the owner of another; nothing is changed for any other user."""
    if os.geteuid() != 0:
        return
    wanted = (like if like.exists() else like.parent).stat()
    found = os.fstat(target) if isinstance(target, int) else target.lstat()
    is_plain = stat.S_ISDIR(found.st_mode) or (stat.S_ISREG(found.st_mode) and found.st_nlink == 1)
    if is_plain and (found.st_uid, found.st_gid) != (wanted.st_uid, wanted.st_gid):
        os.chown(target, wanted.st_uid, wanted.st_gid)


@contextmanager
def reading_as_owner_of(path: Path) -> Iterator[None]:
    """As root, read with the rights of the owner of a file or directory, and for any other user with their own.

    Whoever can write a path into that file, or put a link into that directory, must not be given what only root can
    read.
    """
    found = path.stat() if path.exists() else None
    if os.geteuid() != 0 or found is None or found.st_uid == 0:
        yield
        return
    group, groups = os.getegid(), os.getgroups()
    os.setgroups([])
    os.setegid(found.st_gid)
    os.seteuid(found.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def close_to_others(paths: Iterable[Path]) -> None:
    """Make files private that every user of the machine can read. Access of a group is kept: somebody has chosen it."""
    for path in paths:
        if path.is_file() and path.stat().st_mode & _EVERYONE and os.geteuid() in (0, path.stat().st_uid):
            path.chmod(PRIVATE)


@dataclass(frozen=True, slots=True)
class Foreign:
    """Files that belong to another user than they should. owner: `user:group`, as chown(1) takes it."""

    paths: tuple[Path, ...]
    owner: str


def foreign(directory: Path, database: Path) -> Foreign | None:
    """The files that root or another user has left in the directory; None if there are none.

    The right owner is the one of the directory, or of the database in a directory of root.
    """
    wanted = directory.stat()
    if wanted.st_uid == 0 and database.exists():
        wanted = database.stat()
    found = [path for path in _files(directory) if path.lstat().st_uid != wanted.st_uid]
    return Foreign(tuple(found), f"{_user(wanted.st_uid)}:{_group(wanted.st_gid)}") if found else None


def open_to_everyone(directory: Path) -> tuple[Path, ...]:
    """The files that every user of the machine can read or change, because the directory is open as well."""
    if not directory.stat().st_mode & stat.S_IXOTH:
        return ()
    return tuple(path for path in _files(directory) if path.is_file() and path.lstat().st_mode & _EVERYONE)


def owner_of(path: Path) -> str:
    """The name of the user to whom a file belongs."""
    return _user(path.stat().st_uid)


def current_user() -> str:
    """The name of the user who runs this process."""
    return _user(os.geteuid())


def _files(directory: Path) -> list[Path]:
    """The files and directories inside; those that cannot be listed are omitted."""
    return sorted(Path(folder, name) for folder, inside, names in os.walk(directory) for name in (*inside, *names))


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
