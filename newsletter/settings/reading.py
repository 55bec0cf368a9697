"""Reads settings from the environment and from one env file, and checks every value.

A value is looked up in the environment, then in the env file; if neither has it, the default is used. An empty value
counts as unset. Every secret can also be given as `…_FILE`, the path of a file that contains it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from newsletter.domain.errors import InputError, SettingsError
from newsletter.settings.env_reader import read_env, unwrapped
from newsletter.settings.table import PREFIX, TABLE, Setting, Settings

KNOWN_ELSEWHERE = frozenset({"NEWSLETTER_TEST_ALL"})
MAX_SECRET_FILE = 65_536  # characters; a secret is short, so a longer file is a mistake
DEFAULT = "default"

Sources = Sequence[tuple[str, Mapping[str, str]]]
"""(origin, values) in the order they are searched."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A setting as it was given. name: the name it was found under, which may be the deprecated one."""

    name: str
    text: str
    origin: str


def load_settings(environ: Mapping[str, str], env_file: Path | None = None) -> Settings:
    """Read every setting; raises SettingsError that names the setting and the fix, but never its value.

    env_file: a file that must exist, or None. Nothing is exported to the environment.
    """
    sources: list[tuple[str, Mapping[str, str]]] = [("environment", _unwrapped(environ))]
    if env_file:
        sources.append((str(env_file), _env_file_values(env_file)))
    values: dict[str, Any] = {}
    texts: dict[str, str] = {}
    origins: dict[str, str] = {}
    for row in TABLE:
        found = _find(row, sources)
        text = found.text
        if row.field == "database_url" and found.origin == DEFAULT:
            text = f"sqlite:///{texts[PREFIX + 'DATA_DIR']}/newsletter.db"
        values[row.field], texts[row.name] = check(row, text, name=found.name), text
        origins[row.name] = found.origin if found.name == row.name else f"{found.origin}, {found.name}"
    return Settings(
        **values, texts=texts, origins=origins, warnings=_misspelled(sources), deprecations=_deprecated(sources)
    )


def check(row: Setting, text: str, *, name: str = "") -> object:
    """The value of a text; raises SettingsError that names the setting and the fix, but never the text.

    name: how the setting is called in the error, if it was given under its deprecated name.
    """
    try:
        return row.read(text)
    except SettingsError:
        raise
    except InputError as error:
        advice = f"It is {error.message}. {error.fix}" if error.fix else f"It is {error.message}"
    except ValueError as error:
        advice = str(error)
    # The value is not quoted, even if this setting is no secret: it may be a password that got into the wrong line.
    raise SettingsError(f"{name or row.name} cannot be used", fix=advice)


def _env_file_values(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise SettingsError(f"there is no file {path}", fix="Pass another one with --env-file, or run: newsletter init")
    return read_env(path)


def _unwrapped(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: unwrapped(value) for name, value in environ.items() if name.startswith(PREFIX)}


def _find(row: Setting, sources: Sources) -> _Found:
    """The first source that has the setting wins, whatever name it uses there."""
    for origin, values in sources:
        given = [name for name in _names(row) if values.get(name, "").strip()]
        if given == [row.name, row.old_name] and values[row.name].strip() == values[row.old_name].strip():
            given = [row.name]  # both names with one value are fine: somebody may have to go back to an older version
        if len(given) > 1:
            raise SettingsError(f"{given[0]} and {given[1]} are both set ({origin})", fix=_keep(row, given))
        if given:
            text = values[given[0]].strip()
            name = given[0].removesuffix("_FILE") if row.mask else given[0]
            if name == given[0]:
                return _Found(name, text, origin)
            return _Found(name, _read_secret(given[0], text), f"{origin}, {text}")
    return _Found(row.name, row.default, DEFAULT)


def _names(row: Setting) -> list[str]:
    """Every name under which a setting can be given: its own, the deprecated one, and for secrets both with `_FILE`."""
    names = [row.name, row.old_name] if row.old_name else [row.name]
    return [*names, *(f"{name}_FILE" for name in names if row.mask)]


def _keep(row: Setting, given: list[str]) -> str:
    return f"Keep {row.name}; {row.old_name} is its old name" if row.old_name in given else "Keep one of them"


def _read_secret(name: str, path: str) -> str:
    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(MAX_SECRET_FILE).strip()
    except (OSError, ValueError) as error:
        # The path is not quoted: it may be the secret itself.
        why = error.strerror if isinstance(error, OSError) else "it has characters that no text has"
        raise SettingsError(f"{name} cannot be read: {why}", fix="Set it to the path of a text file") from None
    if not text:
        raise SettingsError(f"{name} points to an empty file: {path}", fix="Write the secret into it")
    return text


def _misspelled(sources: Sources) -> tuple[str, ...]:
    """One sentence for each name that starts with NEWSLETTER_ and is not a setting."""
    current = sorted({name for row in TABLE for name in _names(row) if name != row.old_name} | KNOWN_ELSEWHERE)
    known = {name for row in TABLE for name in _names(row)} | KNOWN_ELSEWHERE
    found = []
    for origin, values in sources:
        for name in sorted(name for name in values if name.startswith(PREFIX) and name not in known):
            near = get_close_matches(name, current, n=1)
            advice = f"did you mean {near[0]}?" if near else "no setting has such a name"
            found.append(f"{name} ({origin}) is not a setting: {advice}")
    return tuple(found)


def _deprecated(sources: Sources) -> tuple[str, ...]:
    """One sentence for each setting that is given under its old name."""
    return tuple(
        f"{row.old_name} ({origin}) is deprecated: rename it to {row.name}"
        for row in TABLE
        for origin, values in sources
        if row.old_name and values.get(row.old_name, "").strip()
    )
