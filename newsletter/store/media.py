"""The files of pictures: one folder in the data directory, each file under the name that follows from its content."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from newsletter import files
from newsletter.domain.tips.pictures import is_name


@dataclass(frozen=True, slots=True)
class MediaFolder:
    """Implements ports.pictures.Media."""

    directory: Path

    def has(self, name: str) -> bool:
        """Is this picture there?"""
        return is_name(name) and (self.directory / name).is_file()

    def read(self, name: str) -> bytes | None:
        """The content of a picture; None if there is none of this name."""
        if not is_name(name):  # so that no name leads out of the folder
            return None
        try:
            return (self.directory / name).read_bytes()
        except OSError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Keep a picture; the same name always has the same content."""
        if not self.has(name):
            files.make_directory(self.directory)
            files.write(self.directory / name, content)
