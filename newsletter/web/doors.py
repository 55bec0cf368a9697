"""What every page needs besides itself: the stylesheet, and two addresses for machines."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import PlainTextResponse, Response

from newsletter.app import App
from newsletter.domain.errors import NewsletterError
from newsletter.web.pages import Pages


class Doors:
    """One method per URL. They run in threads, so each may wait for the database."""

    def __init__(self, app: App, pages: Pages) -> None:
        self._app = app
        self._pages = pages

    def style(self, request: Request) -> Response:
        """The one stylesheet; its address changes with its content, so it may be kept for ever."""
        tag = f'"{self._pages.style_tag}"'
        fresh = request.query_params.get("v") == self._pages.style_tag
        headers = {"ETag": tag, "Cache-Control": f"public, max-age={31_536_000 if fresh else 3_600}"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(self._pages.style, media_type="text/css", headers=headers)

    # -- for machines --------------------------------------------------------------------------

    def healthz(self) -> Response:
        """The process answers."""
        return PlainTextResponse("ok\n")

    def readyz(self) -> Response:
        """The database answers, it is the one this program knows, and no slot went by that nothing explains."""
        try:
            last = self._app.last_slot()
        except NewsletterError as error:
            return PlainTextResponse(f"{type(error).__name__}\n", 503)
        if not last.explained:
            return PlainTextResponse(f"{last.words}\n", 503)
        return PlainTextResponse("ready\n")
