"""Decode text files, and say what a file is that cannot hold tips."""

from __future__ import annotations

import codecs
import re

from newsletter.domain.file_kinds import marked_encoding

_MAGIC = (
    (b"PK\x03\x04", "a Word, Excel, or zip file; save it as CSV (a table) or as plain text, or unpack it"),
    (b"\xd0\xcf\x11\xe0", "an old Word or Excel file; save it as CSV (a table) or as plain text"),
    (b"%PDF", "a PDF file; export the posts from the blog instead"),
    (b"\x1f\x8b", "a compressed file; unpack it"),
    (b"bplist", "a web page saved by Safari; save it as text, or export the posts from the blog"),
    (b"{\\rtf", "a file of a word processor; save it as plain text"),
    (b"SQLite format 3", "a database; export the posts from the blog instead"),
)
_WEB_PAGE = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|p|div|article|section|table|h[1-6])\b",
    re.IGNORECASE | re.DOTALL,
)
_MHTML = re.compile(rb"(?:From: <Saved by|MIME-Version: 1\.0\r?\n[^<]{0,2000}multipart/related)", re.IGNORECASE)
SAVED_PAGE = (
    "this is a saved web page (HTML). Open it in a browser, copy its text into a .txt file, and import that; or export the"
    " posts from the blog, in WordPress under Tools, Export"
)


_FEED = "export the posts as WordPress XML or as an RSS feed instead, or copy each text into a .md file of its own"
_TEXTS = (
    (re.compile(rb'\s*[\[{]\s*["{]'), "a JSON file"),
    (
        re.compile(rb"(?:AUTHOR|TITLE|BASENAME): .*\r?\n(?:[A-Z ]+: ?.*\r?\n){0,30}-----\r?\n"),
        "an export of Movable Type or TypePad",
    ),
    (re.compile(rb"From \S+ .*\r?\n[A-Z][\w-]*:"), "a mailbox with emails"),
    (
        re.compile(rb"(?:[A-Z][\w-]*:.*\r?\n(?:[ \t].*\r?\n)*){1,40}?(?:Subject|MIME-Version|Message-ID): "),
        "an email",
    ),
)


def not_a_text(raw: bytes) -> str:
    """What the file is, and what to do instead, if it is of a kind that cannot be imported; otherwise ""."""
    start = raw[:4_000].removeprefix(codecs.BOM_UTF8)
    for magic, what in _MAGIC:
        if start.startswith(magic):
            return f"this is {what}"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        start = start.replace(b"\0", b"")[2:]
    if _WEB_PAGE.match(start) or _MHTML.match(start):
        return SAVED_PAGE
    return next((f"this is {what}; {_FEED}" for pattern, what in _TEXTS if pattern.match(start)), "")


def decode_text(raw: bytes) -> tuple[str, int, int]:
    """The text without a byte order mark, and (line, byte) of the first byte that is not UTF-8; 0 and 0 if all are.

    Text that is not UTF-8 is read as Windows-1252, in which spreadsheets save. Raises UnicodeDecodeError.
    """
    encoding = marked_encoding(raw)
    if encoding not in ("", "utf-8-sig"):
        return raw.decode(encoding).lstrip("\ufeff"), 0, 0
    raw = raw.removeprefix(codecs.BOM_UTF8)
    try:
        return raw.decode("utf-8").lstrip("\ufeff"), 0, 0
    except UnicodeDecodeError as error:
        text = raw.decode("cp1252")
        return text, raw.count(b"\n", 0, error.start) + 1, raw[error.start]
