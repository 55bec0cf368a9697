"""Read tips from files: detect the format of each file and parse it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path
from typing import cast

from newsletter.domain.errors import UsageError
from newsletter.domain.read_dates import Dates
from newsletter.domain.tips.tip import LeftOut, Piece, Rejected, Remark, TipText
from newsletter.importers import archive_page, markdown, table
from newsletter.importers.export import to_markdown_file
from newsletter.importers.file_kinds import decode_text, not_a_text
from newsletter.importers.limits import MAX_EXPORT, MAX_FILE
from newsletter.importers.tidy import tidied
from newsletter.importers.xml import feed, wxr
from newsletter.importers.xml.items import XmlFile, looks_like_xml, open_xml
from newsletter.ports.pictures import EncodedPicture

TEXT_FORMATS: dict[str, Callable[[str, str, Dates], Iterable[Piece]]] = {
    "archive-page": lambda text, source, _: archive_page.parse(text, source),
    "markdown": lambda text, source, _: markdown.parse_file(text, source),
    "csv": table.parse,
}
XML_FORMATS: dict[str, Callable[[XmlFile, str, Dates], Iterable[Piece]]] = {"wxr": wxr.parse, "feed": feed.parse}
FORMATS = ("archive-page", "markdown", "csv", "wxr", "feed")
_LARGE = frozenset({".xml", ".wxr", ".rss", ".atom", ".csv", ".tsv"})
_SUFFIXES = frozenset({".md", ".markdown", ".txt", ".html", ".htm", *_LARGE})
_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp", ".svg", ".avif"})
_NO_FILES = "there is no .md, .txt, .csv, or .xml file in this directory"


@dataclass(frozen=True, slots=True)
class Formats:
    """All formats of one newsletter. zone: its time zone. day_first: 4/9/2024 in a spreadsheet is September 4."""

    zone: tzinfo = field(default=UTC)
    day_first: bool = False

    def read(self, paths: Sequence[Path], format_: str = "auto") -> Iterator[Piece]:
        """See `read`."""
        return read(paths, format_, Dates(self.zone, self.day_first))

    def parse_markdown(self, text: str, source: str) -> TipText | Rejected:
        """See `parse_markdown`."""
        return parse_markdown(text, source)

    def to_markdown_file(self, text: TipText) -> str:
        """See `export.to_markdown_file`."""
        return to_markdown_file(text)

    def encode(self, raw: bytes) -> EncodedPicture:
        """See `pictures.encode`."""
        from newsletter.importers import pictures  # noqa: PLC0415 - Pillow, and few imports have pictures

        return pictures.encode(raw)

    def as_it_is(self, raw: bytes, name: str) -> EncodedPicture | None:
        """See `pictures.as_it_is`."""
        from newsletter.importers import pictures  # noqa: PLC0415 - as above

        return pictures.as_it_is(raw, name)


def read(paths: Sequence[Path], format_: str = "auto", dates: Dates | None = None) -> Iterator[Piece]:
    """The tips in these files; a directory means all text, CSV, and XML files in and below it.

    format_: one of FORMATS, or auto. What cannot be used is returned as Rejected, with line 0 for a whole file.
    Files are read one at a time as the iterator advances, and "tip 2" before "tip 10". Paths that somebody has put into
    an order of their own stay in it. Raises UsageError for an unknown format, before any file is read.
    """
    if format_ != "auto" and format_ not in FORMATS:
        known = ", ".join(["auto", *FORMATS])
        raise UsageError(f"there is no import format {format_!r}", fix=f"Use one of: {known}")
    # A shell sorts what `*` matches by character, so that order is nobody's wish.
    ordered = sorted(paths, key=_natural) if list(paths) == sorted(paths) else paths
    # A generator expression and not `yield`, so that the error above is raised now and not at the first `next`.
    return tidied(piece for path in ordered for piece in _read_path(path, format_, dates or Dates()))


def _natural(path: Path) -> tuple[tuple[tuple[int, int, str], ...], ...]:
    """A key that sorts numbers by their value."""
    return tuple(
        tuple(
            (0, int(part), part) if part.isdecimal() else (1, 0, part.casefold()) for part in re.split(r"(\d+)", name)
        )
        for name in path.with_suffix("").parts
    )


def _read_path(path: Path, format_: str, dates: Dates) -> Iterator[Piece]:
    if not path.is_dir():
        yield from _read_file(path, format_, dates)
        return
    found = [file for file in sorted(path.rglob("*"), key=_natural) if file.is_file()]
    files = [file for file in found if file.suffix.lower() in _SUFFIXES]
    if not files:
        yield Rejected(str(path), 0, _NO_FILES)
    for file in found:
        if file.suffix.lower() in _SUFFIXES and "_drafts" not in file.parts:  # the drafts of Jekyll
            yield from _read_file(file, format_, dates)
        elif file.suffix.lower() in _SUFFIXES:
            yield LeftOut(str(file), 0, file.name, "a draft")
        elif file.suffix.lower() not in _PICTURES and not file.name.startswith("."):
            yield Remark(str(file), 0, "this file was not read; only .md, .txt, .csv, and .xml files are")


def _read_file(path: Path, format_: str, dates: Dates) -> Iterable[Piece]:
    source = str(path)
    try:
        if path.exists() and not path.is_file():
            return [Rejected(source, 0, "this is not a regular file")]  # opening a named pipe would block
        limit = MAX_EXPORT if path.suffix.lower() in _LARGE else MAX_FILE
        with path.open("rb") as file:
            # One octet more than allowed shows that a file is too long, without reading all of it.
            raw = file.read(limit + 1)
    except OSError as error:
        return [Rejected(source, 0, f"cannot be read: {error.strerror or error}")]
    if len(raw) > limit:
        return [Rejected(source, 0, f"the file is larger than {limit} bytes; split it")]
    if reason := not_a_text(raw):
        return [Rejected(source, 0, reason)]
    if format_ in XML_FORMATS or (format_ == "auto" and looks_like_xml(raw)):
        xml = open_xml(raw)
        kind = format_ if format_ in XML_FORMATS else "wxr" if wxr.looks_like_wxr(xml) else "feed"
        return _or_empty(XML_FORMATS[kind](xml, source, dates), source)
    return _read_text(raw, path, format_, dates)


def _read_text(raw: bytes, path: Path, format_: str, dates: Dates) -> Iterator[Piece]:
    source = str(path)
    try:
        text, line, byte = decode_text(raw)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        yield Rejected(source, line, f"the byte 0x{raw[error.start]:02x} is not valid text; save the file as UTF-8")
        return
    if line:
        yield Remark(source, line, f"the byte 0x{byte:02x} is not valid UTF-8; the file was read as Windows-1252")
    if not text.strip():
        yield Rejected(source, 0, "the file is empty")
        return
    yield from TEXT_FORMATS[_format_of(text, path) if format_ == "auto" else format_](text, source, dates)


def _or_empty(found: Iterable[Piece], source: str) -> Iterator[Piece]:
    is_empty = True
    for piece in found:
        is_empty = False
        yield piece
    if is_empty:
        yield Rejected(source, 0, "there is no tip in this file; check that it is an export of posts")


def _format_of(text: str, path: Path) -> str:
    """Detect the format of a text by its content, and by its name only if the content is not conclusive."""
    if markdown.has_front_matter(text):
        return "markdown"
    if table.looks_like_csv(text):
        return "csv"
    if archive_page.looks_like_archive_page(text):
        return "archive-page"
    if path.suffix.lower() in (".csv", ".tsv"):
        return "csv"
    return "markdown" if path.suffix.lower() in (".md", ".markdown") else "archive-page"


def parse_markdown(text: str, source: str) -> TipText | Rejected:
    """The tip in the text of one Markdown file. source: the name of the file, for messages."""
    return cast("TipText | Rejected", next(tidied(markdown.parse(text, source))))


__all__ = ["FORMATS", "Formats", "parse_markdown", "read", "to_markdown_file"]
