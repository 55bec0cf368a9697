"""Calls a watchdog elsewhere, so that it notices when no call comes; what it answers does not matter, but for a refusal."""

from __future__ import annotations

from http.client import HTTPException
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

REQUEST_TIMEOUT = 10.0  # seconds


def ping(url: str) -> str:
    """GET an http(s) address; why that did not work, without the path, which is a secret; "" when it did."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return "its address is not one of the web"
    try:
        with urlopen(Request(url, headers={"User-Agent": "tip-of-the-week"}), timeout=REQUEST_TIMEOUT):  # noqa: S310
            return ""
    except OSError as error:
        return f"{parts.hostname}: {error}"
    except (HTTPException, ValueError) as error:
        return f"{parts.hostname}: {type(error).__name__}"  # their words may have the path in them
