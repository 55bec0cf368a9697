"""The archive pages: lists of tips, one tip, and the search."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request
from markupsafe import Markup, escape
from starlette.responses import Response

from newsletter.app import App
from newsletter.domain.archive.entries import HIT, HIT_END, MAX_QUERY, Hit, Selection
from newsletter.domain.errors import NotFound
from newsletter.web.cache import PageCache
from newsletter.web.pages import Pages

PER_PAGE = 20
MAX_CACHED_SEARCHES = 500
HITS_PER_PAGE = 10  # highlighting the words of a hit costs as much as finding it


class ArchivePages:
    """One method per address. They run on the event loop, since a read never waits for another process."""

    def __init__(self, app: App, pages: Pages, version: Callable[[], int]) -> None:
        self._archive = app.archive
        self._pages = pages
        self._cache = PageCache(app.clock, version)
        # A cache of its own, so that random search words cannot push the tips out of the other one.
        self._search_cache = PageCache(app.clock, version, MAX_CACHED_SEARCHES)

    def archive(self, request: Request, number: str = "1") -> Response:
        """All tips that were sent, newest first."""
        return self._list(request, Selection(), number, "/archive")

    def year(self, request: Request, year: str, number: str = "1") -> Response:
        """The tips of one year, newest first."""
        if not (len(year) == 4 and year.isascii() and year.isdecimal()):
            raise NotFound(f"no year: {year[:20]!r}")
        return self._list(request, Selection("year", year), number, f"/archive/{year}")

    def category(self, request: Request, name: str, number: str = "1") -> Response:
        """The tips of one category, newest first."""
        return self._list(request, Selection("category", name[:200]), number, "/categories/")

    def tag(self, request: Request, name: str, number: str = "1") -> Response:
        """The tips with one tag, newest first."""
        return self._list(request, Selection("tag", name[:200]), number, "/tags/")

    def tip(self, request: Request, slug: str) -> Response:
        """One tip of this list that was sent; raises NotFound."""

        def make() -> bytes:
            return bytes(self._pages.page("tip", found=self._archive.tip(slug)).body)

        return self._cache.answer(request, f"tip {slug}", make)

    def search(self, request: Request, q: str = "", page: str = "1") -> Response:
        """Tips that contain the words, best match first; without words, only the search form."""
        query, number = " ".join(q[:MAX_QUERY].split()), _page_number(page)

        def make() -> bytes:
            found = self._archive.search(query, max(1, number), HITS_PER_PAGE)
            pages = max(1, -(-found.total // HITS_PER_PAGE))
            if not 1 <= number <= pages:
                raise NotFound(f"the search has no such page: {page[:20]!r}")
            hits = [(hit.entry, marked(hit.title), excerpt(hit)) for hit in found.hits]
            answer = self._pages.page("search", query=query, hits=hits, total=found.total, page=number, pages=pages)
            return bytes(answer.body)

        return self._search_cache.answer(request, f"{number} {query}", make)

    def _list(self, request: Request, selection: Selection, number: str, address: str) -> Response:
        """One page of a list. Every spelling of a label works; the page names the canonical address."""
        page = _page_number(number)

        def make() -> bytes:
            found, contents = self._archive.choose(selection, page, PER_PAGE)
            base = address + (found.label.slug if found.label else "")
            answer = self._pages.page(
                "archive", found=found, contents=contents, selection=selection, page=page, base=base
            )
            return bytes(answer.body)

        return self._cache.answer(request, f"{selection.kind} {page} {selection.value}", make)


def _page_number(text: str) -> int:
    """A page number from an address; 0, which is never a page, if it is not a number."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 0


def excerpt(hit: Hit) -> Markup:
    """The text around the matches, or the teaser if only the title matches."""
    return marked(hit.excerpt) if HIT in hit.excerpt else escape(hit.entry.teaser)


def marked(text: str) -> Markup:
    """The escaped text, with `<mark>` around each match."""
    return Markup(str(escape(text)).replace(HIT, "<mark>").replace(HIT_END, "</mark>"))  # noqa: S704 - escaped before
