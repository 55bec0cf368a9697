"""The pages of each list: the first one has the plain addresses, the others the same below /lists/KEY."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from newsletter.app import App
from newsletter.domain.archive.entries import Entry
from newsletter.domain.errors import NewsletterError, NotFound, SampleLink
from newsletter.domain.lists import FIRST_LIST, MailingList, open_to_all
from newsletter.web.archive import ArchivePages
from newsletter.web.assets import Assets
from newsletter.web.cache import CACHE_CONTROL
from newsletter.web.coming_day import ComingDay
from newsletter.web.feeds import Feeds
from newsletter.web.pages import Pages

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Newsletter:
    """A public list, as pages and the sign-up form show it. when: the end of a sentence, such as "every Tuesday". url: that of its page."""

    key: str
    title: str
    description: str
    when: str
    url: str
    archive_url: str


class ListPages:
    """What answers the addresses of one list; each part is made when it is first requested."""

    def __init__(self, app: App, lists: Lists, pages: Pages | None = None) -> None:
        self.app = app
        self._lists = lists
        self._made = pages
        self._newest: tuple[int, tuple[Entry, ...]] = (-1, ())

    @cached_property
    def pages(self) -> Pages:
        """Its templates, with its title and color."""
        return self._made or self._lists.pages_of(self.app)

    @cached_property
    def archive(self) -> ArchivePages:
        """Its archive."""
        return ArchivePages(self.app, self.pages, self._lists.version)

    @cached_property
    def feeds(self) -> Feeds:
        """Its feeds; the first list has the sitemap of all."""
        return Feeds(self.app, self._lists.version, self._lists.feeds_of_others)

    @cached_property
    def assets(self) -> Assets:
        """Its style sheet and pictures."""
        return Assets(self.app, self.pages)

    def newest(self, size: int) -> tuple[Entry, ...]:
        """Its tips that were sent last, as of the last call of `Lists.version`; always for the same size."""
        known = self._lists.known
        if self._newest[0] != known:
            self._newest = known, self.app.archive.newest(size)
        return self._newest[1]


class Lists:
    """The pages of all lists, as they are in this version of the library. pages: those of the first list."""

    def __init__(self, app: App, pages: Pages) -> None:
        self.first = ListPages(app, self, pages)
        self._app = app
        self._own = pages.own
        self._tell(pages)
        self.known = -1
        self._lists: tuple[MailingList, ...] = ()
        self._by_id: dict[int, ListPages] = {}
        self._newsletters: tuple[Newsletter, ...] = ()
        self._series: dict[str, str] = {}

    # -- what there is -------------------------------------------------------------------------

    def version(self) -> int:
        """The version of the library, which every change of a tip or a list raises. One query, asked on each request."""
        version = self._app.archive.version()
        if version != self.known:
            self._read()
            self.known = version
        return version

    def newsletters(self) -> tuple[Newsletter, ...]:
        """The public lists, as of the last call of `version`; () if there is only one, of which no page needs to speak."""
        return self._newsletters

    def get(self, key: str) -> ListPages:
        """The pages of a list; raises NotFound, also for one that is not public."""
        self.version()
        found = next((one for one in self._lists if one.key == key and one.public), None)
        if found is None or found.id not in self._by_id:
            raise NotFound(f"there are no pages of a list {key[:80]!r}")
        return self._by_id[found.id]

    def of_id(self, list_id: int) -> ListPages:
        """The pages of a list, public or not, for what its subscribers see; those of the first list if it has none."""
        if list_id != FIRST_LIST:
            self.version()
        return self._by_id.get(list_id, self.first)

    def is_offered(self, key: str) -> bool:
        """Can somebody choose this list among others?"""
        self.version()
        return any(one.key == key for one in self._newsletters)

    def offer(self, keys: Sequence[str]) -> list[Newsletter]:
        """Those of these lists that a sign-up form can offer, in their order; raises NotFound for any other key.

        [] if there is only one list, of which no form needs to speak.
        """
        if any(self.get(key).app.site.is_retired for key in keys):
            raise NotFound("one of these lists takes no sign-ups")
        return [one for one in self._newsletters if one.key in keys]

    def series_of(self, key: str) -> str:
        """The title of the course that new subscribers of a list get first; "" without one, as of the last call of `version`."""
        by_key = {one.key: self._by_id[one.id].app.site.title for one in self._lists if one.id in self._by_id}
        return by_key.get(self._series.get(key, ""), "")

    def feeds_of_others(self) -> Iterable[Feeds]:
        """Those of the other public lists."""
        others = (self._by_id.get(one.id) for one in self._lists if one.public and not one.is_first)
        return [one.feeds for one in others if one]

    def pages_of(self, app: App) -> Pages:
        """The templates of another list than the first."""
        return self._tell(Pages(app.site, app.schedule, self._own, ComingDay(app)))

    def _tell(self, pages: Pages) -> Pages:
        pages.templates.environment.globals["newsletters"] = self.newsletters
        return pages

    def _read(self) -> None:
        with self._app.store.read() as tx:
            lists = tuple(tx.lists.each(retired=True))
        made: dict[int, ListPages] = {}
        for one in lists:
            try:
                app = self._app.made(one)
                known = self._by_id.get(one.id, self.first)
                made[one.id] = known if known.app is app else ListPages(app, self)
            except NewsletterError as error:  # a setting of one list must not take down the pages of the others
                log.error("the list %s has no pages: %s", one.key, error)  # noqa: TRY400 - an error of the owner's
        shown = [one for one in open_to_all(lists) if one.id in made]
        self._lists, self._by_id = lists, made
        self._series = {one.key: one.onboarding for one in lists if one.onboarding}
        self._newsletters = tuple(self._newsletter(one) for one in shown) if len(shown) > 1 else ()

    def _newsletter(self, found: MailingList) -> Newsletter:
        app, first = self._by_id[found.id].app, self.first.pages
        return Newsletter(
            found.key,
            app.site.title,
            found.description,
            app.schedule.days.when(first.translations.translate),
            first.root(f"/lists/{found.key}"),
            first.root(app.site.path("/archive")),
        )

    # -- addresses -----------------------------------------------------------------------------

    def tip(self, request: Request, slug: str) -> Response:
        """One tip that was sent, of any list. Its former addresses redirect here."""
        try:
            return self.first.archive.tip(request, slug)
        except NotFound:
            key, list_id = self._app.archive.whereabouts(slug) or ("", 0)
            if key and key != slug:
                headers = {"Cache-Control": CACHE_CONTROL}
                return RedirectResponse(self.first.pages.path(f"/tips/{key}"), 301, headers)
            try:
                if (other := self._by_id.get(list_id)) and other is not self.first:
                    return other.archive.tip(request, slug)
            except NotFound:
                pass
            if "test" in request.query_params:
                raise SampleLink("the tip of this preview or test is not public yet") from None
            raise

    def below(
        self, part: Callable[[ListPages], Callable[..., Response]], query: Sequence[str] = ()
    ) -> Callable[[Request], Response]:
        """The handler of an address below /lists/KEY. part: that of one list. query: the names of its query parameters.

        The first list has the plain address, so that its pages have one address each.
        """

        def handler(request: Request) -> Response:
            named = dict(request.path_params)
            key = named.pop("key")
            found = self.get(key)
            if found is self.first:
                plain = request.url.path.partition(f"/lists/{key}")[2]
                return RedirectResponse(f"{self.first.pages.root(plain)}?{request.url.query}".rstrip("?"), 301)
            named |= {name: request.query_params[name] for name in query if name in request.query_params}
            return part(found)(request, **named)

        handler.__doc__ = part(self.first).__doc__
        return handler

    def logo(self, request: Request) -> Response:
        """The logo of a list, public or not, since its emails show it; 404 if none is set."""
        self.version()
        key = request.path_params["key"]
        found = next((self._by_id.get(one.id) for one in self._lists if one.key == key), None)
        if found is None:
            raise NotFound(f"there is no list {key[:80]!r}")
        return found.assets.logo(request)
