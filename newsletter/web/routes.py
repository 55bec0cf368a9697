"""The table of every web address: one row per method and path, with its handler and its OpenAPI facts.

To add a page, add a row here and a template in templates/web. A row needs no facts of its own: by default it answers
200 with an HTML page, or 503 while the database is busy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from newsletter.app import App
from newsletter.domain.archive.entries import MAX_QUERY
from newsletter.web.feedback import FeedbackPages
from newsletter.web.lists import ListPages, Lists
from newsletter.web.openapi import BODY_ERRORS, HTML, JSON, TEXT, OpenApiDocument
from newsletter.web.owner_links import OwnerLinks
from newsletter.web.pages import Pages
from newsletter.web.preferences import PreferencesPages
from newsletter.web.signup import SignupPages
from newsletter.web.unsubscribe import UnsubscribePages

GET, POST, OPTIONS = "GET", "POST", "OPTIONS"
Handler = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class OpenApiFacts:
    """What OpenAPI says about a row beyond its path and the docstring of its handler.

    responses: content types by status; the name of a schema in web/openapi.py stands for JSON of that shape.
    body: the schema of the request body, or "". errors: statuses that answer with an error page, or as JSON.
    """

    responses: Mapping[int, tuple[str, ...]] = field(default_factory=lambda: {200: (HTML,)})
    body: str = ""
    errors: tuple[int, ...] = (503,)
    query: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


PAGE = OpenApiFacts()
PERSONAL_PAGE = OpenApiFacts(errors=(400, 503))
EXPIRING_PAGE = OpenApiFacts({200: (HTML,), 410: (HTML,)}, errors=(400, 503))
EXPIRING_BUTTON = OpenApiFacts({200: (HTML,), 410: (HTML,)}, "Empty", BODY_ERRORS)
ARCHIVE_PAGE = OpenApiFacts({200: (HTML,), 304: ()}, errors=(404, 503))
SEARCH_QUERY = {
    "q": {"type": "string", "description": f"words; the first {MAX_QUERY} characters count"},
    "page": {"type": "string", "description": "which page of the results, from 1"},
}


SUBSCRIBE = OpenApiFacts({202: ("CheckMail",), 303: (), 403: (HTML, "NeedsProof")}, "SignUp", (*BODY_ERRORS, 422, 429))
TIP = OpenApiFacts({200: (HTML,), 301: (), 304: ()}, errors=(404, 503))
SEARCH = OpenApiFacts({200: (HTML,), 304: ()}, errors=(404, 503), query=SEARCH_QUERY)
ONE_CLICK = OpenApiFacts(body="OneClick", errors=(400, 413, 503))
CHANGE_PREFERENCES = OpenApiFacts({200: (HTML, "MyData")}, "Preferences", (*BODY_ERRORS, 422))
SEND_LINK = OpenApiFacts({200: (HTML,), 202: ("CheckMail",)}, "SendLink", (*BODY_ERRORS, 422, 429))
PICTURE = OpenApiFacts({200: ("image/png", "image/jpeg", "image/gif"), 304: ()}, errors=(404,))
MEDIA = OpenApiFacts({200: ("image/png", "image/jpeg")}, errors=(404,))


SIGNUP_LISTS = {"list": {"type": "array", "items": {"type": "string"}, "description": "keys of the lists to offer"}}
EMBED = OpenApiFacts(errors=(404, 503), query=SIGNUP_LISTS)
SCRIPT = OpenApiFacts({200: ("text/javascript",)}, errors=(404, 503), query=SIGNUP_LISTS)
LIST_PAGE = OpenApiFacts({200: (HTML,), 302: ()}, errors=(404, 503))


def _cacheable(kind: str) -> OpenApiFacts:
    return OpenApiFacts({200: (kind,), 304: ()})


def of_a_list(facts: OpenApiFacts) -> OpenApiFacts:
    """The facts of an address below /lists/KEY: the first list has it elsewhere."""
    return replace(facts, responses={**facts.responses, 301: ()}, errors=(404, 503))


ARCHIVE_OF_A_LIST: Sequence[tuple[str, Callable[[ListPages], Handler], OpenApiFacts]] = (
    ("/archive", lambda one: one.archive.archive, ARCHIVE_PAGE),
    ("/archive/page/{number}", lambda one: one.archive.archive, ARCHIVE_PAGE),
    ("/archive/{year}", lambda one: one.archive.year, ARCHIVE_PAGE),
    ("/archive/{year}/page/{number}", lambda one: one.archive.year, ARCHIVE_PAGE),
    ("/categories/{name}", lambda one: one.archive.category, ARCHIVE_PAGE),
    ("/categories/{name}/page/{number}", lambda one: one.archive.category, ARCHIVE_PAGE),
    ("/tags/{name}", lambda one: one.archive.tag, ARCHIVE_PAGE),
    ("/tags/{name}/page/{number}", lambda one: one.archive.tag, ARCHIVE_PAGE),
    ("/search", lambda one: one.archive.search, SEARCH),
)
"""The addresses that each list has of its own: for the first list as they are, for the others below /lists/KEY."""
MORE_OF_A_LIST: Sequence[tuple[str, Callable[[ListPages], Handler], OpenApiFacts]] = (
    ("/feed.xml", lambda one: one.feeds.atom, _cacheable("application/atom+xml")),
    ("/feed.json", lambda one: one.feeds.json, _cacheable("Feed")),
    ("/style.css", lambda one: one.assets.style, _cacheable("text/css")),
)


@dataclass(frozen=True, slots=True)
class Route:
    """One row: where it is, what answers, and what OpenAPI says about it.

    quick: the handler runs on the event loop. Only for handlers that take a millisecond or two and never wait for the
    write lock: passing such a request to a thread would cost as much again.
    """

    method: str
    path: str
    handler: Handler
    facts: OpenApiFacts = PAGE
    quick: bool = False

    @property
    def methods(self) -> list[str]:
        """The methods that this row answers: HEAD works wherever GET does."""
        return [GET, "HEAD"] if self.method == GET else [self.method]


def route_table(app: App, pages: Pages) -> list[Route]:
    """Every row. /openapi.json describes this list, with any row that is appended to it before the first request.

    Requests are matched from the top, so the busiest addresses come first.
    """
    lists = Lists(app, pages)
    feeds, assets = lists.first.feeds, lists.first.assets
    signup, unsubscribe = SignupPages(app, pages, lists), UnsubscribePages(app, pages)
    preferences = PreferencesPages(app, pages, unsubscribe)
    feedback, owner = FeedbackPages(app, lists), OwnerLinks(app, pages)
    rows: list[Route] = []
    openapi = OpenApiDocument(rows, app.site)
    rows += [
        Route(GET, "/", signup.home, quick=True),
        Route(POST, "/subscribe", signup.subscribe, SUBSCRIBE),
        Route(OPTIONS, "/subscribe", signup.preflight, OpenApiFacts({204: ()}, errors=())),
        Route(GET, "/subscribe/sent", signup.sent, quick=True),
        *(Route(GET, path, part(lists.first), facts, quick=True) for path, part, facts in ARCHIVE_OF_A_LIST),
        Route(GET, "/tips/{slug}", lists.tip, TIP, quick=True),
        Route(GET, "/signup/embed", signup.embed, EMBED, quick=True),
        Route(GET, "/signup/embed/sent", signup.embed_sent, quick=True),
        Route(GET, "/signup.js", signup.script, SCRIPT, quick=True),
        Route(GET, "/confirm/{token}", signup.confirm_page, EXPIRING_PAGE),
        Route(POST, "/confirm/{token}", signup.confirm, EXPIRING_BUTTON),
        Route(GET, "/u/{token}", unsubscribe.unsubscribe_page, PERSONAL_PAGE),
        Route(POST, "/u/{token}", unsubscribe.unsubscribe, ONE_CLICK),
        Route(GET, "/u/{token}/why", unsubscribe.unsubscribe_page, PERSONAL_PAGE),
        Route(POST, "/u/{token}/why", unsubscribe.save_reason, OpenApiFacts(body="Reason", errors=(*BODY_ERRORS, 422))),
        Route(GET, "/back/{token}", unsubscribe.resubscribe_page, PERSONAL_PAGE),
        Route(
            POST, "/back/{token}", unsubscribe.resubscribe, OpenApiFacts(body="Empty", errors=(*BODY_ERRORS, 422, 429))
        ),
        Route(GET, "/p/{token}", preferences.preferences_page, PERSONAL_PAGE),
        Route(POST, "/p/{token}", preferences.change_preferences, CHANGE_PREFERENCES),
        Route(GET, "/p/{token}/data.json", preferences.data, OpenApiFacts({200: ("MyData",)}, errors=(400, 503))),
        Route(GET, "/link", preferences.link_page),
        Route(POST, "/link", preferences.send_link, SEND_LINK),
        Route(GET, "/move/{token}", preferences.move_page, EXPIRING_PAGE),
        Route(POST, "/move/{token}", preferences.move, EXPIRING_BUTTON),
        Route(GET, "/useful/{token}/{answer}", feedback.feedback_page, OpenApiFacts(errors=(400, 404, 503))),
        Route(POST, "/useful/{token}/{answer}", feedback.vote, OpenApiFacts(body="Empty", errors=(404, *BODY_ERRORS))),
        *(Route(GET, path, part(lists.first), facts, quick=True) for path, part, facts in MORE_OF_A_LIST),
        Route(GET, "/sitemap.xml", feeds.sitemap, _cacheable("application/xml"), quick=True),
        Route(GET, "/robots.txt", feeds.robots, OpenApiFacts({200: (TEXT,)}), quick=True),
        Route(GET, "/logo", assets.logo, PICTURE, quick=True),
        Route(GET, "/portrait", assets.portrait, PICTURE, quick=True),
        Route(GET, "/media/{name}", assets.media, MEDIA),
        Route(GET, "/owner/{token}", owner.action_page, PERSONAL_PAGE),
        Route(POST, "/owner/{token}", owner.act, OpenApiFacts({200: (HTML,), 409: (HTML,)}, "Empty", BODY_ERRORS)),
        Route(GET, "/proof.js", assets.proof_script, _cacheable("text/javascript"), quick=True),
        Route(GET, "/healthz", assets.healthz, OpenApiFacts({200: (TEXT,)}, errors=()), quick=True),
        Route(GET, "/readyz", assets.readyz, OpenApiFacts({200: (TEXT,), 503: (TEXT,)}, errors=())),
        Route(GET, "/openapi.json", openapi.answer, OpenApiFacts({200: (JSON,)}, errors=()), quick=True),
        Route(GET, "/lists/{key}", signup.list_page, LIST_PAGE, quick=True),
        Route(GET, "/lists/{key}/logo", lists.logo, PICTURE, quick=True),
        *(
            Route(GET, f"/lists/{{key}}{path}", lists.below(part, tuple(facts.query)), of_a_list(facts), quick=True)
            for path, part, facts in (*ARCHIVE_OF_A_LIST, *MORE_OF_A_LIST)
        ),
    ]
    return rows


def personal_paths(rows: Iterable[Route]) -> tuple[str, ...]:
    """What the addresses with a signed token begin with, such as "/u/"."""
    return tuple(sorted({row.path.partition("{token}")[0] for row in rows if "{token}" in row.path}))
