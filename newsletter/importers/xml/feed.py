"""Parse an RSS or Atom feed, or a Blogger export: complete tips if it has full texts, otherwise teasers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from lxml import etree

from newsletter.domain.archive.entries import plain
from newsletter.domain.read_dates import Dates
from newsletter.domain.tips.tip import LeftOut, Piece, Remark, TipText
from newsletter.importers.cleaner import clean
from newsletter.importers.html.to_markdown import to_markdown
from newsletter.importers.xml.items import Item, XmlFile, child_text, children, read_items, text_of, tip_from

if TYPE_CHECKING:
    from lxml.etree import _Element

_DATES = ("pubDate", "published", "issued", "date", "created", "updated", "modified")
_PROTECTED = re.compile(
    r"post-password-form|this (?:content|post) is (?:password[- ])?protected|because this is a protected post",
    re.IGNORECASE,
)
_KIND = re.compile(r"#kind\Z", re.IGNORECASE)
BLOGGER = {"comment": "a comment", "settings": "a setting of the blog", "template": "a template", "page": "a page"}
DRAFT = "a draft"


def parse(file: XmlFile, source: str, dates: Dates) -> Iterator[Piece]:
    """Every item (RSS 2.0) or entry (RFC 4287) that was published; the others are returned as LeftOut."""
    return read_items(file, source, lambda item: _read(item, source, dates))


def _read(found: Item, source: str, dates: Dates) -> Iterator[Piece]:
    item, line = found
    link = _link(item)
    title = plain(to_markdown(_title(item)))
    full = child_text(item, "encoded", "content") or _atom_content(item, "content")
    summary = child_text(item, "description") or _atom_content(item, "summary")
    if reason := _not_published(item, full or summary):
        yield LeftOut(source, line, title[:80] or link, reason)
        return
    written = [(text, dates.day_of(text)) for name in _DATES if (text := child_text(item, name))]
    day = next((day for _, day in written if day), None)
    if written and day is None:
        yield Remark(source, line, f"{title[:60]!r}: the date {written[0][0][:40]!r} was not understood")
    pictures: dict[str, bytes] = {}
    tip = TipText(
        title=title,
        body=to_markdown(full or summary, base=link, pictures=pictures),
        published_on=day,
        tags=tuple(_labels(item)),
        teaser="",
        source=source,
        line=line,
        inline_pictures=tuple(pictures.items()),
    )
    yield clean(tip_from(tip, link), line=line, file=source, is_summary=not full)


def _not_published(item: _Element, html: str) -> str:
    """Why this entry is not a published post; "" if it is one. A Blogger export has everything a blog consists of."""
    kinds = [child.get("term", "") for child in children(item, "category") if _KIND.search(child.get("scheme", ""))]
    kind = (kinds[0].rpartition("#")[2] if kinds else child_text(item, "type", "blogger")).lower()
    if kind not in ("", "post"):
        return BLOGGER.get(kind, f"of the kind {kind[:40]!r}")
    controls = [child_text(control, "draft") for control in children(item, "control")]
    status = child_text(item, "status", "blogger").lower() or child_text(item, "status", "wordpress").lower()
    if "yes" in (control.lower() for control in controls) or status in ("draft", "pending", "auto-draft"):
        return DRAFT
    if status not in ("", "live", "publish"):
        return f"in the state {status[:40]!r}"
    return "protected by a password" if _PROTECTED.search(html) else ""


def _title(item: _Element) -> str:
    """The HTML of the title. Atom says what it is; RSS does not, and it is HTML by custom."""
    for child in children(item, "title"):
        kind = child.get("type", "")
        return escape(text_of(child)) if kind == "text" else text_of(child)
    return ""


def _labels(item: _Element) -> list[str]:
    found = children(item, "category")
    names = [child.text or child.get("label") or child.get("term") or "" for child in found if not _is_kind(child)]
    return [name for name in names if name.strip().casefold() != "uncategorized"]


def _is_kind(category: _Element) -> bool:
    return bool(_KIND.search(category.get("scheme", "")))


def _atom_content(item: _Element, name: str) -> str:
    """The HTML of an Atom text construct (RFC 4287 section 3.1); "" if the entry has none of this name."""
    for child in children(item, name):
        kind = child.get("type", "text")
        if kind == "xhtml":
            return "".join(etree.tostring(part, encoding="unicode", with_tail=False) for part in child)
        text = text_of(child)
        return text if kind in ("html", "text/html") else f"<p>{escape(text)}</p>" if text else ""
    return ""


def _link(item: _Element) -> str:
    """The URL of the published post: Atom has it in an attribute, RSS in the text; "" if there is none."""
    for child in children(item, "link"):
        if child.get("href") and child.get("rel", "alternate") == "alternate":
            return str(child.get("href")).strip()
        if child.text and child.text.strip():
            return str(child.text.strip())
    return ""
