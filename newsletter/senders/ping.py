"""Calls a watchdog elsewhere, so that it notices when no call comes; what it answers does not matter, and nothing waits for it."""

from __future__ import annotations

import logging
from http.client import HTTPException
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

log = logging.getLogger(__name__)

PATIENCE = 10.0  # seconds


def ping(url: str) -> bool:
    """GET an http(s) address; False and a line in the log, without its path, when that did not work."""
    host = urlsplit(url).hostname
    if urlsplit(url).scheme not in ("http", "https"):
        return False
    try:
        with urlopen(Request(url, headers={"User-Agent": "tip-of-the-week"}), timeout=PATIENCE):  # noqa: S310
            return True
    except (OSError, HTTPException, ValueError) as error:
        log.warning("the watchdog at %s could not be called: %s", host, error)
        return False
