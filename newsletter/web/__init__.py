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
from newsletter.web.archive import Reading
from newsletter.web.assets import Doors
from newsletter.web.errors import answer_errors
from newsletter.web.feedback import Voting
from newsletter.web.feeds import Feeds
from newsletter.web.headers import StrictHeaders
from newsletter.web.logo import logo_door
from newsletter.web.openapi import Description
from newsletter.web.owner_links import Owner
from newsletter.web.pages import Pages
from newsletter.web.preferences import Personal
from newsletter.web.server import WebServer
from newsletter.web.signup import Joining

log = logging.getLogger(__name__)
GET, POST, OPTIONS = ("GET", "HEAD"), ("POST",), ("OPTIONS",)


def make_web(app: App) -> FastAPI:
    """The ASGI application of one newsletter. No GET or HEAD changes a row; nothing sets a cookie."""
    pages = Pages(app.site, app.schedule, app.settings.templates)
    doors, reading, feeds = Doors(app, pages), Reading(app, pages), Feeds(app)
    joining, personal = Joining(app, pages), Personal(app, pages)
    voting, logo = Voting(app, pages), logo_door(app.settings.logo)
    owner = Owner(app, pages)
    web = FastAPI(title=app.site.title, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    description = Description(web, app.site)
    quick: tuple[Callable[..., Response], ...] = (
        joining.home, joining.sent, joining.embed, joining.embed_sent, joining.script,
        reading.archive, reading.year, reading.category, reading.tag, reading.tip, reading.search,
        feeds.atom, feeds.json, feeds.sitemap, feeds.robots, doors.style,
        doors.healthz, logo, description.document,
    )  # fmt: skip
    opened: dict[Callable[..., object], Callable[..., object]] = {door: at_once(door) for door in quick}
    for methods, path, door in (  # looked through in this order: what most come for stands first
        (GET, "/", joining.home),
        (POST, "/subscribe", joining.subscribe),
        (OPTIONS, "/subscribe", joining.preflight),
        (GET, "/subscribe/sent", joining.sent),
        (GET, "/archive", reading.archive),
        (GET, "/archive/page/{number}", reading.archive),
        (GET, "/archive/{year}", reading.year),
        (GET, "/archive/{year}/page/{number}", reading.year),
        (GET, "/categories/{name}", reading.category),
        (GET, "/categories/{name}/page/{number}", reading.category),
        (GET, "/tags/{name}", reading.tag),
        (GET, "/tags/{name}/page/{number}", reading.tag),
        (GET, "/tips/{slug}", reading.tip),
        (GET, "/search", reading.search),
        (GET, "/signup/embed", joining.embed),
        (GET, "/signup/embed/sent", joining.embed_sent),
        (GET, "/signup.js", joining.script),
        (GET, "/confirm/{token}", joining.ask_confirm),
        (POST, "/confirm/{token}", joining.confirm),
        (GET, "/u/{token}", personal.ask_leave),
        (POST, "/u/{token}", personal.leave),
        (GET, "/u/{token}/why", personal.ask_leave),
        (POST, "/u/{token}/why", personal.why),
        (GET, "/back/{token}", personal.ask_back),
        (POST, "/back/{token}", personal.come_back),
        (GET, "/p/{token}", personal.preferences),
        (POST, "/p/{token}", personal.change_preferences),
        (GET, "/p/{token}/data.json", personal.data),
        (GET, "/link", personal.ask_link),
        (POST, "/link", personal.send_link),
        (GET, "/move/{token}", personal.ask_move),
        (POST, "/move/{token}", personal.move),
        (GET, "/useful/{token}/{answer}", voting.ask),
        (POST, "/useful/{token}/{answer}", voting.vote),
        (GET, "/feed.xml", feeds.atom),
        (GET, "/feed.json", feeds.json),
        (GET, "/sitemap.xml", feeds.sitemap),
        (GET, "/robots.txt", feeds.robots),
        (GET, "/logo", logo),
        (GET, "/owner/{token}", owner.ask),
        (POST, "/owner/{token}", owner.act),
        (GET, "/style.css", doors.style),
        (GET, "/healthz", doors.healthz),
        (GET, "/readyz", doors.readyz),
        (GET, "/openapi.json", description.document),
    ):
        web.add_api_route(path, opened.get(door, door), methods=list(methods), response_model=None)
    strict = StrictHeaders(app.settings.frame_ancestors, app.settings.allowed_origins)
    answer_errors(web, pages, strict)
    web.add_middleware(strict.around)
    return web


def at_once(door: Callable[..., Response]) -> Callable[..., Awaitable[Response]]:
    """A door that only reads, and takes a millisecond or two, without a thread: to hand it over costs as much again."""

    @wraps(door)
    async def opened(*given: object, **named: object) -> Response:
        return door(*given, **named)

    return opened


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
