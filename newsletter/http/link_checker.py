"""Asks addresses on the web whether they are still there: HEAD, then GET where that is no answer; reads no page.

The addresses come from texts, so nothing private may be reached through them: each name is resolved once, every address it
has must be public, and the connection goes to the one that was looked at; the same for every redirection.
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

MAX_LINKS = 500  # addresses in one go
MAX_CONNECTIONS = 8  # hosts; the addresses of one host are asked one after the other
MAX_REDIRECTS = 5
REQUEST_TIMEOUT = 10.0  # seconds for one connection and its answer
USER_AGENT = "tip-of-the-week (looks for dead links)"
_PERMANENT, _MOVED = (301, 308), (301, 302, 303, 307, 308)
_NAT64 = ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address in IPv6
_SAFE = "%/:=&?~#+!$,;'@()*[]"

Address = IPv4Address | IPv6Address
AddressFilter = Callable[[Address], bool]
Progress = Callable[[int, int], None]


def is_public(address: Address) -> bool:
    """Is it a place anybody may connect to? An IPv4 address in the clothes of IPv6 is looked at itself."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner:
            return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


def ask(
    urls: Sequence[str],
    *,
    on_progress: Progress | None = None,
    is_allowed: AddressFilter = is_public,
    request_timeout: float = REQUEST_TIMEOUT,
) -> dict[str, LinkAnswer]:
    """An answer for every address; those beyond MOST are not asked. on_progress: (asked, of how many)."""
    answers = dict.fromkeys(urls, LinkAnswer(trouble=LinkProblem.NOT_CHECKED))
    hosts: dict[str, list[str]] = defaultdict(list)
    for url in list(answers)[:MAX_LINKS]:
        hosts["/".join(url.casefold().split("/", 3)[:3])].append(url)
    asker, done, total = _LinkChecker(is_allowed, request_timeout), 0, min(len(answers), MAX_LINKS)
    with ThreadPoolExecutor(MAX_CONNECTIONS, thread_name_prefix="link") as pool:
        turns = [pool.submit(asker.check_host, of_host) for of_host in hosts.values()]
        try:
            for turn in as_completed(turns):
                found = turn.result()
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
        return {url: self.ask(url) for url in urls}

    def ask(self, url: str) -> LinkAnswer:
        """Follow one address to its end."""
        here, seen, moved_to, for_good = url.partition("#")[0], set[str](), "", True
        try:
            while True:
                status, location = self._status(here)
                if status not in _MOVED or not location:
                    return LinkAnswer(status, moved_to=moved_to)
                seen.add(here)
                here = urljoin(here, location).partition("#")[0]
                if here in seen or len(seen) > MAX_REDIRECTS:
                    return LinkAnswer(trouble=LinkProblem.LOOP)
                for_good = for_good and status in _PERMANENT
                moved_to = here if for_good else moved_to
        except _CheckFailed as end:
            return LinkAnswer(trouble=end.trouble)
        except ValueError:  # a Location that is no address
            return LinkAnswer(trouble=LinkProblem.NO_HOST)

    def _status(self, url: str) -> tuple[int, str]:
        """The status and where it leads. Many sites answer HEAD wrongly, so that a refusal of it is asked again."""
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
            # A timeout of a socket begins anew with each octet; this one does not.
            limit = Timer(self.request_timeout, _shut, [connection.sock, is_late])
            limit.daemon = True
            limit.start()
            try:
                connection.request(method, parts.target, headers={"User-Agent": USER_AGENT, "Connection": "close"})
                response = connection.getresponse()
            finally:
                limit.cancel()
            if is_late.is_set():  # headers that were cut off look like their end
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
        """A connection to a public address of this host, and to no other."""
        try:
            infos = socket.getaddrinfo(parts.host, parts.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:  # the name server itself may be out of reach
            raise _CheckFailed(LinkProblem.BROKEN if error.errno == socket.EAI_AGAIN else LinkProblem.NO_HOST) from None
        except UnicodeError:
            raise _CheckFailed(LinkProblem.NO_HOST) from None
        places = [str(info[4][0]) for info in infos]
        if not all(self.is_allowed(ip_address(place.partition("%")[0])) for place in places):
            raise _CheckFailed(LinkProblem.PRIVATE)
        plain = self._open(places, parts.port)
        if parts.scheme == "http":
            return plain
        try:
            return ssl.create_default_context().wrap_socket(plain, server_hostname=parts.host)
        except BaseException:
            plain.close()
            raise

    def _open(self, places: Sequence[str], port: int) -> socket.socket:
        """To the first place that answers: a machine may have no way to some of them."""
        *first, last = places
        for place in first:
            try:
                return socket.create_connection((place, port), self.request_timeout)
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
    """Wake whoever waits for this socket."""
    is_late.set()
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
