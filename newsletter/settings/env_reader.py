"""Reads env files as people save them."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

from dotenv.parser import parse_stream

from newsletter.domain.errors import SettingsError
from newsletter.domain.file_kinds import marked_encoding

# What text editors make of straight quotes. An apostrophe inside single quotes stays: ‘Anna’s tips’.
_CURLY = r"""[“”„‟«](?P<double>[^“”„‟«»"\r\n]*)[”“‟»]|[‘‚‛’](?P<single>[^‘‚‛"\r\n]*)[’‘]"""
_CURLY_LINE = re.compile(rf"(?m)^(?P<name>\s*(?:export\s+)?\w+\s*=[^\S\r\n]*)(?:{_CURLY})(?P<end>\s*?(?:\s\#.*)?)$")
_WRAPPED = re.compile(rf"""(?P<quote>["'])(?P<plain>(?:(?!(?P=quote)).)*)(?P=quote)|{_CURLY}""", re.DOTALL)


def read_env(path: Path) -> dict[str, str]:
    """The values in an env file by name; the last line of a name wins. Nothing is expanded.

    As people save it: a BOM or UTF-16, CRLF, `export NAME=`, comments after values, curly quotes around values. Raises
    SettingsError that names the line that cannot be read, without quoting it, since it may hold a secret.
    """
    found: dict[str, str] = {}
    for binding in parse_stream(StringIO(env_source(path))):
        if binding.error:
            before = len(binding.original.string) - len(binding.original.string.lstrip())
            line = binding.original.line + binding.original.string[:before].count("\n")
            raise SettingsError(
                f"line {line} of {path} cannot be read",
                fix='Write NAME=value, with two quotes or none, as in NAME="two words"; begin a comment with #',
            )
        if binding.key is not None and binding.value is not None:
            found[binding.key] = binding.value
    return found


def env_source(path: Path) -> str:
    """The text of an env file with straight quotes around its values. Raises SettingsError if it cannot be read."""
    try:
        octets = path.read_bytes()
        text = octets.decode(marked_encoding(octets) or "utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path} cannot be read: {error}", fix="Save it as UTF-8, and make it readable for this user"
        ) from None
    return _CURLY_LINE.sub(_straight, text)


def unwrapped(text: str) -> str:
    """A value without quotes around it: some programs pass on the quotes of their env files (docker --env-file)."""
    found = _WRAPPED.fullmatch(text.strip())
    return _inside(found) if found else text


def _straight(found: re.Match[str]) -> str:
    return f'{found["name"]}"{_inside(found)}"{found["end"]}'


def _inside(found: re.Match[str]) -> str:
    groups = found.groupdict()
    return next(text for name in ("plain", "double", "single") if (text := groups.get(name)) is not None)
