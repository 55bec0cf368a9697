"""The table of every web address: one row per method and path, with its handler and its OpenAPI facts.

To add a page, add a row here and a template in templates/web. A row needs no facts of its own: by default it answers
200 with an HTML page, or 503 while the database is busy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from newsletter.app import App
from newsletter.domain.archive.entries import MAX_QUERY
from newsletter.web.archive import ArchivePages
from newsletter.web.assets import Assets
from newsletter.web.feedback import FeedbackPages
from newsletter.web.feeds import Feeds
from newsletter.web.openapi import BODY_ERRORS, HTML, JSON, TEXT, OpenApiDocument
from newsletter.web.owner_links import OwnerLinks
from newsletter.web.pages import Pages
from newsletter.web.preferences import PreferencesPages
from newsletter.web.signup import SignupPages
from newsletter.web.unsubscribe import UnsubscribePages

GET, POST, OPTIONS = "GET", "POST", "OPTIONS"


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


def _cacheable(kind: str) -> OpenApiFacts:
    return OpenApiFacts({200: (kind,), 304: ()})


@dataclass(frozen=True, slots=True)
class Route:
    """One row: where it is, what answers, and what OpenAPI says about it.

    quick: the handler runs on the event loop. Only for handlers that take a millisecond or two and never wait for the
    write lock: passing such a request to a thread would cost as much again.
    """

    method: str
    path: str
    handler: Callable[..., Any]
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
    archive, feeds, assets = ArchivePages(app, pages), Feeds(app), Assets(app, pages)
    signup, unsubscribe = SignupPages(app, pages), UnsubscribePages(app, pages)
    preferences = PreferencesPages(app, pages, unsubscribe)
    feedback, owner = FeedbackPages(app, pages), OwnerLinks(app, pages)
    rows: list[Route] = []
    openapi = OpenApiDocument(rows, app.site)
    rows += [
        Route(GET, "/", signup.home, quick=True),
        Route(POST, "/subscribe", signup.subscribe, SUBSCRIBE),
        Route(OPTIONS, "/subscribe", signup.preflight, OpenApiFacts({204: ()}, errors=())),
        Route(
            GET,
            "/subscribe/sent",
            pages.static("signup_sent", "The page after the sign-up form, which says what to do next."),
            quick=True,
        ),
        Route(GET, "/archive", archive.archive, ARCHIVE_PAGE, quick=True),
        Route(GET, "/archive/page/{number}", archive.archive, ARCHIVE_PAGE, quick=True),
        Route(GET, "/archive/{year}", archive.year, ARCHIVE_PAGE, quick=True),
        Route(GET, "/archive/{year}/page/{number}", archive.year, ARCHIVE_PAGE, quick=True),
        Route(GET, "/categories/{name}", archive.category, ARCHIVE_PAGE, quick=True),
        Route(GET, "/categories/{name}/page/{number}", archive.category, ARCHIVE_PAGE, quick=True),
        Route(GET, "/tags/{name}", archive.tag, ARCHIVE_PAGE, quick=True),
        Route(GET, "/tags/{name}/page/{number}", archive.tag, ARCHIVE_PAGE, quick=True),
        Route(GET, "/tips/{slug}", archive.tip, TIP, quick=True),
        Route(GET, "/search", archive.search, SEARCH, quick=True),
        Route(GET, "/signup/embed", signup.embed, quick=True),
        Route(
            GET,
            "/signup/embed/sent",
            pages.static("signup_embed_sent", "The same page for the sign-up form in the iframe."),
            quick=True,
        ),
        Route(GET, "/signup.js", signup.script, OpenApiFacts({200: ("text/javascript",)}), quick=True),
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
        Route(GET, "/feed.xml", feeds.atom, _cacheable("application/atom+xml"), quick=True),
        Route(GET, "/feed.json", feeds.json, _cacheable("Feed"), quick=True),
        Route(GET, "/sitemap.xml", feeds.sitemap, _cacheable("application/xml"), quick=True),
        Route(GET, "/robots.txt", feeds.robots, OpenApiFacts({200: (TEXT,)}), quick=True),
        Route(GET, "/logo", assets.logo, PICTURE, quick=True),
        Route(GET, "/portrait", assets.portrait, PICTURE, quick=True),
        Route(GET, "/media/{name}", assets.media, MEDIA),
        Route(GET, "/owner/{token}", owner.action_page, PERSONAL_PAGE),
        Route(POST, "/owner/{token}", owner.act, OpenApiFacts({200: (HTML,), 409: (HTML,)}, "Empty", BODY_ERRORS)),
        Route(GET, "/style.css", assets.style, _cacheable("text/css"), quick=True),
        Route(GET, "/proof.js", assets.proof_script, _cacheable("text/javascript"), quick=True),
        Route(GET, "/healthz", assets.healthz, OpenApiFacts({200: (TEXT,)}, errors=()), quick=True),
        Route(GET, "/readyz", assets.readyz, OpenApiFacts({200: (TEXT,), 503: (TEXT,)}, errors=())),
        Route(GET, "/openapi.json", openapi.answer, OpenApiFacts({200: (JSON,)}, errors=()), quick=True),
    ]
    return rows


def personal_paths(rows: Iterable[Route]) -> tuple[str, ...]:
    """What the addresses with a signed token begin with, such as "/u/"."""
    return tuple(sorted({row.path.partition("{token}")[0] for row in rows if "{token}" in row.path}))
