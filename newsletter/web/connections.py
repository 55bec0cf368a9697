"""Bound what one connection, and all connections together, may cost: time, octets, number.

Uvicorn bounds neither the time nor the size of request headers, so half a request that never ends keeps its connection
for ever; trailers after a chunked body have no bound either. RFC 9112 section 9.5 leaves time limits to the server; RFC 9110 section 15.5.9 has status 408 for them, and
RFC 6585 section 5 has status 431 for headers that are too large.
"""

from __future__ import annotations

import resource
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_CONNECTIONS = 512
MAX_PIPELINED = 16
BACKLOG = 128  # connections that are accepted in one go before the limits below are applied to them
ROUNDS = 4  # of asyncio's loop: accepted, made, one too many, closed; each may accept a backlog in the meantime
RESERVED_FILES = 256  # file descriptors that stay free for relays and the database


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a client may use. Times in seconds, sizes in octets.

    head_within: from the first octet of a request, or from the connection, to the end of its headers.
    body_within: from there to the end of the body.
    answer_within: from there until the client has read the response.
    """

    head_within: float = 10
    body_within: float = 20
    answer_within: float = 60
    max_head: int = 65_536
    max_body: int = 1_048_576  # with what chunks add, and trailers; forms have a lower limit, and get status 413 there
    max_connections: int = MAX_CONNECTIONS
    backlog: int = BACKLOG


def default_limits() -> ConnectionLimits:
    """The limits for this process: the file descriptors that sending needs stay free, whatever visitors do."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + ROUNDS * BACKLOG + RESERVED_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return limits_within(soft)


def limits_within(files: int) -> ConnectionLimits:
    """The limits of a process that may open this many files. It keeps at least half of a small number."""
    backlog = max(4, min(BACKLOG, files // 16))
    left = files - min(RESERVED_FILES, files // 2) - ROUNDS * backlog
    return ConnectionLimits(max_connections=max(8, min(MAX_CONNECTIONS, left)), backlog=backlog)


class BoundedProtocol(HttpToolsProtocol):
    """One connection with a deadline. `limits` is set in a subclass by `bounded_by`; `expire` is called once a second."""

    limits = ConnectionLimits()

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._reads_head = True
        self._head_octets = 0
        self._body_octets = 0
        self._began = self._deadline = 0.0

    @property
    def is_waiting(self) -> bool:
        """Does the server wait for a request, with no response in progress?"""
        return self._reads_head and (self.cycle is None or self.cycle.response_complete)

    @property
    def may_make_room(self) -> bool:
        """Is it the client's turn, to send or to read? Or did the client send requests ahead, as no browser does?"""
        return self.is_waiting or not self._reads_head or bool(self.flow.write_paused or self.pipeline)

    @property
    def is_closing(self) -> bool:
        """Was it closed, here or at the other end?"""
        return bool(self.transport.is_closing())

    @property
    def host(self) -> str:
        """The address of the other end, which may be a proxy; "" if unknown."""
        return self.client[0] if self.client else ""

    def connection_made(self, transport: Any) -> None:
        """Start the clock. If there are too many connections, the longest waiting one of the busiest host goes."""
        super().connection_made(transport)
        self._allow(self.limits.head_within)
        # A connection that closes is in this set for some more rounds. It makes no room a second time.
        open_ones = [each for each in self.connections if isinstance(each, BoundedProtocol) and not each.is_closing]
        if len(open_ones) > self.limits.max_connections:
            _make_room(open_ones, self)

    def data_received(self, data: bytes) -> None:
        """Count the octets of headers, which the parser collects without a limit."""
        if self._reads_head:
            if not self._head_octets and self.is_waiting:
                self._allow(self.limits.head_within)
            self._head_octets += len(data)
        else:
            self._body_octets += len(data)
            if self._body_octets > self.limits.max_body:
                self.abort()
                return
        super().data_received(data)
        if self._reads_head and self._head_octets > self.limits.max_head:
            self._refuse(b"431 Request Header Fields Too Large")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header field. Trailer fields are dropped, as RFC 9110 section 6.5.1 allows: no page needs one."""
        if self._reads_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The headers are complete: the body may take its own time."""
        if sum(len(name) + len(value) for name, value in self.headers) > self.limits.max_head:
            # The parser turns it into status 400. Such headers came in one piece, so nothing was collected.
            raise ValueError("headers too large")
        if len(self.pipeline) >= MAX_PIPELINED:
            # Uvicorn collects pipelined requests without a limit. No browser and no proxy sends them.
            self.abort()
            raise ValueError("too many pipelined requests")
        self._reads_head = False
        self._allow(self.limits.body_within)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is complete. What comes now is the head of the next one."""
        super().on_message_complete()
        self._reads_head = True
        self._head_octets = self._body_octets = 0
        self._allow(self.limits.answer_within)

    def on_response_complete(self) -> None:
        """The response is written. The client still has to read it, and may then send the next request."""
        super().on_response_complete()
        if self._reads_head:  # else the rest of the body has the time that it had before
            within = self.limits.head_within if self._head_octets else self.limits.answer_within
            self._allow(within)

    def expire(self, now: float) -> None:
        """Close the connection if its time is over. now: by `time.monotonic`."""
        if now < self._deadline:
            return
        if self.is_waiting and self._head_octets and not self.is_closing:
            self._refuse(b"408 Request Timeout")
        else:  # a client that does not read would keep a connection that only closes after its last octet
            self.abort()

    def abort(self) -> None:
        """Close the connection now, without the octets that the other end did not read."""
        self.transport.abort()

    def _allow(self, seconds: float) -> None:
        self._began = time.monotonic()
        self._deadline = self._began + seconds

    def _refuse(self, status: bytes) -> None:
        if self.is_waiting and not self.is_closing:
            self.transport.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.transport.close()
            self._allow(1)
        else:
            self.abort()


def _make_room(connections: list[BoundedProtocol], newest: BoundedProtocol) -> None:
    """Close one connection: of the host that has most of those that may be closed, the longest waiting one.

    Half a head, half a body, and a response that nobody reads may be; a request that is being answered may not.
    """
    waiting = [each for each in connections if each.may_make_room and each is not newest]
    if not waiting:
        newest.abort()
        return
    by_host = Counter(each.host for each in waiting)
    busiest = max(by_host.values())
    min((each for each in waiting if by_host[each.host] == busiest), key=lambda each: each._began).abort()  # noqa: SLF001


def bounded_by(limits: ConnectionLimits) -> type[BoundedProtocol]:
    """The protocol class for Uvicorn with these limits; Uvicorn makes one object for each connection."""
    return type("BoundedByLimits", (BoundedProtocol,), {"limits": limits})
