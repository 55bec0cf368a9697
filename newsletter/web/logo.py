"""The owner's logo, from the file that NEWSLETTER_LOGO names; read once."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from fastapi import Request
from starlette.responses import Response

from newsletter.domain.errors import NotFound
from newsletter.web.cache import conditional_response

_TYPES = {b"\x89PNG": "image/png", b"\xff\xd8\xff\xe0": "image/jpeg", b"GIF8": "image/gif"}


def logo_endpoint(path: Path | None) -> Callable[[Request], Response]:
    """What answers for the picture; not found when there is none."""
    body = path.read_bytes() if path else b""
    headers = {"ETag": f'"{sha256(body).hexdigest()[:16]}"', "Cache-Control": "public, max-age=86400"}

    def endpoint(request: Request) -> Response:
        """The owner's picture for the top of letters and pages; not found when none is set."""
        if not body:
            raise NotFound("no logo is set")
        return conditional_response(request, body, _TYPES.get(body[:4], "image/jpeg"), headers)

    return endpoint
