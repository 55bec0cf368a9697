"""Add the security headers to every response: CSP, CORS, caching and indexing rules."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CROSS_ORIGIN_PATHS = ("/subscribe", "/subscribe/sent")
SCRIPTED_PATH = "/subscribe"  # while the form is abused, its answer is the only page with a script, which is our own


class StrictHeaders:
    """The headers of one site.

    frame_ancestors: origins that may show the pages in a frame; pages behind a personal link are never framed.
    allowed_origins: origins whose scripts may post the sign-up form.
    personal_paths: what the addresses with a signed token begin with (`routes.personal_paths`).
    """

    def __init__(
        self,
        frame_ancestors: Sequence[str],
        allowed_origins: Sequence[str] = (),
        *,
        personal_paths: tuple[str, ...] = (),
    ) -> None:
        self._csp = (
            "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
            "frame-ancestors "
        )
        self._frame_ancestors = " ".join(frame_ancestors) or "'none'"
        self._allowed = allowed_origins
        self._personal_paths = personal_paths

    def apply(self, headers: MutableHeaders, path: str, origin: str = "") -> None:
        """Add the headers for a path. Pages behind a personal link are not cached, indexed or framed."""
        is_personal = path.startswith(self._personal_paths)
        script = "script-src 'self'; " if path == SCRIPTED_PATH else ""
        headers["Content-Security-Policy"] = script + self._csp + ("'none'" if is_personal else self._frame_ancestors)
        if path in CROSS_ORIGIN_PATHS and self._allowed:
            # Even without an allowed origin: a shared cache must not serve this response to another site.
            headers.add_vary_header("Origin")
            if is_among(origin, self._allowed):
                headers["Access-Control-Allow-Origin"] = origin
                headers["Access-Control-Allow-Methods"] = "POST"
                headers["Access-Control-Allow-Headers"] = "Accept, Content-Type"
        # The address of a personal page contains its token, which other sites must not get.
        headers["Referrer-Policy"] = "no-referrer"
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
        if is_personal:
            headers["Cache-Control"] = "no-store"
            headers["X-Robots-Tag"] = "noindex, nofollow"
        headers.setdefault("Cache-Control", "no-cache")

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application with these headers, as plain ASGI middleware: it changes only the start of each response."""

        async def with_headers(scope: Scope, receive: Receive, send: Send) -> None:
            async def sending(message: Message) -> None:
                if message["type"] == "http.response.start":
                    origin = Headers(scope=scope).get("origin", "")
                    self.apply(MutableHeaders(scope=message), scope["path"], origin)
                await send(message)

            await app(scope, receive, sending if scope["type"] == "http" else send)

        return with_headers


def is_among(origin: str, allowed: Sequence[str]) -> bool:
    """Is a web origin in a list of origins? `*` matches every origin, `https://*.host` every subdomain of the host."""
    scheme, _, host = origin.partition("://")
    if not scheme or not host:
        return False
    wildcards = {f"{scheme}://*.{'.'.join(host.split('.')[at:])}" for at in range(1, host.count(".") + 1)}
    return not wildcards.isdisjoint(allowed) or origin in allowed or "*" in allowed
