"""The response headers that keep a browser from doing more than it should; sets no cookie and reads none."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_PATHS = ("/confirm/", "/u/", "/back/", "/p/", "/move/", "/useful/", "/owner/")
CROSS_ORIGIN_PATHS = ("/subscribe", "/subscribe/sent")


class StrictHeaders:
    """The headers for a path.

    frame_ancestors: origins that may frame the pages, but none that a personal link leads to; none is the default.
    allowed_origins: those whose scripts may post the form.
    """

    def __init__(self, frame_ancestors: Sequence[str], allowed_origins: Sequence[str] = ()) -> None:
        self._csp = (
            "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
            "frame-ancestors "
        )
        self._frame_ancestors = " ".join(frame_ancestors) or "'none'"
        self._allowed = allowed_origins

    def apply(self, headers: MutableHeaders, path: str, origin: str = "") -> None:
        """Add what is missing; pages behind a personal link are neither kept nor indexed nor framed."""
        headers["Content-Security-Policy"] = self._csp + (
            "'none'" if path.startswith(TOKEN_PATHS) else self._frame_ancestors
        )
        if path in CROSS_ORIGIN_PATHS and self._allowed:
            headers.add_vary_header("Origin")
            if is_among(origin, self._allowed):
                headers["Access-Control-Allow-Origin"] = origin
                headers["Access-Control-Allow-Methods"] = "POST"
                headers["Access-Control-Allow-Headers"] = "Accept, Content-Type"
        headers["Referrer-Policy"] = "no-referrer"
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
        if path.startswith(TOKEN_PATHS):
            headers["Cache-Control"] = "no-store"
            headers["X-Robots-Tag"] = "noindex, nofollow"
        headers.setdefault("Cache-Control", "no-cache")

    def around(self, app: ASGIApp) -> ASGIApp:
        """Plain ASGI: the start of each answer passes here, its body does not."""

        async def with_headers(scope: Scope, receive: Receive, send: Send) -> None:
            async def sending(message: Message) -> None:
                if message["type"] == "http.response.start":
                    origin = Headers(scope=scope).get("origin", "")
                    self.apply(MutableHeaders(scope=message), scope["path"], origin)
                await send(message)

            await app(scope, receive, sending if scope["type"] == "http" else send)

        return with_headers


def is_among(origin: str, allowed: Sequence[str]) -> bool:
    """Is a web origin one of those a setting names? `*` is every one, `https://*.host` every host below."""
    scheme, _, host = origin.partition("://")
    if not scheme or not host:
        return False
    below = {f"{scheme}://*.{'.'.join(host.split('.')[at:])}" for at in range(1, host.count(".") + 1)}
    return not below.isdisjoint(allowed) or origin in allowed or "*" in allowed
