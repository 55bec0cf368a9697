"""Parse an RSS or Atom feed: complete tips if the feed has full texts, otherwise teasers."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from lxml import etree

from newsletter.domain.archive.entries import plain
from newsletter.domain.tips.tip import Rejected, TipText
from newsletter.importers.html_to_markdown import to_markdown
from newsletter.importers.xml_items import child_text, children, day_of, items, tip_from

if TYPE_CHECKING:
    from lxml.etree import _Element

_TRUNCATED = re.compile(
    r"\s*(?:\[?(?:…|\.\.\.|&#8230;|&hellip;)\]?|(?:read more|continue reading)\b.{0,80})\s*\Z", re.IGNORECASE
)


def parse(raw: bytes, source: str) -> list[TipText | Rejected]:
    """Every item (RSS 2.0) or entry (RFC 4287)."""
    found = items(raw, source, {"item", "entry"})
    return [item if isinstance(item, Rejected) else _read(item, source) for item in found]


def _read(item: _Element, source: str) -> TipText | Rejected:
    link = _link(item)
    full = child_text(item, "encoded", "content") or _atom_content(item, "content")
    summary = child_text(item, "description") or _atom_content(item, "summary")
    # Only a summary can be truncated; the end of a full text may well be an ellipsis.
    words = "" if full else plain(to_markdown(summary))
    is_truncated = bool(_TRUNCATED.search(words))
    teaser = _TRUNCATED.sub("", words) if is_truncated else ""
    return tip_from(
        title=plain(to_markdown(child_text(item, "title"))),
        body="" if is_truncated else to_markdown(full or summary, base=link),
        published_on=next(
            (day for name in ("pubDate", "published", "date", "updated") if (day := day_of(child_text(item, name)))),
            None,
        ),
        categories=(),
        tags=[child.text or child.get("label") or child.get("term") or "" for child in children(item, "category")],
        teaser=teaser,
        link=link,
        source=source,
        line=item.sourceline or 0,
        complete=not is_truncated,
    )


def _atom_content(item: _Element, name: str) -> str:
    """The HTML of an Atom text construct (RFC 4287 section 3.1); "" if the entry has none of this name."""
    for child in children(item, name):
        kind = child.get("type", "text")
        if kind == "xhtml":
            return "".join(etree.tostring(part, encoding="unicode", with_tail=False) for part in child)
        text = child.text or ""
        return text if kind in ("html", "text/html") else f"<p>{escape(text)}</p>" if text.strip() else ""
    return ""


def _link(item: _Element) -> str:
    """The URL of the published post: Atom has it in an attribute, RSS in the text; "" if there is none."""
    for child in children(item, "link"):
        if child.get("href") and child.get("rel", "alternate") == "alternate":
            return str(child.get("href"))
        if child.text and child.text.strip():
            return str(child.text.strip())
    return ""
