"""What a file is, by its first bytes: the encoding of a text, or a refusal that says what to save instead."""

from __future__ import annotations

import codecs
import re

from newsletter.domain.errors import InputError

HEAD = 8192  # how many bytes `text_encoding` wants to see
_AS_CSV = "Open it, and save it as CSV (File, Save As, CSV UTF-8)"
_NUMBERS = "Open it in Numbers, and choose File, Export To, CSV"
_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (.xls)", _AS_CSV),
    (b"%PDF", "a PDF", "Ask for the list as a CSV file"),
    (b"{\\rtf", "a rich text document", "Save it as plain text"),
    (b"\x1f\x8b", "a compressed file (gzip)", "Unpack it first"),
    (b"BZh", "a compressed file (bzip2)", "Unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a compressed file (7-Zip)", "Unpack it first"),
    (b"Rar!", "a compressed file (RAR)", "Unpack it first"),
    (b"\xfd7zXZ", "a compressed file (xz)", "Unpack it first"),
    (b"SQLite format 3", "a database", "Export the table of subscribers as CSV"),
    (b"\x89PNG", "a picture", "Choose the CSV file"),
    (b"\xff\xd8\xff", "a picture", "Choose the CSV file"),
    (b"GIF8", "a picture", "Choose the CSV file"),
    (b"BEGIN:VCARD", "a list of contacts as vCard (.vcf)", "Export the contacts as CSV instead"),
)
_ZIPPED: tuple[tuple[bytes, str, str], ...] = (
    (b"opendocument.spreadsheet", "a LibreOffice spreadsheet (.ods)", _AS_CSV),
    (b"opendocument", "a LibreOffice document", _AS_CSV),
    (b"xl/", "an Excel workbook (.xlsx)", _AS_CSV),
    (b"word/", "a Word document (.docx)", "Copy the table into a spreadsheet, and save it as CSV"),
    (b"Index/", "a Numbers spreadsheet", _NUMBERS),
    (b".iwa", "a Numbers spreadsheet", _NUMBERS),
)
_BY_SUFFIX = {
    "xlsx": ("an Excel workbook (.xlsx)", _AS_CSV),
    "xlsm": ("an Excel workbook (.xlsm)", _AS_CSV),
    "ods": ("a LibreOffice spreadsheet (.ods)", _AS_CSV),
    "numbers": ("a Numbers spreadsheet", _NUMBERS),
    "docx": ("a Word document (.docx)", "Copy the table into a spreadsheet, and save it as CSV"),
}
_AS_TABLE = "Export the subscribers as CSV instead"
_TEXTS: tuple[tuple[re.Pattern[bytes], str, str], ...] = (
    (re.compile(rb'\s*[\[{]\s*["{\[]'), "a JSON file", _AS_TABLE),
    (
        re.compile(rb"\s*(?:version: ?1\s+)?dn: ", re.IGNORECASE),
        "an address book as LDIF",
        "Export the contacts as CSV instead",
    ),
    (re.compile(rb"From \S+ .*\r?\n[A-Z][\w-]*:"), "a mailbox with emails", _AS_TABLE),
    (
        re.compile(
            rb"(?:[A-Z][\w-]*:.*\r?\n(?:[ \t].*\r?\n)*){0,40}?(?:Subject|MIME-Version|Message-ID): .*", re.IGNORECASE
        ),
        "an email",
        "Write the address into a file of its own",
    ),
    (
        re.compile(rb"\s*(?:--.*\s+|/\*.*\s+)*(?:INSERT INTO|CREATE TABLE|SET |DROP TABLE|LOCK TABLES)", re.IGNORECASE),
        "a database dump",
        _AS_TABLE,
    ),
    (re.compile(rb"ID;P"), "a SYLK spreadsheet (.slk)", _AS_CSV),
)
_MARKUP = re.compile(rb"\s*<(?:!doctype html|html|head|body|table|meta|\?xml)", re.IGNORECASE)
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def text_encoding(head: bytes, name: str = "") -> str:
    """The encoding of a text file by its first `HEAD` bytes: `utf-8-sig`, or a kind of UTF-16 or UTF-32.

    Bytes that are not UTF-8 are the caller's matter; they are Windows-1252 in practice. name: of the file. Raises
    InputError if it is not a text file.
    """
    found = _kind(head, name)
    if found:
        raise InputError(f"this is {found[0]}, not a CSV file", fix=found[1])
    if marked := marked_encoding(head):
        return marked
    zeros = (head[0:400:2].count(0), head[1:400:2].count(0))  # UTF-16 without a BOM has a zero beside each ASCII letter
    if max(zeros) > len(head[:400]) // 5 and min(zeros) * 4 < max(zeros):
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    return "utf-8-sig"


def marked_encoding(head: bytes) -> str:
    """The encoding that a byte order mark names, "" without one. Decoding with it removes the mark."""
    return next((encoding for mark, encoding in _BOMS if head.startswith(mark)), "")


def _kind(head: bytes, name: str) -> tuple[str, str] | None:
    for mark, kind, fix in _SIGNATURES:
        if head.startswith(mark):
            return kind, fix
    if head.startswith(b"PK\x03\x04"):
        suffix = name.lower().rpartition(".")[2]
        inside = ((kind, fix) for mark, kind, fix in _ZIPPED if mark in head)
        return next(
            inside, _BY_SUFFIX.get(suffix, ("a ZIP archive", "Unpack it, and import the CSV file that it contains"))
        )
    if _MARKUP.match(head.removeprefix(codecs.BOM_UTF8)):
        return "a web page or an XML file", f"If a spreadsheet opens it: {_AS_CSV[0].lower()}{_AS_CSV[1:]}"
    return kind_of_text(head)


def kind_of_text(head: bytes) -> tuple[str, str] | None:
    """What a text is that has no table in it, and what to do instead; None if it may be one."""
    return next(((kind, fix) for pattern, kind, fix in _TEXTS if pattern.match(head)), None)
