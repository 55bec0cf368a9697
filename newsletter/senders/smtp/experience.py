"""What the connections of one sender learn about its relay, for as long as the sender lives."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

FEWEST_DEFERRALS, MOST_DEFERRALS = 3, 100  # in a row, after which a connection is renewed
FORGET_AFTER = 600.0  # seconds for which a number of emails for each connection is kept
MOST_SECOND_CHANCES = 2  # for pipelining, if single commands fail just as well


class Experience:
    """Shared by all connections of a sender and their threads; what is lost to a race is learned again.

    pipelines: whether the relay answers commands that were sent together (RFC 2920); None until one of either has happened.
    is_quick: it has answered the commands before a message, and never slowly.
    deferrals: after how many deferred emails in a row a connection that has accepted others is renewed. It doubles whenever
    that was in vain, so a relay that defers everybody is not asked for connections again and again.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self.pipelines: bool | None = None
        self.is_quick = False
        self.deferrals = FEWEST_DEFERRALS
        self._accepted = 0  # by the last connection that was worn out
        self._limit, self._limit_until = 0, 0.0
        self._is_slow = False
        self._second_chances = MOST_SECOND_CHANCES

    def worked(self, *, pipelining: bool, was_deferred: bool = False) -> None:
        """The first transaction of a connection had an outcome. was_deferred: it was refused for now."""
        if was_deferred:
            self.deferrals = min(2 * self.deferrals, MOST_DEFERRALS)
        else:
            self.deferrals = FEWEST_DEFERRALS
        self.is_quick = not self._is_slow
        if pipelining:
            self.pipelines = True

    def worn_out(self, accepted: int) -> None:
        """A connection has accepted so many emails, and then deferred the others."""
        if accepted == self._accepted:  # twice the same is no chance
            self._limit, self._limit_until = accepted, self._monotonic() + FORGET_AFTER
        self._accepted = accepted

    def limit(self, per_connection: int) -> int:
        """After how many emails a connection that is opened now should be renewed; at most `per_connection`."""
        return min(self._limit, per_connection) if self._monotonic() < self._limit_until else per_connection

    def was_slow(self) -> None:
        """A reply took so long that a shorter limit would do harm."""
        self._is_slow, self.is_quick = True, False

    def failed(self, relay: str, *, pipelining: bool) -> None:
        """The first transaction of a connection failed in a way that pipelining may have caused."""
        if self.pipelines is None and pipelining:
            self.pipelines = False
            log.warning("%s: it offers PIPELINING and fails with it, so commands are sent one by one", relay)
        elif self.pipelines is False and not pipelining and self._second_chances:
            self._second_chances -= 1
            self.pipelines = None
