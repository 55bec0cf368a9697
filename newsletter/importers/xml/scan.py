"""Split an XML file into its items without parsing it, so that an error in one item cannot lose the others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_ITEM = r"(?:[A-Za-z_][\w.-]*:)?(?:item|entry)"
_TOKEN = re.compile(rf"<!\[CDATA\[|<!--|<(?P<end>/?)(?P<name>{_ITEM})(?=[\s/>])", re.ASCII)
_BETWEEN_ITEMS = re.compile(rf"</{_ITEM}\s*>\s*(?:<{_ITEM}[\s>]|</(?:channel|rss|feed|rdf:RDF)\s*>)", re.ASCII)
_PARENT = re.compile(r"<([A-Za-z_][\w.:-]*)(?:\s[^<>]*)?>\s*\Z")
_END = re.compile(r"</(?:[\w.-]+:)?(?:channel|rss|feed|RDF)\s*>", re.IGNORECASE)
_ROOT = re.compile(r"\s*(?:<[?!][^<>]*>\s*)*<(?P<name>[A-Za-z_][\w.:-]*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """The text of one item. line: where it begins in the file. damage: what was wrong with its bounds; "" if nothing.

    is_whole: False if the file breaks off inside of it.
    """

    text: str
    line: int
    damage: str = ""
    is_whole: bool = True


def spans(text: str) -> Iterator[Span]:
    """Every item (RSS) or entry (Atom), in order. Takes time proportional to the length of the text."""
    return _Scanner(text).spans()


def breaks_off(text: str) -> bool:
    """Does the file end without closing its root element?"""
    root = _ROOT.match(text[:4_000])
    ends = bool(root) and text[-200:].rstrip().endswith(f"</{root['name'] if root else ''}>")
    return not ends and not _END.search(text, max(len(text) - 10_000, 0))


class _Scanner:
    """Goes through the text once. `_edits`: CDATA sections of the open item that have to be closed, by position."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._line = 1
        self._counted = 0
        self._edits: list[tuple[int, str]] = []
        self._damage = ""
        self._cdata_end = -1
        self._has_comments = True  # until there is no `-->` any more

    def spans(self) -> Iterator[Span]:
        begin: int | None = None
        at = 0
        while found := _TOKEN.search(self._text, at):
            at = found.end()
            if found["name"] is None:
                at = self._after_section(found, is_open=begin is not None)
            elif found["end"]:
                if begin is not None:
                    at = self._text.find(">", at) + 1 or len(self._text)
                    yield self._span(begin, at)
                    begin = None
            else:
                if begin is not None:
                    self._damage = "its end tag is missing"
                    yield self._span(begin, found.start(), close=True)
                begin = found.start()
                at = self._text.find(">", at) + 1 or len(self._text)
                if self._text[at - 2 : at] == "/>":
                    begin = None
        if begin is not None:
            yield self._span(begin, len(self._text), is_whole=False)

    def _after_section(self, found: re.Match[str], *, is_open: bool) -> int:
        """The position after a CDATA section or a comment."""
        if found[0] == "<!--":
            end = self._text.find("-->", found.end()) if self._has_comments else -1
            self._has_comments = end >= 0
            return end + 3 if end >= 0 else found.end()
        end = self._next_cdata_end(found.end())
        swallowed = _BETWEEN_ITEMS.search(self._text, found.end(), end) if is_open else None
        if swallowed is None and end < len(self._text):
            return end + 3
        if not is_open:
            return len(self._text)
        return self._close_cdata(found, swallowed.start() if swallowed else end)

    def _next_cdata_end(self, at: int) -> int:
        """The position of the next `]]>`, or the end of the text. Remembered, so that the text is searched only once."""
        if self._cdata_end < at:
            end = self._text.find("]]>", at)
            self._cdata_end = end if end >= 0 else len(self._text)
        return self._cdata_end

    def _close_cdata(self, found: re.Match[str], limit: int) -> int:
        """Close a section that was left open: before the end tag of its element, or else where the item ends."""
        parent = _PARENT.search(self._text, max(found.start() - 200, 0), found.start())
        close = self._text.find(f"</{parent[1]}>", found.end(), limit) if parent else -1
        close = close if close >= 0 else limit
        self._edits.append((close, "]]>"))
        self._damage = "a CDATA section in it does not end"
        return close

    def _span(self, begin: int, end: int, *, close: bool = False, is_whole: bool = True) -> Span:
        self._line += self._text.count("\n", self._counted, begin)
        self._counted = begin
        parts, at = [], begin
        for place, addition in self._edits:
            parts += [self._text[at:place], addition]
            at = place
        parts.append(self._text[at:end])
        name = _TOKEN.match(self._text, begin)
        parts.append(f"</{name['name']}>" if close and name else "")
        span = Span("".join(parts), self._line, self._damage, is_whole)
        self._edits, self._damage = [], ""
        return span
