"""Request the URL of a dead man's switch, which alerts the owner when no request arrives."""

from __future__ import annotations

from http.client import HTTPException
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

REQUEST_TIMEOUT = 10.0  # seconds


def ping(url: str) -> str:
    """GET a URL; why the request failed, or "" when it succeeded. The path is a secret and is never in the answer."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return "its URL does not begin with http:// or https://"
    try:
        with urlopen(Request(url, headers={"User-Agent": "tip-of-the-week"}), timeout=REQUEST_TIMEOUT):  # noqa: S310
            return ""
    except OSError as error:
        return f"{parts.hostname}: {error}"
    except (HTTPException, ValueError) as error:
        return f"{parts.hostname}: {type(error).__name__}"  # its text may contain the path
