"""The response headers that keep a browser from doing more than it should; sets no cookie and reads none."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_PATHS = ("/confirm/", "/u/", "/p/")


class StrictHeaders:
    """The headers for a path. frame_ancestors: origins that may frame the pages; none is the default."""

    def __init__(self, frame_ancestors: Sequence[str]) -> None:
        framers = " ".join(frame_ancestors) or "'none'"
        self._csp = (
            "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
            f"frame-ancestors {framers}"
        )

    def apply(self, headers: MutableHeaders, path: str) -> None:
        """Add what is missing; pages behind a personal link are neither kept nor indexed."""
        headers["Content-Security-Policy"] = self._csp
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
                    self.apply(MutableHeaders(scope=message), scope["path"])
                await send(message)

            await app(scope, receive, sending if scope["type"] == "http" else send)

        return with_headers
