"""Check whether links still work: a HEAD request, then GET if HEAD fails. No page is downloaded.

The URLs come from imported texts, so they must not reach private networks (server-side request forgery). Each host name is
resolved once, all of its addresses must be public, and the connection is made to one of these addresses, so that a second DNS
answer cannot differ. The same holds for every redirect.
"""

from __future__ import annotations

import socket
import ssl
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from threading import Event, Timer
from urllib.parse import quote, urljoin, urlsplit

from newsletter.domain.tips.links import LinkAnswer, LinkProblem

MAX_LINKS = 500  # URLs per run
MAX_CONNECTIONS = 8  # hosts at the same time; the URLs of one host are checked one after the other
MAX_REDIRECTS = 5
REQUEST_TIMEOUT = 10.0  # seconds, from connecting to the end of the response headers
USER_AGENT = "tip-of-the-week (link checker)"
_PERMANENT, _MOVED = (301, 308), (301, 302, 303, 307, 308)
_NAT64 = ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address in IPv6
_SAFE = "%/:=&?~#+!$,;'@()*[]"

Address = IPv4Address | IPv6Address
AddressFilter = Callable[[Address], bool]
Progress = Callable[[int, int], None]


def is_public(address: Address) -> bool:
    """Is this a public unicast address? An IPv4 address inside an IPv6 address is checked itself."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner:
            return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


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
    checker, done, total = _LinkChecker(is_allowed, request_timeout), 0, min(len(answers), MAX_LINKS)
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


class _CheckFailed(Exception):
    def __init__(self, trouble: LinkProblem) -> None:
        super().__init__(trouble)
        self.trouble = trouble


@dataclass(frozen=True, slots=True)
class _LinkChecker:
    is_allowed: AddressFilter
    request_timeout: float

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
        except _CheckFailed as end:
            return LinkAnswer(trouble=end.trouble)
        except ValueError:  # a Location that is no URL
            return LinkAnswer(trouble=LinkProblem.NO_HOST)

    def _status(self, url: str) -> tuple[int, str]:
        """The status and the Location. Many sites refuse HEAD, so any failure is tried again with GET."""
        try:
            status, location = self._request("HEAD", url)
        except _CheckFailed as end:
            if end.trouble is not LinkProblem.BROKEN:
                raise
            status, location = 0, ""
        return (status, location) if 0 < status < 400 else self._request("GET", url)

    def _request(self, method: str, url: str) -> tuple[int, str]:
        parts = _parts(url)
        connection, is_late = HTTPConnection(parts.host, parts.port, timeout=self.request_timeout), Event()
        try:
            connection.sock = self._connect(parts)
            # The timeout of a socket starts again with each byte that arrives; this timer does not.
            limit = Timer(self.request_timeout, _shut, [connection.sock, is_late])
            limit.daemon = True
            limit.start()
            try:
                connection.request(method, parts.target, headers={"User-Agent": USER_AGENT, "Connection": "close"})
                response = connection.getresponse()
            finally:
                limit.cancel()
            if is_late.is_set():  # headers that are cut off look complete
                raise _CheckFailed(LinkProblem.TIMEOUT)
            return response.status, (response.getheader("Location") or "")[:2000]
        except TimeoutError:
            raise _CheckFailed(LinkProblem.TIMEOUT) from None
        except ssl.SSLError:
            raise _CheckFailed(LinkProblem.ENCRYPTION) from None
        except (OSError, HTTPException, ValueError):
            raise _CheckFailed(LinkProblem.TIMEOUT if is_late.is_set() else LinkProblem.BROKEN) from None
        finally:
            connection.close()

    def _connect(self, parts: _Parts) -> socket.socket:
        """A connection to a public address of this host; raises _CheckFailed if any of its addresses is private."""
        try:
            infos = socket.getaddrinfo(parts.host, parts.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:  # EAI_AGAIN: the name server did not answer, so the host may exist
            raise _CheckFailed(LinkProblem.BROKEN if error.errno == socket.EAI_AGAIN else LinkProblem.NO_HOST) from None
        except UnicodeError:
            raise _CheckFailed(LinkProblem.NO_HOST) from None
        addresses = [str(info[4][0]) for info in infos]
        if not all(self.is_allowed(ip_address(address.partition("%")[0])) for address in addresses):
            raise _CheckFailed(LinkProblem.PRIVATE)
        plain = self._open(addresses, parts.port)
        if parts.scheme == "http":
            return plain
        try:
            return ssl.create_default_context().wrap_socket(plain, server_hostname=parts.host)
        except BaseException:
            plain.close()
            raise

    def _open(self, addresses: Sequence[str], port: int) -> socket.socket:
        """A connection to the first address that answers: this machine may have no IPv6, for example."""
        *first, last = addresses
        for address in first:
            try:
                return socket.create_connection((address, port), self.request_timeout)
            except TimeoutError:
                raise
            except OSError:
                continue
        return socket.create_connection((last, port), self.request_timeout)


@dataclass(frozen=True, slots=True)
class _Parts:
    scheme: str
    host: str
    port: int
    target: str


def _parts(url: str) -> _Parts:
    try:
        found = urlsplit(url)
        scheme, host = found.scheme.lower(), (found.hostname or "").encode("idna").decode()
        port = found.port or {"http": 80, "https": 443}[scheme]
    except (ValueError, KeyError):
        raise _CheckFailed(LinkProblem.NO_HOST) from None
    target = quote(found.path or "/", safe=_SAFE) + (f"?{quote(found.query, safe=_SAFE)}" if found.query else "")
    return _Parts(scheme, host, port, target)


def _shut(sock: socket.socket, is_late: Event) -> None:
    """Wake the thread that waits for this socket."""
    is_late.set()
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
