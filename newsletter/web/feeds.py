"""The archive for programs: Atom, JSON Feed, sitemap and robots.txt. The feeds carry the newest tips in full."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time
from xml.sax.saxutils import escape

from fastapi import Request
from feedgenerator import Atom1Feed
from starlette.responses import PlainTextResponse, Response

from newsletter.app import App
from newsletter.domain.archive.entries import PublicTip
from newsletter.domain.tips.pictures import FOLDER
from newsletter.rendering.markdown import to_html
from newsletter.web.cache import PageCache

FEED_ITEMS = 20
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOT_IN_XML = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF, *range(0xD800, 0xE000)])


class Feeds:
    """One method per address. They run on the event loop, since a read never waits for another process.

    others: the feeds of the other lists, which the sitemap includes.
    """

    def __init__(self, app: App, version: Callable[[], int], others: Callable[[], Iterable[Feeds]] = tuple) -> None:
        self._archive = app.archive
        self._site = app.site
        self._cache = PageCache(app.clock, version)
        self._others = others

    def atom(self, request: Request) -> Response:
        """The newest tips as an Atom feed (RFC 4287)."""
        return self._cache.answer(request, "atom", self._atom, "application/atom+xml")

    def json(self, request: Request) -> Response:
        """The newest tips as a JSON Feed 1.1."""
        return self._cache.answer(request, "json", self._json, "application/feed+json")

    def sitemap(self, request: Request) -> Response:
        """Every public page, for search engines (sitemaps.org 0.9)."""
        return self._cache.answer(request, "sitemap", self._sitemap, "application/xml")

    def robots(self) -> Response:
        """The rules for crawlers: they may read everything. Pages that must not be indexed say so in a header."""
        return PlainTextResponse(f"User-agent: *\nAllow: /\n\nSitemap: {self._site.url('/sitemap.xml')}\n")

    def _atom(self) -> bytes:
        feed = self._empty_atom()
        for found in self._archive.latest(FEED_ITEMS):
            entry, url = found.entry, self._site.url(f"/tips/{found.entry.key}")
            feed.add_item(
                title=_xml(entry.title),
                link=url,
                unique_id=url,
                description=_xml(entry.teaser),
                content=_xml(to_html(found.body, self._site.url(f"/{FOLDER}/"))),
                author_name=_xml(self._site.from_name or self._site.title),
                categories=[_xml(label.name) for label in (*entry.categories, *entry.tags)],
                pubdate=_noon(found.entry.ran_on),
                updateddate=max(found.entry.changed_at, _noon(found.entry.ran_on)).replace(microsecond=0),
            )
        return str(feed.writeString("utf-8")).encode()

    def _empty_atom(self) -> Atom1Feed:
        return _AtomFeed(
            title=_xml(self._site.title),
            link=self._site.url("/archive"),
            description="",
            feed_url=self._site.url("/feed.xml"),
            feed_guid=self._site.url("/feed.xml"),
            language=self._site.language,
        )

    def _json(self) -> bytes:
        site = self._site
        feed = {
            "version": "https://jsonfeed.org/version/1.1",
            "title": site.title,
            "home_page_url": site.url("/archive"),
            "feed_url": site.url("/feed.json"),
            "language": site.language,
            "authors": [{"name": site.from_name or site.title, "url": site.url("/")}],
            "items": [self._json_item(found) for found in self._archive.latest(FEED_ITEMS)],
        }
        return json.dumps(feed, ensure_ascii=False, indent=1).encode()

    def _json_item(self, found: PublicTip) -> dict[str, object]:
        entry, url = found.entry, self._site.url(f"/tips/{found.entry.key}")
        return {
            "id": url,
            "url": url,
            "title": entry.title,
            "summary": entry.teaser,
            "content_html": to_html(found.body, self._site.url(f"/{FOLDER}/")),
            "date_published": _noon(entry.ran_on).isoformat(),
            "date_modified": max(entry.changed_at, _noon(entry.ran_on)).replace(microsecond=0).isoformat(),
            "tags": [label.name for label in (*entry.categories, *entry.tags)],
        }

    def _sitemap(self) -> bytes:
        start = '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
        urls = [url for feeds in (self, *self._others()) for url in feeds.sitemap_urls()]
        return "\n".join([start, *urls, "</urlset>", ""]).encode()

    def sitemap_urls(self) -> list[str]:
        """The elements of the sitemap for every public page of this list."""
        addresses, contents = self._archive.sitemap()
        lists = [
            *([] if self._site.is_retired else ["/"]),
            "/archive",
            *(f"/archive/{year}" for year, _ in contents.years),
            *(f"/categories/{label.slug}" for label, _ in contents.categories),
            *(f"/tags/{label.slug}" for label, _ in contents.tags),
        ]
        urls = [f"<url><loc>{escape(self._site.url(path))}</loc></url>" for path in lists]
        return urls + [
            f"<url><loc>{escape(self._site.url(f'/tips/{key}'))}</loc><lastmod>{at:%Y-%m-%d}</lastmod></url>"
            for key, at in addresses
        ]


class _AtomFeed(Atom1Feed):  # type: ignore[misc] # feedgenerator has no types
    """A feed dated by its newest tip. The library's own method asks the clock if there is no tip."""

    def latest_post_date(self) -> datetime:
        return max((item["updateddate"] for item in self.items), default=EPOCH)


def _noon(day: date | None) -> datetime:
    """Noon UTC of a day: an instant that falls on this day in almost every time zone."""
    return datetime.combine(day, time(12), UTC) if day else EPOCH


def _xml(text: str) -> str:
    """The text without the characters that XML 1.0 section 2.2 does not allow."""
    return text.translate(_NOT_IN_XML)
