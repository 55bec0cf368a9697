"""Which pictures were taken in from where, so that an import takes in none twice; the files are in `media/`."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlmodel import Field, Session, SQLModel, col, select


class Picture(SQLModel, table=True):
    """A picture. source: its URL, or a hash of its file. name: its file in `media/` of the data directory."""

    __tablename__ = "picture"

    source: str = Field(primary_key=True)
    name: str


class SqlPictures:
    """Implements ports.pictures.Pictures on one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def names(self, sources: Collection[str]) -> Mapping[str, str]:
        """The names of these sources, as far as they were taken in."""
        rows = self._session.exec(select(Picture).where(col(Picture.source).in_(sources)))
        return {row.source: row.name for row in rows}

    def record(self, source: str, name: str) -> None:
        """Record a picture that was taken in, in place of an earlier one of this source."""
        self._session.merge(Picture(source=source, name=name))
        self._session.flush()
