"""Build the web application of one newsletter from its route table, and serve it."""

from __future__ import annotations

import logging
import signal
from collections.abc import Awaitable, Callable
from functools import wraps
from threading import Event
from typing import Any
from urllib.parse import unquote, urlsplit

from fastapi import FastAPI
from starlette.responses import Response

from newsletter.app import App
from newsletter.domain.errors import TemplateError
from newsletter.web.coming_day import ComingDay
from newsletter.web.errors import answer_errors
from newsletter.web.headers import StrictHeaders
from newsletter.web.pages import Pages
from newsletter.web.prefix import OptionalPrefix
from newsletter.web.routes import Route, personal_paths, route_table
from newsletter.web.server import WebServer

log = logging.getLogger(__name__)
RouteTable = Callable[[App, Pages], list[Route]]


def make_web(app: App, table: RouteTable = route_table, *, own_pages: bool = True) -> FastAPI:
    """The ASGI application of one newsletter. GET and HEAD never change a row; nothing sets a cookie.

    own_pages: use the owner's templates, if she has any.
    """
    pages = Pages(app.site, app.schedule, app.settings.templates if own_pages else None, ComingDay(app))
    rows = table(app, pages)
    web = FastAPI(title=app.site.title, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    for row in rows:
        handler = _on_event_loop(row.handler) if row.quick else row.handler
        web.add_api_route(row.path, handler, methods=row.methods, response_model=None)
    strict = StrictHeaders(
        app.settings.frame_ancestors, app.settings.allowed_origins, personal_paths=personal_paths(rows)
    )
    answer_errors(web, pages, strict)
    web.add_middleware(strict.around)
    prefix = OptionalPrefix(unquote(urlsplit(app.site.base_url).path), (row.path for row in rows))
    web.add_middleware(prefix.around)  # the last one is the outermost, so the others see the path without the prefix
    return web


def _on_event_loop(handler: Callable[..., Response]) -> Callable[..., Awaitable[Response]]:
    """The handler as a coroutine: FastAPI runs a plain function in a thread, which costs as much as a quick page."""

    @wraps(handler)
    async def wrapped(*args: Any, **named: Any) -> Response:
        return handler(*args, **named)

    return wrapped


def make_server(app: App, *, with_broken_templates: bool = False) -> WebServer:
    """The web server of one newsletter on NEWSLETTER_LISTEN, not started yet.

    Raises SchemaError, SettingsError and TemplateError now, not at the first request. with_broken_templates: pages whose
    own templates are broken are made with ours instead.
    """
    own_pages = True
    try:
        app.require_ready()
    except TemplateError:
        if not with_broken_templates:
            raise
        own_pages = app.may_use_own_pages()
    host, port = app.settings.listen
    web = make_web(app, own_pages=own_pages)
    return WebServer(web, host, port, trusted_proxies=app.settings.trusted_proxies)


def serve(app: App) -> int:
    """Run only the web server, until SIGTERM or SIGINT; 0 after a clean stop."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: app.stop.set())
    server = make_server(app)
    server.start()
    log.info("listening on %s:%d for %s", server.host, server.port, app.site.url("/"))
    # The signal handler sets `app.stop`. If this thread waited on that event, the handler could deadlock on its lock.
    pause = Event()
    while not app.stop.is_set():
        pause.wait(1)
    server.stop()
    return 0


__all__ = ["make_server", "make_web", "serve"]
