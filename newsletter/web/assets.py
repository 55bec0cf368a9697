"""The stylesheet, the owner's logo and the two health checks."""

from __future__ import annotations

from hashlib import sha256

from fastapi import Request
from starlette.responses import PlainTextResponse, Response

from newsletter.app import App
from newsletter.domain.errors import NewsletterError, NotFound
from newsletter.web.cache import conditional_response
from newsletter.web.pages import Pages

ONE_YEAR, ONE_DAY, ONE_HOUR = 31_536_000, 86_400, 3_600  # seconds
_IMAGE_TYPES = {b"\x89PNG": "image/png", b"\xff\xd8\xff\xe0": "image/jpeg", b"GIF8": "image/gif"}


class Assets:
    """One method per address. Only `readyz` runs in a thread, since it may wait for the database."""

    def __init__(self, app: App, pages: Pages) -> None:
        self._app = app
        self._pages = pages
        # Read once: the settings do not change while the program runs.
        self._logo = app.settings.logo.read_bytes() if app.settings.logo else b""
        self._logo_tag = f'"{sha256(self._logo).hexdigest()[:16]}"'

    def style(self, request: Request) -> Response:
        """The only stylesheet. Its address changes with its content, so browsers may cache it for a year."""
        tag = self._pages.style_tag
        max_age = ONE_YEAR if request.query_params.get("v") == tag else ONE_HOUR
        headers = {"ETag": f'"{tag}"', "Cache-Control": f"public, max-age={max_age}"}
        return conditional_response(request, self._pages.style, "text/css", headers)

    def logo(self, request: Request) -> Response:
        """The owner's logo for the top of emails and pages; 404 if none is set."""
        if not self._logo:
            raise NotFound("no logo is set")
        headers = {"ETag": self._logo_tag, "Cache-Control": f"public, max-age={ONE_DAY}"}
        media_type = _IMAGE_TYPES.get(self._logo[:4], "image/jpeg")
        return conditional_response(request, self._logo, media_type, headers)

    # -- for monitoring ------------------------------------------------------------------------

    def healthz(self) -> Response:
        """Liveness: the process answers."""
        return PlainTextResponse("ok\n")

    def readyz(self) -> Response:
        """Readiness: the database answers, its schema is current, and no slot passed without an issue for an unknown reason."""
        try:
            last = self._app.calendar.last_slot()
        except NewsletterError as error:
            return PlainTextResponse(f"{type(error).__name__}\n", 503)
        if not last.explained:
            return PlainTextResponse(f"{last.words}\n", 503)
        return PlainTextResponse("ready\n")
