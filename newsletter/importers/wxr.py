"""Parse a WordPress export file (WXR): the published posts with their categories, tags, and dates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from newsletter.domain.archive.entries import plain
from newsletter.domain.tips.tip import Rejected, TipText
from newsletter.importers.html_to_markdown import to_markdown
from newsletter.importers.xml_items import child_text, children, day_of, items, tip_from

if TYPE_CHECKING:
    from lxml.etree import _Element

UNPUBLISHED = {"draft": "a draft", "pending": "not reviewed yet", "private": "private", "future": "not published yet"}


def looks_like_wxr(raw: bytes) -> bool:
    """Does the start of the file declare the namespace of WordPress exports?"""
    return b"wordpress.org/export/" in raw[:20_000]


def parse(raw: bytes, source: str) -> list[TipText | Rejected]:
    """Every published post. Pages, menus, and attachments are skipped; posts that are not public are returned as Rejected."""
    return [piece for item in items(raw, source, {"item"}) for piece in _read(item, source)]


def _read(item: _Element | Rejected, source: str) -> Iterator[TipText | Rejected]:
    if isinstance(item, Rejected):
        yield item
        return
    if child_text(item, "post_type") not in ("post", ""):
        return
    title = plain(to_markdown(child_text(item, "title")))
    line, status = item.sourceline or 0, child_text(item, "status")
    # Deleted posts and WordPress's own copies: their owner never meant to publish them.
    if status in ("trash", "auto-draft", "inherit"):
        return
    if status in UNPUBLISHED or child_text(item, "post_password"):
        reason = UNPUBLISHED.get(status, "protected by a password")
        yield Rejected(source, line, f"{title[:60]!r} is {reason}; publish it and export again")
        return
    link = child_text(item, "link")
    yield tip_from(
        title=title,
        body=to_markdown(child_text(item, "encoded", "content"), base=link, keep_line_breaks=True),
        published_on=day_of(child_text(item, "post_date")) or day_of(child_text(item, "pubDate")),
        categories=_labels(item, "category"),
        tags=_labels(item, "post_tag"),
        teaser=to_markdown(child_text(item, "encoded", "excerpt"), keep_line_breaks=True),
        link=link,
        source=source,
        line=line,
    )


def _labels(item: _Element, domain: str) -> list[str]:
    found = [child.text or "" for child in children(item, "category") if child.get("domain") == domain]
    return [name for name in found if name.strip().casefold() != "uncategorized"]
