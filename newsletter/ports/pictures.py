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
