"""Make web requests to public addresses only, since the URLs come from imported texts (server-side request forgery).

Each host name is resolved once, all of its addresses must be public, and the connection is made to one of these addresses,
so that a second DNS answer cannot differ. The same holds for every redirect, which the callers follow themselves.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from threading import Event, Timer
from urllib.parse import quote, urlsplit

from newsletter.domain.tips.links import LinkProblem

REQUEST_TIMEOUT = 10.0  # seconds
_NAT64 = ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address in IPv6
_SAFE = "%/:=&?~#+!$,;'@()*[]"

Address = IPv4Address | IPv6Address
AddressFilter = Callable[[Address], bool]


class RequestFailed(Exception):
    """Why there is no answer."""

    def __init__(self, trouble: LinkProblem) -> None:
        super().__init__(trouble)
        self.trouble = trouble


def is_public(address: Address) -> bool:
    """Is this a public unicast address? An IPv4 address inside an IPv6 address is checked itself."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner:
            return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


@dataclass(frozen=True, slots=True)
class PublicWeb:
    """Requests with a limit of time. request_timeout: seconds from connecting until the caller has read the answer."""

    is_allowed: AddressFilter = is_public
    request_timeout: float = REQUEST_TIMEOUT

    @contextmanager
    def request(self, method: str, url: str, user_agent: str) -> Iterator[HTTPResponse]:
        """The response, to be read inside the `with` block. Raises RequestFailed, from that block too."""
        parts = _parts(url)
        connection, is_late = HTTPConnection(parts.host, parts.port, timeout=self.request_timeout), Event()
        try:
            connection.sock = self._connect(parts)
            # The timeout of a socket starts again with each byte that arrives; this timer does not.
            limit = Timer(self.request_timeout, _shut, [connection.sock, is_late])
            limit.daemon = True
            limit.start()
            try:
                connection.request(method, parts.target, headers={"User-Agent": user_agent, "Connection": "close"})
                yield connection.getresponse()
            finally:
                limit.cancel()
            if is_late.is_set():  # headers that are cut off look complete
                raise RequestFailed(LinkProblem.TIMEOUT)
        except TimeoutError:
            raise RequestFailed(LinkProblem.TIMEOUT) from None
        except ssl.SSLError:
            raise RequestFailed(LinkProblem.ENCRYPTION) from None
        except (OSError, HTTPException, ValueError):
            raise RequestFailed(LinkProblem.TIMEOUT if is_late.is_set() else LinkProblem.BROKEN) from None
        finally:
            connection.close()

    def _connect(self, parts: _Parts) -> socket.socket:
        """A connection to a public address of this host; raises RequestFailed if any of its addresses is private."""
        try:
            infos = socket.getaddrinfo(parts.host, parts.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:  # EAI_AGAIN: the name server did not answer, so the host may exist
            raise RequestFailed(
                LinkProblem.BROKEN if error.errno == socket.EAI_AGAIN else LinkProblem.NO_HOST
            ) from None
        except UnicodeError:
            raise RequestFailed(LinkProblem.NO_HOST) from None
        addresses = [str(info[4][0]) for info in infos]
        if not all(self.is_allowed(ip_address(address.partition("%")[0])) for address in addresses):
            raise RequestFailed(LinkProblem.PRIVATE)
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
        raise RequestFailed(LinkProblem.NO_HOST) from None
    target = quote(found.path or "/", safe=_SAFE) + (f"?{quote(found.query, safe=_SAFE)}" if found.query else "")
    return _Parts(scheme, host, port, target)


def _shut(sock: socket.socket, is_late: Event) -> None:
    """Wake the thread that waits for this socket."""
    is_late.set()
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
