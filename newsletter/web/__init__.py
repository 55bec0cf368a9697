"""The public pages: every URL on this one screen; what happens behind it is in `doors`, what it looks like in templates/web."""

from __future__ import annotations

import logging
import signal

from fastapi import FastAPI

from newsletter.app import App
from newsletter.web.doors import Doors
from newsletter.web.errors import answer_errors
from newsletter.web.headers import StrictHeaders
from newsletter.web.pages import Pages
from newsletter.web.server import WebServer

log = logging.getLogger(__name__)
GET, POST = ("GET", "HEAD"), ("POST",)


def make_web(app: App) -> FastAPI:
    """The ASGI application of one newsletter. No GET or HEAD changes a row; nothing sets a cookie."""
    pages = Pages(app.site, app.schedule, app.settings.templates)
    doors = Doors(app, pages)
    web = FastAPI(title=app.site.title, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    for methods, path, door in (
        (GET, "/", doors.home),
        (POST, "/subscribe", doors.subscribe),
        (GET, "/subscribe/sent", doors.sent),
        (GET, "/confirm/{token}", doors.ask_confirm),
        (POST, "/confirm/{token}", doors.confirm),
        (GET, "/u/{token}", doors.ask_leave),
        (POST, "/u/{token}", doors.leave),
        (GET, "/p/{token}", doors.preferences),
        (POST, "/p/{token}", doors.change_preferences),
        (GET, "/archive", doors.archive),
        (GET, "/tips/{slug}", doors.tip),
        (GET, "/style.css", doors.style),
        (GET, "/healthz", doors.healthz),
        (GET, "/readyz", doors.readyz),
    ):
        web.add_api_route(path, door, methods=list(methods), response_model=None)
    strict = StrictHeaders(app.settings.frame_ancestors)
    answer_errors(web, pages, strict)
    web.add_middleware(strict.around)
    return web


def make_server(app: App) -> WebServer:
    """The web server of one newsletter where NEWSLETTER_LISTEN says, not started yet.

    Raises SchemaError and SettingsError now, not at the first visitor.
    """
    with app.store.read():
        app.signer  # noqa: B018 - made here, so that a missing key is said at once
    host, port = app.settings.listen
    return WebServer(make_web(app), host, port, trusted_proxies=app.settings.trusted_proxies)


def serve(app: App) -> int:
    """The web alone, until SIGTERM or SIGINT; 0 after a clean end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: app.stop.set())
    server = make_server(app)
    server.start()
    log.info("listening on %s:%d; readers come to %s", server.host, server.port, app.site.url("/"))
    while not app.stop.wait(1):
        pass
    server.stop()
    return 0


__all__ = ["make_server", "make_web", "serve"]
