"""Answers that are the same for everybody: kept until the library changes, not sent twice; knows no page and no row."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from hashlib import sha256
from threading import Lock

from fastapi import Request
from starlette.responses import Response

from newsletter.ports.store import Clock

MOST = 4_000  # answers, of some 10 KB each
FRESH_FOR = timedelta(minutes=10)  # what readers answer raises no version, and is shown within this time
CACHE_CONTROL = "public, max-age=300"


@dataclass(frozen=True, slots=True)
class _Kept:
    body: bytes
    etag: str
    changed: datetime
    version: int
    made_at: datetime


class Shelf:
    """Answers by their names, while `version` stays as it is. Safe for threads: made twice at worst, never mixed up."""

    def __init__(self, clock: Clock, version: Callable[[], int], most: int = MOST) -> None:
        self._clock = clock
        self._version = version
        self._most = most
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = Lock()

    def answer(self, request: Request, name: str, make: Callable[[], bytes], media_type: str = "text/html") -> Response:
        """The answer called `name`, from the shelf or new; 304 for who has it. Errors of `make` are not kept."""
        version = self._version()
        kept = self._get(name, version) or self._put(name, version, make())
        headers = {
            "ETag": kept.etag,
            "Last-Modified": format_datetime(kept.changed, usegmt=True),
            "Cache-Control": CACHE_CONTROL,
        }
        return unless_known(request, kept.body, media_type, headers, kept.changed)

    def _get(self, name: str, version: int) -> _Kept | None:
        kept = self._kept.get(name)
        if kept is None or kept.version != version or self._clock() - kept.made_at >= FRESH_FOR:
            return None
        return kept

    def _put(self, name: str, version: int, body: bytes) -> _Kept:
        """Keep it; an answer that came out the same has not changed."""
        now = self._clock()
        etag = f'"{sha256(body).hexdigest()[:20]}"'
        before = self._kept.get(name)
        changed = before.changed if before and before.etag == etag else now.astimezone(UTC).replace(microsecond=0)
        kept = _Kept(body, etag, changed, version, now)
        with self._lock:
            self._kept[name] = kept
            self._kept.move_to_end(name)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return kept


def unless_known(
    request: Request, body: bytes, media_type: str, headers: Mapping[str, str], changed: datetime | None = None
) -> Response:
    """The body with these headers, of which ETag is one; 304 for who has it. changed: when it last did, if known."""
    if _has_it(request, headers["ETag"], changed):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def _has_it(request: Request, etag: str, changed: datetime | None) -> bool:
    """RFC 9110 section 13.2.2: If-Modified-Since counts only where there is no If-None-Match."""
    tags = request.headers.get("if-none-match")
    if tags is not None:
        return tags.strip() == "*" or etag in [tag.strip().removeprefix("W/") for tag in tags.split(",")]
    since = request.headers.get("if-modified-since")
    try:
        return bool(since and changed and changed <= parsedate_to_datetime(since))
    except (ValueError, TypeError):
        return False
