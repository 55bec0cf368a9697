"""Cache the public pages until the library changes, and answer conditional requests with 304."""

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

from newsletter.ports.clock import Clock

MAX_ENTRIES = 4_000  # responses of about 10 KB each
MAX_AGE = timedelta(minutes=10)  # feedback counts do not raise the library version; they are shown within this time
CACHE_CONTROL = "public, max-age=300"


@dataclass(frozen=True, slots=True)
class _CacheEntry:
    body: bytes
    etag: str
    changed: datetime
    version: int
    made_at: datetime


class PageCache:
    """Response bodies by name, valid while `version` stays the same.

    Thread-safe: at worst two threads make the same body, and one of them is kept.
    """

    def __init__(self, clock: Clock, version: Callable[[], int], max_entries: int = MAX_ENTRIES) -> None:
        self._clock = clock
        self._version = version
        self._max_entries = max_entries
        self._entries: OrderedDict[str, _CacheEntry] = OrderedDict()
        self._lock = Lock()

    def answer(self, request: Request, name: str, make: Callable[[], bytes], media_type: str = "text/html") -> Response:
        """The response called `name`, from the cache or new; 304 if the client has it. Errors of `make` are not cached."""
        # Asked before the body is made: if the library changes meanwhile, the entry is already out of date.
        version = self._version()
        entry = self._get(name, version) or self._put(name, version, make())
        headers = {
            "ETag": entry.etag,
            "Last-Modified": format_datetime(entry.changed, usegmt=True),
            "Cache-Control": CACHE_CONTROL,
        }
        return conditional_response(request, entry.body, media_type, headers, entry.changed)

    def _get(self, name: str, version: int) -> _CacheEntry | None:
        entry = self._entries.get(name)
        if entry is None or entry.version != version or self._clock() - entry.made_at >= MAX_AGE:
            return None
        return entry

    def _put(self, name: str, version: int, body: bytes) -> _CacheEntry:
        """Cache a body. An identical body keeps the time of its last change, so clients may keep their copy."""
        now = self._clock()
        etag = f'"{sha256(body).hexdigest()[:20]}"'
        before = self._entries.get(name)
        changed = before.changed if before and before.etag == etag else now.astimezone(UTC).replace(microsecond=0)
        entry = _CacheEntry(body, etag, changed, version, now)
        # Else another thread could evict the entry between these lines.
        with self._lock:
            self._entries[name] = entry
            self._entries.move_to_end(name)
            while len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)
        return entry


def conditional_response(
    request: Request, body: bytes, media_type: str, headers: Mapping[str, str], changed: datetime | None = None
) -> Response:
    """The body with these headers, which include ETag; 304 if the client has it. changed: its last change, if known."""
    if _not_modified(request, headers["ETag"], changed):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def _not_modified(request: Request, etag: str, changed: datetime | None) -> bool:
    """RFC 9110 section 13.2.2: If-Modified-Since counts only where there is no If-None-Match."""
    tags = request.headers.get("if-none-match")
    if tags is not None:
        return tags.strip() == "*" or etag in [tag.strip().removeprefix("W/") for tag in tags.split(",")]
    since = request.headers.get("if-modified-since")
    try:
        return bool(since and changed and changed <= parsedate_to_datetime(since))
    except (ValueError, TypeError, OverflowError):  # OverflowError: a year that is no C integer
        return False
