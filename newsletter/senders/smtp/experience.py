"""What the connections of one sender learn about its relay, for as long as the sender lives."""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)

MOST_SECOND_CHANCES = 2  # for pipelining, if single commands fail just as well


class Experience:
    """Shared by all connections of a sender and their threads; what is lost to a race is learned again.

    pipelines: whether the relay answers commands that were sent together (RFC 2920); None until one of either has happened.
    is_quick: it has answered the commands before a message, and never slowly.
    """

    def __init__(self) -> None:
        self.pipelines: bool | None = None
        self.is_quick = False
        self._is_slow = False
        self._second_chances = MOST_SECOND_CHANCES

    def worked(self, *, pipelining: bool) -> None:
        """The first transaction of a connection had an outcome."""
        self.is_quick = not self._is_slow
        if pipelining:
            self.pipelines = True

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
