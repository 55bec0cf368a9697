"""Column types that several tables share."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field


class UtcDateTime(TypeDecorator[datetime]):
    """Aware times in, aware times (UTC) out; SQLite stores them as the text that `store.times.to_text` writes."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Raises ValueError for a naive time, which is always a bug here."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive time reached the database")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Add the time zone, which SQLite does not store."""
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


def at(*, null: bool = False, index: bool = False) -> Any:
    """A column for a time."""
    return Field(default=None if null else ..., sa_type=UtcDateTime, nullable=null, index=index)
