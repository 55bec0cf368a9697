"""Answer below the path of NEWSLETTER_BASE_URL too, for reverse proxies that pass the whole path on."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send


class OptionalPrefix:
    """Removes `prefix` from the path of every request that has it.

    A site at https://example.org/newsletter answers `/newsletter/archive` and `/archive` alike, because some proxies
    remove the prefix and some keep it. prefix: the path of the base URL, "" for none. paths: those of all routes. A prefix
    that one of them begins with, such as /archive, is not removed, because `/archive` would then mean two pages.
    """

    def __init__(self, prefix: str, paths: Iterable[str]) -> None:
        prefix = prefix.rstrip("/")
        begins = {path.strip("/").partition("/")[0] for path in paths}
        self._prefix = "" if prefix.strip("/").partition("/")[0] in begins else prefix

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application without the prefix, as plain ASGI middleware."""
        if not self._prefix:
            return app

        async def without_prefix(scope: Scope, receive: Receive, send: Send) -> None:
            # Changed in place: the error handler outside all middleware reads this path, too.
            if scope["type"] == "http" and (scope["path"] + "/").startswith(self._prefix + "/"):
                scope["path"] = scope["path"].removeprefix(self._prefix) or "/"
            await app(scope, receive, send)

        return without_prefix
