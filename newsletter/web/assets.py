"""The stylesheet, the owner's pictures, and the two health checks."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from fastapi import Request
from starlette.responses import PlainTextResponse, Response

from newsletter.app import App
from newsletter.domain.errors import NewsletterError, NotFound, Unavailable
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
        self._logo, self._portrait = _read(app.settings.logo), _read(app.settings.portrait)

    def style(self, request: Request) -> Response:
        """The only stylesheet. Its address changes with its content, so browsers may cache it for a year."""
        return _versioned(request, self._pages.style, self._pages.style_tag, "text/css")

    def proof_script(self, request: Request) -> Response:
        """The only script of our pages: the calculation for a sign-up while the form is abused."""
        return _versioned(request, self._pages.proof_script, self._pages.proof_tag, "text/javascript")

    def logo(self, request: Request) -> Response:
        """The owner's logo for the top of emails and pages; 404 if none is set."""
        return _picture(request, self._logo, "logo")

    def portrait(self, request: Request) -> Response:
        """The picture of the author; 404 if none is set."""
        return _picture(request, self._portrait, "portrait")

    def media(self, name: str) -> Response:
        """A picture of a tip. Its name follows from its content, so browsers may keep it for a year."""
        content = self._app.media.read(name)
        if content is None:
            raise NotFound("there is no such picture")
        headers = {"Cache-Control": f"public, max-age={ONE_YEAR}, immutable"}
        return Response(content, media_type="image/png" if name.endswith(".png") else "image/jpeg", headers=headers)

    # -- for monitoring ------------------------------------------------------------------------

    def healthz(self) -> Response:
        """Liveness: the process answers."""
        return PlainTextResponse("ok\n")

    def readyz(self) -> Response:
        """Readiness: the database is there and answers, its schema is current, no slot passed in silence, and no issue is stuck."""
        try:
            self._app.store.check()
            blocked = self._app.trouble.blocked()
        except Unavailable as error:
            return PlainTextResponse(f"{error.message}\n", 503)
        except NewsletterError as error:
            return PlainTextResponse(f"{type(error).__name__}\n", 503)
        if blocked:
            return PlainTextResponse("".join(f"{found.message}\n" for found in blocked), 503)
        return PlainTextResponse("ready\n")


def _read(path: Path | None) -> bytes:
    return path.read_bytes() if path else b""


def _versioned(request: Request, body: bytes, tag: str, kind: str) -> Response:
    max_age = ONE_YEAR if request.query_params.get("v") == tag else ONE_HOUR
    return conditional_response(
        request, body, kind, {"ETag": f'"{tag}"', "Cache-Control": f"public, max-age={max_age}"}
    )


def _picture(request: Request, picture: bytes, name: str) -> Response:
    if not picture:
        raise NotFound(f"no {name} is set")
    headers = {
        "ETag": f'"{sha256(picture).hexdigest()[:16]}"',
        "Cache-Control": f"public, max-age={ONE_DAY}",
    }
    return conditional_response(request, picture, _IMAGE_TYPES.get(picture[:4], "image/jpeg"), headers)
