"""The archive: lists of tips, one tip, and the search; what may be read by whom is decided in the store's one condition."""

from __future__ import annotations

from fastapi import Request
from markupsafe import Markup, escape
from starlette.responses import RedirectResponse, Response

from newsletter.app import App
from newsletter.domain.archive.entries import HIT, HIT_END, MAX_QUERY, Hit, Selection
from newsletter.domain.errors import NotFound
from newsletter.web.cache import CACHE_CONTROL, PageCache
from newsletter.web.pages import Pages

PER_PAGE = 20
MAX_CACHED_SEARCHES = 500
HITS_PER_PAGE = 10  # to show where the words stand costs as much as to find them


class ArchivePages:
    """One method per URL of the archive. They run without threads: none waits for anybody."""

    def __init__(self, app: App, pages: Pages) -> None:
        self._app = app
        self._pages = pages
        self._cache = PageCache(app.clock, app.store.library_version)
        # Whoever asks nonsense pushes no tip from the other one.
        self._search_cache = PageCache(app.clock, app.store.library_version, MAX_CACHED_SEARCHES)
        self._teasers = app.settings.teasers == "show"

    def archive(self, request: Request, number: str = "1") -> Response:
        """All tips that ran, newest first."""
        return self._list(request, Selection(), number, "/archive")

    def year(self, request: Request, year: str, number: str = "1") -> Response:
        """Those of one year."""
        if not (len(year) == 4 and year.isascii() and year.isdecimal()):
            raise NotFound(f"no year: {year[:20]!r}")
        return self._list(request, Selection("year", year), number, f"/archive/{year}")

    def category(self, request: Request, name: str, number: str = "1") -> Response:
        """Those of one category."""
        return self._list(request, Selection("category", name[:200]), number, "/categories/")

    def tag(self, request: Request, name: str, number: str = "1") -> Response:
        """Those with one tag."""
        return self._list(request, Selection("tag", name[:200]), number, "/tags/")

    def tip(self, request: Request, slug: str) -> Response:
        """One tip that ran, whole; an address it had before leads here."""

        def make() -> bytes:
            with self._app.store.archive() as archive:
                found = archive.get(slug, teasers=self._teasers)
            return bytes(self._pages.page("tip", found=found).body)

        try:
            return self._cache.answer(request, f"tip {slug}", make)
        except NotFound:
            with self._app.store.archive() as archive:
                new = archive.successor(slug)
            if not new:
                raise
            return RedirectResponse(self._pages.path(f"/tips/{new}"), 301, {"Cache-Control": CACHE_CONTROL})

    def search(self, request: Request, q: str = "", page: str = "1") -> Response:
        """What holds the words, the best first; without words, the form."""
        query, number = " ".join(q[:MAX_QUERY].split()), _page(page)

        def make() -> bytes:
            with self._app.store.archive() as archive:
                found = archive.search(query, max(1, number), HITS_PER_PAGE, teasers=self._teasers)
            pages = max(1, -(-found.total // HITS_PER_PAGE))
            if not 1 <= number <= pages:
                raise NotFound(f"the search has no such page: {page[:20]!r}")
            hits = [(hit.entry, marked(hit.title), excerpt(hit)) for hit in found.hits]
            answer = self._pages.page("search", query=query, hits=hits, total=found.total, page=number, pages=pages)
            return bytes(answer.body)

        return self._search_cache.answer(request, f"{number} {query}", make)

    def _list(self, request: Request, selection: Selection, number: str, address: str) -> Response:
        """One page of a list. Every spelling of a label has its page, and the page says which address is the right one."""
        page = _page(number)

        def make() -> bytes:
            with self._app.store.archive() as archive:
                found = archive.choose(selection, page, PER_PAGE, teasers=self._teasers)
                contents = archive.contents(teasers=self._teasers)
            base = address + (found.label.slug if found.label else "")
            answer = self._pages.page(
                "archive", found=found, contents=contents, selection=selection, page=page, base=base
            )
            return bytes(answer.body)

        return self._cache.answer(request, f"{selection.kind} {page} {selection.value}", make)


def _page(number: str) -> int:
    """The number of a page in an address; 0, which no page has, for what is none."""
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 7 else 0


def excerpt(hit: Hit) -> Markup:
    """Where the words stand, or the tip's teaser when they stand in its title alone."""
    return marked(hit.excerpt) if HIT in hit.excerpt else escape(hit.entry.teaser)


def marked(text: str) -> Markup:
    """Escaped, with `<mark>` around what was looked for."""
    return Markup(str(escape(text)).replace(HIT, "<mark>").replace(HIT_END, "</mark>"))  # noqa: S704 - escaped before
