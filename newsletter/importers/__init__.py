"""Read tips from files: detect the format of each file and parse it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from newsletter.domain.errors import UsageError
from newsletter.domain.tips.tip import Rejected, TipText
from newsletter.importers import archive_page, feed, markdown, table, wxr
from newsletter.importers.export import to_markdown_file
from newsletter.importers.limits import MAX_EXPORT, MAX_FILE
from newsletter.importers.xml_items import looks_like_xml

Found = list[TipText | Rejected]
TEXT_FORMATS: dict[str, Callable[[str, str], Found]] = {
    "archive-page": archive_page.parse,
    "markdown": markdown.parse,
    "csv": table.parse,
}
XML_FORMATS: dict[str, Callable[[bytes, str], Found]] = {"wxr": wxr.parse, "feed": feed.parse}
FORMATS = ("archive-page", "markdown", "csv", "wxr", "feed")
_LARGE = frozenset({".xml", ".wxr", ".rss", ".atom", ".csv", ".tsv"})
_SUFFIXES = frozenset({".md", ".txt"})


def read(paths: Sequence[Path], format_: str = "auto") -> Iterator[TipText | Rejected]:
    """The tips in these files; a directory means all *.md and *.txt files in and below it, in sorted order.

    format_: one of FORMATS, or auto. What cannot be used is returned as Rejected, with line 0 for a whole file.
    Files are read one at a time as the iterator advances. Raises UsageError for an unknown format, before any is read.
    """
    if format_ != "auto" and format_ not in FORMATS:
        known = ", ".join(["auto", *FORMATS])
        raise UsageError(f"there is no import format {format_!r}", fix=f"Use one of: {known}")
    # A generator expression and not `yield`, so that the error above is raised now and not at the first `next`.
    return (piece for path in paths for piece in _read_path(path, format_))


def _read_path(path: Path, format_: str) -> Iterator[TipText | Rejected]:
    if not path.is_dir():
        yield from _read_file(path, format_)
        return
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())
    if not files:
        yield Rejected(str(path), 0, "there is no .md or .txt file in this directory")
    for file in files:
        yield from _read_file(file, format_)


def _read_file(path: Path, format_: str) -> Found:
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
    if format_ in XML_FORMATS or (format_ == "auto" and looks_like_xml(raw)):
        kind = format_ if format_ in XML_FORMATS else "wxr" if wxr.looks_like_wxr(raw) else "feed"
        return _or_empty(XML_FORMATS[kind](raw, source), source)
    return _read_text(raw, path, format_)


def _read_text(raw: bytes, path: Path, format_: str) -> Found:
    source = str(path)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return [Rejected(source, line, f"the byte 0x{raw[error.start]:02x} is not valid UTF-8; save the file as UTF-8")]
    if not text.strip():
        return [Rejected(source, 0, "the file is empty")]
    return TEXT_FORMATS[_format_of(text, path) if format_ == "auto" else format_](text, source)


def _or_empty(found: Found, source: str) -> Found:
    return found or [Rejected(source, 0, "there is no tip in this file; check that it is an export of posts")]


def _format_of(text: str, path: Path) -> str:
    """Detect the format of a text by its content, and by its name only if the content is not conclusive."""
    if markdown.has_front_matter(text):
        return "markdown"
    if archive_page.looks_like_archive_page(text):
        return "archive-page"
    if path.suffix.lower() in (".csv", ".tsv") or table.looks_like_csv(text):
        return "csv"
    return "markdown" if path.suffix.lower() == ".md" else "archive-page"


def parse_markdown(text: str, source: str) -> TipText | Rejected:
    """The tip in the text of one Markdown file. source: the name of the file, for messages."""
    return markdown.parse(text, source)[0]


__all__ = ["FORMATS", "parse_markdown", "read", "to_markdown_file"]
