"""The archive for programs: Atom, JSON Feed, sitemap, robots; the newest tips whole, as their pages have them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from fastapi import Request
from starlette.responses import PlainTextResponse, Response

from newsletter.app import App
from newsletter.domain.archive.entries import PublicTip
from newsletter.rendering.markdown import to_html
from newsletter.web.cache import PageCache

if TYPE_CHECKING:
    from feedgenerator import Atom1Feed

FEED_ITEMS = 20
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOT_IN_XML = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF, *range(0xD800, 0xE000)])


class Feeds:
    """One method per URL for programs."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._site = app.site
        self._cache = PageCache(app.clock, app.store.library_version)
        self._teasers = app.settings.teasers == "show"

    def atom(self, request: Request) -> Response:
        """Atom (RFC 4287)."""
        return self._cache.answer(request, "atom", self._atom, "application/atom+xml")

    def json(self, request: Request) -> Response:
        """JSON Feed 1.1."""
        return self._cache.answer(request, "json", self._json, "application/feed+json")

    def sitemap(self, request: Request) -> Response:
        """Every page worth finding (sitemaps.org 0.9)."""
        return self._cache.answer(request, "sitemap", self._sitemap, "application/xml")

    def robots(self) -> Response:
        """Everything may be read; what may not be indexed says so itself."""
        return PlainTextResponse(f"User-agent: *\nAllow: /\n\nSitemap: {self._site.url('/sitemap.xml')}\n")

    def _latest(self) -> list[PublicTip]:
        with self._app.store.archive() as archive:
            return archive.latest(FEED_ITEMS)

    def _atom(self) -> bytes:
        feed, tips = self._empty_atom(), self._latest()
        for found in tips:
            entry, url = found.entry, self._site.url(f"/tips/{found.entry.key}")
            feed.add_item(
                title=_xml(entry.title),
                link=url,
                unique_id=url,
                description=_xml(entry.teaser),
                content=_xml(to_html(found.body)),
                author_name=_xml(self._site.from_name or self._site.title),
                categories=[_xml(label.name) for label in (*entry.categories, *entry.tags)],
                pubdate=_noon(found.entry.ran_on),
                updateddate=max(found.entry.changed_at, _noon(found.entry.ran_on)).replace(microsecond=0),
            )
        return str(feed.writeString("utf-8")).encode()

    def _empty_atom(self) -> Atom1Feed:
        from feedgenerator import Atom1Feed

        class Feed(Atom1Feed):  # type: ignore[misc] # feedgenerator has no types
            """Whose date is that of its newest tip: the library asks the clock when there is none."""

            def latest_post_date(self) -> datetime:
                return max((item["updateddate"] for item in self.items), default=EPOCH)

        return Feed(
            title=_xml(self._site.title),
            link=self._site.url("/archive"),
            description="",
            feed_url=self._site.url("/feed.xml"),
            feed_guid=self._site.url("/feed.xml"),
            language=self._site.language,
        )

    def _json(self) -> bytes:
        site, tips = self._site, self._latest()
        feed = {
            "version": "https://jsonfeed.org/version/1.1",
            "title": site.title,
            "home_page_url": site.url("/archive"),
            "feed_url": site.url("/feed.json"),
            "language": site.language,
            "authors": [{"name": site.from_name or site.title, "url": site.url("/")}],
            "items": [
                {
                    "id": site.url(f"/tips/{found.entry.key}"),
                    "url": site.url(f"/tips/{found.entry.key}"),
                    "title": found.entry.title,
                    "summary": found.entry.teaser,
                    "content_html": to_html(found.body),
                    "date_published": _noon(found.entry.ran_on).isoformat(),
                    "date_modified": max(found.entry.changed_at, _noon(found.entry.ran_on))
                    .replace(microsecond=0)
                    .isoformat(),
                    "tags": [label.name for label in (*found.entry.categories, *found.entry.tags)],
                }
                for found in tips
            ],
        }
        return json.dumps(feed, ensure_ascii=False, indent=1).encode()

    def _sitemap(self) -> bytes:
        with self._app.store.archive() as archive:
            addresses = archive.addresses(teasers=self._teasers)
            contents = archive.contents(teasers=self._teasers)
        lists = [
            "/",
            "/archive",
            *(f"/archive/{year}" for year, _ in contents.years),
            *(f"/categories/{label.slug}" for label, _ in contents.categories),
            *(f"/tags/{label.slug}" for label, _ in contents.tags),
        ]
        lines = [f"<url><loc>{escape(self._site.url(path))}</loc></url>" for path in lists]
        lines += [
            f"<url><loc>{escape(self._site.url(f'/tips/{key}'))}</loc><lastmod>{at:%Y-%m-%d}</lastmod></url>"
            for key, at in addresses
        ]
        head = '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
        return "\n".join([head, *lines, "</urlset>", ""]).encode()


def _noon(day: date | None) -> datetime:
    """A day as an instant that is on that day nearly everywhere."""
    return datetime.combine(day, time(12), UTC) if day else EPOCH


def _xml(text: str) -> str:
    """Without the characters that XML 1.0 cannot have."""
    return text.translate(_NOT_IN_XML)
