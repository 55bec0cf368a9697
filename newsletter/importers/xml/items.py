"""Read the XML formats safely and item by item, and make tips from items within the limits."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lxml import etree

from newsletter.domain.tips.tip import Piece, Rejected, Remark, TipText, is_link
from newsletter.importers.limits import MAX_FIELD, MAX_LABEL, MAX_LABELS, problem
from newsletter.importers.xml.scan import Span, breaks_off, spans
from newsletter.importers.xml.text import decode, repair

if TYPE_CHECKING:
    from lxml.etree import _Element

HEAD = 20_000  # characters in which the root element begins
_ROOT = re.compile(r"<(?:[\w.-]+:)?(?:rss|feed|RDF|channel)\b", re.IGNORECASE)
_SURE_ROOT = re.compile(r"<(?:[\w.-]+:)?(?:rss|feed|RDF)\s[^<>]*(?:xmlns|version)\b[^<>]*>", re.IGNORECASE)
_NAMESPACE = re.compile(r"\sxmlns(?::(?P<prefix>[A-Za-z_][\w.-]*))?\s*=\s*(?P<uri>\"[^\"<&]*\"|'[^'<&]*')")
_PREFIX = re.compile(r"</?(?P<tag>[A-Za-z_][\w.-]*):|\s(?P<attribute>[A-Za-z_][\w.-]*):[\w.-]+\s*=\s*[\"']")
_SECTIONS = re.compile(r"<!\[CDATA\[.*?\]\]>|<!--.*?-->", re.DOTALL)
_TITLE = re.compile(r"<title\b[^>]*>(?:<!\[CDATA\[)?\s*(?P<words>[^<\]]{1,60})")
Item = tuple["_Element", int]


@dataclass(frozen=True, slots=True)
class XmlFile:
    """The decoded text of a file. notes: (line, what was changed) while it was decoded."""

    text: str
    notes: tuple[tuple[int, str], ...] = ()

    @property
    def head(self) -> str:
        """The beginning of the file, where namespaces are declared."""
        return self.text[:HEAD]


def open_xml(raw: bytes) -> XmlFile:
    """Decode a file; see `text.decode`."""
    return XmlFile(*decode(raw))


def looks_like_xml(raw: bytes) -> bool:
    """Does the file begin like a feed or an export? White space, comments, and garbage may come first."""
    start = decode(raw[:8_000])[0].lstrip("\ufeff \t\n\0")
    if start.startswith(("<?xml", "<rss", "<feed", "<rdf")):
        return True
    if start.startswith("---"):  # the front matter of a tip, which may write about feeds
        return False
    return bool(_ROOT.search(start) if start.startswith("<") else _SURE_ROOT.search(start))


def read_items(file: XmlFile, source: str, read: Callable[[Item], Iterator[Piece]]) -> Iterator[Piece]:
    """What `read` makes of every item, in the order of the file, and what is said about damaged ones."""
    for item in items(file, source):
        if isinstance(item, tuple):
            yield from read(item)
        else:
            yield item


def items(file: XmlFile, source: str) -> Iterator[Item | Rejected | Remark]:
    """The items, each with its line; what was damaged is named, and a file that breaks off ends with a Rejected.

    Every item is parsed on its own. DTDs are not read at all, so that no entity is ever defined: the file may come from
    anywhere (XXE, and the "billion laughs" of nested entities).
    """
    declared = {found["prefix"] or "": found["uri"] for found in _NAMESPACE.finditer(file.head)}
    notes = deque(file.notes)
    title = ""
    for span in spans(file.text):
        end = span.line + span.text.count("\n")
        found = _TITLE.search(span.text)
        title = " ".join(found["words"].split()) if found else title
        while notes and notes[0][0] <= end:
            line, note = notes.popleft()
            yield Remark(source, line, f"{title!r}: {note}" if line >= span.line else note)
        if span.is_whole:
            yield from _parse(span, declared, source, title)
        else:
            reason = f"the file is not complete XML: it breaks off in {title!r}; export it again"
            yield Rejected(source, span.line, reason)
            return
    if breaks_off(file.text):
        after = f" after {title!r}" if title else ""
        line = file.text.count("\n") + 1
        yield Rejected(source, line, f"the file is not complete XML: it breaks off{after}; export it again")


def _parse(span: Span, declared: dict[str, str], source: str, title: str) -> Iterator[Item | Rejected | Remark]:
    text, changed = repair(span.text)
    for what, times in changed.items():
        yield Remark(source, span.line, f"{title!r}: {what}" + (f", {times} times" if times > 1 else ""))
    wrapped = f"<items{_namespaces(text, declared)}>{text}</items>".encode()
    root, damage = _root(wrapped)
    damage = span.damage or damage
    if root is None or not len(root):
        yield Rejected(source, span.line, f"{title!r} cannot be read: {damage or 'there is nothing in it'}")
        return
    if damage:
        yield Remark(source, span.line, f"{title!r} is damaged ({damage}); compare it with the original")
    for element in root:
        if isinstance(element.tag, str):
            yield element, span.line + (element.sourceline or 1) - 1


def _root(wrapped: bytes) -> tuple[_Element | None, str]:
    """The element around the item, and what is wrong with the XML; "" if nothing is."""
    options = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": True}
    try:
        return etree.fromstring(wrapped, etree.XMLParser(**options)), ""
    except etree.XMLSyntaxError as error:
        reason = str(error).partition(", line ")[0][:100]
    try:
        return etree.fromstring(wrapped, etree.XMLParser(recover=True, **options)), reason
    except etree.XMLSyntaxError:
        return None, reason


def _without_sections(text: str) -> str:
    """The text without CDATA and comments. What is opened and never closed stays, and is searched for only once."""
    end = max(text.rfind("]]>"), text.rfind("-->")) + 3
    return _SECTIONS.sub("", text[:end]) + text[end:]


def _namespaces(text: str, declared: dict[str, str]) -> str:
    """The declarations of the file, and one for every prefix that the file does not declare."""
    uris = dict(declared)
    for found in _PREFIX.finditer(_without_sections(text)):
        prefix = found["tag"] or found["attribute"]
        if not prefix.lower().startswith("xml"):
            uris.setdefault(prefix, f'"urn:undeclared:{prefix}"')
    return "".join(f" xmlns{f':{prefix}' if prefix else ''}={uri}" for prefix, uri in uris.items())


def children(item: _Element, name: str) -> list[_Element]:
    """The children with this local name, in any namespace."""
    return [child for child in item if isinstance(child.tag, str) and child.tag.rpartition("}")[2] == name]


def child_text(item: _Element, name: str, namespace: str = "") -> str:
    """The text of the first such child, or "". namespace: a part of its namespace; "" allows any."""
    for child in children(item, name):
        if namespace in str(child.tag).rpartition("}")[0]:
            return text_of(child)
    return ""


def text_of(element: _Element) -> str:
    """All text in an element; elements inside it, which should have been escaped, are kept as HTML."""
    if not len(element):
        return (element.text or "").strip()
    parts = [element.text or ""]
    parts += [etree.tostring(child, encoding="unicode") for child in element]
    return "".join(parts).strip()


def tip_from(found: TipText, link: str) -> TipText | Rejected:
    """The tip within the limits, or why it cannot be one. found: as it is in the file, which is its source.

    link: the URL of the published post, which becomes the source of the tip. Without a body, the tip is a teaser.
    """
    title, body, teaser = one_line(found.title), found.body, one_line(found.teaser)
    if reason := problem(title, body):
        return Rejected(found.source, found.line, f"{reason} ({link})" if link else reason)
    if not body and not teaser:
        return Rejected(found.source, found.line, f"there is no text below the title {title!r}")
    return replace(
        found,
        title=title,
        complete=bool(body),
        categories=labels(found.categories),
        tags=labels(found.tags),
        teaser=teaser if len(teaser) <= MAX_FIELD else "" if body else teaser[:MAX_FIELD],
        already_run=True,
        source=link if is_link(link) else found.source,
        line=0 if is_link(link) else found.line,
    )


def labels(names: Iterable[str]) -> tuple[str, ...]:
    """Labels without duplicates, each on one line and within the limits."""
    lines = (one_line(name)[:MAX_LABEL].strip() for name in names)
    return tuple(dict.fromkeys(line for line in lines if line))[:MAX_LABELS]


def one_line(text: str) -> str:
    """The text on one line, without characters that cannot be printed."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
