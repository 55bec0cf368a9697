"""Pictures of tips: where they came from, and their files."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol


class Pictures(Protocol):
    """Which pictures were taken in from where; `Tx.pictures`."""

    def names(self, sources: Collection[str]) -> Mapping[str, str]:
        """The names of these sources, as far as they were taken in."""
        ...

    def record(self, source: str, name: str) -> None:
        """Record a picture that was taken in, in place of an earlier one of this source."""
        ...


class Media(Protocol):
    """The files of the pictures, by their names."""

    def has(self, name: str) -> bool:
        """Is this picture there?"""
        ...

    def read(self, name: str) -> bytes | None:
        """The content of a picture; None if there is none of this name."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Keep a picture."""
        ...


class EncodedPicture(Protocol):
    """A picture that may be published."""

    @property
    def name(self) -> str:
        """The name of its file."""

    @property
    def content(self) -> bytes:
        """The content of its file."""


class PictureCodec(Protocol):
    """Makes pictures small and safe; `newsletter.importers.pictures` implements it."""

    def encode(self, raw: bytes) -> EncodedPicture:
        """The picture without metadata, within the limits of size. Raises InputError."""
        ...

    def as_it_is(self, raw: bytes, name: str) -> EncodedPicture | None:
        """The picture of an export, if the file is still the one that was exported under this name."""
        ...
