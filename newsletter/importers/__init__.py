"""Files to tips: finds out what a file is and hands it to the reader of its format; stores nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from newsletter.domain.errors import UsageError
from newsletter.domain.tips import Rejected, TipText
from newsletter.importers import archive_page, markdown
from newsletter.importers.bounds import MAX_FILE

FORMATS = {"archive-page": archive_page.parse, "markdown": markdown.parse}
_SUFFIXES = frozenset({".md", ".txt"})


def read(paths: Sequence[Path], format_: str = "auto") -> Iterator[TipText | Rejected]:
    """The tips in these files; a directory stands for the *.md and *.txt in and below it, in sorted order.

    What cannot be used comes as Rejected (line 0: the whole file). Raises UsageError for an unknown format.
    """
    if format_ != "auto" and format_ not in FORMATS:
        known = ", ".join(["auto", *FORMATS])
        raise UsageError(f"there is no import format {format_!r}", fix=f"The formats are: {known}")
    return (piece for path in paths for piece in _read_path(path, format_))


def _read_path(path: Path, format_: str) -> Iterator[TipText | Rejected]:
    if not path.is_dir():
        yield from _read_file(path, format_)
        return
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())
    if not files:
        yield Rejected(str(path), 0, "no .md or .txt file in this directory")
    for file in files:
        yield from _read_file(file, format_)


def _read_file(path: Path, format_: str) -> list[TipText | Rejected]:
    source = str(path)
    try:
        if path.exists() and not path.is_file():
            return [Rejected(source, 0, "not a file")]
        with path.open("rb") as file:
            raw = file.read(MAX_FILE + 1)
    except OSError as error:
        return [Rejected(source, 0, f"cannot be read: {error.strerror or error}")]
    if len(raw) > MAX_FILE:
        return [Rejected(source, 0, f"larger than {MAX_FILE} octets; split it")]
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return [Rejected(source, line, f"octet 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8")]
    if not text.strip():
        return [Rejected(source, 0, "the file is empty")]
    return FORMATS[_format_of(text, path) if format_ == "auto" else format_](text, source)


def _format_of(text: str, path: Path) -> str:
    """By content; by name only where the content says nothing."""
    if markdown.has_front_matter(text):
        return "markdown"
    if archive_page.looks_like_archive_page(text):
        return "archive-page"
    return "markdown" if path.suffix.lower() == ".md" else "archive-page"
