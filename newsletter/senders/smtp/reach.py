"""Connect to a host by whichever of its addresses answers first ("Happy Eyeballs", RFC 8305)."""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections.abc import Sequence
from contextlib import closing
from itertools import chain, zip_longest
from typing import Any

STAGGER = 1.0  # seconds until the next address is tried beside the ones before (section 5: 0.1 to 2)

Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]


def reach(host: str, port: int, timeout: float) -> socket.socket:
    """A connected socket with this time limit, in seconds, which is also the limit for all addresses together.

    A host often has an IPv6 address that leads nowhere; tried one after the other, it would cost the whole limit each time.
    Raises OSError.
    """
    return reach_any(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), timeout)


def reach_any(addresses: Sequence[Address], timeout: float, stagger: float = STAGGER) -> socket.socket:
    """The first of these addresses that answers, as `reach`. stagger: seconds until the next one is tried too."""
    with closing(_Race(time.monotonic() + timeout)) as race:
        for address in _alternating(addresses):
            if (winner := race.start(address)) or (winner := race.wait(stagger)):
                return _ready(winner, timeout)
        while race.is_on:
            if winner := race.wait(timeout):
                return _ready(winner, timeout)
        raise race.error


class _Race:
    """Sockets that are connecting. error: why the last one did not."""

    def __init__(self, deadline: float) -> None:
        self.error: OSError = TimeoutError("no connection in time")
        self._deadline = deadline
        self._selector = selectors.DefaultSelector()

    @property
    def is_on(self) -> bool:
        """Is one of them still connecting, and is there time?"""
        return bool(self._selector.get_map()) and time.monotonic() < self._deadline

    def start(self, address: Address) -> socket.socket | None:
        """Begin to connect; returns the socket if that took no time."""
        family, kind, protocol, _, where = address
        try:
            runner = socket.socket(family, kind, protocol)
        except OSError as error:  # this machine has no such family
            self.error = error
            return None
        runner.setblocking(False)
        code = runner.connect_ex(where)
        if code == 0:
            return runner
        self._selector.register(runner, selectors.EVENT_WRITE)
        return None

    def wait(self, seconds: float) -> socket.socket | None:
        """Wait at most so long for the first that connects; shorter if all of them fail."""
        end = min(time.monotonic() + seconds, self._deadline)
        while self._selector.get_map() and (left := end - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                runner: socket.socket = key.fileobj  # type: ignore[assignment]  # only sockets are registered
                self._selector.unregister(runner)
                code = runner.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code == 0:
                    return runner
                runner.close()
                self.error = OSError(code, os.strerror(code))
        return None

    def close(self) -> None:
        """Close all that have not won."""
        for key in [*self._selector.get_map().values()]:
            key.fileobj.close()  # type: ignore[union-attr]  # as above
        self._selector.close()


def _ready(winner: socket.socket, timeout: float) -> socket.socket:
    winner.settimeout(timeout)
    return winner


def _alternating(found: Sequence[Address]) -> list[Address]:
    """The families in turn, as section 4 asks for; the system decides which one is first."""
    first = [address for address in found if address[0] == found[0][0]]
    others = [address for address in found if address[0] != found[0][0]]
    return [address for address in chain.from_iterable(zip_longest(first, others)) if address]
