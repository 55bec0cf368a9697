"""Parse a WordPress export file (WXR): the published posts with their categories, tags, and dates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from newsletter.domain.archive.entries import plain
from newsletter.domain.read_dates import Dates
from newsletter.domain.tips.tip import LeftOut, Piece, Remark, TipText
from newsletter.importers.cleaner import clean
from newsletter.importers.html.shortcodes import without_shortcodes
from newsletter.importers.html.to_markdown import to_markdown
from newsletter.importers.xml.items import Item, XmlFile, child_text, children, read_items, text_of, tip_from

if TYPE_CHECKING:
    from lxml.etree import _Element

STATUS = {
    "draft": "a draft",
    "pending": "not reviewed yet",
    "private": "private",
    "future": "scheduled for later",
    "trash": "in the trash",
    "auto-draft": "a draft",
    "inherit": "not a post of its own",
}
WHOLE = frozenset({"caption", "wp_caption", "embed"})  # shortcodes of which nothing is lost
TYPE = {"page": "a page", "attachment": "a file", "revision": "an old revision", "nav_menu_item": "a menu item"}


def looks_like_wxr(file: XmlFile) -> bool:
    """Does the start of the file declare the namespace of WordPress exports, or use its elements?"""
    return "wordpress.org/export/" in file.head or "<wp:" in file.head


def parse(file: XmlFile, source: str, dates: Dates) -> Iterator[Piece]:
    """Every published post. Everything that is not one is returned as LeftOut, with the reason."""
    return read_items(file, source, lambda item: _read(item, source, dates))


def _read(found: Item, source: str, dates: Dates) -> Iterator[Piece]:
    item, line = found
    title = plain(to_markdown(child_text(item, "title")))
    if reason := _not_published(item):
        yield LeftOut(source, line, title[:80] or child_text(item, "link"), reason)
        return
    link = child_text(item, "link")
    html, codes = without_shortcodes(child_text(item, "encoded", "content"))
    if lost := [name for name in codes if name not in WHOLE]:
        names = ", ".join(f"[{name}]" for name in lost)[:200]
        yield Remark(source, line, f"{title[:60]!r}: shortcodes were dropped, and the words in them kept: {names}")
    pictures: dict[str, bytes] = {}
    tip = TipText(
        title=title,
        body=to_markdown(html, base=link, keep_line_breaks=True, pictures=pictures),
        published_on=dates.day_of(child_text(item, "post_date")) or dates.day_of(child_text(item, "pubDate")),
        categories=tuple(_labels(item, "category")),
        tags=tuple(_labels(item, "post_tag")),
        teaser=plain(to_markdown(child_text(item, "encoded", "excerpt"), keep_line_breaks=True)),
        source=source,
        line=line,
        inline_pictures=tuple(pictures.items()),
    )
    yield clean(tip_from(tip, link), line=line, file=source)


def _not_published(item: _Element) -> str:
    """Why this is not a published post; "" if it is one."""
    kind, status = child_text(item, "post_type"), child_text(item, "status")
    if kind not in ("post", ""):
        return TYPE.get(kind, f"of the type {kind[:40]!r}")
    if status not in ("publish", ""):
        return STATUS.get(status, f"in the state {status[:40]!r}")
    return "protected by a password" if child_text(item, "post_password") else ""


def _labels(item: _Element, domain: str) -> list[str]:
    found = [text_of(child) for child in children(item, "category") if child.get("domain") == domain]
    return [name for name in found if name.casefold() != "uncategorized"]
