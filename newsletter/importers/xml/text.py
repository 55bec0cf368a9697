"""Decode an XML file, whatever it declares, and repair the characters that XML does not allow."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from html.entities import html5

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']", re.IGNORECASE)
# What browsers do too (WHATWG Encoding section 4.2): these names mean Windows-1252.
_LATIN_WORDS = "iso-8859-1 iso8859-1 latin1 latin-1 l1 us-ascii ascii windows-1252 cp1252 iso_8859-1"
_LATIN = frozenset(_LATIN_WORDS.split())

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")  # XML 1.0 section 2.2
_C1 = re.compile("[\x80-\x84\x86-\x9f]")  # Windows-1252 that somebody decoded as ISO-8859-1
_SECTIONS = re.compile(r"(<!\[CDATA\[.*?(?:\]\]>|\Z)|<!--.*?(?:-->|\Z))", re.DOTALL)
_MARKUP = re.compile(
    r"(?P<numbers>(?:&#(?:\d{1,7}|[xX][0-9a-fA-F]{1,6});)+)|&(?P<name>[A-Za-z][A-Za-z0-9]{0,40});|(?P<bare>&)"
    r"|<(?![A-Za-z_/!?])"
)
_NUMBER = re.compile(r"&#(?:(?P<dec>\d+)|[xX](?P<hex>[0-9a-fA-F]+));")
_XML_NAMES = frozenset({"amp", "lt", "gt", "quot", "apos"})


def decode(raw: bytes) -> tuple[str, tuple[tuple[int, str], ...]]:
    """The text of the file with one kind of line ending, and (line, what was changed) for stray bytes."""
    encoding, skip = _encoding(raw)
    try:
        text = raw[skip:].decode(encoding)
        notes: tuple[tuple[int, str], ...] = ()
    except (UnicodeDecodeError, LookupError):
        text, notes = _decode_stray(raw[skip:])
    return text.replace("\r\n", "\n").replace("\r", "\n"), notes


def _encoding(raw: bytes) -> tuple[str, int]:
    for bom, name in _BOMS:
        if raw.startswith(bom):
            return name, len(bom)
    if raw[:4] in (b"<\0?\0", b"\0<\0?"):
        return ("utf-16-le" if raw[0] else "utf-16-be"), 0
    found = _DECLARED.search(raw[:2_000])
    declared = found[1].decode("ascii").lower() if found else "utf-8"
    if declared in _LATIN:
        return ("utf-8" if _is_utf8_with_letters(raw) else "cp1252"), 0
    return ("utf-8" if declared.startswith(("utf-16", "utf-32", "ucs")) else declared), 0


def _is_utf8_with_letters(raw: bytes) -> bool:
    """Is the file UTF-8 although it declares another encoding? Text in Windows-1252 is hardly ever valid UTF-8."""
    try:
        return not raw.decode("utf-8").isascii()
    except UnicodeDecodeError:
        return False


def _decode_stray(raw: bytes) -> tuple[str, tuple[tuple[int, str], ...]]:
    """UTF-8 with bytes in it that are not: those are read as Windows-1252."""
    parts, notes, at = [], [], 0
    line, counted = 1, 0
    for found in _NOT_UTF8.finditer(raw):
        parts.append(raw[at : found.start()].decode("utf-8", "replace"))
        parts.append(found[0].decode("cp1252", "replace"))
        line += raw.count(b"\n", counted, found.start())
        counted, at = found.start(), found.end()
        notes.append((line, f"the byte 0x{found[0][0]:02x} is not valid UTF-8; it was read as Windows-1252"))
    parts.append(raw[at:].decode("utf-8", "replace"))
    return "".join(parts), tuple(notes)


_NOT_UTF8 = re.compile(
    rb"(?:(?![\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}"
    rb"|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})"
    rb"(?<![\xc2-\xf4])[\x80-\xff])"
)


def repair(text: str) -> tuple[str, Counter[str]]:
    """Well-formed characters and references, with as many lines as before; and how often each kind was changed."""
    changed: Counter[str] = Counter()
    parts = _SECTIONS.split(text)
    for i, part in enumerate(parts):
        parts[i] = _characters(part if i % 2 else _references(part, changed), changed)
    return "".join(parts), changed


def _characters(text: str, changed: Counter[str]) -> str:
    def instead(found: re.Match[str]) -> str:
        changed[f"the control character U+{ord(found[0]):04X} was dropped"] += 1
        return " " if found[0] in "\x0b\x0c\x1c\x1d\x1e\x1f" else ""  # characters that separate words

    text = _FORBIDDEN.sub(instead, text)
    return _C1.sub(lambda found: found[0].encode("latin-1").decode("cp1252", "ignore"), text)


def _references(text: str, changed: Counter[str]) -> str:
    def instead(found: re.Match[str]) -> str:
        if found["numbers"]:
            return _escaped(_numbered(found["numbers"]))
        name = found["name"]
        if name in _XML_NAMES:
            return found[0]
        if name and f"{name};" in html5:
            return _escaped(html5[f"{name};"])
        if name:
            changed[f"the entity &{name}; is unknown and was kept as it is written"] += 1
            return f"&amp;{name};"
        return "&amp;" if found["bare"] else "&lt;"

    return _MARKUP.sub(instead, text) if "&" in text or "<" in text else text


def _numbered(references: str) -> str:
    """The characters; some programs write an emoji as two surrogates, which are joined."""
    codes = [int(found["dec"]) if found["dec"] else int(found["hex"], 16) for found in _NUMBER.finditer(references)]
    characters = "".join(chr(code) if code <= 0x10FFFF else "\ufffe" for code in codes)
    return characters.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore") if codes else ""


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
