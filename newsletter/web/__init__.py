"""The public pages: every URL on this one screen; what happens behind each is in the module of its door."""

from __future__ import annotations

import logging
import signal
from collections.abc import Awaitable, Callable
from functools import wraps
from threading import Event

from fastapi import FastAPI
from starlette.responses import Response

from newsletter.app import App
from newsletter.web.archive import ArchivePages
from newsletter.web.assets import Assets
from newsletter.web.errors import answer_errors
from newsletter.web.feedback import Feedback
from newsletter.web.feeds import Feeds
from newsletter.web.headers import StrictHeaders
from newsletter.web.logo import logo_endpoint
from newsletter.web.openapi import OpenApiDescription
from newsletter.web.owner_links import OwnerLinks
from newsletter.web.pages import Pages
from newsletter.web.preferences import PersonalPages
from newsletter.web.server import WebServer
from newsletter.web.signup import Signup

log = logging.getLogger(__name__)
GET, POST, OPTIONS = ("GET", "HEAD"), ("POST",), ("OPTIONS",)


def make_web(app: App) -> FastAPI:
    """The ASGI application of one newsletter. No GET or HEAD changes a row; nothing sets a cookie."""
    pages = Pages(app.site, app.schedule, app.settings.templates)
    assets, archive_pages, feeds = Assets(app, pages), ArchivePages(app, pages), Feeds(app)
    signup, personal = Signup(app, pages), PersonalPages(app, pages)
    feedback, logo = Feedback(app, pages), logo_endpoint(app.settings.logo)
    owner = OwnerLinks(app, pages)
    web = FastAPI(title=app.site.title, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    description = OpenApiDescription(web, app.site)
    quick: tuple[Callable[..., Response], ...] = (
        signup.home, signup.sent, signup.embed, signup.embed_sent, signup.script,
        archive_pages.archive, archive_pages.year, archive_pages.category, archive_pages.tag, archive_pages.tip, archive_pages.search,
        feeds.atom, feeds.json, feeds.sitemap, feeds.robots, assets.style,
        assets.healthz, logo, description.document,
    )  # fmt: skip
    wrapped: dict[Callable[..., object], Callable[..., object]] = {
        endpoint: without_thread(endpoint) for endpoint in quick
    }
    for methods, path, endpoint in (  # looked through in this order: what most come for stands first
        (GET, "/", signup.home),
        (POST, "/subscribe", signup.subscribe),
        (OPTIONS, "/subscribe", signup.preflight),
        (GET, "/subscribe/sent", signup.sent),
        (GET, "/archive", archive_pages.archive),
        (GET, "/archive/page/{number}", archive_pages.archive),
        (GET, "/archive/{year}", archive_pages.year),
        (GET, "/archive/{year}/page/{number}", archive_pages.year),
        (GET, "/categories/{name}", archive_pages.category),
        (GET, "/categories/{name}/page/{number}", archive_pages.category),
        (GET, "/tags/{name}", archive_pages.tag),
        (GET, "/tags/{name}/page/{number}", archive_pages.tag),
        (GET, "/tips/{slug}", archive_pages.tip),
        (GET, "/search", archive_pages.search),
        (GET, "/signup/embed", signup.embed),
        (GET, "/signup/embed/sent", signup.embed_sent),
        (GET, "/signup.js", signup.script),
        (GET, "/confirm/{token}", signup.ask_confirm),
        (POST, "/confirm/{token}", signup.confirm),
        (GET, "/u/{token}", personal.ask_unsubscribe),
        (POST, "/u/{token}", personal.leave),
        (GET, "/u/{token}/why", personal.ask_unsubscribe),
        (POST, "/u/{token}/why", personal.why),
        (GET, "/back/{token}", personal.ask_resubscribe),
        (POST, "/back/{token}", personal.resubscribe),
        (GET, "/p/{token}", personal.preferences),
        (POST, "/p/{token}", personal.change_preferences),
        (GET, "/p/{token}/data.json", personal.data),
        (GET, "/link", personal.ask_link),
        (POST, "/link", personal.send_link),
        (GET, "/move/{token}", personal.ask_move),
        (POST, "/move/{token}", personal.move),
        (GET, "/useful/{token}/{answer}", feedback.ask),
        (POST, "/useful/{token}/{answer}", feedback.vote),
        (GET, "/feed.xml", feeds.atom),
        (GET, "/feed.json", feeds.json),
        (GET, "/sitemap.xml", feeds.sitemap),
        (GET, "/robots.txt", feeds.robots),
        (GET, "/logo", logo),
        (GET, "/owner/{token}", owner.ask),
        (POST, "/owner/{token}", owner.act),
        (GET, "/style.css", assets.style),
        (GET, "/healthz", assets.healthz),
        (GET, "/readyz", assets.readyz),
        (GET, "/openapi.json", description.document),
    ):
        web.add_api_route(path, wrapped.get(endpoint, endpoint), methods=list(methods), response_model=None)
    strict = StrictHeaders(app.settings.frame_ancestors, app.settings.allowed_origins)
    answer_errors(web, pages, strict)
    web.add_middleware(strict.around)
    return web


def without_thread(endpoint: Callable[..., Response]) -> Callable[..., Awaitable[Response]]:
    """A door that only reads, and takes a millisecond or two, without a thread: to hand it over costs as much again."""

    @wraps(endpoint)
    async def wrapped(*given: object, **named: object) -> Response:
        return endpoint(*given, **named)

    return wrapped


def make_server(app: App) -> WebServer:
    """The web server of one newsletter where NEWSLETTER_LISTEN says, not started yet.

    Raises SchemaError and SettingsError now, not at the first visitor.
    """
    with app.store.read():
        app.signer  # noqa: B018 - made here, so that a missing key is said at once
        app.renderer  # noqa: B018 - and a broken template of the owner's
    host, port = app.settings.listen
    return WebServer(make_web(app), host, port, trusted_proxies=app.settings.trusted_proxies)


def serve(app: App) -> int:
    """The web alone, until SIGTERM or SIGINT; 0 after a clean end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: app.stop.set())
    server = make_server(app)
    server.start()
    log.info("listening on %s:%d; readers come to %s", server.host, server.port, app.site.url("/"))
    between_looks = Event()  # not `stop`: the handler sets that one, and could wait for its lock for ever
    while not app.stop.is_set():
        between_looks.wait(1)
    server.stop()
    return 0


__all__ = ["make_server", "make_web", "serve"]
