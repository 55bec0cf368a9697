"""Writes env files: one line per setting, with its meaning as a comment."""

from __future__ import annotations

import re
from collections.abc import Mapping

from newsletter.settings.table import TABLE


def env_text(values: Mapping[str, str] | None = None) -> str:
    """An env file with every setting; a setting is commented out unless `values` has its name."""
    lines = ["# Settings of the newsletter. Environment variables override this file.", ""]
    for row in TABLE:
        if row.group:
            lines += [f"# --- {row.group} ---", ""]
        value = (values or {}).get(row.name)
        mark, text = ("#", row.default) if value is None else ("", value)
        lines += [f"# {row.meaning}", f"{mark}{row.name}={quote(text)}", ""]
    return "\n".join(lines)


def env_with(text: str, name: str, value: str) -> str:
    """The text of an env file in which a setting has this value: in its line, even if that is commented out, or at the end."""
    line = f"{name}={quote(value)}"
    found = [*re.finditer(rf"(?m)^(?P<mark>#?)[^\S\n]*(?:export[^\S\n]+)?{name}[^\S\n]*=.*$", text)]
    last = next((one for one in reversed(found) if not one["mark"]), found[-1] if found else None)
    if last is None:
        return f"{text.rstrip()}\n{line}\n".lstrip()
    return f"{text[: last.start()]}{line}{text[last.end() :]}"


def quote(value: str) -> str:
    """A value as it is written in an env file: as it is if that is unambiguous, else in double quotes."""
    if re.fullmatch(r"[\w@%+=:,./*?&-]*", value, re.ASCII):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
