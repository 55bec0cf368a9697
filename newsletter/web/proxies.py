"""Find the address of the visitor behind reverse proxies, and believe only what a trusted proxy has added itself.

Each proxy appends the address of its own peer to X-Forwarded-For (RFC 7239 section 7.4 says why everything before that may
be forged). No other header is read: a proxy that does not know it passes on whatever the visitor wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.types import ASGIApp, Receive, Scope, Send

MAX_HOPS = 20
MAX_HOP = 100  # characters; an IPv6 address with a zone, brackets, and a port has fewer
ANY = "*"

Ip = IPv4Address | IPv6Address


class TrustedProxies:
    """The proxies of one site. trusted: addresses and networks; `*` trusts whoever connects, but nobody before."""

    def __init__(self, trusted: Sequence[str]) -> None:
        self._any = ANY in trusted
        self._networks = [ip_network(each, strict=False) for each in trusted if each != ANY]

    def visitor(self, peer: str, forwarded: Sequence[str]) -> str:
        """The address of the visitor. peer: who connected; forwarded: the X-Forwarded-For headers in their order.

        If a hop cannot be read, everything before it is worthless, and the proxy that wrote it counts as the visitor.
        """
        address = read_hop(peer)
        if not (self._any or self._trusts(address)):
            return peer
        for hop in _from_the_end(forwarded):
            found = read_hop(hop)
            if found is None:
                break
            address = found
            if not self._trusts(address):
                break
        return str(address) if address else peer

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application that sees the visitor as the client, as plain ASGI middleware."""

        async def with_visitor(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope.get("client"):
                headers = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
                if headers:
                    scope["client"] = (self.visitor(scope["client"][0], headers), 0)
            await app(scope, receive, send)

        return with_visitor

    def _trusts(self, address: Ip | None) -> bool:
        return address is not None and any(
            address.version == network.version and address in network for network in self._networks
        )


def read_hop(text: str) -> Ip | None:
    """The address of one hop: `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1%eth0]:4711`; None for others."""
    text = text.strip().strip('"')
    if len(text) > MAX_HOP:
        return None
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _from_the_end(forwarded: Sequence[str]) -> Iterator[str]:
    """The last hops, beginning with the newest. An empty element is no hop (RFC 9110 section 5.6.1.2)."""
    given = 0
    for header in reversed(forwarded):
        for hop in reversed(header.rsplit(",", MAX_HOPS)):
            if hop.strip():
                yield hop
                given += 1
            if given == MAX_HOPS:
                return
