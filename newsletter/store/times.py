"""Times as the database stores them: text in most tables, milliseconds where there are millions of rows."""

from __future__ import annotations

from datetime import UTC, datetime


def to_text(at: datetime) -> str:
    """An aware time as text in UTC, which sorts: `2026-05-05 12:00:00.000000`."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def to_text_or_none(at: datetime | None) -> str | None:
    """As `to_text`; None stays None."""
    return None if at is None else to_text(at)


def from_text(text: str) -> datetime:
    """The aware time (UTC) of a text that `to_text` or the ORM has written."""
    return datetime.fromisoformat(f"{text}+00:00")


def from_text_or_none(text: str | None) -> datetime | None:
    """As `from_text`; None stays None."""
    return None if text is None else from_text(text)


def to_ms(at: datetime) -> int:
    """An aware time in milliseconds since 1970."""
    return int(at.timestamp() * 1000)


def from_ms(milliseconds: int) -> datetime:
    """The aware time (UTC) of milliseconds since 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
