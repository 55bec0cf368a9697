"""Check whether links still work: a HEAD request, then GET if HEAD fails. No page is downloaded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from urllib.parse import urljoin

from newsletter.domain.tips.links import LinkAnswer, LinkProblem
from newsletter.http.public_web import REQUEST_TIMEOUT, AddressFilter, PublicWeb, RequestFailed, is_public

MAX_LINKS = 500  # URLs per run
MAX_CONNECTIONS = 8  # hosts at the same time; the URLs of one host are checked one after the other
MAX_REDIRECTS = 5
USER_AGENT = "tip-of-the-week (link checker)"
_PERMANENT, _MOVED = (301, 308), (301, 302, 303, 307, 308)

Progress = Callable[[int, int], None]


def check_links(
    urls: Sequence[str],
    *,
    on_progress: Progress | None = None,
    is_allowed: AddressFilter = is_public,
    request_timeout: float = REQUEST_TIMEOUT,
) -> dict[str, LinkAnswer]:
    """An answer for every URL; those beyond MAX_LINKS are NOT_CHECKED. May take minutes.

    on_progress: gets how many are checked, and of how many. request_timeout: seconds per request.
    """
    answers = dict.fromkeys(urls, LinkAnswer(trouble=LinkProblem.NOT_CHECKED))
    hosts: dict[str, list[str]] = defaultdict(list)
    for url in list(answers)[:MAX_LINKS]:
        hosts["/".join(url.casefold().split("/", 3)[:3])].append(url)
    checker, done, total = _LinkChecker(PublicWeb(is_allowed, request_timeout)), 0, min(len(answers), MAX_LINKS)
    with ThreadPoolExecutor(MAX_CONNECTIONS, thread_name_prefix="link") as pool:
        jobs = [pool.submit(checker.check_host, of_host) for of_host in hosts.values()]
        try:
            for job in as_completed(jobs):
                found = job.result()
                answers |= found
                done += len(found)
                if on_progress:
                    on_progress(done, total)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return answers


@dataclass(frozen=True, slots=True)
class _LinkChecker:
    web: PublicWeb

    def check_host(self, urls: Sequence[str]) -> dict[str, LinkAnswer]:
        """Check the URLs of one host, one after the other."""
        return {url: self.check(url) for url in urls}

    def check(self, url: str) -> LinkAnswer:
        """Follow one URL and its redirects to the end."""
        here, seen, moved_to, is_permanent = url.partition("#")[0], set[str](), "", True
        try:
            while True:
                status, location = self._status(here)
                if status not in _MOVED or not location:
                    return LinkAnswer(status, moved_to=moved_to)
                seen.add(here)
                here = urljoin(here, location).partition("#")[0]
                if here in seen or len(seen) > MAX_REDIRECTS:
                    return LinkAnswer(trouble=LinkProblem.LOOP)
                # Only permanent redirects from the start give a better URL to write (RFC 9110 section 15.4).
                is_permanent = is_permanent and status in _PERMANENT
                moved_to = here if is_permanent else moved_to
        except RequestFailed as end:
            return LinkAnswer(trouble=end.trouble)
        except ValueError:  # a Location that is no URL
            return LinkAnswer(trouble=LinkProblem.NO_HOST)

    def _status(self, url: str) -> tuple[int, str]:
        """The status and the Location. Many sites refuse HEAD, so any failure is tried again with GET."""
        try:
            status, location = self._request("HEAD", url)
        except RequestFailed as end:
            if end.trouble is not LinkProblem.BROKEN:
                raise
            status, location = 0, ""
        return (status, location) if 0 < status < 400 else self._request("GET", url)

    def _request(self, method: str, url: str) -> tuple[int, str]:
        with self.web.request(method, url, USER_AGENT) as response:
            return response.status, (response.getheader("Location") or "")[:2000]
