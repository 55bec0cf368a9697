"""One result of `newsletter doctor`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check. level: ok, hint (worth knowing), warning, error; `ok` is False for the last two."""

    id: str
    ok: bool
    level: str
    message: str
    fix: str = ""


def fine(id_: str, message: str) -> Check:
    """Nothing to do."""
    return Check(id_, ok=True, level="ok", message=message)


def hint(id_: str, message: str, fix: str = "") -> Check:
    """Worth knowing."""
    return Check(id_, ok=True, level="hint", message=message, fix=fix)


def warning(id_: str, message: str, fix: str) -> Check:
    """Should be corrected, and emails are sent meanwhile."""
    return Check(id_, ok=False, level="warning", message=message, fix=fix)


def error(id_: str, message: str, fix: str) -> Check:
    """Keeps emails from being sent, or links from working."""
    return Check(id_, ok=False, level="error", message=message, fix=fix)
