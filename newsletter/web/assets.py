"""What every page needs besides itself: the stylesheet, and two addresses for machines."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import PlainTextResponse, Response

from newsletter.app import App
from newsletter.domain.errors import NewsletterError
from newsletter.web.cache import conditional_response
from newsletter.web.pages import Pages


class Assets:
    """One method per URL. `readyz` alone runs in a thread, since it may wait for the database."""

    def __init__(self, app: App, pages: Pages) -> None:
        self._app = app
        self._pages = pages

    def style(self, request: Request) -> Response:
        """The one stylesheet; its address changes with its content, so it may be kept for ever."""
        tag = self._pages.style_tag
        keep_for = 31_536_000 if request.query_params.get("v") == tag else 3_600
        headers = {"ETag": f'"{tag}"', "Cache-Control": f"public, max-age={keep_for}"}
        return conditional_response(request, self._pages.style, "text/css", headers)

    # -- for machines --------------------------------------------------------------------------

    def healthz(self) -> Response:
        """The process answers."""
        return PlainTextResponse("ok\n")

    def readyz(self) -> Response:
        """The database answers, it is the one this program knows, and no slot went by that nothing explains."""
        try:
            last = self._app.calendar.last_slot()
        except NewsletterError as error:
            return PlainTextResponse(f"{type(error).__name__}\n", 503)
        if not last.explained:
            return PlainTextResponse(f"{last.words}\n", 503)
        return PlainTextResponse("ready\n")
