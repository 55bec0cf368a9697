"""Download a picture of the owner's old blog, from its own host only, within limits of size and time."""

from __future__ import annotations

from urllib.parse import urljoin

from newsletter.domain.errors import InputError
from newsletter.domain.tips.links import LinkProblem
from newsletter.domain.tips.tip import host_of
from newsletter.http.public_web import PublicWeb, RequestFailed

MAX_DOWNLOAD = 20_000_000  # bytes
MAX_REDIRECTS = 5
DOWNLOAD_TIMEOUT = 30.0  # seconds
USER_AGENT = "tip-of-the-week (import)"
_MOVED = (301, 302, 303, 307, 308)
_OK = 200
_WORDS = {
    LinkProblem.PRIVATE: "its address is not public, so it is not loaded; save it, and put it into the tip as a file",
    LinkProblem.TIMEOUT: "it takes too long",
    LinkProblem.NO_HOST: "there is no such site",
    LinkProblem.ENCRYPTION: "its certificate is not valid",
    LinkProblem.LOOP: "it redirects in a circle",
}


def download(url: str, *, web: PublicWeb | None = None) -> bytes:
    """The content of a URL. It is not followed to another host. Raises InputError with the reason."""
    web, here = web or PublicWeb(request_timeout=DOWNLOAD_TIMEOUT), url
    try:
        for _ in range(MAX_REDIRECTS + 1):
            with web.request("GET", here, USER_AGENT) as response:
                if response.status in _MOVED:
                    there = urljoin(here, (response.getheader("Location") or "")[:2000])
                    if host_of(there) != host_of(url):
                        raise InputError("it redirects to another site", source=url)
                    here = there
                    continue
                if response.status != _OK:
                    raise InputError(f"the site answers {response.status}", source=url)
                content = response.read(MAX_DOWNLOAD + 1)
            if len(content) > MAX_DOWNLOAD:
                raise InputError(f"it has more than {MAX_DOWNLOAD // 1_000_000} MB", source=url)
            return content
    except RequestFailed as failed:
        raise InputError(_WORDS.get(failed.trouble, "it cannot be loaded"), source=url) from None
    raise InputError("it redirects in a circle", source=url)
