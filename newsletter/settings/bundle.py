"""The settings as a backup keeps them: the env file, and every file that a setting names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from dotenv.parser import parse_stream

from newsletter.domain.errors import NewsletterError
from newsletter.settings.env_file import quote
from newsletter.settings.env_reader import env_source, read_env, unwrapped
from newsletter.settings.table import TABLE, Setting, Settings

HERE = ("NEWSLETTER_DATA_DIR", "NEWSLETTER_DATABASE_URL")
"""Settings that say where this machine keeps things; they are never taken from a backup."""


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file or a directory that a setting names. variable: the setting as it is written, perhaps with `_FILE`.

    inside: its path in a backup. contents: by path in a backup; one, unless it is a directory.
    """

    variable: str
    path: Path
    inside: str
    contents: Mapping[str, bytes]


def names_of(row: Setting) -> list[str]:
    """Every name under which a setting can be given."""
    names = [row.name, *([row.old_name] if row.old_name else [])]
    return [*names, *(f"{name}_FILE" for name in names if row.mask)]


def env_for_backup(environ: Mapping[str, str], env_file: Path | None) -> str:
    """The text of the env file, with the settings that the environment overrides or adds."""
    text = env_source(env_file) if env_file and env_file.is_file() else ""
    changes: dict[str, str | None] = {}
    for row in TABLE:
        given = [name for name in names_of(row) if environ.get(name, "").strip()]
        if given:
            changes |= dict.fromkeys(names_of(row))
            changes[given[0]] = unwrapped(environ[given[0]].strip())
    return edited(text, changes)


def named_files(settings: Settings, environ: Mapping[str, str], env_file: Path | None) -> list[NamedFile]:
    """The files that the settings name: keys and passwords, the logo, templates, and lists. Raises NewsletterError."""
    env = read_env(env_file) if env_file and env_file.is_file() else {}
    found = []
    for row in TABLE:
        value = getattr(settings, row.field)
        if isinstance(value, Path) and row.name not in HERE:
            found.append(_named(row.name, value, row.name))
        for source in (environ, env):
            given = [name for name in names_of(row) if source.get(name, "").strip()]
            if given:
                if row.mask and given[0].endswith("_FILE"):
                    found.append(_named(given[0], Path(unwrapped(source[given[0]].strip())), row.name))
                break
    return [one for one in found if one.contents]


def _named(variable: str, path: Path, folder: str) -> NamedFile:
    inside = f"files/{folder}" if path.is_dir() else f"files/{folder}/{path.name}"
    try:
        if not path.is_dir():
            return NamedFile(variable, path, inside, {inside: path.read_bytes()})
        parts = sorted(one for one in path.rglob("*") if one.is_file() and not _is_hidden(one.relative_to(path)))
        contents = {f"{inside}/{one.relative_to(path).as_posix()}": one.read_bytes() for one in parts}
    except OSError as error:
        raise NewsletterError(
            f"{variable} names {error.filename or path}, which cannot be read: {error.strerror}",
            fix="Without it, the backup would not be complete. Make the file readable, or remove the setting",
        ) from None
    return NamedFile(variable, path, inside, contents)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "__pycache__")) for part in path.parts)


def edited(text: str, changes: Mapping[str, str | None]) -> str:
    """The text of an env file with some values changed, added, or removed (None); everything else stays as it is."""
    lines, rest = [], {name: value for name, value in changes.items() if value is not None}
    for binding in parse_stream(StringIO(text)):
        original = binding.original.string
        if binding.key is None or binding.key not in changes:
            lines.append(original)
            continue
        lines.append(original[: len(original) - len(original.lstrip())])
        if binding.key in rest:
            lines.append(f"{binding.key}={quote(rest.pop(binding.key))}\n")
    before = "".join(lines)
    added = "".join(f"{name}={quote(value)}\n" for name, value in rest.items())
    return before + ("\n" if added and before and not before.endswith("\n") else "") + added


def env_here(text: str, env_file: Path | None, changes: Mapping[str, str | None]) -> str:
    """The env file of a backup for this machine: with its own places, and the changes."""
    env = read_env(env_file) if env_file and env_file.is_file() else {}
    return edited(text, {**{name: env.get(name) or None for name in HERE}, **changes})
